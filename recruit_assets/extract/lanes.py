"""How a list that changes while it is read is read without missing a record, and the proof of it.

Records come and go while pages are fetched, and each that goes pulls all later ones to the front:
who reads on by number steps over as many current records as were removed before. Two facts allow
better: the order is by a key that never changes for a record, and a new record's key is greater
than all before. So the list grows at one end only, the young one, and everything here reads from
the newest end to the old:

- Oldest first (`sort=id`), the newest end is the last page, and page numbers go down. Removed
  records pull what is still to be read towards where it will be read. Nothing can be stepped over.
- Newest first, the newest end is page 1, and numbers go up. New records push what is to be read on,
  where it comes twice. Removed ones can pull a record past the reader, but then the answers show a
  smaller record count: the reader goes back by as many records.

To have several pages in flight, the list is cut into lanes, each read so, one page after another.
Between the end of one lane and the beginning of the next a record can slip through. Nothing has if
as many records came as there were at the beginning; else each lane goes on into the next, until it
meets a record that the next has covered. So a proof costs no more than a page for each lane.

What lives here: which page a lane wants, and what its answers prove. Nothing is asked here.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from math import inf

from recruit_assets.extract.jsonapi import Record, members
from recruit_assets.extract.links import ends
from recruit_assets.extract.source import Page

Key = tuple[float, int]  # what a list is ordered by: a time or nothing, then the id
YOUNGEST, OLDEST = (inf, 0), (-inf, 0)  # beyond all keys: the ends of the list
LONGEST_ID = 18  # digits, so that it is one of 64 bits
REMEMBERED = 400  # keys of a lane, the latest, by which disorder is found
STEPS_BACK = 20  # of a lane, in addition to one for each of its pages


class OutOfOrder(Exception):
    """The list is in no order that a proof can stand on."""


class Order(IntEnum):
    """How page numbers go from young records to old ones."""

    OLDEST_FIRST = -1
    NEWEST_FIRST = 1


def keys_of(records: Sequence[Record], *, by_change: bool) -> list[Key]:
    """The keys of records, in their order.

    Args:
        records: of one page, in its order.
        by_change: whether they are ordered by their last change before their id.

    Raises:
        OutOfOrder: an id is no number, or a change has no time.
    """
    return [(_changed(each) if by_change else 0.0, _number(each)) for each in records]


def order_of(keys: Sequence[Key]) -> Order:
    """The order of a page.

    Raises:
        OutOfOrder: it has none, or a record twice.
    """
    if all(first < second for first, second in pairwise(keys)):
        return Order.OLDEST_FIRST
    if all(first > second for first, second in pairwise(keys)):
        return Order.NEWEST_FIRST
    raise OutOfOrder


class Lane:
    """A stretch of a list, read page after page from young records to old ones.

    Args:
        order: how the list is ordered.
        size: records of a full page.
        first: the number of its first page.
        pages: how many pages it has.
        top: whether it begins at the newest end.

    `youngest` and `oldest` are the ends of what it has covered: every record between them that
    lived all the while has come. `records` counts those that came, once each.
    """

    def __init__(
        self, order: Order, size: int, first: int, pages: int, *, top: bool = False
    ) -> None:
        self.order, self._size, self._first, self._pages = order, size, first, pages
        self.youngest = YOUNGEST if top else OLDEST
        self.oldest = YOUNGEST
        self.records = 0
        self.greatest = OLDEST  # of the keys that came
        self.overrun = False  # whether records were removed faster than it could go back
        self._until: Key | None = None
        self._next = first
        self._keys: deque[Key] = deque(maxlen=REMEMBERED)
        self._total: int | None = None
        self._position = 0  # newest first: how many records lie before the rest
        self._steps_back = 0

    @property
    def wanted(self) -> int | None:
        """The number of the page to read next; None when its own are read, and what is beyond."""
        if self.oldest == OLDEST:
            return None
        if self._until is not None:
            return self._next if self.oldest > self._until else None
        done = (self._next - self._first) * self.order
        return self._next if done < self._pages else None

    def go_on(self, until: Key) -> None:
        """Want pages until everything down to a key is covered."""
        self._until = until

    def take(self, page: Page, keys: Sequence[Key]) -> None:
        """Cover what the answer to the wanted page proves. An empty page alone proves nothing.

        Raises:
            OutOfOrder: the page contradicts the order.
        """
        if len(keys) > 1 and order_of(keys) != self.order:
            raise OutOfOrder
        if self._stepped_back(page):
            return
        falling = sorted(keys, reverse=True)
        fresh = [key for key in falling if key < self.oldest]
        self._check_repeated(falling[: len(falling) - len(fresh)])
        if self.oldest == YOUNGEST and falling:
            self.greatest = falling[0]
            self.youngest = max(self.youngest, falling[0])
        self.oldest = fresh[-1] if fresh else self.oldest
        if page.number == 1 if self.order is Order.OLDEST_FIRST else ends(page, self._size):
            self.oldest = OLDEST
        self.records += len(fresh)
        self._keys.extend(fresh)
        self._total = page.document.record_count
        self._position = (page.number - 1) * self._size + len(keys)
        self._next = page.number + self.order

    def _check_repeated(self, repeated: Sequence[Key]) -> None:
        """Check that records which come again are those that came before.

        Where more were removed than it remembers, older answers show up: what is covered, from
        `oldest` to `greatest`, has come, and is not looked up.

        Raises:
            OutOfOrder: a record came where it would have had to come before.
        """
        if repeated and self._keys:
            known = set(self._keys)
            if any(key <= self._keys[0] and key not in known for key in repeated):
                raise OutOfOrder

    def _stepped_back(self, page: Page) -> bool:
        """Whether records may lie between what is covered and this page, as others were removed."""
        total = page.document.record_count
        if self.order is Order.OLDEST_FIRST or self._total is None or total is None:
            return False
        removed, self._total = max(0, self._total - total), total
        self._position = max(0, self._position - removed)
        if not removed or (page.number - 1) * self._size <= self._position:
            return False
        self._steps_back += 1
        if self._steps_back > STEPS_BACK + self._pages:
            self.overrun = True
            return False
        self._next = self._position // self._size + 1
        return True


def spread(order: Order, size: int, top: int, pages: int, lanes: int) -> list[Lane]:
    """Lanes over a list, the young ones first, that together read each page once.

    The last goes on to the oldest end, wherever that is by then.

    Args:
        order: how the list is ordered.
        size: records of a full page.
        top: the number of the page at the newest end, which is the first lane's first.
        pages: how many pages the list has.
        lanes: how many there may be.
    """
    rest = pages - 1
    lanes = max(1, min(lanes, rest))
    sizes = [rest // lanes + (each < rest % lanes) for each in range(lanes)]
    sizes[0] += 1
    firsts = [top + order * sum(sizes[:each]) for each in range(lanes)]
    found = [
        Lane(order, size, first, length, top=first == top)
        for first, length in zip(firsts, sizes, strict=True)
    ]
    found[-1].go_on(OLDEST)
    return found


def stood_still(lanes: Sequence[Lane], total: int) -> bool:
    """Whether as many records came, once each, as there were when the first page was answered.

    Each that came was there then, so each that was there has come.
    """
    apart = all(young.oldest > old.youngest for young, old in pairwise(lanes))
    return apart and sum(lane.records for lane in lanes) == total


def gaps(lanes: Sequence[Lane]) -> list[tuple[Lane, Lane]]:
    """Neighbours between which a record can have slipped through, if the list did not stand still.

    There are none where a lane met what the next one has covered.

    Raises:
        OutOfOrder: the lanes do not go from young to old.
    """
    if any(young.greatest <= old.greatest for young, old in pairwise(lanes) if young.records):
        raise OutOfOrder
    return [(young, old) for young, old in pairwise(lanes) if young.oldest > old.youngest]


def _number(record: Record) -> int:
    text = str(record.id)
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_ID):
        raise OutOfOrder
    return int(text)


def _changed(record: Record) -> float:
    try:
        return datetime.fromisoformat(members(record.attributes)["updated-at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        raise OutOfOrder from None
