"""Deadlines for requests: an exchange that takes too long is cut off.

A socket timeout restarts with each byte. So dripping headers, endless interim responses (100
Continue), and a slow handshake or proxy could hold a request forever. Here each request has a
deadline from its start to the last byte of its response, and a thread shuts the connection down
when the deadline passes.

Scope: the thread, connections that can be shut down from it, and when one is kept. `no_response`
describes an exchange that was cut off.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPResponse
from threading import Condition, Lock, Thread, local
from time import monotonic
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_thread = local()  # `exchange` is the current one of the thread


class Exchange:
    """Track one request and its response, up to a deadline by the clock of `monotonic`."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self._lock, self._is_cut, self._is_last = Lock(), False, False
        self._line: socket.socket | None = None

    @property
    def late(self) -> bool:
        """Return whether the deadline has passed, so that it was or will be cut off."""
        return monotonic() >= self.ends

    def use(self, line: socket.socket | None) -> None:
        """Attach the connection that the exchange uses."""
        with self._lock:
            self._line = line
            self._shut()

    def leave(self, line: socket.socket) -> None:
        """Close a connection's socket; defer that to `end` if the exchange still reads from it."""
        with self._lock:
            self._is_last = line is self._line
        if not self._is_last:
            line.close()

    def end(self) -> None:
        """Release the connection."""
        with self._lock:
            if self._is_last and self._line:
                self._line.close()
            self._line = None

    def cut(self) -> None:
        """Shut the connection down, now or as soon as there is one."""
        with self._lock:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._is_cut and self._line:
            with suppress(OSError):  # it has just been closed
                self._line.shutdown(socket.SHUT_RDWR)


class Deadlines:
    """Give each exchange of a client the same time limit. Thread-safe.

    Args:
        seconds: the time limit of an exchange.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock, self._closed = Condition(), False
        self._running: dict[Exchange, None] = {}  # the oldest first, which ends first
        self._watched = False  # by the thread

    @contextmanager
    def exchange(self) -> Iterator[Exchange]:
        """Cut off this thread's exchange in the block when its deadline passes."""
        exchange = _thread.exchange = Exchange(monotonic() + self._seconds)
        with self._lock:
            self._running[exchange] = None
            if not self._watched:
                self._watched = True
                Thread(target=self._watch, name="deadlines", daemon=True).start()
        try:
            yield exchange
        finally:
            _thread.exchange = None
            with self._lock:
                self._running.pop(exchange, None)
                if self._closed:
                    self._lock.notify()
            exchange.end()

    def close(self) -> None:
        """Let the thread end, as soon as no exchange is left."""
        with self._lock:
            self._closed = True
            self._lock.notify()

    def _watch(self) -> None:
        """Cut off exchanges, until there was none for as long as one may take, or it is closed."""
        with self._lock:
            while True:
                oldest = next(iter(self._running), None)
                left = oldest.ends - monotonic() if oldest else self._seconds
                if oldest and left <= 0:
                    del self._running[oldest]
                    oldest.cut()
                    continue
                if oldest or not self._closed:
                    self._lock.wait(left)  # an exchange that begins during it ends after it
                if oldest is None and not self._running:
                    self._watched = False
                    return


def _current() -> Exchange | None:
    return getattr(_thread, "exchange", None)


class _FinalResponse(HTTPResponse):
    """Skip interim responses, and keep the connection for another request only after a 200.

    `http.client` itself skips only 100 Continue: it would take 103 Early Hints for the response,
    and the real response for that to the next request. Late bytes after a response without a body,
    or after one that a gateway gave up on, could be misread the same way.
    """

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        interim = 100 <= status < 200 and status != HTTPStatus.SWITCHING_PROTOCOLS
        return version, HTTPStatus.CONTINUE if interim else status, reason

    def begin(self) -> None:
        """Read the head of the response; `will_close` says whether the connection ends with it."""
        super().begin()
        self.will_close = self.will_close or self.status != HTTPStatus.OK


class _Connection(HTTPConnection):
    """Let the exchange of the current thread shut the connection down."""

    response_class = _FinalResponse
    _line: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        self._line = made.dup()  # TLS takes over the socket itself
        self._use_line()
        return made

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request over a connection that earlier exchanges may have used."""
        self._use_line()
        super().request(*args, **options)

    def close(self) -> None:
        """Close the connection; the body of its last response may still be read."""
        super().close()
        line, self._line = self._line, None
        if line and (exchange := _current()):
            exchange.leave(line)
        elif line:
            line.close()

    def _use_line(self) -> None:
        if exchange := _current():
            exchange.use(self._line)


class _TLSConnection(_Connection, HTTPSConnection):
    """Do the same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS = {"http": _Pool, "https": _TLSPool}


class Adapter(HTTPAdapter):
    """Extend the adapter of `requests` with connections that an exchange can shut down."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Create the pools of connections to hosts."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections through a proxy; a SOCKS proxy keeps its own."""
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
