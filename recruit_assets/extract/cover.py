"""Ranges of ids, each with the moment as of which all its records were read.

Of a record in a range that was visible at the moment `since`, the table has the version of then or
of later, unless it was deleted. The ranges of a list follow one another without a gap, from below
the lowest id to above the highest one.

Scope: which range is the oldest, and what becomes of the ranges when one is read again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

BELOW, ABOVE = -1, (1 << 63) - 1  # below and above the number of every record


class Range(NamedTuple):
    """Hold the ids from `low`, which is excluded, to `high`, and since when they are known."""

    low: int
    high: int
    since: datetime


@dataclass(frozen=True)
class Cover:
    """Hold the ranges of a list, in ascending order."""

    ranges: Sequence[Range]

    @classmethod
    def whole(cls, since: datetime) -> "Cover":
        """Return the cover of a list that was read whole."""
        return cls([Range(BELOW, ABOVE, since)])

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int, datetime]]) -> "Cover | None":
        """Return the cover of these ranges; None if they leave a gap, or overlap."""
        found = [Range(*each) for each in sorted(ranges)]
        ends = [BELOW, *(each.high for each in found)]
        starts = [*(each.low for each in found), ABOVE]
        is_whole = found and ends == starts and all(each.low < each.high for each in found)
        return cls(found) if is_whole else None

    @property
    def oldest(self) -> datetime:
        """Return the moment as of which all records were read."""
        return min(each.since for each in self.ranges)

    @property
    def top(self) -> datetime:
        """Return the moment as of which the newest records were read."""
        return self.ranges[-1].since

    def up_to(self, high: int) -> list[Range]:
        """Return the ranges of the ids up to `high`, the oldest last, of equals the highest."""
        below = [
            each._replace(high=min(high, each.high)) for each in self.ranges if each.low < high
        ]
        return sorted(below, key=lambda each: (each.since, -each.high), reverse=True)

    def read(self, low: int, high: int, since: datetime) -> "Cover":
        """Return the cover after a range of ids was read; neighbours that are alike are one."""
        parts = [Range(low, high, since)]
        for each in self.ranges:
            parts.append(each._replace(high=min(low, each.high)))
            parts.append(each._replace(low=max(high, each.low)))
        merged: list[Range] = []
        for each in sorted(each for each in parts if each.low < each.high):
            if merged and merged[-1].since == each.since:
                merged[-1] = merged[-1]._replace(high=each.high)
            else:
                merged.append(each)
        return Cover(merged)
