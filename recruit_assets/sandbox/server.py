"""The sandbox as tests use it: a world, its rules, and a server on loopback.

Contains `Sandbox`, and starts and stops its server. `api` answers the requests.
"""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from recruit_assets.sandbox.api import Api, Asked
from recruit_assets.sandbox.control import control_routes
from recruit_assets.sandbox.faults import KINDS, Action, Alteration, Document, Fault
from recruit_assets.sandbox.invent import build
from recruit_assets.sandbox.rules import Rules
from recruit_assets.sandbox.times import NOW
from recruit_assets.sandbox.world import World

HOST = "127.0.0.1"


class Sandbox:
    """Serve an invented company, with `now` as its present, through a fake of the API.

    `clock` timestamps later changes, and responses in their `Date`.
    """

    def __init__(
        self,
        candidates: int = 40,
        seed: int = 7,
        rules: Rules | None = None,
        clock: Callable[[], datetime] | None = None,
        now: datetime = NOW,
    ) -> None:
        self.rules = rules or Rules()
        self.world = World(build(candidates, seed, now), clock)
        self.base_url = ""
        self._api = Api(self.world, self.rules)

    @contextmanager
    def serve(self, port: int = 0, certificate: Path | None = None) -> Iterator[Self]:
        """Serve in the background while the block runs; port 0 picks a free one.

        With a certificate, a PEM file that also contains its key, the sandbox speaks TLS.

        Raises:
            OSError: the port is in use.
        """
        listener = _listen(port)
        self.base_url = f"http{'s' if certificate else ''}://{HOST}:{listener.getsockname()[1]}/v1/"
        api = Route("/v1/{path:path}", self._api.handle)
        api.path_regex = re.compile(api.path_regex.pattern, re.DOTALL)  # an id may hold a newline
        routes = [*control_routes(self), api]
        # With `debug`, the response shows the traceback of an action or alteration that raises. A
        # graceful shutdown would wait for the requests that hang on purpose.
        config = uvicorn.Config(
            Starlette(debug=True, routes=routes),
            log_level="critical",
            access_log=False,
            date_header=False,
            lifespan="off",
            timeout_graceful_shutdown=0,
            ssl_certfile=certificate,
        )
        server = uvicorn.Server(config)
        # The socket listens already: connections before the thread is up wait in its queue.
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox")
        thread.start()
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join()

    @property
    def requests(self) -> list[Asked]:
        """Return all requests so far, in the order of their responses."""
        return list(self._api.asked)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._api.asked.clear()

    def fail(
        self,
        path: str,
        *,
        page: int | None = None,
        times: int | None = 1,
        kind: str = "status",
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
    ) -> None:
        """Make the next requests of a path fail; `times=None` means all of them."""
        if kind not in KINDS:
            raise ValueError(f"there is no kind of fault {kind!r}; there are {', '.join(KINDS)}")
        content = body.encode() if isinstance(body, str) else body or b""
        self._api.plan.add(Fault(path, page, times, kind, status, headers or {}, content))

    def alter(
        self,
        path: str,
        change: Callable[[Document], Document | None],
        *,
        page: int | None = None,
        times: int | None = None,
    ) -> None:
        """Edit documents of a path before they are sent, in place or by returning another."""
        self._api.plan.add(Alteration(path, page, times, change))

    def before(
        self,
        path: str,
        action: Callable[[World], Any],
        *,
        page: int | None = None,
        times: int | None = 1,
    ) -> None:
        """Run an action on the world just before the next requests of a path are answered."""
        self._api.plan.add(Action(path, page, times, action))

    def clear_faults(self) -> None:
        """Forget all faults, alterations and actions."""
        self._api.plan.clear()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
