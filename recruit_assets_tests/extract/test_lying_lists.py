"""Counts, links and pages that lie together: the reading ends, and proves nothing that is false."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.conftest import BY_NAME, KEY
from recruit_assets_tests.rings import sized

SIZE, RECORDS = 3, 10
PAGES = [list(range(1, RECORDS + 1))[first : first + SIZE] for first in range(0, RECORDS, SIZE)]
FEW = 60  # requests
HUGE = 1 << 53
COUNTS = [None, 0, RECORDS - 1, RECORDS, RECORDS + 1, HUGE, str(RECORDS), "many", -1, True]
LINKS: dict[str, Callable[[int], Any]] = {  # of a page, by its number
    "right": lambda n: f"?page[number]={n + 1}" if n < len(PAGES) else None,
    "none": lambda n: None,
    "by number, for ever": lambda n: f"?page[number]={n + 1}",
    "by cursor": lambda n: f"?after={n}" if n < len(PAGES) else None,
    "by cursor, for ever": lambda n: f"?after={n}",
    "to itself": lambda n: f"?page[number]={n}",
    "back": lambda n: f"?page[number]={max(1, n - 1)}",
}


class Lying(BaseHTTPRequestHandler):
    """Answers with the pages of the current example, and counts the requests."""

    protocol_version = "HTTP/1.1"
    meta: ClassVar[dict[str, Any]] = {}
    link: ClassVar[Callable[[int], Any]]
    shown: ClassVar[list[list[int]]] = []
    beyond: ClassVar[list[int]] = []  # records of all further pages
    requests = 0

    def do_GET(self) -> None:
        Lying.requests += 1
        asked = parse_qs(urlsplit(self.path).query)
        number = int(asked["after"][0]) + 1 if "after" in asked else 1
        number = int(asked.get("page[number]", [str(number)])[0])
        records = self.shown[number - 1] if number <= len(self.shown) else self.beyond
        body = json.dumps(
            {
                "data": [{"id": str(id_), "type": "regions", "attributes": {}} for id_ in records],
                "meta": self.meta,
                "links": {"next": Lying.link(number)},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def source() -> Iterator[Callable[[], Source]]:
    """Makes sources in front of the list that lies."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Lying) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        api = ApiSettings(
            base_url=f"http://127.0.0.1:{server.server_port}/v1/",
            key=KEY,
            version="20240904",
            auth_header="api",
            auth_prefix="",
            requests_per_10s=0,
            concurrency=4,
        )
        limits = RetryLimits(first_wait=0, tries=2)
        with closing(Client(api)) as client:
            log = logging.getLogger("lying")
            yield lambda: Source(client, BY_NAME["regions"], limits, log, SIZE)
        server.shutdown()


@settings(max_examples=sized(10, 30, 150))
@given(
    record_count=st.sampled_from(COUNTS),
    page_count=st.sampled_from([None, 0, 1, len(PAGES), len(PAGES) + 1, HUGE, "many"]),
    link=st.sampled_from(sorted(LINKS)),
    shown=st.integers(1, len(PAGES)),
    beyond=st.sampled_from([[], PAGES[0], PAGES[-1]]),
)
@example(record_count=None, page_count=HUGE, link="none", shown=4, beyond=[])
@example(record_count=None, page_count=HUGE, link="right", shown=4, beyond=[])
@example(record_count=None, page_count=None, link="by cursor, for ever", shown=1, beyond=[])
@example(record_count=RECORDS, page_count=4, link="by cursor, for ever", shown=1, beyond=[])
@example(record_count=HUGE, page_count=HUGE, link="by number, for ever", shown=4, beyond=[])
def test_the_reading_ends_and_what_it_proves_is_true(
    source: Callable[[], Source],
    *,
    record_count: Any,
    page_count: Any,
    link: str,
    shown: int,
    beyond: list[int],
) -> None:
    meta = {"record-count": record_count, "page-count": page_count}
    Lying.meta = {name: value for name, value in meta.items() if value is not None}
    Lying.link, Lying.requests = staticmethod(LINKS[link]), 0
    Lying.shown, Lying.beyond = PAGES[:shown], beyond
    walk = Walk(source())
    came = {int(record.id) for page in walk for record in page.records}
    assert came >= {id_ for page in Lying.shown[:1] for id_ in page}
    assert Lying.requests <= FEW, walk.report.reason
    if walk.report.verdict is Verdict.COMPLETE:
        assert len(came) == int(record_count)
    else:
        assert walk.report.verdict is Verdict.INCOMPLETE
        assert walk.report.reason
