"""Reading a list by page number, with each page checked against its own count.

Scope: the first page and the parameters that the account refuses, pages that are short or empty,
and the doubts that keep a reading from being proven. `walk` decides which page to request next and
what an order proves.
"""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

from recruit_assets.errors import InvalidResponse, ParameterRefused, Rejected, Unavailable
from recruit_assets.extract.lanes import Key, OutOfOrder, keys_of
from recruit_assets.extract.links import has_next_link
from recruit_assets.extract.query import BY_CHANGE, WINDOW, Query
from recruit_assets.extract.report import WalkReport
from recruit_assets.extract.source import Page, Source

SHORT_PAGE_TRIES = 3  # requests for a page that is short
MAX_DOUBTS_RETRIED = 3  # doubts after which a page is requested only once


class Pager:
    """Request the pages of one list; `doubts` says why the reading proves nothing.

    `size` is the number of records on a full page, `now` the count in the latest response,
    `steady` whether all responses gave the same count, and `begun` a moment before all requests.
    """

    def __init__(self, source: Source, query: Query, report: WalkReport) -> None:
        self.source, self.query, self._report = source, query, report
        self.name = source.endpoint.name
        self.begun = monotonic()
        self.size = source.page_size
        self.now = 0
        self.steady = True
        self.doubts: list[str] = []

    def first(self) -> Page:
        """Return the first page to read, requested with the parameters that the account accepts.

        That is page 1, or where changes are at the end of a list, the last page by known rows.
        """
        while True:
            try:
                page = self.source.page(self.query, self._first)
                break
            except ParameterRefused as refused:
                self.drop(refused)
            except (InvalidResponse, Rejected, Unavailable) as error:
                if self._first == 1:
                    raise
                self.source.log.warning(f"{error} Its whole list is read instead.")
                self.read_whole()
        self._note_accepted(page)
        self.size = self.query.size or len(page.records) or 1
        if len(page.records) != self._due(page) or self._contradicts_itself(page):
            page = self.page(1)
            self._fit(page)
        self._count(page)
        self.steady = True
        self._note_accepted(page)
        return page

    def read_whole(self) -> None:
        """Request the whole list from now on, from `first` on: it does not show its changes."""
        self.query = replace(self.query, since=None)
        self.doubts.clear()

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

    def drop(self, refused: ParameterRefused) -> None:
        """Request pages without a refused parameter from now on.

        Raises:
            ParameterRefused: the endpoint is useless without it.
        """
        self.query, dropped = self.query.without(refused)
        self._report.dropped += dropped
        if any(each.startswith(WINDOW) for each in dropped):
            self._report.filter_refused = True
        if any(each.startswith(f"sort={BY_CHANGE}") for each in dropped):
            self._report.sort_refused = True
        for each in dropped:
            self.source.log.warning(f"{self.name}: the API refuses {each}")

    def stated_end(self, page: Page) -> int:
        """Return the number of the last page, as the counts and the link of this page have it."""
        linked = page.number + 1 if has_next_link(page) else 1
        return max(self._counted_end(page), linked)

    @property
    def _first(self) -> int:
        """Return the number of the first page to read; a full last page proves no end."""
        query = self.query
        return (query.rows or 0) // query.size + 1 if query.by_change and query.size else 1

    def _note_accepted(self, page: Page) -> None:
        """Note what the account accepted, and the count of what is to be read."""
        query, report = self.query, self._report
        report.record_count = None if query.by_change else page.document.record_count
        if query.by_change:
            report.sort_refused = False
        elif query.since:
            report.filter_refused = False

    def _contradicts_itself(self, page: Page) -> bool:
        """Return whether a later page shows that the API's pages are of another size."""
        return page.number > 1 and self.stated_end(page) != self._counted_end(page)

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
