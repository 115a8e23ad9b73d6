"""Estimate of the requests that syncs make for a list, from its first page.

Scope: the arithmetic of `walk`, `by_change` and `counted` for a list that does not change. Changed
records cost requests in each of them, and each row whose record is gone costs one.
"""

from dataclasses import dataclass

from recruit_assets.extract.lanes import Order, OutOfOrder, is_plain_number, keys_of, order_of
from recruit_assets.extract.links import by_number, ends
from recruit_assets.extract.pager import SHORT_PAGE_TRIES
from recruit_assets.extract.query import PAGE_SIZE, Query
from recruit_assets.extract.source import Page


@dataclass(frozen=True)
class Estimate:
    """Hold a number of requests; if it is not exact, there are at least as many."""

    requests: int
    exact: bool = True

    def __add__(self, other: "Estimate") -> "Estimate":
        """Return the estimate of both."""
        return Estimate(self.requests + other.requests, self.exact and other.exact)


@dataclass(frozen=True)
class Costs:
    """Hold the requests that the steps of a sync make while the list is at rest; None if unknown.

    `whole` reads the list, `search` looks for deletions, `filtered` requests the changes with the
    filter, and `sorted` reads them from the end of the list. `short` is whether the list is shorter
    than a page, so that it is read whole.
    """

    whole: int
    search: int | None = None
    filtered: int = 1
    sorted: int | None = None
    short: bool = False

    def hourly(
        self, *, filters: bool | None, sorts: bool | None = None, searches: bool = True
    ) -> Estimate:
        """Return the requests of an incremental sync; the fewest, if it is unknown how it reads.

        Args:
            filters: whether the API filters by the last change; None if unknown.
            sorts: whether changes can be read from the end of the list; None if unknown.
            searches: whether the sync looks for deletions. It does not if records are left out, and
                then the number of known rows does not show where the list ends.
        """
        if self.short and searches:
            return Estimate(self.whole)
        search, by_sort = (self.search, self.sorted) if searches else (0, None)
        possible: set[int | None] = set()
        if filters is not False:
            possible.add(_sum(search, self.filtered))
        if filters is not True and sorts is not False:
            possible.add(_sum(search, by_sort))
        if filters is not True and sorts is not True:
            possible.add(self.whole)
        fewest = min(1 if each is None else each for each in possible)
        return Estimate(fewest, exact=len(possible) == 1 and None not in possible)


def costs(first: Page, query: Query, whole: int, refusals: int) -> Costs:
    """Return what the steps of a sync cost.

    Args:
        first: the first page of the list.
        query: the parameters that the account accepts.
        whole: the requests that read the list.
        refusals: the requests that the account refused before; each step repeats them.
    """
    if not all(is_plain_number(str(each.id)) for each in first.records):
        return Costs(whole, 0, refusals + 1)  # such a list is not searched
    counted = first.document.record_count
    short = counted is not None and counted < (query.size or PAGE_SIZE)
    if query.size is None or not query.sorted:
        return Costs(whole, refusals, refusals + 1, short=short)  # a search ends with the refusal
    end = _sum(refusals, _requests_for_end(first, query.size))
    return Costs(whole, end, refusals + 1, end, short)


def _requests_for_end(first: Page, size: int) -> int | None:
    """Return how many requests find the newest end of a list; a full last page proves no end."""
    counted = first.document.record_count
    if counted is None or not by_number(first) or len(first.records) != min(size, counted):
        return None
    try:
        order = order_of(keys_of(first.records, by_change=False))
    except OutOfOrder:
        return None
    if order is not Order.OLDEST_FIRST:
        return None
    return 2 if counted and counted % size == 0 else 1


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def requests_for(first: Page, size: int | None) -> int | None:
    """Return how many requests a walk makes, including the first page.

    Args:
        first: the first page of the list.
        size: records per page that were requested; None is the API's default.

    Returns:
        The number, or None if the page does not show how long the list is.
    """
    counted, shown = first.document.record_count, len(first.records) or 1
    if ends(first, size or shown):
        return 1
    if counted is None:
        return first.document.page_count
    # A page shorter than requested is requested again before its length is accepted.
    again = 0 if size in (None, shown) else SHORT_PAGE_TRIES
    pages = -(-counted // shown)
    if not by_number(first):
        return again + pages
    try:
        order = order_of(keys_of(first.records, by_change=False))
    except OutOfOrder:
        return again + 2 * pages
    # If the reading starts at the last page, the first is requested again in its turn.
    return again + pages + (order is Order.OLDEST_FIRST)
