"""Syncs of a simulated list that cannot be asked for its changes, a part of which each reads again.

Here: a list that remembers what it was, and a table that follows it as the product does. What the
cover must mean is asserted in `test_rolling`.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from recruit_assets.extract.counted import CountedWalk
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.query import Query
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.rolling import Covered, RollingWalk
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import BEGINNING, SimulatedSource
from recruit_assets_tests.extract.simulated_syncs import (
    OVERLAP,
    LivingList,
    Outcome,
    Table,
    is_whole,
)


@dataclass
class WatchedList(LivingList):
    """A list that remembers which records it had at the end of each tick, and their versions."""

    states: list[tuple[int, dict[int, int]]] = field(default_factory=list)
    last_seen: dict[int, int] = field(default_factory=dict)  # the last such tick, by id
    left: dict[int, int] = field(default_factory=dict)  # the tick that it last went in, by id

    def before(self, tick: int) -> tuple[int, dict[int, int]]:
        """Return the last state before a tick, with its own tick."""
        place = bisect_left(self.states, tick, key=lambda each: each[0])
        return self.states[place - 1] if place else (-1, {})

    def _pass(self) -> None:
        was = self.tick
        super()._pass()
        self._remember(was)

    def _wait(self) -> None:
        was = self.tick
        super()._wait()
        self._remember(was)

    def _remember(self, tick: int) -> None:
        if self.tick > tick:
            if self.states:
                gone = self.states[-1][1].keys() - self.versions()
                self.left.update(dict.fromkeys(gone, tick))
            self.states.append((tick, self.versions()))
            self.last_seen.update(dict.fromkeys(self.states[-1][1], tick))


@dataclass
class RollingTable(Table):
    """A table whose list is read again in parts."""

    cover: Cover | None = None
    syncs: int = 4  # in which each record is read once
    loaded: dict[int, int] | None = None  # when each row was written, if no record has a creation
    rolling: type[RollingWalk] = RollingWalk

    def plan(self, source: SimulatedSource, *, whole: bool) -> Walk | CountedWalk | RollingWalk:
        """Return the next reading, planned as the product does."""
        if whole or self.cover is None:
            return Walk(cast(Source, source))
        overlap = timedelta(seconds=OVERLAP)
        return self.rolling(cast(Source, source), self.known(self.cover), overlap, self.syncs)

    def known(self, cover: Cover) -> Covered:
        """Return what is known of the list."""
        top = tick_at(cover.top) - OVERLAP
        created = {id_: row[1] for id_, row in self.rows.items()}
        arrived = created if self.loaded is None else self.loaded
        settled = max((id_ for id_ in self.rows if arrived[id_] < top), default=-1)
        listed = Query.everything(SimulatedSource.endpoint).listed
        return Covered(array("q", sorted(self.rows)), settled, cover, listed)

    def sync(self, living: LivingList, *, whole: bool = False) -> Outcome:
        """Read the list, ask for missing records by id, and store."""
        before, began = dict(self.rows), living.tick
        outcome = super().sync(living, whole=whole)
        if self.loaded is not None:
            written = [id_ for id_, row in self.rows.items() if before.get(id_) != row]
            self.loaded |= dict.fromkeys(written, living.tick)
        if outcome.verdict.proven and isinstance(self.walk, CountedWalk | RollingWalk):
            self.cover = self.walk.cover or self.cover
        if outcome.verdict is Verdict.COMPLETE and is_whole(cast(Walk, self.walk)):
            self.cover = Cover.whole(BEGINNING + timedelta(seconds=began))
        return outcome

    def lost(self, living: WatchedList) -> list[int]:
        """Return records that were listed ever since their range was read, and are older here."""
        now = living.versions()
        return [
            id_
            for low, high, since in (self.cover.ranges if self.cover else ())
            for id_, changed in living.before(tick_at(since))[1].items()
            if low < id_ <= high
            and id_ in now
            and self._version(id_) < changed
            and living.left.get(id_, -1) < tick_at(since)
        ]

    def kept(self, living: WatchedList) -> list[int]:
        """Return the rows whose record was gone as of their range."""
        now = living.versions()
        return [
            id_
            for low, high, since in (self.cover.ranges if self.cover else ())
            for id_ in self.rows.keys() - now
            if low < id_ <= high
            and living.last_seen.get(id_, self.rows[id_][1]) < living.before(tick_at(since))[0]
        ]

    def _last_seen(self, living: WatchedList, id_: int) -> int:
        return living.last_seen.get(id_, self.rows[id_][1])


@dataclass
class AuditedTable(RollingTable):
    """A table whose list is asked for its changes, and read again in parts besides."""

    def plan(self, source: SimulatedSource, *, whole: bool) -> Walk | CountedWalk | RollingWalk:
        """Return the next reading, planned as the product does; every other one is an audit."""
        if whole or self.cover is None or self.cursor is None:
            return Walk(cast(Source, source))
        since = max(1, self.cursor - OVERLAP)
        settled = max((i for i, (_, created) in self.rows.items() if created < since), default=-1)
        known = replace(self.known(self.cover), settled=settled)
        changes = partial(Walk, cast(Source, source), BEGINNING + timedelta(seconds=since))
        audits = self.syncs if source.world.random.random() < 0.5 else None
        overlap = timedelta(seconds=OVERLAP)
        return CountedWalk(cast(Source, source), changes, known, overlap, audits)


def tick_at(moment: datetime) -> int:
    """Return the tick of a moment."""
    return round((moment - BEGINNING).total_seconds())
