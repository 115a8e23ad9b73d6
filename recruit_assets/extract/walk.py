"""Walk: one reading of one endpoint's list, page by page, and its verdict.

Scope: how a list can be read, and what the reading proves. `source` sends the request for a page
with the parameters of `query`; `lanes` explains why no record slips through between pages;
`records` interprets the records.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import cast

from recruit_assets.errors import Unavailable
from recruit_assets.extract import http_errors
from recruit_assets.extract.by_change import read_changes
from recruit_assets.extract.cursor import read_by_cursor
from recruit_assets.extract.lanes import OutOfOrder
from recruit_assets.extract.links import by_number, counts, ends
from recruit_assets.extract.no_response import TELL
from recruit_assets.extract.ordered import Ordered
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.query import Query
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.retries import RequestStats
from recruit_assets.extract.sightings import MAX_REPEATED_PAGES, Repeats
from recruit_assets.extract.single import REFUSED, distinct, doubts_of_single, shows_all
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.unfinished import Part, Unfinished
from recruit_assets.extract.unordered import read_twice

LOG_INTERVAL = 5.0  # seconds
MAX_PAGES = 1_000_000  # pages (30 million records)
DOUBTS_SHOWN = 3


class Walk:
    """Read an endpoint lazily, once: nothing is requested before the walk is iterated.

    Iteration yields the pages in the order of their responses, some of them twice, and raises
    `RequestFailed` if one cannot be read. An endpoint that the account does not have yields nothing
    and has the verdict `unavailable`.

    `is_divided` says whether its pages are a part of a reading: `part` was called, or it goes on.

    Args:
        source: the endpoint.
        since: reads only the records changed then or later; None reads all.
        filtered: whether to request these with the filter; if it is refused, or if not, they are
            read from the end of the whole list.
        rows: the number of known rows of the list; None if its changes cannot be read that way,
            because a record has no time of its last change.
        unfinished: a reading of the whole list to go on with, if its parameters are the same.
        begin: the parameters that the account accepts of a list of the same kind.
    """

    def __init__(
        self,
        source: Source,
        since: datetime | None = None,
        *,
        filtered: bool = True,
        rows: int | None = None,
        unfinished: Unfinished | None = None,
        begin: Query | None = None,
    ) -> None:
        self.report = WalkReport(datetime.now(UTC))
        self._unfinished, self._ordered = unfinished, cast("Ordered | None", None)
        self.is_divided = self._ended = False
        self._source, self._name = source, source.endpoint.name
        query = Query.everything(
            source.endpoint, source.page_size, since, filtered=filtered, rows=rows
        )
        if begin:
            query = replace(begin, endpoint=source.endpoint)
        self._pager = Pager(source, query, self.report)
        self._doubts = self._pager.doubts
        self._begun = self._logged_at = monotonic()
        self._waited = 0.0  # seconds waited for the rate limit at the last progress message

    @property
    def query(self) -> Query:
        """Return the query, without the parameters that the account refused."""
        return self._pager.query

    def part(self) -> Part | None:
        """Return what was read since the last call; None if the reading cannot be divided.

        Once the reading has ended, None means that all of it is on the pages of this walk.
        """
        ordered = self._ordered
        if ordered is None or not (self.is_divided if self._ended else self._can_pause):
            return None
        self.is_divided = True
        return ordered.part(self._source.clocks.earliest(self._begun), ended=self._ended)

    @property
    def _can_pause(self) -> bool:
        """Return whether another walk can go on here; it would not know of doubts."""
        return self.query.since is None and not self._doubts

    @property
    def stats(self) -> RequestStats:
        """Return the statistics of the source, which may include other requests."""
        return self._source.stats

    def __iter__(self) -> Iterator[Page]:
        report = self.report
        self._begun = self._logged_at = monotonic()
        report.began = self._source.clocks.earliest(self._begun)
        try:
            for page in self._bounded(self._pages()):
                report.pages += 1
                report.records += len(page.records)
                if monotonic() - self._logged_at > LOG_INTERVAL:
                    self._log_progress()
                yield page
        except Unavailable as error:
            if report.pages:
                raise http_errors.gone_midway(error) from None
            self._source.check_that_others_answer(error)
            report.verdict, report.reason = Verdict.UNAVAILABLE, str(error)
        else:
            self._ended = True
            report.began = self._source.clocks.earliest(self._begun)
            if self._unfinished and self.is_divided:
                report.began = min(report.began, self._unfinished.began)
            self._judge()

    def _log_progress(self) -> None:
        """Log the progress of the walk."""
        queued, self._logged_at = self.stats.seconds_waited_for_budget, monotonic()
        so_far = self.report.so_far(
            self._pager.size, self._logged_at - self._begun, waited=queued > self._waited
        )
        self._waited = queued
        self._source.log.info(f"{self._name}: {so_far}")

    def _judge(self) -> None:
        report, doubts = self.report, list(dict.fromkeys(self._doubts))
        report.reason = "; ".join(doubts[:DOUBTS_SHOWN])
        if len(doubts) > DOUBTS_SHOWN:
            report.reason += f"; and {len(doubts) - DOUBTS_SHOWN:,} more like these"
        if not doubts and self.query.since:
            report.verdict = Verdict.WINDOW
        elif not doubts:
            report.verdict, report.proof = Verdict.COMPLETE, Proof.READ

    def _bounded(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Yield the pages of a reading, and stop one that proves endless; its pages are kept."""
        repeats = Repeats()
        for number, page in enumerate(pages, 1):
            yield page
            if repeats.too_many(page, self._pager.stated_end(page)):
                self._doubts.insert(
                    0,
                    "the list repeats itself, or its counts or links are wrong: "
                    f"{MAX_REPEATED_PAGES} pages in a row had no records or those of other pages, "
                    f"the last of them page {page.number:,}, so no more were requested. {TELL}",
                )
                return
            if number == MAX_PAGES:
                self._doubts.insert(0, f"it has more than {MAX_PAGES:,} pages. {TELL}")
                return

    def _pages(self) -> Iterator[Page]:
        pager = self._pager
        first = pager.first()
        yield first
        if pager.query.by_change:
            try:
                yield from read_changes(pager, first)
                return
            except OutOfOrder:
                self._source.log.warning(
                    f"{self._name}: its records are not in the order of updated-at, so the whole "
                    "list is read."
                )
            pager.read_whole()
            first = pager.first()
            yield first
        yield from self._whole(first)

    def _whole(self, first: Page) -> Iterator[Page]:
        """Yield the pages after the first of a list that is read to its other end."""
        pager, counted = self._pager, first.document.record_count
        if counted is None:
            self._doubts.append("the API does not say how many records there are")
        if ends(first, pager.size):
            self._doubts += doubts_of_single(first, pager.size)
            return
        if len(distinct(first)) == counted and (yield from shows_all(pager, first)):
            return
        if not by_number(first) and (yield from self._read_by_cursor(first)):
            return
        if counted is None:
            yield from pager.forward(first)
        else:
            yield from self._read_in_order(first)

    def _read_in_order(self, first: Page) -> Iterator[Page]:
        """Yield the pages after the first, of a list that the API counts; go on if possible."""
        pager, unfinished = self._pager, self._resumable()
        self._ordered, self.is_divided = Ordered(pager, first, unfinished), unfinished is not None
        try:
            yield from self._ordered
        except OutOfOrder:
            if self.is_divided:  # nothing of it counts
                first = pager.first()
                yield first
            self._ordered, self._unfinished, self.report.resumed = None, None, 0
            yield from read_twice(pager, first)

    def _resumable(self) -> Unfinished | None:
        """Return the unfinished reading, if its pages are those of this walk."""
        unfinished, self._unfinished = self._unfinished, None
        if unfinished is None:
            return None
        so_far, log = unfinished.so_far(), self._source.log
        if (unfinished.query, unfinished.size) != (self.query.identity, self._pager.size):
            log.warning(
                f"{self._name}: a reading that was interrupted ({so_far}) cannot go on, because "
                "the parameters of its requests were others: the whole list is read."
            )
            return None
        log.info(f"{self._name}: goes on with a reading that was interrupted ({so_far}).")
        self._unfinished, self.report.resumed = unfinished, unfinished.records
        return unfinished

    def _read_by_cursor(self, first: Page) -> Generator[Page, None, bool]:
        """Yield the pages after the first by links; return whether no other way is needed or left.

        If a link leads nowhere, or back too early, pages are left to read by number if the API
        counts.
        """
        doubts = list(self._doubts)
        try:
            if (yield from read_by_cursor(self._pager, first)) or not counts(first):
                return True
            why = f"{self._name}: {self._doubts[-1]}."
        except REFUSED as error:
            if not counts(first):
                raise
            why = f"{error.subject}, the target of links.next: {error.happened}."
        self._doubts[:] = doubts
        self._source.log.warning(f"{why} Pages are requested by number instead.")
        return False
