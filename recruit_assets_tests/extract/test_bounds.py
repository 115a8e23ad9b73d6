"""No answer takes more memory than an answer may, whatever it holds."""

import gzip
import subprocess
import sys
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from recruit_assets.errors import Rejected
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import MAX_RESPONSE_BYTES, Client
from recruit_assets.extract.jsonapi import (
    COUNT_VALUES_ABOVE,
    MAX_VALUES,
    Document,
    has_too_many_values,
)
from recruit_assets.extract.retries import RequestStats
from recruit_assets_tests.extract.test_client import GOOD
from recruit_assets_tests.rings import FULL

MEMORY = 400  # MB of a process that has everything imported

ASK = """
import re, sys
from pathlib import Path
import recruit_assets.definitions
from recruit_assets.errors import RequestFailed
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.jsonapi import Document
from recruit_assets.extract.retries import RequestStats

url, *paths = sys.argv[1:]
client = Client(ApiSettings(url, "key", "20240904", "api", "", 0, 4))
for path in paths:
    try:
        client.get(path, "", path, Document, RequestStats())
        print(path, "was read")
    except RequestFailed as error:
        print(path, type(error).__name__, error)
# The peak of this program; that of getrusage is at least the parent's at the fork.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024)
"""


def blanks(wbits: int) -> Iterator[bytes]:
    """A body without end that decodes to blanks, a thousand times as many."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    yield packer.compress(b" " * 100) + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    while True:
        yield part


def endless() -> Iterator[bytes]:
    while True:
        yield b" " * (1 << 16)


EMOJI = b"\xf0\x9f\x98\x80"


def values(one: bytes, times: int = 0) -> Iterator[bytes]:
    """A list with as many values of one kind as are in the largest answer, or so many times."""
    yield b'{"data":[{"id":"1","attributes":{"a":['
    for _ in range((times or MAX_RESPONSE_BYTES // len(one)) // 1000 - 1):
        yield one * 1000
    yield one[:-1] + b"]}}]}"


def text(odd: bytes, letter: bytes = b"x") -> Iterator[bytes]:
    """A list with one text that fills the largest answer; something odd comes before its end."""
    part = letter * ((1 << 16) // len(letter))
    yield b'{"data":[{"id":"1","attributes":{"a":"'
    for _ in range(MAX_RESPONSE_BYTES // len(part) - 1):
        yield part
    yield odd + b"}}]}"


def names() -> Iterator[bytes]:
    """The largest object that an answer may have, with wide texts; NaN is decoded loosely."""
    room = MAX_RESPONSE_BYTES // MAX_VALUES // 2 - 16
    yield b'{"data":[{"id":"1","attributes":{"a":0'
    for number in range(MAX_VALUES - 10):
        yield b',"%s%07d%s":"%s"' % (EMOJI, number, b"x" * room, EMOJI + b"x" * (room + 7))
    yield b'},"meta":NaN}]}'


BODIES: dict[str, tuple[int, str, Any]] = {
    "gzip": (200, "gzip", lambda: blanks(31)),
    "deflate": (200, "deflate", lambda: blanks(15)),
    "raw-deflate": (200, "deflate", lambda: blanks(-15)),
    "twice": (200, "gzip, gzip", lambda: iter([gzip.compress(gzip.compress(bytes(1 << 28), 1))])),
    "endless": (200, "identity", endless),
    "refusal": (500, "gzip", lambda: blanks(31)),
    "deep": (200, "identity", lambda: values(b"[[[[[[[[")),
    "lists": (200, "identity", lambda: values(b"[],")),
    "objects": (200, "identity", lambda: values(b'{"a":1},')),
    "texts": (200, "identity", lambda: values(b'"%s",' % EMOJI)),
    "numbers": (200, "identity", lambda: values(b"7,")),
    "most-lists": (200, "identity", lambda: values(b"[],", MAX_VALUES // 2)),
    "most-objects": (200, "identity", lambda: values(b'{"a":1.5},', MAX_VALUES // 2)),
    "most-texts": (200, "identity", lambda: values(b'"%s",' % (b"x" * 64), MAX_VALUES - 10)),
    "most-names": (200, "identity", names),
    "most-text": (200, "identity", lambda: text(b'"')),
    "most-text-half": (200, "identity", lambda: text(b'\\ud800"')),
    "most-text-wide": (200, "identity", lambda: text(EMOJI + b'"')),
    "most-text-wide-half": (200, "identity", lambda: text(EMOJI + b'\\ud800"')),
    "most-text-wide-byte": (200, "identity", lambda: text(EMOJI + b'\xff"')),
    "most-text-wide-nan": (200, "identity", lambda: text(EMOJI + b'","b":NaN')),
    "most-text-commas": (200, "identity", lambda: text(b'"', b',\\"[{')),
    "cut": (200, "identity", lambda: text(EMOJI)),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, encoding, body = BODIES[self.path.rpartition("/")[2].partition("?")[0]]
        self.send_response(status)
        self.send_header("Content-Encoding", encoding)
        self.end_headers()
        try:
            for part in body():
                self.wfile.write(part)
        except OSError:  # it was not read to the end
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["gzip", "endless"])
def test_an_answer_ends_at_its_bound_and_is_not_asked_for_again(url: str, kind: str) -> None:
    client = Client(ApiSettings(**GOOD | {"base_url": url}))
    with pytest.raises(Rejected, match=r"larger than 16 MB, the maximum.* unchanged\. Check that"):
        client.get(kind, "", "things, page 1", Document, RequestStats())
    client.close()


def test_what_looks_like_values_in_a_text_is_none() -> None:
    filler = rb",[{\",\\\"," * (COUNT_VALUES_ABOVE // 9) + rb"\\"
    body = b'{"data":[{"id":"1","attributes":{"a":"%s"}},{"id":"2","meta":[%s]}]}'
    few, many = (body % (filler, b"0" + b",1" * (MAX_VALUES - less)) for less in (10, 0))
    cut = b'{"data":"%s' % filler
    found = [has_too_many_values(each) for each in (few, many, cut)]
    assert found == [False, True, False]


@pytest.mark.ring(2)
@FULL
def test_no_answer_takes_more_than_its_memory(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, url, *BODIES], capture_output=True, text=True, check=True
    )
    *said, megabytes = done.stdout.splitlines()
    assert int(megabytes) < MEMORY, done.stdout
    told = {line.split()[0]: line.partition(" ")[2] for line in said}
    assert told.keys() == BODIES.keys()
    bounds = ("16 MB", f"{MAX_VALUES:,} values")
    for kind, line in told.items():
        if kind == "refusal":
            assert line.startswith("Transient refusal: the API returned HTTP 500")
        elif kind == "cut":
            assert line.startswith("InvalidResponse cut: the response is not valid JSON:API")
        elif kind.startswith("most-"):
            assert line == "was read"
        else:
            assert line.startswith("Rejected"), kind
            assert any(bound in line for bound in bounds), kind
