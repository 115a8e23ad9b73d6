"""Requests for one endpoint: a page of its list, a link, a record by its id.

Scope: each request, which `client` sends, `retries` repeats, and the statistics count. `walk`
decides which page to request.
"""

import logging
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from itertools import count
from threading import Event, Lock
from typing import Any, Self
from urllib.parse import quote, urlencode

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused, Rejected, RequestFailed, Unavailable
from recruit_assets.extract import http_errors
from recruit_assets.extract.client import Client
from recruit_assets.extract.flight import InFlight
from recruit_assets.extract.identity import one_id_twice, type_of_another
from recruit_assets.extract.jsonapi import AnyDocument, Document, Record, Single
from recruit_assets.extract.query import PAGE_SIZE, Query
from recruit_assets.extract.retries import ONCE, RequestStats, RetryLimits, call_with_retries
from recruit_assets.extract.threads import DaemonPool
from recruit_assets.text import OneLineLog, one_line

MAX_RECORDS = 1 << 20  # more than any response has
GONE = (404, 410)  # statuses that prove that a record requested by its id is gone


@dataclass(frozen=True)
class Page:
    """Hold a page as returned; `sequence` numbers the responses of a source in order of arrival."""

    document: Document
    number: int
    sequence: int

    @property
    def records(self) -> list[Record]:
        """Return the records of the page."""
        return self.document.data

    @property
    def positions(self) -> range:
        """Return the positions of the records in the order of all responses."""
        first = self.sequence * MAX_RECORDS
        return range(first, first + len(self.records))


