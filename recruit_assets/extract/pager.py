"""A list that is asked for by page number: its pages, each held against its own count.

What lives here: the first page and what the account refuses, pages that are short or empty, and
why nothing is proven. Which page is asked for next, and what an order proves, is up to `walk`.
"""

from collections.abc import Iterator
from dataclasses import replace

from recruit_assets.errors import ParameterRefused
from recruit_assets.extract.lanes import Key, OutOfOrder, keys_of
from recruit_assets.extract.links import leads_on
from recruit_assets.extract.query import WINDOW, Query
from recruit_assets.extract.report import WalkReport
from recruit_assets.extract.source import Page, Source

ASKED_FOR_A_SHORT_PAGE = 3  # times
BELIEVED_SHORT = 3  # doubts, from which on a page is asked for once


class Pager:
    """The pages of one list; `doubts` says why its reading proves nothing.

    `size` is how many records a full page has, `now` what the latest answer counts, and `steady`
    whether all answers counted the same.
    """

    def __init__(self, source: Source, query: Query, report: WalkReport) -> None:
        self.source, self.query, self._report = source, query, report
        self.name = source.endpoint.name
        self.size = source.page_size
        self.now = 0
        self.steady = True
        self.doubts: list[str] = []

    def first(self) -> Page:
        """Return page 1, asked for with whatever parameters the account takes."""
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
        """Return a page, asked for again while it does not hold as many records as belong there."""
        tries = ASKED_FOR_A_SHORT_PAGE if len(self.doubts) < BELIEVED_SHORT else 1
        for _ in range(tries):
            page = self.source.page(self.query, number)
            due = self._due(page)
            self._count(page)
            if len(page.records) == due:
                return page
        belong = "an unknown number" if due < 0 else f"{due:,}"
        came = f"{len(page.records):,} records"
        self.doubts.append(f"page {number:,} has {came} where {belong} belong")
        return page

    def keys(self, page: Page) -> list[Key]:
        """Return the keys that the records of a page are ordered by.

        Raises:
            OutOfOrder: they have none.
        """
        since = self.query.since is not None
        if since and not self.query.sorted:
            raise OutOfOrder  # what changes while a window is read enters it anywhere
        return keys_of(page.records, by_change=since)

    def last(self, counted: int | None) -> int:
        """Return the number of the last page of a list of `counted` records; 1 for none."""
        return max(1, -(-(counted or 0) // self.size))

    def forward(self, first: Page) -> Iterator[Page]:
        """Yield the pages after page 1, several in flight, until its end by count and link.

        An empty page is the end only where the count agrees: pages can be empty for a moment.
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
        """Ask for pages that are one record shorter from now on, so that all begin elsewhere.

        Returns:
            Whether that can be: a size was asked for, and the API's pages have it.
        """
        asked = self.query.size
        if asked is None or asked != self.size or asked < 2:
            return False
        self.size = asked - 1
        self.query = replace(self.query, size=self.size)
        return True

    def _end(self, page: Page) -> int:
        """Return the number of the last page, as far as an answer knows."""
        document = page.document
        if document.record_count is None:
            counted = document.page_count or 0
        else:
            counted = self.last(document.record_count)
        on = page.records and leads_on(page)
        return max(counted, page.number + 1 if on else 1)

    def _fit(self, page: Page) -> None:
        """Take the size of the API's pages, if they are all of another one than was asked for."""
        document, came = page.document, len(page.records)
        counted = document.record_count
        if not came or not counted or came > counted:
            return  # more than are counted: such a count tells nothing
        if came == counted or document.page_count == -(-counted // came):
            self.size = came
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
        """Return how many records a page should have, by its own count; -1 if it has none now."""
        counted = page.document.record_count
        if counted is None:  # as the first page did, or it cannot be told
            return len(page.records) if self._report.record_count is None else -1
        return max(0, min(self.size, counted - (page.number - 1) * self.size))
