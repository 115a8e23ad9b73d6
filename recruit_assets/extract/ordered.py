"""Reading a sorted list from the newest end to the oldest.

Scope: assigning pages to lanes, and closing the gaps between them. `newest` finds the newest end,
and rereads what was added or changed during the read. `lanes` explains what a page proves.
"""

from collections.abc import Iterator

from recruit_assets.extract.lanes import (
    OLDEST,
    Order,
    OutOfOrder,
    counts_match,
    gaps,
    order_of,
    spread,
)
from recruit_assets.extract.newest import Newest
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.sightings import Sightings, too_few
from recruit_assets.extract.source import Page
from recruit_assets.extract.unordered import read_again


class Ordered:
    """Read a list in order; iterate it once for the pages after the first.

    Raises:
        OutOfOrder: the list has no order that can be proven.
    """

    def __init__(self, pager: Pager, first: Page) -> None:
        self._pager, self._first = pager, first
        self._newest = Newest(pager)

    def __iter__(self) -> Iterator[Page]:
        pager, newest, top = self._pager, self._newest, self._first
        keys = newest.keys(top)
        if len(keys) < 2 and not pager.query.sorted:
            raise OutOfOrder  # one record shows no order
        order = newest.order = order_of(keys)
        newest.floor = max(keys, default=OLDEST)
        if order is Order.OLDEST_FIRST:
            top = pager.page(max(2, pager.last(pager.now)))
            yield top
            top = yield from newest.end_from(top)
        total = top.document.record_count or 0
        pages = top.number if order is Order.OLDEST_FIRST else pager.last(total)
        lanes = spread(order, pager.size, top.number, pages, pager.source.concurrency)
        lanes[0].take(top, newest.keys(top))
        yield from newest.read(lanes)
        if not counts_match(lanes, total):
            open_ends = gaps(lanes)
            for newer, older in open_ends:
                newer.extend(until=older.newest)
            yield from newest.read([newer for newer, _ in open_ends])
        # In a window, a record that is listed late can make up in the count for one that moved.
        counted = pager.now == total and (pager.steady or pager.query.since is None)
        if not (counted and counts_match(lanes, total)):
            known = newest.known(top)
            top = yield from newest.end()
            yield from newest.read_down_to(known, top)
            yield from self._reread_if_short()

    def _reread_if_short(self) -> Iterator[Page]:
        """Yield the pages again if records are missing although the list has not changed."""
        pager, newest = self._pager, self._newest
        distinct = len(set(newest.ids))
        if distinct >= pager.now:
            return
        seen = Sightings()
        for id_, number in zip(newest.ids, newest.places, strict=True):
            seen.add(number, [str(id_)])
        if pager.steady and not pager.doubts and seen.listed_twice:
            yield from read_again(pager, seen)
        else:
            pager.doubts.append(too_few(distinct, pager.now, seen if pager.steady else None))
