"""Requests for the pages that a search of a whole list wants, such as one by ranks.

Scope: what a page shows of the order of its list, and lists that cannot be searched. `rank` and
`rolling` decide which page to request, and what the responses show.
"""

from collections.abc import Generator
from time import monotonic
from typing import TypeVar

from recruit_assets.errors import ParameterRefused, RequestFailed
from recruit_assets.extract.lanes import Order, OutOfOrder, is_plain_number, keys_of, order_of
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.query import Query
from recruit_assets.extract.rank import Listed
from recruit_assets.extract.report import WalkReport
from recruit_assets.extract.single import REFUSED
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import LOG_INTERVAL

Result = TypeVar("Result")


class ListSearch:
    """Request the pages of a list, in the order of `id`, that a search wants; use it once.

    Args:
        source: the endpoint.
        report: counts the pages, and gets the parameters that the account refuses.
    """

    def __init__(self, source: Source, report: WalkReport) -> None:
        self._source, self._report = source, report
        self._pager = Pager(source, Query.everything(source.endpoint, source.page_size), report)
        self._logged_at = monotonic()

    @property
    def query(self) -> Query:
        """Return the query, without the parameters that the account refused."""
        return self._pager.query

    def run(self, search: Generator[int, Listed, Result]) -> Generator[Page, None, Result | None]:
        """Yield the pages that a search wants; return its result, None if that is impossible.

        Raises:
            TooManyGone: the search raised it.
        """
        pager, number = self._pager, next(search)
        while True:
            try:
                page = pager.page(number)
                listed = _listed(page)
            except ParameterRefused as refused:
                if self._drops(refused):
                    continue
                return None
            except (OutOfOrder, *REFUSED) as error:
                if isinstance(error, RequestFailed) and error.status == 401:
                    raise  # the API rejects the key
                self._log(f"its list cannot be searched ({type(error).__name__})")
                return None
            self._report.pages += 1
            self._report.records += len(page.records)
            self._log_progress()
            yield page
            if pager.doubts:
                self._log(f"its list cannot be searched ({pager.doubts[0]})")
                return None
            try:
                number = search.send(listed)
            except StopIteration as end:
                result: Result = end.value
                return result

    def _drops(self, refused: ParameterRefused) -> bool:
        """Return whether the list can be searched without the refused parameters."""
        try:
            self._pager.drop(refused)
        except ParameterRefused:
            return False
        return self.query.sorted and self.query.size is not None

    def _log_progress(self) -> None:
        if monotonic() - self._logged_at > LOG_INTERVAL:
            self._logged_at = monotonic()
            self._log(f"searching for deletions, {self._report.pages:,} pages so far")

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
