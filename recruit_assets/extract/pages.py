"""The walk: one reading of one endpoint, page by page.

What lives here: which page comes next and when the end is reached. A page's request is made by
`client`, asked again by `retries`, worded by `query`; what its records mean is up to `records`.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from urllib.parse import parse_qs, urlsplit

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import BadAnswer, ParameterRefused, Rejected, RequestFailed, Unavailable
from recruit_assets.extract.client import Client, Counts, Document, Links, Record
from recruit_assets.extract.query import Query
from recruit_assets.extract.retries import Effort, Patience, persist


@dataclass
class Report:
    """What a walk did; whole once it has ended."""

    effort: Effort = field(default_factory=Effort)
    pages: int = 0
    records: int = 0
    record_count: int | None = None  # what the API says that there are
    dropped: list[str] = field(default_factory=list)  # parameters that the account refuses
    unavailable: str | None = None  # why the endpoint cannot be read, if it can't


class Walk:
    """A lazy reading of an endpoint: nothing is asked before it is iterated, once.

    Iterating yields the records of each page in the order of the pages, and raises `RequestFailed`
    if a page cannot be had. An endpoint that the account does not have yields nothing and says so
    in `report.unavailable`.
    """

    def __init__(
        self, client: Client, endpoint: Endpoint, patience: Patience, log: logging.Logger
    ) -> None:
        self.endpoint = endpoint
        self.report = Report()
        self._client, self._patience, self._log = client, patience, log
        self._stopped = Event()

    def __iter__(self) -> Iterator[list[Record]]:
        try:
            for document in self._documents():
                self.report.pages += 1
                self.report.records += len(document.data)
                yield document.data
        except Unavailable as error:
            if self.report.pages:
                raise
            self._check_that_others_answer(error)
            self.report.unavailable = str(error)
        finally:
            self._stopped.set()

    def _documents(self) -> Iterator[Document]:
        query, document = self._first()
        meta = document.meta or Counts()
        self.report.record_count = meta.record_count
        yield document
        number = 1
        if _by_number(document):
            for document in self._ahead(query, range(2, (meta.page_count or 1) + 1)):
                number += 1
                if document.data:
                    yield document
                if _is_last(document):
                    return
        yield from self._follow(document, number)

    def _first(self) -> tuple[Query, Document]:
        """The first page, asked for with whatever parameters the account takes."""
        query = Query.everything(self.endpoint)
        while True:
            try:
                return query, self._page(query, 1)
            except ParameterRefused as refused:
                query, dropped = query.without(refused)
                self.report.dropped += dropped
                for each in dropped:
                    self._log.warning("%s: the API refuses %s", self.endpoint.name, each)

    def _ahead(self, query: Query, numbers: Iterable[int]) -> Iterator[Document]:
        """Pages in order, several of them in flight."""
        flying: deque[Future[tuple[Document, Effort]]] = deque()
        with ThreadPoolExecutor(self._client.concurrency) as pool:
            try:
                for number in numbers:
                    flying.append(pool.submit(self._ask, query.params(number), number))
                    if len(flying) == self._client.concurrency:
                        yield self._counted(flying.popleft().result())
                while flying:
                    yield self._counted(flying.popleft().result())
            except BaseException:  # a failed page, or a reader that has seen enough
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _follow(self, document: Document, number: int) -> Iterator[Document]:
        """Pages by `links.next`, one by one: where pages have no numbers, or more came to be."""
        seen: set[str] = set()
        while document.data and (link := (document.links or Links()).next):
            if link in seen:
                raise BadAnswer(
                    f"{self.endpoint.name}, page {number}",
                    "its link to the next page leads back to a page already read",
                    "The API would be read for ever: tell whoever runs it",
                )
            seen.add(link)
            number += 1
            document = self._counted(self._ask({}, number, link))
            if document.data:
                yield document

    def _page(self, query: Query, number: int) -> Document:
        return self._counted(self._ask(query.params(number), number))

    def _ask(
        self, params: dict[str, str], number: int, link: str | None = None
    ) -> tuple[Document, Effort]:
        subject = f"{self.endpoint.name}, page {number}"
        url = link or self.endpoint.path
        return persist(
            lambda: self._client.get(url, params, subject),
            self._patience,
            self._log,
            self._stopped,
        )

    def _counted(self, answer: tuple[Document, Effort]) -> Document:
        document, effort = answer
        self.report.effort.add(effort)
        return document

    def _check_that_others_answer(self, error: Unavailable) -> None:
        """Tell a missing add-on from a wrong base URL, below which nothing is found at all."""
        if error.status != 404:
            return
        other = "users" if self.endpoint.path != "users" else "jobs"
        try:
            self._client.get(other, {"page[size]": "1"}, other)
        except Unavailable as also:
            if also.status != 404:
                return
            raise Rejected(
                error.subject,
                f"nothing is found at {self._client.base_url}{self.endpoint.path}, nor at {other} "
                "(HTTP 404)",
                "Check RECRUIT_API_BASE_URL: it should end in the version path, such as /v1/.",
            ) from error
        except RequestFailed:
            return  # whatever it is, there is something at that address


def _by_number(document: Document) -> bool:
    """Whether later pages can be asked for by number, as opposed to by an opaque link."""
    if document.meta is None or document.meta.page_count is None:
        return False
    link = (document.links or Links()).next
    return link is None or "page[number]" in parse_qs(urlsplit(link).query)


def _is_last(document: Document) -> bool:
    """Whether a page ends the walk: it is empty, or links to others but to none after it.

    A short page is no sign. Where an API sends no links at all, its page count decides.
    """
    return not document.data or (document.links is not None and document.links.next is None)
