"""No exchange goes on for longer than it may, whatever is sent, and none is shared by processes."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest

from recruit_assets.errors import RequestFailed, Transient
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.jsonapi import Document
from recruit_assets.extract.retries import RequestStats
from recruit_assets_tests.extract.test_client import GOOD

LONGEST = 0.2  # seconds of an exchange
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

# What is sent at once, and what then goes on without end.
MAX_PAGES: dict[str, tuple[str, bytes, bytes]] = {
    "nothing": ("http", b"", b""),
    "interim answers": ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a header": ("http", HEAD + b"X-Long: ", b"a"),
    "the first line": ("http", b"HTTP/1.1 200 ", b"O"),
    "a body without a length": ("http", HEAD + b'\r\n{"data":[]}', b" "),
    "a body of a length": ("http", HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    "chunks": ("http", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk's length": ("http", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a handshake": ("https", b"\x16\x03\x03\x40\x00", b"\x02"),
}


@contextmanager
def serving(server: ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[int]:
    """Serve in the background; yield the port. Handlers that go on are left behind."""
    server.daemon_threads, server.block_on_close = True, False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def dripping(first: bytes, more: bytes) -> Callable[..., BaseRequestHandler]:
    class Drip(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)
            try:
                self.request.sendall(first)
                for part in repeat(more):
                    self.request.sendall(part)
                    Event().wait(0.002)
            except OSError:  # it was cut off
                pass

    return Drip


# Python does not close a socket that is cut off after it was connected and before its handshake.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("kind", MAX_PAGES)
def test_an_answer_without_end_is_cut_off(kind: str) -> None:
    scheme, first, more = MAX_PAGES[kind]
    with serving(ThreadingTCPServer(("127.0.0.1", 0), dripping(first, more))) as port:
        settings = ApiSettings(**GOOD | {"base_url": f"{scheme}://127.0.0.1:{port}/v1/"})
        client = Client(settings, max_seconds=LONGEST)
        said = rf"127\.0\.0\.1:{port} had not sent a complete response after 0.2 s, the limit"
        with pytest.raises(Transient, match=said):
            client.get("regions", "", "regions, page 1", Document, RequestStats())
        client.close()
    if scheme == "https":
        gc.collect()  # here, where that is no error


def test_a_request_in_flight_is_cut_off_after_the_client_is_closed() -> None:
    begun, said = Event(), list[str]()

    def first(*server: Any) -> BaseRequestHandler:
        begun.set()
        return dripping(HEAD + b"X-Long: ", b"a")(*server)

    with serving(ThreadingTCPServer(("127.0.0.1", 0), first)) as port:
        changed = {"base_url": f"http://127.0.0.1:{port}/", "requests_per_10s": 0}
        client = Client(ApiSettings(**GOOD | changed), max_seconds=LONGEST)

        def ask() -> None:
            with pytest.raises(Transient) as raised:
                client.get("regions", "", "regions, page 1", Document, RequestStats())
            said.append(str(raised.value))

        asking = Thread(target=ask, daemon=True)
        asking.start()
        assert begun.wait(10)
        client.close()
        asking.join(10)
    assert "after 0.2 s" in " ".join(said)


def test_a_proxy_that_goes_on_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    drip = dripping(b"HTTP/1.1 502 ", b"O")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(ThreadingTCPServer(("127.0.0.1", 0), drip)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        client = Client(ApiSettings(**GOOD), max_seconds=LONGEST)
        with pytest.raises(Transient, match=r"had not sent a complete response after 0\.2 s"):
            client.get("regions", "", "regions, page 1", Document, RequestStats())
        client.close()


class Kept(BaseHTTPRequestHandler):
    """Answers over connections that are kept, and notes over which."""

    protocol_version = "HTTP/1.1"
    ports: list[int]

    def do_GET(self) -> None:
        self.ports.append(self.client_address[1])
        body = b'{"data":[]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


def test_a_connection_serves_several_exchanges() -> None:
    Kept.ports = []
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Kept)) as port:
        client = Client(ApiSettings(**GOOD | {"base_url": f"http://127.0.0.1:{port}/"}))
        for _ in range(3):
            client.get("regions", "", "regions, page 1", Document, RequestStats())
        client.close()
    assert len(Kept.ports) == 3
    assert len(set(Kept.ports)) == 1


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}'
LATE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"


class Scripted(BaseRequestHandler):
    """Answers the first request of all with `first`, and whatever else is asked as a list is.

    Over the connection of the first one, `late` comes before the answer to the second.
    """

    first: bytes
    late: bytes
    asked: list[int]

    def handle(self) -> None:
        while received := self.request.recv(1 << 16):
            assert received.endswith(b"\r\n\r\n")
            self.asked.append(self.client_address[1])
            is_first = len(self.asked) == 1
            is_same = self.asked[0] == self.client_address[1]
            self.request.sendall(self.first if is_first else self.late * is_same + OK)


def answers(first: bytes, late: bytes = b"") -> list[Any]:
    """Return what comes of two requests, by one client: the status, or None for a list."""
    Scripted.first, Scripted.late, Scripted.asked = first, late, []
    came: list[Any] = []
    with serving(ThreadingTCPServer(("127.0.0.1", 0), Scripted)) as port:
        client = Client(ApiSettings(**GOOD | {"base_url": f"http://127.0.0.1:{port}/"}))
        for _ in range(2):
            try:
                client.get("regions", "", "regions, page 1", Document, RequestStats())
                came.append(None)
            except RequestFailed as error:
                came.append(error.status)
        client.close()
    assert len(Scripted.asked) == 2
    return came


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_answers_are_skipped(status: int) -> None:
    interim = b"HTTP/1.1 %d Odd\r\nLink: </x>\r\n\r\n" % status
    assert answers(3 * interim + OK) == [None, None]
    assert answers(interim + LATE) == [404, None]


@pytest.mark.parametrize("status", [101, 204, 304, 500])
def test_a_late_answer_is_not_that_to_another_request(status: int) -> None:
    length = b"Content-Length: 0\r\n" if status == 500 else b""
    first = b"HTTP/1.1 %d Odd\r\n%s\r\n" % (status, length)
    assert answers(first, LATE) == [status, None]
    assert answers(first + LATE) == [status, None]


def test_what_is_left_after_an_answer_is_not_that_to_another_request() -> None:
    assert answers(OK + LATE) == [None, None]
    assert answers(OK + b" " * (1 << 14) + LATE) == [None, None]


FORK = """
import os, sys
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.jsonapi import Document
from recruit_assets.extract.retries import RequestStats

client = Client(ApiSettings(sys.argv[1], "key", "20240904", "api", "", 0, 4))
def get():
    client.get("regions", "", "regions", Document, RequestStats())
get()
if child := os.fork():
    _, status = os.waitpid(child, 0)
    assert status == 0
else:
    get()
    os._exit(0)
get()
"""


@pytest.mark.ring(2)
def test_a_forked_process_has_connections_of_its_own() -> None:
    Kept.ports = []
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Kept)) as port:
        subprocess.run([sys.executable, "-c", FORK, f"http://127.0.0.1:{port}/"], check=True)
    parents, childs, again = Kept.ports
    assert parents == again != childs
