"""An incremental reading that also proves what is gone: by ranks, in few requests.

It first searches the whole list for known records that are missing (see `rank`), then reads what
has changed. In this order, a record that is neither known, nor new, nor among the changes can only
be one that became visible without being changed. If the changes bring an older record that was not
known, or was missing, its return may have hidden from the search that another is gone, so both are
repeated.

Scope: the order of these steps and the verdict that follows. Whether a missing record is gone is
decided elsewhere, by its id.
"""

from array import array
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from recruit_assets.extract.cover import Cover
from recruit_assets.extract.lanes import is_plain_number
from recruit_assets.extract.query import Query
from recruit_assets.extract.rank import Found, TooManyGone
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.rolling import Covered, Rolling
from recruit_assets.extract.search import ListSearch
from recruit_assets.extract.sightings import ids_of
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk

MAX_ROUNDS = 3  # of searching and reading changes


class CountedWalk:
    """Read the changes of an endpoint, and search its list for records that are gone; once.

    Iteration yields pages as `Walk` does, and the report is that of the changes. It is `complete`
    if the search succeeded, or `window` if only the changes are proven. If the search would take
    more requests than reading the whole list, that is read.

    Args:
        source: the endpoint.
        changes: starts a reading of what has changed.
        known: what is known of the list.
        overlap: how long after its creation a record may become visible.
        audits: how many syncs read the whole list, if this one reads a part of it; then `cover` has
            the ranges as they are afterwards.
        sample: whether this one reads single pages all over the list instead.
    """

    def __init__(
        self,
        source: Source,
        changes: Callable[[], Walk],
        known: Covered,
        overlap: timedelta,
        audits: int | None = None,
        *,
        sample: bool = False,
    ) -> None:
        self.missing: list[str] = []  # known ids that the list did not show
        self.cover: Cover | None = None
        self._covered, self._overlap, self._audits = known, overlap, audits
        self._sample = sample
        self._source, self._changes = source, changes
        self._known, self._settled = known.ids, known.settled
        self._walk = changes()
        self._begun = monotonic()
        self._pages = self._records = 0  # of the searches, and of readings that were repeated

    @property
    def report(self) -> WalkReport:
        """Return the report, which is final after iteration."""
        return self._walk.report

    @property
    def query(self) -> Query:
        """Return the query of the changes, without the parameters that the account refused."""
        return self._walk.query

    def __iter__(self) -> Iterator[Page]:
        self._begun = monotonic()
        try:
            yield from self._rounds()
        except TooManyGone:
            self._source.log.info(
                f"{self._source.endpoint.name}: reading the whole list takes fewer requests than "
                "searching it"
            )
            self._begin_again(Walk(self._source))
            yield from self._walk
        self.report.pages += self._pages
        self.report.records += self._records
        self.report.began = self._source.clocks.earliest(self._begun)

    def _rounds(self) -> Iterator[Page]:
        """Yield the pages of a search and of changes, again if it should have known one of them."""
        for _ in range(MAX_ROUNDS):
            found = yield from self._search()
            brought = set[str]()
            for page in self._walk:
                brought.update(ids_of(page))
                yield page
            if self._pages and self.report.verdict is Verdict.UNAVAILABLE:
                self.report.verdict = Verdict.INCOMPLETE  # the list itself was readable
            if found is None or self.report.verdict is not Verdict.WINDOW:
                return
            if not all(map(is_plain_number, brought)):
                return
            numbers = set(map(int, brought))
            late = {id_ for id_ in numbers if id_ <= self._settled}.difference(self._known)
            if not late and found.missing.isdisjoint(numbers):
                self._conclude(found)
                return
            self._known = array("q", sorted({*self._known, *late}))
            self._begin_again(self._changes())
        self.report.reason = (
            "it is not proven that all deletions were found: the changes had older records that "
            f"the list lacked, {MAX_ROUNDS} times"
        )

    def _search(self) -> Generator[Page, None, Found | None]:
        """Yield the pages of a search; return what it found, None if the list cannot be searched.

        Raises:
            TooManyGone: reading the whole list takes fewer requests.
        """
        report = WalkReport(datetime.now(UTC))
        known = replace(self._covered, ids=self._known)
        rolling = self._rolling = Rolling(
            known, self._source.page_size, self._audits, sample=self._sample
        )
        try:
            return (yield from ListSearch(self._source, report).run(rolling.search()))
        finally:
            self._pages += report.pages
            self._records += report.records

    def _conclude(self, found: Found) -> None:
        """Set the verdict, and what is missing, after changes without a surprise."""
        self.missing = list(map(str, sorted(found.missing)))
        if self._audits:
            began = self._source.clocks.earliest(self._begun)
            cover = self._rolling.cover(began, self._overlap, self._source.clocks)
            # With other parameters, nothing is known until the whole list is read again.
            self.cover = cover if self.query.listed == self._covered.listed else Cover([])
        if found.unseen:
            self.report.reason = (
                f"{len(found.unseen):,} older records became visible without being changed: there "
                "may be more of them"
            )
        else:
            self.report.verdict, self.report.proof = Verdict.COMPLETE, Proof.COUNTED

    def _begin_again(self, walk: Walk) -> None:
        earlier, self._walk = self.report, walk
        self._pages += earlier.pages
        self._records += earlier.records
        self.report.dropped += earlier.dropped
        self.report.filter_refused = earlier.filter_refused
        self.report.sort_refused = earlier.sort_refused
