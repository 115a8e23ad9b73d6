"""Which known records a list no longer has, found by their ranks.

The rank of an id is the number of smaller ids. In a list in the order of `id`, a page number is a
rank: the record at place p of page k (p from 0) has rank (k - 1) * size + p. Among the known ids it
has a rank as well. The difference, its shift, is the number of known records before it that are
gone, less the records before it that were never seen. New records have the greatest ids, so they
shift nothing. If the oldest record on the last page has no shift, everything before it is there:
one request shows that nothing was deleted. Otherwise the shift tells on which side of a page a
record is gone, so a few requests find it.

Two rules make that true while the list changes:

- A stretch counts as equal only by the shift of a response that arrived after all that settled what
  is before it. An earlier response says where to look, and proves nothing.
- The shift behind a settled stretch is measured by the response that settled it, never counted.

Scope: which page to request next, and what the responses show. Nothing is requested here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import log2

MAX_EMPTY_PAGES = 1_000  # pages requested to find the newest end
FEW_PAGES = 20  # requests that a search may take, however short the list is


class TooManyGone(Exception):
    """Report that reading the whole list takes fewer requests than searching it."""


@dataclass(frozen=True)
class Listed:
    """Hold a page of the list: its number, its ids in ascending order, the count of the list."""

    number: int
    ids: Sequence[int]
    total: int


@dataclass(frozen=True)
class Found:
    """Hold what a search found.

    `missing` are known ids that the list did not show. `unseen` are ids that it showed and that are
    neither known nor new. If there are none, every known record that is not missing is listed, and
    every listed record is known or new.
    """

    missing: frozenset[int]
    unseen: frozenset[int]


Search = Generator[int, Listed, Found]


class Rank:
    """Search a list in the order of `id` for known records that are gone.

    Args:
        known: the ids of current rows, ascending.
        size: the number of records on a full page.
        settled: the greatest id of which it is certain that all records before it were listed when
            the known ids were read; greater ids that are not known are new.
    """

    def __init__(self, known: Sequence[int], size: int, settled: int) -> None:
        self._known, self._size, self._settled = known, size, settled
        self._missing: set[int] = set()
        self._unseen: set[int] = set()
        self._came: set[int] = set()  # by the last pages that were read one after another
        self._most = max(FEW_PAGES, len(known) // size)

    def search(self) -> Search:
        """Yield the number of each page to request; receive it with `send`; return what was found.

        Raises:
            TooManyGone: reading the whole list takes fewer requests.
        """
        page = yield from self._newest_end()
        page = yield from self._down(page, self._settled)
        first = page.ids[0] if page.number > 1 else 0
        self._compare(self._known[bisect_left(self._known, first) :], self._came)
        if page.number > 1 and (shift := self._shift(page)):
            self._check_worth(abs(shift))
            yield from self._search(page.ids[0], shift)
        return self.found

    @property
    def found(self) -> Found:
        """Return what was found so far."""
        return Found(frozenset(self._missing), frozenset(self._unseen))

    def read(self, low: int, high: int) -> Generator[int, Listed, None]:
        """Read every record with `low` < id <= `high`, which are settled; call it after `search`.

        The pages are read from the newest to the oldest, as in `_down`.
        """
        start, end = bisect_right(self._known, low), bisect_right(self._known, high)
        self._most += 2 * ((end - start) // self._size + 2) + FEW_PAGES
        gone = sum(id_ < high for id_ in self._missing)
        page = yield from self._reach(high, max(0, bisect_left(self._known, high) - gone))
        yield from self._down(page, low + 1)
        listed = {id_ for id_ in self._came if low < id_ <= high}
        self._compare(self._known[start:end], listed)

    def _reach(self, high: int, rank: int) -> Generator[int, Listed, Listed]:
        """Return a page that no record up to `high` is listed after; one of this rank is near."""
        number, empty = rank // self._size + 1, 0
        while True:
            self._count_down()
            page = yield number
            if page.ids and (page.ids[-1] >= high or self._is_end(page, empty)):
                return page
            if page.ids:
                number += 1
            elif page.total:
                number, empty = self._last(page), number
            else:
                return page

    def _newest_end(self) -> Generator[int, Listed, Listed]:
        """Return the page at the newest end: a short one, or a full one whose next came empty.

        An empty page is never the end, as the list may have become shorter.
        """
        number, empty = len(self._known) // self._size + 1, 0
        for _ in range(MAX_EMPTY_PAGES):
            page = yield number
            last = self._last(page)
            if not page.ids and page.total:
                number, empty = last, number
            elif page.ids and not self._is_end(page, empty):
                number = max(number + 1, last)
            else:
                return page
        raise TooManyGone

    def _is_end(self, page: Listed, empty: int) -> bool:
        """Return whether a page is at the newest end; `empty` is the last page that was empty."""
        return 0 < len(page.ids) < self._size or empty == page.number + 1

    def _down(self, page: Listed, until: int) -> Generator[int, Listed, Listed]:
        """Read on from a page to the first one with an id up to `until`; return that page.

        All records from the oldest on it to the newest of the first page have then arrived, in
        `_came`. Records that are deleted in the meantime move others to pages that are still to be
        read.
        """
        self._came = set(page.ids)
        while not self._reaches(page, until):
            number = max(1, page.number - 1)
            self._count_down()
            page = yield number if page.ids else min(number, self._last(page))
            self._came.update(page.ids)
        return page

    def _reaches(self, page: Listed, until: int) -> bool:
        """Return whether a page has an id up to `until`, or no page has."""
        if not page.ids:
            return page.number == 1 and not page.total
        return page.number == 1 or page.ids[0] <= until

    def _search(self, newest: int, shift: int) -> Generator[int, Listed, None]:
        """Settle everything up to the id `newest`, which had this shift, from the old end on."""
        marks = {newest: shift}  # shifts of ids that are not settled
        until, behind = -1, 0  # the last settled id, and the shift behind it
        number = 0  # to request next, if the last response says which
        while until < newest:
            self._count_down()
            page = yield number or self._aim(marks, until, behind)
            if page.ids and page.ids[-1] == until:
                behind = self._behind(page)
            number = self._instead(page, until)
            if number:
                continue
            first, shift = page.ids[0], self._shift(page)
            if first > newest:  # there may be new records before it, so its shift shows nothing
                marks = {newest: bisect_left(self._known, newest) - self._before(page) + 1}
                continue
            low, high = bisect_right(self._known, until), bisect_left(self._known, first)
            gone = shift - behind
            if page.number > 1 and high > low and gone not in (0, high - low):
                marks = {id_: s for id_, s in marks.items() if id_ > first} | {first: shift}
                continue
            if gone:
                self._missing.update(self._known[low:high])
            end = bisect_right(self._known, page.ids[-1])
            listed = {id_ for id_ in page.ids if id_ > until}
            self._compare(self._known[max(low, high) : end], listed)
            until, behind = page.ids[-1], self._behind(page)
            marks = {id_: shift for id_, shift in marks.items() if id_ > until}

    def _instead(self, page: Listed, until: int) -> int:
        """Return the number of the page to request instead of one that shows nothing, or 0."""
        if not page.ids:
            return self._last(page)
        return page.number + 1 if page.ids[-1] <= until else 0

    def _aim(self, marks: dict[int, int], until: int, behind: int) -> int:
        """Return the number of the page that tells most.

        That is the farthest id that had the shift of the settled stretch. Without one it is the
        middle between the settled stretch and the nearest id with another shift.
        """
        far = min((id_ for id_, shift in marks.items() if shift != behind), default=None)
        same = [id_ for id_, s in marks.items() if s == behind and (far is None or id_ < far)]
        if same or far is None:
            rank = bisect_left(self._known, max(same)) - behind
        else:
            low = bisect_right(self._known, until) - behind
            high = bisect_left(self._known, far) - marks[far]
            # If records went from what is settled, their ranks of then are too high.
            rank = (low + high) // 2 if low <= high else high - 1
        return max(0, rank) // self._size + 1

    def _compare(self, known: Sequence[int], came: set[int]) -> None:
        """Note the known ids of a stretch that did not come, and the others that did."""
        expected = set(known)
        self._missing |= expected - came
        self._unseen |= {id_ for id_ in came - expected if id_ <= self._settled}

    def _shift(self, page: Listed) -> int:
        """Return the shift of the first record on a page."""
        return bisect_left(self._known, page.ids[0]) - self._before(page)

    def _behind(self, page: Listed) -> int:
        """Return the shift behind the last record on a page."""
        return bisect_right(self._known, page.ids[-1]) - self._before(page) - len(page.ids)

    def _before(self, page: Listed) -> int:
        """Return how many records are listed before a page."""
        return (page.number - 1) * self._size

    def _last(self, page: Listed) -> int:
        return max(1, -(-page.total // self._size))

    def _check_worth(self, gone: int) -> None:
        """Check that the search takes fewer requests than reading the list.

        Raises:
            TooManyGone: it does not.
        """
        pages = len(self._known) / self._size
        if gone > pages or gone * (log2(pages / gone) + 1) > pages:
            raise TooManyGone

    def _count_down(self) -> None:
        """Count a request.

        Raises:
            TooManyGone: the list changes faster than the search can follow.
        """
        self._most -= 1
        if self._most < 0:
            raise TooManyGone
