"""A simulated list that is sorted by its last change and not filtered, and a table that follows it.

Here: records that appear late, counts that are taken at another moment than their page, and syncs
one after another, each planned as the product does. What a verdict must mean is asserted in
`test_by_change`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import cast

from recruit_assets.extract.jsonapi import Document, Record, members
from recruit_assets.extract.query import Query
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import (
    BEGINNING,
    Nature,
    SimulatedSource,
    World,
    time_of,
)

OVERLAP = 12  # ticks that an incremental reading begins before its cursor
Versions = dict[int, int]  # the tick of its last change, by id


@dataclass(frozen=True)
class Habits(Nature):
    """What a simulated list is like, and how its API answers."""

    late: float  # the chance that a new record appears some ticks after its time
    late_change: float  # the same for a change
    torn: float  # the chance that a count is taken before or after its page
    pause: int  # changes between two syncs, at most

    @classmethod
    def draw(cls, random: Random) -> "Habits":
        """Draw a small list, more often with the smallest pages and many changes."""
        return cls(
            size=random.choice([2, 2, 3, 3, 4, 5, 7]),
            records=random.randint(0, 60) if random.random() < 0.3 else random.randint(0, 20),
            lanes=random.randint(1, 4),
            window=True,
            newest_first=False,
            busy=random.choice([0.0, 0.0, 0.02, 0.05, 0.1, 0.2]),
            ticks=random.choice([1.0, 0.5, 0.1, 0.02]),
            late=random.choice([0.0, 0.0, 0.3]),
            late_change=random.choice([0.0, 0.0, 0.0, 0.3]),
            torn=random.choice([0.0, 0.0, 0.3]),
            pause=random.choice([0, 2, 5, 20]),
        )


@dataclass
class ChangingList(World):
    """A list in the order of its changes, some of which appear late."""

    coming: list[tuple[int, int, int]] = field(default_factory=list)  # when, which, its time
    appeared: int = 0  # how often something appeared late

    @property
    def habits(self) -> Habits:
        """What this list is like."""
        return cast(Habits, self.nature)

    def add(self) -> None:
        """Add a record with the greatest id, which may appear late."""
        if not self._is_late(self.habits.late):
            super().add()
            self.appear()
            return
        self.greatest += 1
        self._announce(self.greatest)

    def update(self, id_: int | None = None) -> None:
        """Change a record, perhaps so that it shows late."""
        if not self.changed:
            return
        if self._is_late(self.habits.late_change):
            self._announce(self.random.choice(list(self.changed)))
        else:
            super().update(id_)
            self.appear()

    def live(self) -> None:
        """Let time pass, and change what changes between two answers."""
        self.tick += self.random.random() < self.habits.ticks
        self.appear()
        super().live()

    def rest(self) -> None:
        """Change what changes between two syncs."""
        for _ in range(self.random.randint(0, self.habits.pause)):
            self.random.choice([self.add, self.update, self.update, self.delete])()
        for _ in range(self.random.choice([0, 1, 5, 3 * OVERLAP])):
            self.tick += 1
            self.appear()

    def appear(self) -> None:
        """Show what is to appear by now."""
        due = [each for each in self.coming if each[0] <= self.tick]
        self.coming = [each for each in self.coming if each[0] > self.tick]
        for _, id_, tick in due:
            if id_ in self.changed and self.changed[id_] < tick:
                self._keys.remove((self.changed[id_], id_))
            elif id_ in self.changed or id_ in self._gone:
                continue
            self.appeared += 1
            self.changed[id_] = tick
            self._keys.append((tick, id_))
            self._keys.sort()

    def __post_init__(self) -> None:
        self._gone: set[int] = set()
        super().__post_init__()

    def _take(self, named: int | None) -> int:
        id_ = super()._take(named)
        self._gone.add(id_)
        return id_

    def _place(self, id_: int) -> None:
        self._gone.discard(id_)
        super()._place(id_)

    def _is_late(self, chance: float) -> bool:
        return bool(chance) and self.random.random() < chance

    def _announce(self, id_: int) -> None:
        self.tick += 1
        self.appear()
        self.coming.append((self.tick + self.random.randint(1, OVERLAP - 1), id_, self.tick))


class SortingSource(SimulatedSource):
    """Answers as an API that sorts the list and does not filter it."""

    def page(self, query: Query, number: int) -> Page:
        """Let the list change, and answer, with a count that may be of another moment."""
        world = cast(ChangingList, self.world)
        world.live()
        self.stats.requests += 1
        size = query.size or self.page_size
        torn = world.random.random() < world.habits.torn
        before = len(world.changed)
        if torn and (early := world.random.random() < 0.5):
            world.live()
        keys = world._keys if query.by_change else sorted((0, id_) for id_ in world.changed)
        shown = {id_: world.changed[id_] for _, id_ in keys[(number - 1) * size : number * size]}
        total = len(world.changed)
        if torn and early:
            total = before
        elif torn:
            world.live()
            total = len(world.changed)
        self.clocks.compare()
        records = [Record(str(i), {"updated-at": time_of(tick)}) for i, tick in shown.items()]
        meta = {"record-count": total, "page-count": -(-total // size)}
        more = {"next": f"?page[number]={number + 1}"} if number * size < total else {}
        return Page(Document(records, meta, more), number, next(self._answers))


@dataclass
class Outcome:
    """What a sync did, and the records of which the table holds too old a version."""

    verdict: Verdict
    requests: int
    lost: list[int]
    late: list[int]  # too old for now, as something appeared late: the next sync brings them


@dataclass
class Table:
    """The versions of the rows, and the cursor; at first it is what the list is."""

    rows: Versions
    cursor: int
    overlap: int = OVERLAP

    def sync(self, living: ChangingList) -> Outcome:
        """Read the list or what has changed, and store it.

        After a proven sync, the table holds each record that was listed at the beginning in its
        version of then or a later one, unless it was deleted.
        """
        began, there, shown = living.tick, dict(living.changed), living.appeared
        source = SortingSource(living)
        walk = self._plan(source)
        came = read(walk)
        verdict = walk.report.verdict
        if verdict is Verdict.COMPLETE:
            self.rows = {}
        self.rows |= came
        self.cursor = began if verdict.proven else self.cursor
        old = [i for i, tick in there.items() if i in living.changed and self._has(i) < tick]
        again = [i for i in old if living.appeared > shown and living.changed[i] >= began - OVERLAP]
        lost = [i for i in old if i not in again]
        return Outcome(verdict, source.stats.requests, lost, again)

    def _plan(self, source: SimulatedSource) -> Walk:
        since = BEGINNING + timedelta(seconds=max(1, self.cursor - self.overlap))
        return Walk(cast(Source, source), since, filtered=False, rows=len(self.rows))

    def _has(self, id_: int) -> int:
        return self.rows.get(id_, -1)


def read(walk: Iterable[Page]) -> Versions:
    """Read a list; return what came, by id: the version that came last."""
    pages = sorted(walk, key=lambda page: page.sequence)
    return {int(each.id): tick_of(each) for page in pages for each in page.records}


def tick_of(record: Record) -> int:
    """Return the tick of a record's last change."""
    changed = datetime.fromisoformat(members(record.attributes)["updated-at"])
    return round((changed - BEGINNING).total_seconds())
