"""Reading a list by page number, with each page checked against its own count.

Scope: the first page and the parameters that the account refuses, pages that are short or empty,
and the doubts that keep a reading from being proven. `walk` decides which page to request next and
what an order proves.
"""

from collections.abc import Iterator
from dataclasses import replace

from recruit_assets.errors import ParameterRefused
from recruit_assets.extract.lanes import Key, OutOfOrder, keys_of
from recruit_assets.extract.links import has_next_link
from recruit_assets.extract.query import WINDOW, Query
from recruit_assets.extract.report import WalkReport
from recruit_assets.extract.source import Page, Source

SHORT_PAGE_TRIES = 3  # requests for a page that is short
MAX_DOUBTS_RETRIED = 3  # doubts after which a page is requested only once


class Pager:
    """Request the pages of one list; `doubts` says why the reading proves nothing.

    `size` is the number of records on a full page, `now` the count in the latest response, and
    `steady` whether all responses gave the same count.
    """

    def __init__(self, source: Source, query: Query, report: WalkReport) -> None:
        self.source, self.query, self._report = source, query, report
        self.name = source.endpoint.name
        self.size = source.page_size
        self.now = 0
        self.steady = True
        self.doubts: list[str] = []

    def first(self) -> Page:
        """Return page 1, requested with the parameters that the account accepts."""
        while True:
            try:
                page = self.source.page(self.query, 1)
                break
            except ParameterRefused as refused:
                self._drop(refused)
        self._report.record_count = page.document.record_count
        self.size = self.query.size or len(page.records) or 1
        if len(page.records) != self._due(page):
            page = self.page(1)
            self._fit(page)
        self._count(page)
        self.steady = True
        self._report.record_count = page.document.record_count
        return page

    def page(self, number: int) -> Page:
        """Return a page; request it again while its size is not the one that its count implies."""
        tries = SHORT_PAGE_TRIES if len(self.doubts) < MAX_DOUBTS_RETRIED else 1
        for _ in range(tries):
            page = self.source.page(self.query, number)
            due = self._due(page)
            self._count(page)
            if len(page.records) == due:
                return page
        expected = "an unknown number" if due < 0 else f"{due:,}"
        count = f"{len(page.records):,} records"
        self.doubts.append(f"page {number:,} has {count} where {expected} were expected")
        return page

    def keys(self, page: Page) -> list[Key]:
        """Return the sort keys of the records of a page.

        Raises:
            OutOfOrder: they have none.
        """
        since = self.query.since is not None
        if since and not self.query.sorted:
            raise OutOfOrder  # changes during the read enter an unsorted window anywhere
        return keys_of(page.records, by_change=since)

    def last(self, counted: int | None) -> int:
        """Return the number of the last page of a list of `counted` records; 1 if it is empty."""
        return max(1, -(-(counted or 0) // self.size))

    def forward(self, first: Page) -> Iterator[Page]:
        """Yield the pages after page 1, several in flight, until the end by count and link.

        An empty page is the end only if the count agrees, because pages can be empty for a moment.
        """
        number, last = 2, self._end(first)
        with self.source.in_flight() as flying:
            for number in range(2, min(last, 1 + self.source.concurrency) + 1):
                flying.send(number, self.page, number)
            for _, page in flying:
                yield page
                last = max(last if page.records else 0, self._end(page))
                if number < last:
                    number += 1
                    flying.send(number, self.page, number)

    def shrink(self) -> bool:
        """Request pages that are one record shorter from now on, so that page boundaries move.

        Returns:
            Whether that is possible: a size was requested, and the API's pages have it.
        """
        asked = self.query.size
        if asked is None or asked != self.size or asked < 2:
            return False
        self.size = asked - 1
        self.query = replace(self.query, size=self.size)
        return True

    def stated_end(self, page: Page) -> int:
        """Return the number of the last page, as the counts and the link of this page have it."""
        linked = page.number + 1 if has_next_link(page) else 1
        return max(self._counted_end(page), linked)

    def _end(self, page: Page) -> int:
        """Return the number of the last page to request; the link of an empty page is no reason."""
        return self.stated_end(page) if page.records else self._counted_end(page)

    def _counted_end(self, page: Page) -> int:
        document = page.document
        if document.record_count is None:
            return max(1, document.page_count or 0)
        return self.last(document.record_count)

    def _fit(self, page: Page) -> None:
        """Adopt the API's page size if it differs from the requested one on every page."""
        document, shown = page.document, len(page.records)
        counted = document.record_count
        if not shown or not counted or shown > counted:
            return  # more records than counted, so the count is worthless
        if shown == counted or document.page_count == -(-counted // shown):
            self.size = shown
            self.doubts.clear()

    def _drop(self, refused: ParameterRefused) -> None:
        self.query, dropped = self.query.without(refused)
        self._report.dropped += dropped
        self._report.filter_refused |= any(each.startswith(WINDOW) for each in dropped)
        for each in dropped:
            self.source.log.warning(f"{self.name}: the API refuses {each}")

    def _count(self, page: Page) -> None:
        counted = page.document.record_count
        if counted is not None:
            self.steady &= counted == self._report.record_count
            self.now = counted

    def _due(self, page: Page) -> int:
        """Return how many records a page should have by its own count; -1 if it has none now."""
        counted = page.document.record_count
        if counted is None:  # as on the first page; else the number due is unknown
            return len(page.records) if self._report.record_count is None else -1
        return max(0, min(self.size, counted - (page.number - 1) * self.size))
