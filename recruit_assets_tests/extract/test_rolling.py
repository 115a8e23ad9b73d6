"""What is true after a sync that reads a part of a list again, while the list changes."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from random import Random
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.extract.cover import ABOVE, BELOW, Cover, Range
from recruit_assets.extract.rank import Found, Listed
from recruit_assets.extract.rolling import SYNCS, Covered, Rolling, RollingWalk, requests_at_rest
from recruit_assets_tests.extract.simulated_rolling import AuditedTable, RollingTable, WatchedList
from recruit_assets_tests.extract.simulated_syncs import OVERLAP, Habits
from recruit_assets_tests.rings import sized

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
BATCHES = 10  # of lists, so that several workers share them
ROUNDS = 8  # syncs of each list


def followed(
    seed: int,
    *,
    hiding: bool = False,
    rolling: type[RollingWalk] = RollingWalk,
    kind: type[RollingTable] = RollingTable,
) -> Counter[str]:
    """Follow a list through several syncs; count verdicts, and what is untrue of them."""
    random = Random(seed)
    habits = Habits.draw(random, telling=not hiding)
    living = WatchedList(habits if hiding else replace(habits, hiding=0.0), random)
    loaded: dict[int, int] | None = {} if random.random() < 0.3 else None
    table = kind(syncs=random.choice([2, 4, 8]), loaded=loaded, rolling=rolling)
    counts = Counter[str]()
    for number in range(ROUNDS):
        outcome = table.sync(living, whole=number > 1 and random.random() < 0.05)
        counts[f"{outcome.verdict.value}{', counted' * outcome.counted}"] += 1
        where = f"seed {seed}, sync {number}"
        assert not (lost := table.lost(living)), f"{where}: lost {lost}"
        assert not (kept := table.kept(living)), f"{where}: kept {kept}"
        if outcome.counted and not hiding:
            assert not outcome.kept, f"{where}: kept {outcome.kept}, gone before the sync"
        living.pause()
    if hiding:
        assert_ends_equal(table, living, f"seed {seed}")
    return counts


def assert_ends_equal(table: RollingTable, living: WatchedList, where: str) -> None:
    """Follow a list at rest; in time, the table has each record that returned as it was."""
    living.nature = replace(living.nature, busy=0.0, torn=0.0)
    living._late.clear()
    for _ in range(8 * table.syncs):  # about half of them are audits, and some find the unseen
        living.tick += 2 * OVERLAP
        table.sync(living)
    versions = {id_: version for id_, (version, _) in table.rows.items()}
    assert versions == living.versions(), f"{where}: not equal in the end"


def all_followed(seeds: Iterable[int], **options: Any) -> Counter[str]:
    return sum((followed(seed, **options) for seed in seeds), Counter[str]())


@pytest.mark.parametrize(
    ("kind", "hiding"), [(RollingTable, False), (RollingTable, True), (AuditedTable, True)]
)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_what_is_known_as_of_a_moment_is_true(
    batch: int, kind: type[RollingTable], *, hiding: bool
) -> None:
    """Records that return as they were break what a search and changes rest on, but not this."""
    worlds = sized(20, 100, 1_500) // BATCHES
    seeds = range(batch * worlds, (batch + 1) * worlds)
    counts = all_followed(seeds, kind=kind, hiding=hiding)
    assert counts["complete, counted"] > 0.3 * ROUNDS * worlds, counts


class CurrentWalk(RollingWalk):
    """Take all values for as new as the newest records."""

    def _conclude(self, found: Found, begun: float) -> None:
        super()._conclude(found, begun)
        self.cover = self.cover and Cover.whole(self.cover.top)


class LateWalk(RollingWalk):
    """Take what was read again for as new as the end of the sync."""

    def _conclude(self, found: Found, begun: float) -> None:
        self._rolling.parts = [(low, high, monotonic()) for low, high, _ in self._rolling.parts]
        super()._conclude(found, begun)


@pytest.mark.parametrize("wrong", [CurrentWalk, LateWalk])
def test_a_cover_that_claims_too_much_is_found_wrong(wrong: type[RollingWalk]) -> None:
    with pytest.raises(AssertionError, match=r"seed \d+, sync \d: (lost|kept) \["):
        all_followed(range(500), rolling=wrong)


ids = st.integers(BELOW, 40)
moments = st.integers(1, 5).map(lambda day: datetime(2026, 1, day, tzinfo=UTC))


@given(st.lists(st.tuples(ids, ids, moments), max_size=8))
def test_a_cover_knows_each_id_as_of_its_last_reading(readings: list[Range]) -> None:
    cover, since = Cover.whole(FIRST), dict.fromkeys([*range(42), ABOVE], FIRST)
    for low, high, moment in readings:
        if low < high:
            cover = cover.read(low, high, moment)
            since |= dict.fromkeys(range(low + 1, high + 1), moment)
    assert Cover.of(cover.ranges) == cover
    for each in cover.ranges:
        known = {since[id_] for id_ in since if each.low < id_ <= each.high}
        assert known == {each.since}
    assert all(one.since != other.since for one, other in pairwise(cover.ranges))
    assert cover.oldest == min(since.values())


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [(BELOW, 3)],
        [(0, ABOVE)],
        [(BELOW, 3), (4, ABOVE)],
        [(BELOW, 5), (4, ABOVE)],
        [(BELOW, 5), (5, 5), (5, ABOVE)],
        [(BELOW, ABOVE), (3, 4)],
    ],
)
def test_ranges_that_leave_a_gap_or_overlap_are_no_cover(ranges: list[tuple[int, int]]) -> None:
    assert Cover.of([(*each, FIRST) for each in ranges]) is None


@given(st.integers(1, 300), st.sampled_from([3, 30]), st.sampled_from([1, 4, SYNCS]))
def test_a_list_at_rest_is_read_once_in_so_many_syncs(rows: int, size: int, syncs: int) -> None:
    listed, cover = range(7, 7 + 3 * rows, 3), Cover.whole(FIRST)
    pages = 0
    for number in range(1, syncs + 1):
        rolling = Rolling(Covered(listed, listed[-1], cover), size, syncs)
        found, requests = answered(rolling, listed, size)
        assert found == Found(frozenset(), frozenset())
        for low, high, _ in rolling.parts:
            cover = cover.read(low, high, FIRST + timedelta(hours=number))
        pages += requests - (1 + (rows % size == 0))
    assert cover.up_to(listed[-1])[-1].since > FIRST
    assert pages <= rows / size + 3 * syncs


def test_what_a_list_at_rest_costs_is_known_before() -> None:
    listed = array("q", range(1, 30 * 240 + 8))
    known = Covered(listed, listed[-1], Cover.whole(FIRST))
    _, requests = answered(Rolling(known, 30), listed, 30)
    assert requests == requests_at_rest(known, 30)
    assert requests <= 1 + ceil(240 / SYNCS) + 2


def answered(rolling: Rolling, listed: Sequence[int], size: int) -> tuple[Found, int]:
    """Answer a search from a list at rest; return what it found, and how many requests it made."""
    search, requests = rolling.search(), 1
    number = next(search)
    while True:
        page = listed[(number - 1) * size : number * size]
        try:
            number = search.send(Listed(number, page, len(listed)))
        except StopIteration as end:
            found: Found = end.value
            return found, requests
        requests += 1
