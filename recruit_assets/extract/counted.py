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
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic

from recruit_assets.errors import ParameterRefused, RequestFailed
from recruit_assets.extract.lanes import Order, OutOfOrder, is_plain_number, keys_of, order_of
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.query import Query
from recruit_assets.extract.rank import Found, Listed, Rank, TooManyGone
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.sightings import ids_of
from recruit_assets.extract.single import REFUSED
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import LOG_INTERVAL, Walk

MAX_ROUNDS = 3  # of searching and reading changes


class CountedWalk:
    """Read the changes of an endpoint, and search its list for records that are gone; once.

    Iteration yields pages as `Walk` does, and the report is that of the changes. It is `complete`
    if the search succeeded, or `window` if only the changes are proven. If the search would take
    more requests than reading the whole list, that is read.

    Args:
        source: the endpoint.
        changes: starts a reading of what has changed.
        known: the ids of current rows, ascending.
        settled: see `Rank`.
    """

    def __init__(
        self, source: Source, changes: Callable[[], Walk], known: Sequence[int], settled: int
    ) -> None:
        self.missing: list[str] = []  # known ids that the list did not show
        self._source, self._changes = source, changes
        self._known, self._settled = known, settled
        self._walk = changes()
        self._pages = self._records = 0  # of the searches, and of readings that were repeated
        self._logged_at = monotonic()

    @property
    def report(self) -> WalkReport:
        """Return the report, which is final after iteration."""
        return self._walk.report

    @property
    def query(self) -> Query:
        """Return the query of the changes, without the parameters that the account refused."""
        return self._walk.query

    def __iter__(self) -> Iterator[Page]:
        begun = monotonic()
        try:
            yield from self._rounds()
        except TooManyGone:
            self._log("reading the whole list takes fewer requests than searching it")
            self._begin_again(Walk(self._source))
            yield from self._walk
        self.report.pages += self._pages
        self.report.records += self._records
        self.report.began = self._source.clocks.earliest(begun)

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
        size, report = self._source.page_size, WalkReport(datetime.now(UTC))
        pager = Pager(self._source, Query.everything(self._source.endpoint, size), report)
        search = Rank(self._known, size, self._settled).search()
        number = next(search)
        while True:
            try:
                page = pager.page(number)
                listed = _listed(page)
            except ParameterRefused as refused:
                if _drops(pager, refused):
                    continue
                return None
            except (OutOfOrder, *REFUSED) as error:
                if isinstance(error, RequestFailed) and error.status == 401:
                    raise  # the API rejects the key
                self._log(f"its list cannot be searched ({type(error).__name__})")
                return None
            self._pages += 1
            self._records += len(page.records)
            self._log_progress()
            yield page
            if pager.doubts:
                self._log(f"its list cannot be searched ({pager.doubts[0]})")
                return None
            try:
                number = search.send(listed)
            except StopIteration as end:
                found: Found = end.value
                return found

    def _conclude(self, found: Found) -> None:
        """Set the verdict, and what is missing, after changes without a surprise."""
        self.missing = list(map(str, sorted(found.missing)))
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

    def _log_progress(self) -> None:
        if monotonic() - self._logged_at > LOG_INTERVAL:
            self._logged_at = monotonic()
            self._log(f"searching for deletions, {self._pages:,} pages so far")

    def _log(self, why: str) -> None:
        self._source.log.info(f"{self._source.endpoint.name}: {why}")


def _listed(page: Page) -> Listed:
    """Return what a page shows of the order of its list.

    Raises:
        OutOfOrder: it is not in the order of numeric ids, or does not count.
    """
    keys, total = keys_of(page.records, by_change=False), page.document.record_count
    if total is None or (len(keys) > 1 and order_of(keys) is not Order.OLDEST_FIRST):
        raise OutOfOrder
    if not all(is_plain_number(str(each.id)) for each in page.records):
        raise OutOfOrder
    return Listed(page.number, [id_ for _, id_ in keys], total)


def _drops(pager: Pager, refused: ParameterRefused) -> bool:
    """Return whether the list can be searched without the refused parameters."""
    try:
        pager.drop(refused)
    except ParameterRefused:
        return False
    return pager.query.sorted and pager.query.size is not None
