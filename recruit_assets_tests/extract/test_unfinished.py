"""What the verdict of a reading means that was interrupted, with a changing list in the pauses."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

import pytest

from recruit_assets.extract.report import Verdict
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.unfinished import Part, Unfinished
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import Nature, SimulatedSource, World
from recruit_assets_tests.extract.simulated_syncs import tick_of
from recruit_assets_tests.rings import sized

BATCHES = 10
MAX_CHANGES = 60  # in a pause
MAX_KILLS = 4

Alter = Callable[[Unfinished], Unfinished]


@dataclass
class Store:
    """Rows by id, each with its version; the ids that a divided reading missed; and its rest."""

    rows: dict[int, int]
    missing: set[int] = field(default_factory=set)
    left: Unfinished | None = None

    def add(self, pages: list[Page], part: Part) -> None:
        """Store a part: its rows, and which of ours it should have shown."""
        came = {
            int(each.id): tick_of(each)
            for page in sorted(pages, key=lambda page: page.sequence)
            for each in page.records
        }
        for low, above in part.stretches:
            self.missing |= {id_ for id_ in self.rows if low <= id_ < above and id_ not in came}
        self.rows |= came
        self.left = part.unfinished


def read(world: World, store: Store, random: Random, kill_after: int) -> Walk | None:
    """Read the list, or what is left of it, and store parts; None if it was killed."""
    source = cast(Source, SimulatedSource(world))
    walk, pages = Walk(source, unfinished=store.left), list[Page]()
    for number, page in enumerate(walk, 1):
        pages.append(page)
        if number == kill_after:
            return None
        if random.random() < 0.3 and (part := walk.part()):
            store.add(pages, part)
            pages.clear()
    part = walk.part()
    if part:
        store.add(pages, part)
    elif walk.report.verdict is Verdict.COMPLETE:
        before = set(store.rows)
        whole = Part([(-1, world.greatest + 1)], cast(Unfinished, None))
        store.missing.clear()
        store.add(pages, whole)
        assert before >= store.missing
    store.left = None
    return walk


def pause(world: World, store: Store, random: Random) -> None:
    """Let the list change while nobody reads, and at times another sync store all of it."""
    for _ in range(random.choice([0, 3, MAX_CHANGES])):
        random.choice([world.add, world.update, world.delete])()
    if random.random() < 0.2:
        store.rows = dict(world.changed)


def interrupted(seed: int, alter: Alter) -> str:
    """Read a list with interruptions; return the verdict, and check what it says."""
    random = Random(seed)
    nature = replace(Nature.draw(random), window=False)
    world = World(nature, random)
    store = Store(dict(world.changed))
    pause(world, store, random)
    began, there = 0, dict[int, int]()
    for kill_after in [*(random.randint(1, 25) for _ in range(MAX_KILLS)), -1]:
        if store.left is None:
            began, there = world.tick, dict(world.changed)
        walk = read(world, store, random, kill_after)
        if walk:
            break
        pause(world, store, random)
        if store.left:
            store.left = alter(store.left)
    assert walk
    if walk.report.verdict is Verdict.COMPLETE:
        alive = {id_: tick for id_, tick in there.items() if id_ in world.changed}
        lost = [id_ for id_, tick in alive.items() if store.rows.get(id_, -1) < tick]
        accused = sorted(store.missing & alive.keys())
        assert not lost, f"seed {seed}: lost {lost} of what was there at {began}"
        assert not accused, f"seed {seed}: missed {accused}, which was there all the time"
        kept = store.rows.keys() - store.missing - there.keys()
        kept = {id_ for id_ in kept if id_ not in world.changed and store.rows[id_] < began}
        assert not kept, f"seed {seed}: kept {kept}, which was gone at {began}"
    return f"{walk.report.verdict.value}{', resumed' if walk.report.resumed else ''}"


def all_interrupted(seeds: Iterable[int], alter: Alter = lambda left: left) -> Counter[str]:
    return Counter(interrupted(seed, alter) for seed in seeds)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_reading_that_goes_on_after_interruptions_is_true(batch: int) -> None:
    worlds = sized(300, 1_000, 12_000) // BATCHES
    counts = all_interrupted(range(batch * worlds, (batch + 1) * worlds))
    assert counts["complete, resumed"] > 0.1 * worlds, counts


def by_page_number(left: Unfinished) -> Unfinished:
    """Forget everything of the lanes but the number of the next page."""
    lanes = [{**lane, "_total": None, "_position": 0} for lane in json.loads(left.lanes)]
    return replace(left, lanes=json.dumps(lanes))


def test_going_on_by_page_number_is_found_wrong() -> None:
    """Records that were removed in the pause have moved others past the reader."""
    with pytest.raises(AssertionError, match=r"seed \d+: (lost|missed) \["):
        all_interrupted(range(1_000), by_page_number)
