"""Readings of whole lists that were interrupted, and go on later where they were.

A reading in order rests on no clock: a lane goes on down the list from what it has covered, and its
proof is the same after a pause of any length (see `lanes`). So it is enough to save the lanes.

Scope: what is saved, as JSON, and what of the list has been covered since it was last saved.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isinf
from typing import Self

from recruit_assets.extract.lanes import OLDEST, Key, Lane

END = 1 << 62  # beyond all ids, which have at most 18 digits

Stretch = tuple[int, int]  # of ids: the first one, and the one after the last


@dataclass(frozen=True)
class Unfinished:
    """Hold a reading that can go on.

    `query` are the parameters of its requests, `began` is when it began, by the earlier of the
    API's clock and ours. `total` is the count of the list then, `records` is how many different
    ones have been read.
    """

    query: str
    began: datetime
    total: int
    records: int
    lanes: str  # as JSON

    @classmethod
    def of(
        cls, query: str, began: datetime, total: int, records: int, lanes: Sequence[Lane]
    ) -> Self:
        """Save lanes; the one before a lane that has not begun goes on in its place."""
        saved = [lane.saved() for lane in lanes if lane.begun]
        saved[-1]["_until"] = OLDEST
        return cls(query, began, total, records, json.dumps(saved))

    def restored(self) -> list[Lane]:
        """Return the lanes, from the newest to the oldest."""
        return [Lane.restored(each) for each in json.loads(self.lanes)]

    @property
    def size(self) -> int:
        """Return how many records its pages have."""
        return int(json.loads(self.lanes)[0]["_size"])

    @property
    def share(self) -> float:
        """Return the share of the list that has been read."""
        return min(1.0, self.records / self.total) if self.total else 0.0

    def so_far(self) -> str:
        """Describe the progress in words."""
        read, since = min(self.records, self.total), f"{self.began:%Y-%m-%d %H:%M}"
        return f"{self.share:.0%} since {since} UTC, {read:,} of {self.total:,} records"


@dataclass(frozen=True)
class Part:
    """Hold what a part of a reading has covered, every record in it, and what is left to read."""

    stretches: list[Stretch]
    unfinished: Unfinished


class Stretches:
    """Note down to where lanes have covered their part of a list, each time that they are saved.

    Args:
        lanes: the lanes, from the newest to the oldest, after the first response of the first one.
        resumed: whether they were restored; else they have saved nothing yet.
    """

    def __init__(self, lanes: Sequence[Lane], *, resumed: bool) -> None:
        self._lanes = lanes
        self._saved: list[Key | None] = [each.oldest if resumed else None for each in lanes]

    def since_last(self) -> list[Stretch]:
        """Return what has been covered since the last call: all that exists in it has been read."""
        found = []
        for place, lane in enumerate(self._lanes):
            before = self._saved[place]
            if lane.begun:
                above = _id(before) if before is not None else _id(lane.newest)
                found.append((_id(lane.oldest), above))
                self._saved[place] = lane.oldest
        return [(low, above) for low, above in found if low < above]

    def between(self) -> list[Stretch]:
        """Return what is between lanes that are complete: nothing exists in it."""
        found = [(_id(old.newest) + 1, _id(new.oldest)) for new, old in pairwise(self._lanes)]
        return [(low, above) for low, above in found if low < above]


def _id(key: Key) -> int:
    """Return the id of a key, or one beyond all."""
    if isinf(key[0]):
        return END if key[0] > 0 else -END
    return key[1]
