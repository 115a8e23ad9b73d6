"""Syncs of a simulated list, one after another, that prove by counting what is gone.

Here: a list that can be asked for its changes and in the order of ids, whose records change between
any two requests, appear late, and go; and a table that follows it as the product does. What each
verdict must mean is asserted in `test_counted`.
"""

from array import array
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import cast

from recruit_assets.extract.counted import CountedWalk
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.jsonapi import Record, members
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.extract.rolling import Covered, RollingWalk
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import BEGINNING, SimulatedSource, World

OVERLAP = 12  # ticks that an incremental reading begins before its cursor
GONE = -1  # the version of a record that is not listed


@dataclass(frozen=True)
class Habits:
    """What a simulated list is like."""

    size: int  # records of a page
    records: int  # at the beginning
    lanes: int
    busy: float  # the chance of each kind of change between two answers
    pause: int  # changes of each kind between two syncs, at most
    late: float  # the chance that a record is not listed before the next sync
    torn: float  # the chance that a response counts the list as it was before the last changes
    hiding: float  # the chance that a record is hidden, or a hidden one is listed again
    telling: bool  # whether a record that is listed again counts as changed

    @classmethod
    def draw(cls, random: Random, *, telling: bool = True) -> "Habits":
        """Draw a small list, more often with short pages."""
        return cls(
            size=random.choice([2, 3, 3, 4, 5, 7]),
            records=random.choice([random.randint(0, 20), random.randint(10, 60), 120]),
            lanes=random.randint(1, 3),
            busy=random.choice([0.0, 0.01, 0.03, 0.1, 0.25]),
            pause=random.choice([0, 1, 3, 10]),
            late=random.choice([0.0, 0.0, 0.3]),
            torn=random.choice([0.0, 0.0, 0.0, 0.2]),
            hiding=random.choice([0.0, 0.3]) if telling else 0.3,
            telling=telling,
        )


@dataclass
class Times:
    """The ticks of a record's creation and last change."""

    created: int
    changed: int


@dataclass
class LivingList:
    """The list of one endpoint, by id, and how it changes."""

    nature: Habits
    random: Random
    tick: int = 1
    records: dict[int, Times] = field(default_factory=dict)
    hidden: dict[int, Times] = field(default_factory=dict)
    greatest: int = 0
    keeps_places: bool = False  # whether no record is hidden or returns now
    _late: set[int] = field(default_factory=set)  # not listed yet
    _just_hidden: set[int] = field(default_factory=set)  # since the last sync
    _returned: set[int] = field(default_factory=set)  # these stay
    _counts: dict[int, int] = field(default_factory=dict)  # last seen, by the start of a window

    def __post_init__(self) -> None:
        """Let the clock run and the list change before the first reading."""
        while len(self.records) < self.nature.records:
            self.add()
            if self.random.random() < 0.3:
                self.change()
            if self.random.random() < 0.1:
                self.remove()
        self.tick += OVERLAP
        self._late.clear()

    def live(self) -> None:
        """Change what changes between two answers."""
        draw, habits = self.random.random, self.nature
        for happens in (self.add, self.change, self.remove):
            if draw() < habits.busy:
                happens()
        if not self.keeps_places and draw() < habits.busy * habits.hiding:
            self.hide_or_return()

    def pause(self) -> None:
        """Change what changes between two syncs."""
        self._just_hidden.clear()
        for happens in (self.add, self.change, self.remove):
            for _ in range(self.random.randint(0, self.nature.pause)):
                happens()
        for _ in range(self.nature.pause):
            if self.random.random() < self.nature.hiding:
                self.hide_or_return()
        self._wait()
        self._late = {id_ for id_ in self._late if self._stays_late(id_)}
        self._counts.clear()

    def add(self) -> None:
        """Add a record with the greatest id, which may be listed late."""
        self._pass()
        self.greatest += 1
        self.records[self.greatest] = Times(self.tick, self.tick)
        if self.random.random() < self.nature.late:
            self._late.add(self.greatest)

    def change(self) -> None:
        """Change any record."""
        if self.records:
            self._pass()
            self.records[self.random.choice(list(self.records))].changed = self.tick

    def remove(self) -> None:
        """Remove a run of records, mostly of one, but none that has returned."""
        if ids := sorted(self.records.keys() - self._returned):
            self._pass()
            start = self.random.randrange(len(ids))
            if self.random.random() < 0.3:
                start = max(0, len(ids) - self.random.randint(1, 5))
            for id_ in ids[start : start + self.random.choice([1, 1, 1, 2, 5])]:
                del self.records[id_]

    def hide_or_return(self) -> None:
        """Hide a record, or list one again that was hidden before the last sync."""
        self._pass()
        hidden = sorted(self.hidden.keys() - self._just_hidden)
        if hidden and self.random.random() < 0.6:
            id_ = self.random.choice(hidden)
            self.records[id_] = self.hidden.pop(id_)
            self._returned.add(id_)
            if self.nature.telling:
                self.records[id_].changed = self.tick
        elif listed := sorted(self.records.keys() - self._returned):
            id_ = self.random.choice(listed)
            self.hidden[id_] = self.records.pop(id_)
            self._just_hidden.add(id_)

    @property
    def changed(self) -> dict[int, int]:
        """The last change of each record, also of those that are not listed yet."""
        return {id_: each.changed for id_, each in self.records.items()}

    def versions(self) -> dict[int, int]:
        """Return the last change of each record that is listed now."""
        return {i: each.changed for i, each in self.records.items() if i not in self._late}

    def page(self, number: int, size: int, since: int) -> tuple[list[int], int]:
        """Return the ids on a page, and how many records the whole list has."""
        found = self.versions()
        ids = sorted(found)
        if since:
            ids = sorted((i for i in ids if found[i] >= since), key=found.__getitem__)
        is_torn = self.random.random() < self.nature.torn
        counted = self._counts.get(since, len(ids)) if is_torn else len(ids)
        self._counts[since] = len(ids)
        return ids[(number - 1) * size : number * size], counted

    def _stays_late(self, id_: int) -> bool:
        """Return whether a record is still not listed, which none is for longer than the overlap.

        One that is listed in the middle of a reading pushes others past the reader, as if it had
        returned.
        """
        is_young = id_ in self.records and self.records[id_].created > self.tick - OVERLAP
        return is_young and self.random.random() < 0.5

    def _wait(self) -> None:
        self.tick += self.random.choice([1, 5, 3 * OVERLAP])

    def _pass(self) -> None:
        self.tick += self.random.random() < 0.8


