"""One endpoint as it can be asked: a page of its list, a link, a record by its id.

What lives here: each request is made by `client`, asked again by `retries`, and counted. Which
page to ask for next is up to `pages`.
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from threading import Event, Lock
from typing import Self
from urllib.parse import quote, urlencode

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused, Rejected, Unavailable
from recruit_assets.extract import failures
from recruit_assets.extract.client import Client
from recruit_assets.extract.document import Document, Record, Shape, Single
from recruit_assets.extract.query import PAGE_SIZE, Query
from recruit_assets.extract.retries import Effort, Patience, persist
from recruit_assets.text import OneLineLog

MOST_RECORDS = 1 << 20  # more than any answer has


@dataclass(frozen=True)
class Page:
    """A page as it was answered; `answer` counts the answers of a source in the order they came."""

    document: Document
    number: int
    answer: int

    @property
    def records(self) -> list[Record]:
        """The records of the page."""
        return self.document.data

    @property
    def positions(self) -> range:
        """Where the records stand in the order in which everything was answered."""
        first = self.answer * MOST_RECORDS
        return range(first, first + len(self.records))


class Source:
    """One endpoint of the API, safe to ask from several threads; `effort` counts what it took.

    Args:
        client: how the API is asked.
        endpoint: what it is asked for.
        patience: how often and how long to ask again.
        log: where waits and refusals are told.
        page_size: records of a page.
    """

    def __init__(
        self,
        client: Client,
        endpoint: Endpoint,
        patience: Patience,
        log: logging.Logger,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.endpoint, self.log, self.page_size = endpoint, OneLineLog(log), page_size
        self.concurrency = client.concurrency
        self.effort = Effort()
        self.stopped = Event()
        self._client, self._patience = client, patience
        self._answers = count()
        self._counting = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what is still waiting or being tried again."""
        self.stopped.set()

    @property
    def api(self) -> str:
        """What tells one API, version and key from another."""
        return self._client.identity

    @property
    def behind(self) -> timedelta:
        """How far the API's clock was seen behind ours."""
        return self._client.behind

    @property
    def ahead(self) -> timedelta:
        """How far our clock was ahead of the API's in its last answer; negative if behind."""
        return self._client.ahead

    def page(self, query: Query, number: int) -> Page:
        """One page of the list.

        Raises:
            RequestFailed: it cannot be had.
        """
        return self._page(self.endpoint.path, query.page(number), number)

    def linked(self, link: str, number: int) -> Page:
        """The page that a link of the API leads to; `number` is for messages.

        Raises:
            RequestFailed: it cannot be had.
        """
        # A link that is nothing but a query belongs to the list.
        return self._page(self.endpoint.path + link if link.startswith("?") else link, "", number)

    def find(self, ids: Iterable[str], query: Query) -> Iterator[tuple[str, Page | None]]:
        """Each id with a page that holds its record alone, or None where the API knows none.

        The page is empty if the key may not read the record.

        Raises:
            RequestFailed: whether it is there cannot be told.
        """
        with ThreadPoolExecutor(self.concurrency) as pool:
            yield from zip(
                wanted := list(ids),
                pool.map(lambda id_: self._find(id_, query), wanted),
                strict=True,
            )

    def check_that_others_answer(self, error: Unavailable) -> None:
        """Tell a missing add-on or scope from a wrong base URL, or a key that may read nothing.

        Every key may read the jobs and departments that the career site shows.

        Raises:
            RequestFailed: it is the URL or the key.
        """
        other = "jobs" if self.endpoint.path != "jobs" else "departments"
        try:
            self._get(other, urlencode({"page[size]": 1}), other, Document)
        except Unavailable as also:
            if also.status == error.status:
                url = self._client.base_url + self.endpoint.path
                raise failures.nothing_there(error, url, other) from None
        except (ParameterRefused, Rejected):
            return  # whatever it does not like, there is something at that address

    def _page(self, url: str, query: str, number: int) -> Page:
        document = self._get(url, query, f"{self.endpoint.name}, page {number}", Document)
        return Page(document, number, next(self._answers))

    def _find(self, id_: str, query: Query) -> Page | None:
        url = f"{self.endpoint.path}/{quote(id_, safe='')}"
        try:
            found = self._get(url, query.record(), f"{self.endpoint.name} {id_}", Single)
        except Unavailable as error:
            # What may not be read may still be there.
            return None if error.status == 404 else Page(Document([]), 1, next(self._answers))
        return Page(Document([found.data]), 1, next(self._answers))

    def _get(self, url: str, query: str, subject: str, shape: type[Shape]) -> Shape:
        effort = Effort()

        def ask() -> Shape:
            effort.requests += 1
            effort.queued += self._client.wait_for_turn(self.stopped)
            return self._client.get(url, query, subject, shape, effort)

        try:
            return persist(ask, effort, self._patience, self.log, self.stopped)
        finally:
            with self._counting:
                self.effort.add(effort)
