"""The walk: one reading of one endpoint, page by page.

What lives here: which page comes next and when the end is reached. A page's request is made by
`client`, asked again by `retries`, worded by `query`; what its records mean is up to `records`.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Lock
from urllib.parse import parse_qs

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused, Rejected, Unavailable
from recruit_assets.extract import failures
from recruit_assets.extract.client import Client
from recruit_assets.extract.document import Document, Record
from recruit_assets.extract.query import Query
from recruit_assets.extract.retries import Effort, Patience, persist

PAGES_BETWEEN_LOGS = 50  # about every ten seconds at the API's limit


@dataclass
class Report:
    """What a walk did; whole once it has ended."""

    effort: Effort = field(default_factory=Effort)
    pages: int = 0
    records: int = 0
    record_count: int | None = None  # what the API says that there are
    dropped: list[str] = field(default_factory=list)  # parameters that the account refuses
    unavailable: str | None = None  # why the endpoint cannot be read, if it can't


@dataclass(frozen=True)
class Page:
    """A page as it was answered; `answer` counts the answers of a walk in the order they came."""

    document: Document
    answer: int

    @property
    def records(self) -> list[Record]:
        """The records of the page."""
        return self.document.data


class Walk:
    """A lazy reading of an endpoint: nothing is asked before it is iterated, once.

    Iterating yields the pages in their order, and raises `RequestFailed` if one cannot be had. An
    endpoint that the account does not have yields nothing and says so in `report.unavailable`.
    """

    def __init__(
        self, client: Client, endpoint: Endpoint, patience: Patience, log: logging.Logger
    ) -> None:
        self.endpoint = endpoint
        self.report = Report()
        self._client, self._patience, self._log = client, patience, log
        self._stopped = Event()
        self._answers = count()
        self._counting = Lock()

    def __iter__(self) -> Iterator[Page]:
        report = self.report
        try:
            for page in self._pages():
                report.pages += 1
                report.records += len(page.records)
                if report.pages % PAGES_BETWEEN_LOGS == 0:
                    of = page.document.record_count or "an unknown number of"
                    self._log.info(f"{self.endpoint.name}: {report.records} of {of} records")
                yield page
        except Unavailable as error:
            if report.pages:
                raise failures.gone_midway(error) from None
            self._check_that_others_answer(error)
            report.unavailable = str(error)
        finally:
            self._stopped.set()

    def _pages(self) -> Iterator[Page]:
        query, page = self._first()
        self.report.record_count = page.document.record_count
        yield page
        number, last = 1, page.document.page_count or 1
        if _by_number(page.document):
            # Where no page links to another, the page count decides.
            linked = page.document.next is not None
            for page in self._ahead(query, range(2, last + 1)):
                number += 1
                if page.records:
                    yield page
                if not page.records or (linked and page.document.next is None):
                    return
        yield from self._follow(page, number)

    def _first(self) -> tuple[Query, Page]:
        """The first page, asked for with whatever parameters the account takes."""
        query = Query.everything(self.endpoint)
        while True:
            try:
                return query, self._ask(query.params(1), 1)
            except ParameterRefused as refused:
                query, dropped = query.without(refused)
                self.report.dropped += dropped
                for each in dropped:
                    self._log.warning(f"{self.endpoint.name}: the API refuses {each}")

    def _ahead(self, query: Query, numbers: Iterable[int]) -> Iterator[Page]:
        """Pages in order, several of them in flight."""
        flying: deque[Future[Page]] = deque()
        pool = ThreadPoolExecutor(self._client.concurrency)
        try:
            for number in numbers:
                flying.append(pool.submit(self._ask, query.params(number), number))
                if len(flying) == self._client.concurrency:
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()
        finally:
            # After a failed page nobody waits for the others; at the end there are none.
            if flying:
                self._stopped.set()
            pool.shutdown(wait=not flying, cancel_futures=True)

    def _follow(self, page: Page, number: int) -> Iterator[Page]:
        """Pages by `links.next`, one by one: where pages have no numbers, or more came to be.

        The end is a page without a link or without records; a short page is no sign.
        """
        seen: set[str] = set()
        while page.records and (link := page.document.next):
            if link in seen:
                raise failures.linked_in_a_circle(f"{self.endpoint.name}, page {number}")
            seen.add(link)
            number += 1
            page = self._ask({}, number, link)
            if page.records:
                yield page

    def _ask(self, params: dict[str, str], number: int, link: str = "") -> Page:
        # A link that is nothing but a query belongs to the list.
        url = link if link and not link.startswith("?") else self.endpoint.path + link
        document = self._get(url, params, f"{self.endpoint.name}, page {number}")
        return Page(document, next(self._answers))

    def _get(self, url: str, params: dict[str, str], subject: str) -> Document:
        effort = Effort()

        def ask() -> Document:
            effort.requests += 1
            effort.waited += self._client.wait_for_turn(self._stopped)
            return self._client.get(url, params, subject)

        try:
            return persist(ask, effort, self._patience, self._log, self._stopped)
        finally:
            with self._counting:
                self.report.effort.add(effort)

    def _check_that_others_answer(self, error: Unavailable) -> None:
        """Tell a missing add-on or scope from a wrong base URL, or a key that may read nothing.

        Every key may read the jobs and departments that the career site shows.
        """
        other = "jobs" if self.endpoint.path != "jobs" else "departments"
        try:
            self._get(other, {"page[size]": "1"}, other)
        except Unavailable as also:
            if also.status == error.status:
                url = self._client.base_url + self.endpoint.path
                raise failures.nothing_there(error, url, other) from None
        except (ParameterRefused, Rejected):
            return  # whatever it does not like, there is something at that address


def _by_number(document: Document) -> bool:
    """Whether later pages can be asked for by number, as opposed to by an opaque link."""
    if document.page_count is None:
        return False
    return document.next is None or "page[number]" in parse_qs(document.next.partition("?")[2])
