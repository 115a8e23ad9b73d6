"""Reading a sorted list from the newest end to the oldest.

Scope: assigning pages to lanes, and closing the gaps between them. `newest` finds the newest end,
and rereads what was added or changed during the read. `lanes` explains what a page proves.
"""

from collections.abc import Generator, Iterator
from datetime import datetime

from recruit_assets.extract.lanes import (
    OLDEST,
    Key,
    Lane,
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
from recruit_assets.extract.unfinished import Part, Stretches, Unfinished
from recruit_assets.extract.unordered import read_again


class Ordered:
    """Read a list in order; iterate it once for the pages after the first.

    Args:
        pager: requests the pages.
        first: the first page.
        unfinished: a reading of this list to go on with.

    Raises:
        OutOfOrder: the list has no order that can be proven.
    """

    def __init__(self, pager: Pager, first: Page, unfinished: Unfinished | None = None) -> None:
        self._pager, self._first, self._unfinished = pager, first, unfinished
        self._newest = Newest(pager)
        self._lanes: list[Lane] = []
        self._total = 0  # records that the lanes have to find
        self._stretches = Stretches([], resumed=False)

    def __iter__(self) -> Iterator[Page]:
        pager, newest = self._pager, self._newest
        if self._unfinished:
            known = self._resume(self._unfinished)
        else:
            known = yield from self._begin()
        lanes = self._lanes
        self._stretches = Stretches(lanes, resumed=self._unfinished is not None)
        yield from newest.read(lanes)
        if not counts_match(lanes, self._total):
            open_ends = gaps(lanes)
            for newer, older in open_ends:
                newer.extend(until=older.newest)
            yield from newest.read([newer for newer, _ in open_ends])
        # In a window, a record that is listed late can make up in the count for one that moved.
        counted = pager.now == self._total and (pager.steady or pager.query.since is None)
        if not (counted and counts_match(lanes, self._total)):
            top = yield from newest.end()
            yield from newest.read_down_to(known, top)
            yield from self._reread_if_short()

    def _begin(self) -> Generator[Page, None, Key]:
        """Yield the page at the newest end, and make the lanes; return what is known by then."""
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
        self._total = top.document.record_count or 0
        pages = top.number if order is Order.OLDEST_FIRST else pager.last(self._total)
        self._lanes = spread(order, pager.size, top.number, pages, pager.source.concurrency)
        self._lanes[0].take(top, newest.keys(top))
        return newest.known(top)

    def _resume(self, unfinished: Unfinished) -> Key:
        """Restore the lanes; return what is known of the newest end."""
        keys = self._pager.keys(self._first)
        self._lanes, self._total = unfinished.restored(), unfinished.total
        order = self._newest.order = self._lanes[0].order
        if len(keys) > 1 and order_of(keys) is not order:
            raise OutOfOrder
        self._newest.floor = max(keys, default=OLDEST)
        return self._lanes[0].greatest

    def part(self, began: datetime, *, ended: bool) -> Part | None:
        """Return what was covered since the last call, and what is left; None if it is too early.

        Args:
            began: when this reading began, if it is not the rest of another.
            ended: whether this reading has ended, and is complete.
        """
        if not (self._lanes and self._lanes[0].begun):
            return None
        stretches = self._stretches.since_last()
        if ended:
            stretches += self._stretches.between()
        before, query = self._unfinished, self._pager.query.identity
        began = before.began if before else began
        left = Unfinished.of(query, began, self._total, self._distinct(), self._lanes)
        return Part(stretches, left)

    def _distinct(self) -> int:
        """Return how many different records have been read, at most."""
        before = self._unfinished
        return len(set(self._newest.ids)) + (before.records if before else 0)

    def _reread_if_short(self) -> Iterator[Page]:
        """Yield the pages again if records are missing although the list has not changed."""
        pager, newest = self._pager, self._newest
        distinct = self._distinct()
        if distinct >= pager.now:
            return
        seen = Sightings()
        for id_, number in zip(newest.ids, newest.places, strict=True):
            seen.add(number, [str(id_)])
        again = pager.steady and not self._unfinished and not pager.doubts
        if again and seen.listed_twice:
            yield from read_again(pager, seen)
        else:
            pager.doubts.append(too_few(distinct, pager.now, seen if pager.steady else None))