@dataclass
class Outcome:
    """What a sync did, and what is untrue of its verdict."""

    verdict: Verdict
    counted: bool
    requests: int
    lost: list[int]  # records that were listed before the first request, and are not in the table
    kept: list[int]  # rows whose record was not listed then, and that did not come


@dataclass
class Table:
    """Rows by id, each with the version and the creation of its record; and the cursor."""

    reading: type[CountedWalk] = CountedWalk
    rows: dict[int, tuple[int, int]] = field(default_factory=dict)
    cursor: int | None = None
    walk: Walk | CountedWalk | RollingWalk | None = None  # the last reading

    def plan(self, source: SimulatedSource, *, whole: bool) -> Walk | CountedWalk | RollingWalk:
        """Return the next reading, planned as the product does."""
        if whole or self.cursor is None:
            return Walk(cast(Source, source))
        since = max(1, self.cursor - OVERLAP)
        settled = max((i for i, (_, created) in self.rows.items() if created < since), default=-1)
        changes = partial(Walk, cast(Source, source), BEGINNING + timedelta(seconds=since))
        known = Covered(array("q", sorted(self.rows)), settled, Cover.whole(BEGINNING))
        return self.reading(cast(Source, source), changes, known, timedelta(seconds=OVERLAP))

    def sync(self, living: LivingList, *, whole: bool = False) -> Outcome:
        """Read the list, ask for missing records by id, and store."""
        began, there = living.tick, living.versions()
        source = SimulatedSource(cast(World, living))
        walk = self.walk = self.plan(source, whole=whole)
        came = read(walk, living)
        proven = walk.report.verdict.proven
        if isinstance(walk, CountedWalk | RollingWalk) and not is_whole(walk):
            missing = [int(id_) for id_ in walk.missing]
        else:
            missing = sorted(self.rows.keys() - came) if proven else []
        for id_ in missing:
            living.live()
            if id_ in (now := living.versions()):
                came[id_] = now[id_]
            else:
                self.rows.pop(id_, None)
                came.pop(id_, None)
        created = {**living.hidden, **living.records}
        for id_, version in came.items():
            _, known = self.rows.get(id_, (0, None))
            self.rows[id_] = version, created[id_].created if id_ in created else known or began
        self.cursor = began if proven else self.cursor
        now = living.versions()
        return Outcome(
            walk.report.verdict,
            walk.report.proof is Proof.COUNTED,
            source.stats.requests,
            [id_ for id_, tick in there.items() if id_ in now and self._version(id_) < tick],
            [id_ for id_ in self.rows if id_ not in there and id_ not in came],
        )

    def _version(self, id_: int) -> int:
        return self.rows.get(id_, (GONE, 0))[0]


def read(walk: Walk | CountedWalk | RollingWalk, living: LivingList) -> dict[int, int]:
    """Read a list; return what came, by id: the version that came last.

    A record that is listed again pushes others past the reader of a whole list, or of a part, so
    none is then.
    """
    pages, living.keeps_places = [], _needs_places(walk)
    for page in walk:
        pages.append(page)
        living.keeps_places = _needs_places(walk)
    pages.sort(key=lambda page: page.sequence)
    return {int(each.id): tick_of(each) for page in pages for each in page.records}


def _needs_places(walk: Walk | CountedWalk | RollingWalk) -> bool:
    """Return whether a reading reads the whole list or a part of it, beside its changes."""
    audits = isinstance(walk, CountedWalk) and walk._audits is not None
    return audits or walk.query.since is None


def is_whole(walk: Walk | CountedWalk | RollingWalk) -> bool:
    """Return whether a reading read the whole list."""
    return walk.whole if isinstance(walk, RollingWalk) else walk.query.since is None


def tick_of(record: Record) -> int:
    """Return the tick of a record's last change."""
    changed = datetime.fromisoformat(members(record.attributes)["updated-at"])
    return round((changed - BEGINNING).total_seconds())
