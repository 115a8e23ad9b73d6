"""Proof that a list which changes during the read is read without missing a record.

Records are added and removed while pages are fetched, and each removal shifts the later records
forward by one: reading on by page number skips as many current records as were removed before. Two
facts allow better: a record's sort key never changes, and a new record's key is greater than all
before. So the list grows at one end only, the newest, and everything here reads from the newest end
to the oldest:

- Oldest first (`sort=id`), the newest end is the last page, and page numbers descend. Removals
  shift unread records towards the pages still to be read, so none can be skipped.
- Newest first, the newest end is page 1, and page numbers ascend. Additions shift unread records to
  later pages, so some are read twice. Removals can shift a record past the reader, but then the
  responses show a smaller record count, and the reader goes back by as many records.

To keep several pages in flight, the list is split into lanes, each read this way, one page after
another. A record can slip through between the end of one lane and the start of the next. None has
if as many records were read as the list had at the start. Otherwise each lane reads on into the
next until it meets a record that the next has covered. So the proof costs at most one page per
lane.

Scope: which page a lane wants, and what its responses prove. Nothing is requested here.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from math import inf
from typing import Any, Self

from recruit_assets.extract.jsonapi import Record, members
from recruit_assets.extract.links import ends
from recruit_assets.extract.source import Page

Key = tuple[float, int]  # sort key of a list: a time or nothing, then the id
NEWEST, OLDEST = (inf, 0), (-inf, 0)  # beyond all keys: the ends of the list
MAX_ID_DIGITS = 18  # digits, which fit into 64 bits
KEYS_REMEMBERED = 400  # latest keys of a lane, kept to detect disorder
MAX_STEPS_BACK = 20  # allowed for a lane, in addition to one for each of its pages


class OutOfOrder(Exception):
    """Report that the list has no order that a proof can rely on."""


class Order(IntEnum):
    """Define the direction of page numbers from new records to old ones."""

    OLDEST_FIRST = -1
    NEWEST_FIRST = 1


def keys_of(records: Sequence[Record], *, by_change: bool) -> list[Key]:
    """Return the sort keys of records, in their order.

    Args:
        records: the records of one page, in its order.
        by_change: whether they are sorted by their last change before their id.

    Raises:
        OutOfOrder: an id is not a number, or a change has no time.
    """
    return [(_changed(each) if by_change else 0.0, _number(each)) for each in records]


def order_of(keys: Sequence[Key]) -> Order:
    """Return the order of a page.

    Raises:
        OutOfOrder: it has none, or contains a record twice.
    """
    if all(first < second for first, second in pairwise(keys)):
        return Order.OLDEST_FIRST
    if all(first > second for first, second in pairwise(keys)):
        return Order.NEWEST_FIRST
    raise OutOfOrder


class Lane:
    """Track a stretch of a list that is read page by page, from new records to old ones.

    Args:
        order: the order of the list.
        size: records of a full page.
        first: the number of its first page.
        pages: the number of its pages.
        top: whether it starts at the newest end.

    `newest` and `oldest` bound what it has covered: every record between them that existed
    throughout has been read. `records` counts the records read, each once.
    """

    def __init__(
        self, order: Order, size: int, first: int, pages: int, *, top: bool = False
    ) -> None:
        self.order, self._size, self._first, self._pages = order, size, first, pages
        self.newest = NEWEST if top else OLDEST
        self.oldest = NEWEST
        self.records = 0
        self.greatest = OLDEST  # greatest key read
        self.overrun = False  # whether records were removed faster than it could step back
        self._until: Key | None = None
        self._next = first
        self._keys: deque[Key] = deque(maxlen=KEYS_REMEMBERED)
        self._total: int | None = None
        self._position = 0  # newest first: the number of records before the unread rest
        self._steps_back = 0

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Self:
        """Return a lane that goes on where `saved` was called, however long ago."""
        lane = cls(Order(saved["order"]), saved["_size"], saved["_first"], saved["_pages"])
        for name, value in saved.items():
            setattr(lane, name, tuple(value) if isinstance(value, list) else value)
        lane.order = Order(lane.order)
        return lane

    def saved(self) -> dict[str, Any]:
        """Return what `restored` needs, as JSON can hold it."""
        return {name: value for name, value in vars(self).items() if name != "_keys"}

    @property
    def begun(self) -> bool:
        """Return whether it has covered anything."""
        return self.oldest != NEWEST

    @property
    def wanted(self) -> int | None:
        """Return the page number to read next; None when its own and those beyond are read."""
        if self.oldest == OLDEST:
            return None
        if self._until is not None:
            return self._next if self.oldest > self._until else None
        done = (self._next - self._first) * self.order
        return self._next if done < self._pages else None

    def extend(self, until: Key) -> None:
        """Continue until everything down to a key is covered."""
        self._until = until

    def take(self, page: Page, keys: Sequence[Key]) -> None:
        """Note what the response to the wanted page covers. An empty page alone proves nothing.

        Raises:
            OutOfOrder: the page contradicts the order.
        """
        if len(keys) > 1 and order_of(keys) != self.order:
            raise OutOfOrder
        if self._stepped_back(page):
            return
        descending = sorted(keys, reverse=True)
        unread = [key for key in descending if key < self.oldest]
        self._check_repeated(descending[: len(descending) - len(unread)])
        if self.oldest == NEWEST and descending:
            self.greatest = descending[0]
            self.newest = max(self.newest, descending[0])
        self.oldest = unread[-1] if unread else self.oldest
        if page.number == 1 if self.order is Order.OLDEST_FIRST else ends(page, self._size):
            self.oldest = OLDEST
        self.records += len(unread)
        self._keys.extend(unread)
        self._total = page.document.record_count
        self._position = (page.number - 1) * self._size + len(keys)
        self._next = page.number + self.order

    def _check_repeated(self, repeated: Sequence[Key]) -> None:
        """Check that repeated records are among those read before.

        If more records were removed than it remembers keys, records of earlier responses reappear:
        what is covered, from `oldest` to `greatest`, was read and is not looked up.

        Raises:
            OutOfOrder: a record appears that should have been read before.
        """
        if repeated and self._keys:
            known = set(self._keys)
            if any(key <= self._keys[0] and key not in known for key in repeated):
                raise OutOfOrder

    def _stepped_back(self, page: Page) -> bool:
        """Step back if removals may have shifted records past the reader; return whether it did."""
        total = page.document.record_count
        if self.order is Order.OLDEST_FIRST or self._total is None or total is None:
            return False
        removed, self._total = max(0, self._total - total), total
        self._position = max(0, self._position - removed)
        if not removed or (page.number - 1) * self._size <= self._position:
            return False
        self._steps_back += 1
        if self._steps_back > MAX_STEPS_BACK + self._pages:
            self.overrun = True
            return False
        self._next = self._position // self._size + 1
        return True


def spread(order: Order, size: int, top: int, pages: int, lanes: int) -> list[Lane]:
    """Split a list into lanes, newest first, that together read each page once.

    The last lane continues to the oldest end, wherever that is by then.

    Args:
        order: the order of the list.
        size: records of a full page.
        top: the number of the page at the newest end, where the first lane starts.
        pages: the number of pages of the list.
        lanes: the most lanes.
    """
    rest = pages - 1
    lanes = max(1, min(lanes, rest))
    sizes = [rest // lanes + (each < rest % lanes) for each in range(lanes)]
    sizes[0] += 1
    firsts = [top + order * sum(sizes[:each]) for each in range(lanes)]
    split = [
        Lane(order, size, first, length, top=first == top)
        for first, length in zip(firsts, sizes, strict=True)
    ]
    split[-1].extend(OLDEST)
    return split


def counts_match(lanes: Sequence[Lane], total: int) -> bool:
    """Return whether as many distinct records were read as existed at the first page's response.

    Every record read existed then, so every record that existed then was read.
    """
    apart = all(newer.oldest > older.newest for newer, older in pairwise(lanes))
    return apart and sum(lane.records for lane in lanes) == total


def gaps(lanes: Sequence[Lane]) -> list[tuple[Lane, Lane]]:
    """Return neighbours between which a record may have slipped through, if the list changed.

    There is no gap where a lane has met what the next one covers.

    Raises:
        OutOfOrder: the lanes do not run from new to old.
    """
    if any(newer.greatest <= older.greatest for newer, older in pairwise(lanes) if newer.records):
        raise OutOfOrder
    return [(newer, older) for newer, older in pairwise(lanes) if newer.oldest > older.newest]


def is_number(id_: str) -> bool:
    """Return whether an id is a number that fits into 64 bits."""
    return id_.isascii() and id_.isdigit() and len(id_) <= MAX_ID_DIGITS


def is_plain_number(id_: str) -> bool:
    """Return whether an id is a number without leading zeros, so that two ids are two numbers."""
    return is_number(id_) and str(int(id_)) == id_


def _number(record: Record) -> int:
    if not is_number(text := str(record.id)):
        raise OutOfOrder
    return int(text)


def _changed(record: Record) -> float:
    try:
        return datetime.fromisoformat(members(record.attributes)["updated-at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        raise OutOfOrder from None
