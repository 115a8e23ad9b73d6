"""Links to the next page are followed wherever they lead at the API; numbers are what is left."""

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from recruit_assets.extract.report import Verdict
from recruit_assets_tests.extract.test_deadline import serving
from recruit_assets_tests.extract.test_walk import StartWalk, ids

EVERY = [str(number) for number in range(1, 96)]
SIZE = 30

Link = Callable[[str, int], str]  # the API's origin, and how many records came -> links.next


class CursorList(BaseHTTPRequestHandler):
    """A list of 95 regions, paged by what its links say; `numbered`: also by page number."""

    protocol_version = "HTTP/1.1"
    link: Link
    numbered: bool
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        at = re.search(r"/cursor/(\d+)$", parts.path)
        start = int(at[1]) if at else int(query.get("page[after]", ["0"])[0])
        if self.numbered and "page[number]" in query:
            start = SIZE * (int(query["page[number]"][0]) - 1)
        more = start + SIZE < len(EVERY)
        document: dict[str, Any] = {
            "data": [{"id": id_, "type": "regions"} for id_ in EVERY[start : start + SIZE]],
            "meta": {"record-count": len(EVERY)},
            "links": {"next": self.link(f"http://{self.headers['Host']}", start + SIZE)},
        }
        if not more:
            document.pop("links")
        body = json.dumps(document).encode()
        self.send_response(200 if "regions" in parts.path else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


def read(walk: StartWalk, link: Link, *, numbered: bool) -> tuple[list[str], Verdict, str, int]:
    """Return the ids that came, the verdict, why, and how many requests were sent."""
    CursorList.link, CursorList.numbered, CursorList.asked = staticmethod(link), numbered, []
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), CursorList)) as port:
        reading = walk("regions", base_url=f"http://127.0.0.1:{port}/v1/")
        came = ids(reading)
    return came, reading.report.verdict, reading.report.reason, len(CursorList.asked)


FOLLOWED: dict[str, Link] = {
    "a query": lambda _, n: f"?page%5Bafter%5D={n}",
    "a path": lambda api, n: f"{api}/v1/regions/cursor/{n}",
    "a path without a host": lambda _, n: f"/v1/regions/cursor/{n}",
    "another version": lambda api, n: f"{api}/v2/regions?page%5Bafter%5D={n}",
    "a prefix": lambda api, n: f"{api}/api/v1/regions?page%5Bafter%5D={n}",
    "two slashes": lambda api, n: f"{api}//v1/regions?page%5Bafter%5D={n}",
    "a dot": lambda api, n: f"{api}/v1/./regions?page%5Bafter%5D={n}",
    "an escape": lambda api, n: f"{api}/v1/regions%2f?page%5Bafter%5D={n}",
}


@pytest.mark.parametrize("kind", FOLLOWED)
def test_a_link_of_any_path_is_followed(walk: StartWalk, kind: str) -> None:
    assert read(walk, FOLLOWED[kind], numbered=False) == (EVERY, Verdict.COMPLETE, "", 4)


FAILING: dict[str, tuple[Link, str]] = {
    "404": (
        lambda api, _: f"{api}/gone",
        "regions, page 2, the target of links.next: the API returned HTTP 404",
    ),
    "another origin": (
        lambda _, n: f"https://other.example/v1/regions?page[after]={n}",
        "regions, page 2, the target of links.next: the API links to other.example",
    ),
    "no URL": (lambda *_: "http://[bad", "the target of links.next: the API links to something"),
    "page 1": (lambda api, _: f"{api}/v1/regions", "the next link of page 2 points"),
    "page 1 in other words": (
        lambda api, _: f"{api}/v1/regions?once={len(CursorList.asked)}",
        "the next link of page 2 points to a page already read",
    ),
}


@pytest.mark.parametrize("kind", FAILING)
def test_pages_are_asked_for_by_number_where_a_link_fails(
    walk: StartWalk, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    link, said = FAILING[kind]
    came, verdict, reason, requests = read(walk, link, numbered=True)
    assert (came, verdict, reason) == (EVERY, Verdict.COMPLETE, "")
    assert requests <= 9
    (warning,) = caplog.messages
    assert said in warning
    assert warning.endswith("Pages are requested by number instead.")
