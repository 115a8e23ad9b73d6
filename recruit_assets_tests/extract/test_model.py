"""What a walk's verdict means, in worlds that change between any two requests."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import cast

import pytest

from recruit_assets.extract.pages import Walk
from recruit_assets.extract.report import Report, Verdict
from recruit_assets.extract.source import Source
from recruit_assets_tests.extract.simulated_api import (
    BEGINNING,
    Nature,
    SimulatedSource,
    World,
    time_of,
)
from recruit_assets_tests.rings import sized

BATCHES = 10  # of worlds, so that several workers share them


def walked(seed: int) -> tuple[Nature, Report, list[int]]:
    """Read a world; returns what is untrue of a proven verdict: the ids that did not come.

    A proven reading has brought every record that was there before its first request, in a window
    those changed since, in its version of then or later, unless it was deleted before the end.
    """
    random = Random(seed)
    nature = Nature.draw(random)
    world = World(nature, random)
    since = random.randint(1, world.tick) if nature.window else 0
    there = {id_: tick for id_, tick in world.changed.items() if tick >= since}
    came: dict[int, str] = {}
    after = BEGINNING + timedelta(seconds=since) if since else None
    walk = Walk(cast(Source, SimulatedSource(world)), after)
    for page in walk:
        for record in page.records:
            changed = (record.attributes or {})["updated-at"]
            came[int(record.id)] = max(came.get(int(record.id), ""), changed)
    alive = [id_ for id_ in there if id_ in world.changed]
    lost = [id_ for id_ in alive if came.get(id_, "") < time_of(there[id_])]
    return nature, walk.report, lost


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
    worlds = sized(100, 1_000, 20_000) // BATCHES
    counts = outcomes(range(batch * worlds, (batch + 1) * worlds))
    proven = sum(number for (_, verdict), number in counts.items() if verdict.proven)
    assert proven > 0.8 * worlds, counts
