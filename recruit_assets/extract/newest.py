"""Reading the newest end of a sorted list, where records are added or moved during the read.

Scope: finding the end, reading from it down to a key, and again until a single response reaches
back to what is known. `lanes` explains what a page proves.
"""

from array import array
from collections.abc import Generator, Iterable, Iterator
from time import monotonic

from recruit_assets.extract.lanes import OLDEST, Key, Lane, Order, OutOfOrder
from recruit_assets.extract.links import counts_end, has_next_link
from recruit_assets.extract.no_response import TELL
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.source import Page

MAX_EMPTY_PAGES = 1_000  # pages requested to find the newest end
MAX_PASSES = 20  # over records added or changed during the read


class Newest:
    """Read pages of a list in order, and note the ids on them and the page of each.

    `order` must be set before the newest end is read, and `floor` is the newest key of page 1, if
    that was read: with the oldest first, no later page has it.
    """

    def __init__(self, pager: Pager) -> None:
        self._pager = pager
        self.order = Order.OLDEST_FIRST
        self.floor = OLDEST
        self.ids, self.places = array("q"), array("q")
        self._asked = pager.begun  # a moment before the newest end was requested

    def read_down_to(self, known: Key, top: Page) -> Iterator[Page]:
        """Yield the pages after `top`, at the newest end, that hold records after a known key.

        A single response that reaches from the newest end back to known records shows all of them.
        If more than one is needed, a record that changes again moves past the reader. Then that
        pass is read to its end, which makes its first page known, and the next pass begins.
        """
        for _ in range(MAX_PASSES):
            lane = Lane(self.order, self._pager.size, top.number, 1)
            lane.extend(until=known)
            lane.take(top, self.keys(top))
            if lane.wanted is None:
                return
            yield from self.read([lane])
            known = self.known(top)
            top = yield from self.end()
        self._pager.doubts.append(
            f"records changed faster than they could be read, in {MAX_PASSES} passes: "
            "sync at a quieter time, or raise RECRUIT_API_CONCURRENCY"
        )

    def end(self) -> Generator[Page, None, Page]:
        """Yield pages until one is at the newest end; return that page.

        Raises:
            OutOfOrder: see `end_from`.
        """
        self._asked = monotonic()
        is_last = self.order is Order.OLDEST_FIRST
        page = self._pager.page(self._pager.last(self._pager.now) if is_last else 1)
        yield page
        return (yield from self.end_from(page)) if is_last else page

    def end_from(self, page: Page) -> Generator[Page, None, Page]:
        """Yield the pages after this one until one is at the newest end; return that page.

        The oldest records are on page 1. An empty page is never the end: the list has become
        shorter, and its count shows which page is now the last.

        Raises:
            OutOfOrder: a page shows records of page 1, or is empty against its own count.
        """
        pager, empty = self._pager, 0
        for _ in range(MAX_EMPTY_PAGES):
            number, last = page.number, pager.last(page.document.record_count)
            if page.records:
                if number > 1 and self._is_on_page_1(page):
                    raise OutOfOrder
                if self._is_end(page, empty):
                    return page
                number = max(number + 1, last)
            elif number > last:
                number, empty = last, number
            elif page.document.record_count:
                raise OutOfOrder
            else:
                return page
            page = pager.page(number)
            yield page
        pager.doubts.append(
            f"its last page moved with each of {MAX_EMPTY_PAGES:,} requests. {TELL}"
        )
        return page

    def read(self, lanes: Iterable[Lane]) -> Iterator[Page]:
        """Yield the pages that lanes want as they arrive, with one page of each lane in flight."""
        lanes = list(lanes)
        with self._pager.source.in_flight() as flying:

            def send(lane: Lane) -> None:
                if (number := lane.wanted) is not None:
                    flying.send(lane, self._pager.page, number)

            for lane in lanes:
                send(lane)
            for lane, page in flying:
                lane.take(page, self.keys(page))
                send(lane)
                yield page
        if any(lane.overrun for lane in lanes):
            self._pager.doubts.append(
                "records were removed faster than pages could be read: sync at a quieter time"
            )

    def known(self, top: Page) -> Key:
        """Return the key down to which the list is known once the pages below `top` are read."""
        newest = max(self.keys(top), default=OLDEST)
        if self._pager.query.since is None:
            return newest
        over = self._pager.source.clocks.earliest(self._asked).timestamp()
        return newest if newest[0] < over else before(newest)

    def keys(self, page: Page) -> list[Key]:
        """Return the sort keys of a page, and note its ids.

        Raises:
            OutOfOrder: they have none.
        """
        keys = self._pager.keys(page)
        self.ids.extend(id_ for _, id_ in keys)
        self.places.extend([page.number] * len(keys))
        return keys

    def _is_on_page_1(self, page: Page) -> bool:
        """Return whether a page shows records that are as old as those of page 1."""
        floor = before(self.floor) if self._pager.query.since else self.floor
        return min(self.keys(page)) <= floor

    def _is_end(self, page: Page, empty: int) -> bool:
        """Return whether a page is at the newest end; `empty` is the last page that was empty."""
        if not counts_end(page, self._pager.size):
            return False
        if self._pager.query.by_change and len(page.records) == self._pager.size:
            return empty == page.number + 1
        return empty == page.number + 1 or not has_next_link(page)


def before(change: Key) -> Key:
    """Return a key before every change that is made at the time of this one.

    Two changes can share a time, and the later can have the lower id.
    """
    return (change[0], -1)
