"""A simulated list that changes between any two requests, and the seam that lets a walk read it.

Here: the records and how they change, and `SimulatedSource`, which stands where `Source` does and
answers from memory. What a verdict must mean is asserted in `test_model`.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from time import monotonic
from typing import Any, Self, TypeVar

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.clocks import Clocks
from recruit_assets.extract.jsonapi import Document, Record
from recruit_assets.extract.query import Query
from recruit_assets.extract.retries import RequestStats
from recruit_assets.extract.source import Page

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
CANDIDATES = next(each for each in ENDPOINTS if each.name == "candidates")
Tag = TypeVar("Tag")
Key = tuple[int, int]  # the tick of the last change (0 where the list is ordered by id), the id


@dataclass(frozen=True)
class Nature:
    """What a simulated world is like."""

    size: int  # records of a page
    records: int  # at the beginning
    lanes: int
    window: bool  # whether the list is ordered by the last change
    newest_first: bool
    busy: float  # the chance of each kind of change, tried up to three times before each answer
    ticks: float  # the chance that the clock moves on before a change, else two share a time

    @classmethod
    def draw(cls, random: Random) -> "Nature":
        """Draw a small world, more often with the smallest pages and many changes."""
        return cls(
            size=random.choice([2, 2, 3, 3, 4, 5, 7]),
            records=random.randint(0, 60) if random.random() < 0.3 else random.randint(0, 20),
            lanes=random.randint(1, 4),
            window=random.random() < 0.6,
            newest_first=random.random() < 0.4,
            busy=random.choice([0.0, 0.02, 0.05, 0.1, 0.1, 0.2]),
            ticks=random.choice([1.0, 1.0, 1.0, 0.5]),
        )


@dataclass
class World:
    """Records by id, each with the tick of its last change, which is its version as well."""

    nature: Nature
    random: Random
    tick: int = 1
    changed: dict[int, int] = field(default_factory=dict)
    greatest: int = 0

    def __post_init__(self) -> None:
        """Let the clock run and the list change before the first reading."""
        self._keys: list[Key] = []
        while len(self.changed) < self.nature.records:
            self.add()
            if self.random.random() < 0.3:
                self.update()
            if self.random.random() < 0.1:
                self.delete()
        self.tick += 1

    def live(self) -> None:
        """Change what changes between two answers."""
        chance, draw = self.nature.busy, self.random.random
        if not chance:
            return
        for _ in range(3):
            for change in (self.add, self.update, self.delete):
                if draw() < chance:
                    change()

    def add(self) -> None:
        """Add a record with the greatest id."""
        self.greatest += 1
        self._place(self.greatest)

    def update(self, id_: int | None = None) -> None:
        """Change a record, any if none is named; it moves to the newest end of a window."""
        if self._keys:
            self._place(self._take(id_))

    def delete(self, id_: int | None = None) -> None:
        """Remove a record, any if none is named."""
        if self._keys:
            del self.changed[self._take(id_)]

    def page(self, number: int, size: int, since: int) -> tuple[list[int], int]:
        """Return the ids on a page, and how many records the whole list has."""
        start = bisect_left(self._keys, (since, 0)) if since else 0
        total = len(self._keys) - start
        low, high = (number - 1) * size, min(number * size, total)
        if self.nature.newest_first:
            shown = self._keys[::-1][low:high]
        else:
            shown = self._keys[start + low : start + high]
        return [id_ for _, id_ in shown], total

    def _take(self, named: int | None) -> int:
        if named is not None:
            key = self.changed[named] if self.nature.window else 0, named
            return self._keys.pop(self._keys.index(key))[1]
        place = self.random.randrange(len(self._keys))
        if self.random.random() < 0.3:
            place = self.random.randrange(place + 1)
        _, id_ = self._keys.pop(place)
        return id_

    def _place(self, id_: int) -> None:
        self.tick += self.random.random() < self.nature.ticks
        self.changed[id_] = self.tick
        key = (self.tick if self.nature.window else 0, id_)
        self._keys.insert(bisect_left(self._keys, key), key)


class InFlight:
    """Requests in flight, answered in any order; see `recruit_assets.extract.flight`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._flying: list[tuple[Any, Callable[[int], Page], int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what has not been answered."""

    def send(self, tag: Any, ask: Callable[[int], Page], number: int) -> None:
        """Put a request on its way."""
        self._flying.append((tag, ask, number))

    def __iter__(self) -> Iterator[tuple[Any, Page]]:
        while self._flying:
            tag, ask, number = self._flying.pop(self._random.randrange(len(self._flying)))
            yield tag, ask(number)


class WorldClocks(Clocks):
    """The clock of a world, whose ticks are its seconds."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._read: list[tuple[float, int]] = []
        self.compare()

    def compare(self, date: str = "") -> None:
        """Note the tick of this moment."""
        self._read.append((monotonic(), self._world.tick))

    def earliest(self, moment: float) -> datetime:
        """Return the time of the last response before a moment."""
        tick = max((tick for at, tick in self._read if at <= moment), default=0)
        return BEGINNING + timedelta(seconds=tick)


class SimulatedSource:
    """Answers from a world that goes on living; what a walk asks of a `Source`, and no more."""

    endpoint = CANDIDATES
    url = "http://127.0.0.1/v1/candidates"
    log = logging.getLogger("simulated")

    def __init__(self, world: World) -> None:
        self.world = world
        self.page_size, self.concurrency = world.nature.size, world.nature.lanes
        self.stats, self.clocks = RequestStats(), WorldClocks(world)
        self._answers = count()

    def in_flight(self) -> InFlight:
        """Return room for requests in flight."""
        return InFlight(self.world.random)

    def page(self, query: Query, number: int) -> Page:
        """Let the world live on, and answer."""
        world = self.world
        world.live()
        self.stats.requests += 1
        since = round((query.since - BEGINNING).total_seconds()) if query.since else 0
        size = query.size or self.page_size
        ids, total = world.page(number, size, since)
        changed = world.changed
        records = [Record(str(id_), {"updated-at": time_of(changed[id_])}) for id_ in ids]
        meta = {"record-count": total, "page-count": -(-total // size)}
        more = {"next": f"?page[number]={number + 1}"} if number * size < total else {}
        self.clocks.compare()
        return Page(Document(records, meta, more), number, next(self._answers))

    def linked(self, link: str, number: int) -> Page:
        """Refuse to answer: pages of this list are requested by number."""
        raise AssertionError(f"page {number} was asked for by the link {link}")


def time_of(tick: int) -> str:
    """Return the time that a record changed at this tick shows."""
    return (BEGINNING + timedelta(seconds=tick)).isoformat()