class Source:
    """Request one endpoint of the API; `stats` counts the requests. Thread-safe.

    Args:
        client: sends the requests.
        endpoint: the endpoint to request.
        limits: how often and how long to retry a request.
        log: receives waits and refusals.
        page_size: records of a page.
    """

    def __init__(
        self,
        client: Client,
        endpoint: Endpoint,
        limits: RetryLimits,
        log: logging.Logger,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.endpoint, self.log, self.page_size = endpoint, OneLineLog(log), page_size
        self.concurrency, self.clocks = client.concurrency, client.clocks
        self.stats = RequestStats()
        self.stopped = Event()
        self._client, self._limits = client, limits
        self._responses = count()
        self._counting = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Send nothing more: end the waits for the rate limit and for retries."""
        self.stopped.set()

    def replace(self, other: "Source") -> None:
        """Stop another source of the endpoint, and count its requests with those of this one."""
        other.stopped.set()
        self.stats, self._counting = other.stats, other._counting

    def of(self, endpoint: Endpoint) -> "Source":
        """Return a source of another list, whose requests count as this one's."""
        other = copy(self)
        other.endpoint = endpoint
        return other

    def impatient(self) -> "Source":
        """Return a source of this list that retries, but does not wait for an API that is down."""
        other = self.of(self.endpoint)
        other._limits = replace(self._limits, outage=0.0)
        return other

    @property
    def api(self) -> str:
        """Return what identifies the API, version and key."""
        return self._client.identity

    @property
    def url(self) -> str:
        """Return the address of the list."""
        return self._client.base_url + self.endpoint.address

    def in_flight(self) -> InFlight[Any, Page]:
        """Return a pool for as many concurrent requests as the client may send."""
        return InFlight(self.concurrency)

    def page(self, query: Query, number: int, limits: RetryLimits | None = None) -> Page:
        """Return one page of the list, with retries within `limits`, or else those of the source.

        Raises:
            RequestFailed: the page cannot be read.
        """
        return self._page(self.endpoint.address, query.page(number), number, limits)

    def linked(self, link: str, number: int) -> Page:
        """Return the page that a link of the API points to; `number` is for messages.

        Raises:
            RequestFailed: the page cannot be read.
        """
        # A link that is only a query belongs to the list.
        address = self.endpoint.address
        return self._page(address + link if link.startswith("?") else link, "", number)

    def find(self, ids: Iterable[str], query: Query) -> Iterator[tuple[str, Page | None]]:
        """Yield each id with a page that holds only its record, or None if the record is gone.

        The page is empty if the response proves neither: then the row must stay. One warning
        reports this for all ids. After a failure, the other ids are requested without retries.
        """
        wanted, failed = list(ids), list[RequestFailed]()

        def request(id_: str) -> Page | None:
            try:
                return self.record(id_, query, ONCE if failed else None)
            except RequestFailed as error:
                failed.append(error)
                return self._page_of([])

        with DaemonPool(self.concurrency) as pool:
            yield from zip(wanted, pool.map(request, wanted), strict=True)
        if failed:
            self.log.warning(
                f"{self.endpoint.name}: {len(failed)} of {len(wanted)} records could not be looked "
                f"up by id, so their rows stay as they are. The first: {failed[0].subject}: "
                f"{failed[0].happened}."
            )

    def record(self, id_: str, query: Query, limits: RetryLimits | None = None) -> Page | None:
        """Return a page that holds one record, requested by its id; None if it is gone.

        A 404 or 410 means gone, without a retry, even with Retry-After.

        Raises:
            RequestFailed: any other response, including another record, which proves nothing about
                this one.
        """
        subject = f"{self.endpoint.name} {one_line(id_)}"
        if id_ in (".", ".."):
            raise http_errors.not_an_address(subject)
        url = f"{self.endpoint.path}/{quote(id_, safe='')}"
        try:
            found = self._get(url, query.record(), subject, Single, limits).data
        except (Unavailable, Rejected) as error:
            if error.status in GONE:
                return None
            raise
        if str(found.id) != id_ or type_of_another(self.endpoint, [found.type]):
            raise http_errors.another_record(subject, str(found.type), str(found.id))
        return self._page_of([found])

    def check_that_others_answer(self, error: Unavailable) -> None:
        """Tell a missing add-on or scope from a wrong base URL, or a key that may read nothing.

        Every key may read the jobs and departments that the career site shows.

        Raises:
            RequestFailed: the URL or the key is at fault.
        """
        other = "jobs" if self.endpoint.path != "jobs" else "departments"
        try:
            self._get(other, urlencode({"page[size]": 1}), other, Document)
        except Unavailable as also:
            if also.status == error.status:
                raise http_errors.nothing_there(error, self.url, other) from None
        except (ParameterRefused, Rejected):
            return  # it refused something, but the address exists

    def _page(self, url: str, query: str, number: int, limits: RetryLimits | None = None) -> Page:
        within = f" of {self.endpoint.within[:-1]}" if self.endpoint.within else ""
        subject = f"{self.endpoint.name}{within}, page {number}"
        document = self._get(url, query, subject, Document, limits)
        if other := type_of_another(self.endpoint, (each.type for each in document.data)):
            raise http_errors.another_type(subject, other, self.endpoint.path)
        if twice := one_id_twice(document.data):
            raise http_errors.one_id_twice(subject, *twice)
        return Page(document, number, next(self._responses))

    def _page_of(self, records: list[Record]) -> Page:
        return Page(Document(records), 1, next(self._responses))

    def _get(
        self,
        url: str,
        query: str,
        subject: str,
        document_type: type[AnyDocument],
        limits: RetryLimits | None = None,
    ) -> AnyDocument:
        """Send a request, with retries within `limits`, or else those of the source."""
        stats, client = RequestStats(), self._client

        def ask() -> AnyDocument:
            try:
                with client.turn(self.stopped) as waited:
                    stats.seconds_waited_for_budget += waited
                    stats.requests += 1
                    return client.get(url, query, subject, document_type, stats)
            except RequestFailed as error:
                if issubclass(document_type, Single) and error.status in GONE:
                    error.wait = None  # the complete list lacks it too: it is gone, not late
                raise

        try:
            return call_with_retries(
                ask,
                stats,
                limits or self._limits,
                outage=client.outage,
                log=self.log,
                stopped=self.stopped,
            )
        finally:
            with self._counting:
                self.stats.add(stats)
