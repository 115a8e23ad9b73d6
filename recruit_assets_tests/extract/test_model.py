"""What a walk's verdict means, in worlds that change between any two requests."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import cast

import pytest

from recruit_assets.extract.jsonapi import members
from recruit_assets.extract.report import Verdict, WalkReport
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import (
    BEGINNING,
    Nature,
    SimulatedSource,
    World,
    time_of,
)
from recruit_assets_tests.rings import sized

BATCHES = 10  # of worlds, so that several workers share them


def walked(seed: int) -> tuple[Nature, WalkReport, list[int]]:
    """Read a world; returns what is untrue of a proven verdict: the ids that did not come.

    A proven reading has brought every record that was there before its first request, in a window
    those changed since, in its version of then or later, unless it was deleted before the end.
    """
    random = Random(seed)
    nature = Nature.draw(random)
    world = World(nature, random)
    since = random.randint(1, world.tick) if nature.window else 0
    there = {id_: tick for id_, tick in world.changed.items() if tick >= since}
    report, came = read(world, since)
    alive = [id_ for id_ in there if id_ in world.changed]
    lost = [id_ for id_ in alive if came.get(id_, "") < time_of(there[id_])]
    return nature, report, lost


def read(world: World, since: int) -> tuple[WalkReport, dict[int, str]]:
    """Walk the list from a tick on, 0 for all; return what came, by the time of its last change."""
    came: dict[int, str] = {}
    after = BEGINNING + timedelta(seconds=since) if since else None
    walk = Walk(cast(Source, SimulatedSource(world)), after)
    for page in walk:
        for record in page.records:
            changed = members(record.attributes)["updated-at"]
            came[int(record.id)] = max(came.get(int(record.id), ""), changed)
    return walk.report, came


def outcomes(seeds: Iterable[int]) -> Counter[tuple[bool, Verdict]]:
    """Count the verdicts of calm worlds and of others, and fail on one that is untrue."""
    counts: Counter[tuple[bool, Verdict]] = Counter()
    for seed in seeds:
        nature, report, lost = walked(seed)
        assert not (report.verdict.proven and lost), f"seed {seed}: {nature} lost {lost}"
        assert report.verdict is not Verdict.INCOMPLETE or nature.busy, (
            f"seed {seed}: {nature} is calm, and {report.reason}"
        )
        counts[not nature.busy, report.verdict] += 1
    return counts


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_verdict_is_true_whatever_changes_between_two_requests(batch: int) -> None:
    worlds = sized(100, 1_000, 30_000) // BATCHES
    counts = outcomes(range(batch * worlds, (batch + 1) * worlds))
    proven = sum(number for (_, verdict), number in counts.items() if verdict.proven)
    assert proven > 0.8 * worlds, counts


class Scripted(World):
    """Eleven records that change as written down, before the request of that number."""

    requests = 0

    def live(self) -> None:
        self.requests += 1
        if self.requests == 4:
            self.update(2)
            self.delete(5)
        elif self.requests == 6:
            self.delete(8)


def test_an_empty_page_hides_no_change_at_the_newest_end() -> None:
    """The last page is empty when it is asked for again, as two records were deleted."""
    nature = Nature(size=3, records=0, lanes=1, window=True, newest_first=False, busy=0, ticks=1)
    world = Scripted(nature, Random(0))
    for _ in range(11):
        world.add()
    report, came = read(world, 1)
    assert report.verdict is Verdict.WINDOW
    assert came[2] == time_of(world.changed[2])
    assert world.requests == 7  # five, the page that is empty by now, and the last one


class Shrinking(World):
    """Four records, of which two go before the last page is asked for."""

    requests = 0

    def live(self) -> None:
        self.requests += 1
        if self.requests == 2:
            self.delete(3)
            self.delete(4)


def test_a_list_that_shrinks_to_one_page_is_still_in_order() -> None:
    nature = Nature(size=3, records=0, lanes=1, window=False, newest_first=False, busy=0, ticks=1)
    world = Shrinking(nature, Random(0))
    for _ in range(4):
        world.add()
    report, came = read(world, 0)
    assert report.verdict is Verdict.COMPLETE
    assert set(came) == {1, 2, 3}
    assert world.requests == 3  # page 1, page 2, which is empty by now, and page 1 again


class Vanishing(World):
    """Records go at the newest end, one before each request."""

    def live(self) -> None:
        if self.changed:
            self.delete(max(self.changed))


def test_a_list_that_vanishes_faster_than_it_is_read_proves_nothing() -> None:
    nature = Nature(size=7, records=0, lanes=16, window=False, newest_first=True, busy=0, ticks=1)
    world = Vanishing(nature, Random(0))
    for _ in range(900):
        world.add()
    report, _ = read(world, 0)
    assert report.verdict is Verdict.INCOMPLETE
    assert report.reason.startswith("records were removed faster than pages could be read")
