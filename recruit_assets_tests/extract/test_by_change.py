"""What a window means that is read from the end of a list, in lists that change all the while.

The same check must find readers that are wrong in one detail, so each is put in its place.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, cast

import pytest

from recruit_assets.extract.lanes import NEWEST, Lane
from recruit_assets.extract.links import counts_end
from recruit_assets.extract.newest import Newest
from recruit_assets.extract.query import Query
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import BEGINNING
from recruit_assets_tests.extract.simulated_changes import (
    OVERLAP,
    ChangingList,
    Habits,
    Outcome,
    SortingSource,
    Table,
    read,
)
from recruit_assets_tests.rings import sized

BATCHES = 4  # of worlds, so that several workers share them
SYNCS = 5  # in each world
QUIET = Habits(
    size=3,
    records=0,
    lanes=1,
    window=True,
    newest_first=False,
    busy=0,
    ticks=1,
    late=0,
    late_change=0,
    torn=0,
    pause=0,
)


def outcomes(seeds: Iterable[int], overlap: int = OVERLAP) -> Iterable[tuple[int, Outcome]]:
    """Yield the syncs of some worlds, each with its seed."""
    for seed in seeds:
        random = Random(seed)
        living = ChangingList(Habits.draw(random), random)
        table = Table(dict(living.changed), living.tick, overlap)
        for _ in range(SYNCS):
            living.rest()
            found = table.sync(living)
            yield seed, found
            if found.verdict is Verdict.COMPLETE:  # it was read whole, which `test_model` checks
                table = Table(dict(living.changed), living.tick, overlap)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_window_has_every_change_whatever_happens_between_two_requests(batch: int) -> None:
    worlds = sized(20, 200, 10_000) // BATCHES
    counts: Counter[Verdict] = Counter()
    for seed, found in outcomes(range(batch * worlds, (batch + 1) * worlds)):
        assert not (found.verdict is Verdict.WINDOW and found.lost), f"seed {seed}: {found}"
        counts[found.verdict] += 1
    assert counts[Verdict.WINDOW] > 0.8 * counts.total(), counts


def stop_after_one_pass(patch: pytest.MonkeyPatch) -> None:
    """Take the end for read once the first pass is over, whatever has moved there since."""
    patch.setattr(Newest, "known", lambda *_: NEWEST)


def settle_ties_by_id(patch: pytest.MonkeyPatch) -> None:
    """Take a change for known that was made at the time of a known one, with a lower id."""
    patch.setattr(Newest, "known", lambda newest, top: max(newest.keys(top)))


def take_an_empty_page_for_the_end(patch: pytest.MonkeyPatch) -> None:
    """Read nothing where the last page was."""

    def end_from(newest: Newest, page: Any) -> Any:
        return page if not page.records else (yield from original(newest, page))

    def take(lane: Lane, page: Any, keys: Any) -> None:
        if keys:
            taken(lane, page, keys)
        else:
            lane.oldest = (float("-inf"), 0)

    original, taken = Newest.end_from, Lane.take
    patch.setattr(Newest, "end_from", end_from)
    patch.setattr(Lane, "take", take)


def stop_at_the_first_unchanged(patch: pytest.MonkeyPatch) -> None:
    """Read down to the newest change that the table has."""

    def plan(table: Table, source: Any) -> Any:
        known = max(table.rows.values(), default=table.cursor) + table.overlap
        return original(Table(table.rows, known, table.overlap), source)

    original = Table._plan
    patch.setattr(Table, "_plan", plan)


@pytest.mark.parametrize(
    ("wrong", "first"),
    [
        (stop_after_one_pass, 11),
        (settle_ties_by_id, 263),
        (take_an_empty_page_for_the_end, 1),
        (stop_at_the_first_unchanged, 3),
    ],
)
@pytest.mark.ring(2)
def test_a_reader_that_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[pytest.MonkeyPatch], None], first: int
) -> None:
    """The first world that finds it only saves the time of those before."""
    wrong(monkeypatch)
    assert lost(outcomes(range(first, 4_000)))


@pytest.mark.ring(2)
def test_an_overlap_that_is_missing_is_found() -> None:
    assert lost(outcomes(range(4_000), overlap=0))


def lost(found: Iterable[tuple[int, Outcome]]) -> bool:
    """Return whether a window lacks a change."""
    return any(each.verdict is Verdict.WINDOW and each.lost for _, each in found)


class ShortPages(SortingSource):
    """Answers with pages of ten, whatever size was requested."""

    def page(self, query: Query, number: int) -> Page:
        return super().page(replace(query, size=10), number)


def test_pages_that_are_shorter_than_requested_are_not_mistaken_for_the_end() -> None:
    """The second of four pages has as many records as the second and last one of thirty."""
    living = ChangingList(replace(QUIET, size=30), Random(0))
    for _ in range(40):
        living.add()
    since = BEGINNING + timedelta(seconds=living.tick - 5)
    walk = Walk(cast(Source, ShortPages(living)), since, filtered=False, rows=40)
    changed = {id_ for id_, tick in living.changed.items() if tick >= living.tick - 5}
    assert changed <= set(read(walk))
    assert walk.report.verdict is Verdict.WINDOW


class Scripted(ChangingList):
    """Records of which the first is deleted between the first page and its count."""

    answers = 0

    def live(self) -> None:
        self.answers += 1
        if self.answers == 2:
            self.delete(1)


def synced() -> Outcome:
    """Sync seven records, of which the table has the first five, with pages of three."""
    habits = replace(QUIET, torn=1)
    living = Scripted(habits, Random(2))  # which counts after the first page
    for _ in range(5):
        living.add()
    living.tick += 2 * OVERLAP
    table = Table(dict(living.changed), living.tick)
    living.add()
    living.add()
    return table.sync(living)


def test_a_full_page_is_not_the_last_one_because_its_count_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert synced() == Outcome(Verdict.WINDOW, 3, [], [])
    monkeypatch.setattr(
        Newest, "_is_end", lambda newest, page, _: counts_end(page, newest._pager.size)
    )
    assert synced() == Outcome(Verdict.WINDOW, 1, [7], [])
