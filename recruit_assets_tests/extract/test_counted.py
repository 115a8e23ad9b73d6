"""What the verdict of a counted reading means, in lists that change between any two requests."""

from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest

from recruit_assets.extract.report import Verdict
from recruit_assets_tests.extract.simulated_syncs import Habits, LivingList, Table
from recruit_assets_tests.rings import sized

BATCHES = 10  # of lists, so that several workers share them
SYNCS = 6


def followed(seed: int) -> Counter[str]:
    """Follow a list through several syncs; count verdicts, and what is untrue of them."""
    random = Random(seed)
    living = LivingList(Habits.draw(random), random)
    table, counts = Table(), Counter[str]()
    for number in range(SYNCS):
        outcome = table.sync(living, whole=number > 1 and random.random() < 0.1)
        counts[f"{outcome.verdict.value}{', counted' * outcome.counted}"] += 1
        if outcome.verdict.proven:
            assert not outcome.lost, f"seed {seed}, sync {number}: lost {outcome.lost}"
        if outcome.verdict is Verdict.COMPLETE:
            assert not outcome.kept, f"seed {seed}, sync {number}: kept {outcome.kept}"
        living.pause()
    return counts


def all_followed(seeds: Iterable[int]) -> Counter[str]:
    return sum((followed(seed) for seed in seeds), Counter[str]())


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_verdict_is_true_whatever_changes_between_two_requests(batch: int) -> None:
    worlds = sized(50, 1_000, 50_000) // BATCHES
    counts = all_followed(range(batch * worlds, (batch + 1) * worlds))
    assert counts["complete, counted"] > 0.3 * SYNCS * worlds, counts
