"""Reading a sorted list from the newest end to the oldest.

Scope: finding the newest end, assigning pages to lanes, and rereading what was added or changed
during the read. `lanes` explains what a page proves.
"""

from array import array
from collections.abc import Generator, Iterable, Iterator

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
from recruit_assets.extract.links import counts_end, has_next_link
from recruit_assets.extract.no_response import TELL
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.sightings import Sightings, too_few
from recruit_assets.extract.source import Page
from recruit_assets.extract.unordered import read_again

MAX_EMPTY_PAGES = 1_000  # pages requested to find the newest end
MAX_PASSES = 20  # over records added or changed during the read


class Ordered:
    """Read a list in order; iterate it once for the pages after the first.

    Raises:
        OutOfOrder: the list has no order that can be proven.
    """

    def __init__(self, pager: Pager, first: Page) -> None:
        self._pager, self._first = pager, first
        self._ids = array("q")  # ids read
        self._places = array("q")  # the page number of each
        self._floor = OLDEST  # newest key of page 1; with the oldest first, no later page has it

    def __iter__(self) -> Iterator[Page]:
        pager, top = self._pager, self._first
        keys = self._keys(top)
        if len(keys) < 2 and not pager.query.sorted:
            raise OutOfOrder  # one record shows no order
        order = order_of(keys)
        self._floor = max(keys, default=OLDEST)
        if order is Order.OLDEST_FIRST:
            top = yield from self._newest(max(2, pager.last(pager.now)))
        total = top.document.record_count or 0
        pages = top.number if order is Order.OLDEST_FIRST else pager.last(total)
        lanes = spread(order, pager.size, top.number, pages, pager.source.concurrency)
        lanes[0].take(top, self._keys(top))
        yield from self._read(lanes)
        if not counts_match(lanes, total):
            open_ends = gaps(lanes)
            for newer, older in open_ends:
                newer.extend(until=older.newest)
            yield from self._read([newer for newer, _ in open_ends])
        if not (counts_match(lanes, total) and pager.now == total):
            yield from self._added_since(top, order)
            yield from self._reread_if_short()

    def _added_since(self, top: Page, order: Order) -> Iterator[Page]:
        """Yield what was added or changed at the newest end during the read.

        A single response that reaches from the newest end back to known records shows all of it. If
        more than one is needed, a record that changes again moves past the reader. Then that pass
        is read to its end, which makes its first page known, and the next pass begins.
        """
        for _ in range(MAX_PASSES):
            known = self._lower_bound(max(self._keys(top), default=OLDEST))
            if order is Order.OLDEST_FIRST:
                top = yield from self._newest(self._pager.last(self._pager.now))
            else:
                top = self._pager.page(1)
                yield top
            lane = Lane(order, self._pager.size, top.number, 1)
            lane.extend(until=known)
            lane.take(top, self._keys(top))
            if lane.wanted is None:
                return
            yield from self._read([lane])
        self._pager.doubts.append(
            f"records changed faster than they could be read, in {MAX_PASSES} passes: "
            "sync at a quieter time, or raise RECRUIT_API_CONCURRENCY"
        )

    def _newest(self, number: int) -> Generator[Page, None, Page]:
        """Yield pages until one is at the newest end of an oldest-first list; return that page.

        An empty page is never the end: the list has become shorter, and its count shows which page
        is now the last.

        Raises:
            OutOfOrder: a page shows records of page 1, or is empty against its own count.
        """
        pager, empty = self._pager, 0
        for _ in range(MAX_EMPTY_PAGES):
            page = pager.page(number)
            yield page
            last = pager.last(page.document.record_count)
            if page.records:
                if number > 1 and min(self._keys(page)) <= self._lower_bound(self._floor):
                    raise OutOfOrder
                if counts_end(page, pager.size) and (
                    empty == number + 1 or not has_next_link(page)
                ):
                    return page
                number = max(number + 1, last)
            elif number > last:
                number, empty = last, number
            elif page.document.record_count:
                raise OutOfOrder
            else:
                return page
        self._pager.doubts.append(
            f"its last page moved with each of {MAX_EMPTY_PAGES:,} requests. {TELL}"
        )
        return page

    def _reread_if_short(self) -> Iterator[Page]:
        """Yield the pages again if records are missing although the list has not changed."""
        pager, distinct = self._pager, len(set(self._ids))
        if distinct >= pager.now:
            return
        seen = Sightings()
        for id_, number in zip(self._ids, self._places, strict=True):
            seen.add(number, [str(id_)])
        if pager.steady and not self._pager.doubts and seen.listed_twice:
            yield from read_again(pager, seen)
        else:
            self._pager.doubts.append(too_few(distinct, pager.now, seen if pager.steady else None))

    def _read(self, lanes: Iterable[Lane]) -> Iterator[Page]:
        """Yield the pages that lanes want as they arrive, with one page of each lane in flight."""
        lanes = list(lanes)
        with self._pager.source.in_flight() as flying:

            def send(lane: Lane) -> None:
                if (number := lane.wanted) is not None:
                    flying.send(lane, self._pager.page, number)

            for lane in lanes:
                send(lane)
            for lane, page in flying:
                lane.take(page, self._keys(page))
                send(lane)
                yield page
        if any(lane.overrun for lane in lanes):
            self._pager.doubts.append(
                "records were removed faster than pages could be read: sync at a quieter time"
            )

    def _lower_bound(self, key: Key) -> Key:
        """Return a key that sorts before every change made since this one was read.

        In a window, two changes can share a time, and the later one can have the lower id.
        """
        return (key[0], -1) if self._pager.query.since else key

    def _keys(self, page: Page) -> list[Key]:
        keys = self._pager.keys(page)
        self._ids.extend(id_ for _, id_ in keys)
        self._places.extend([page.number] * len(keys))
        return keys
