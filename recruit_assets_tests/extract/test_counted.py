"""What the verdict of a counted reading means, in lists that change between any two requests."""

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

import pytest

from recruit_assets.extract.counted import CountedWalk
from recruit_assets.extract.query import Query
from recruit_assets.extract.rank import Found
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.sightings import ids_of
from recruit_assets.extract.source import Page
from recruit_assets_tests.extract.simulated_syncs import Habits, LivingList, Table
from recruit_assets_tests.rings import sized

BATCHES = 10  # of lists, so that several workers share them
SYNCS = 6


def followed(seed: int, reading: type[CountedWalk] = CountedWalk) -> Counter[str]:
    """Follow a list through several syncs; count verdicts, and what is untrue of them."""
    random = Random(seed)
    living = LivingList(Habits.draw(random), random)
    table, counts = Table(reading), Counter[str]()
    for number in range(SYNCS):
        outcome = table.sync(living, whole=number > 1 and random.random() < 0.1)
        counts[f"{outcome.verdict.value}{', counted' * outcome.counted}"] += 1
        if outcome.verdict.proven:
            assert not outcome.lost, f"seed {seed}, sync {number}: lost {outcome.lost}"
        if outcome.verdict is Verdict.COMPLETE:
            assert not outcome.kept, f"seed {seed}, sync {number}: kept {outcome.kept}"
        living.pause()
    return counts


def all_followed(seeds: Iterable[int], reading: type[CountedWalk] = CountedWalk) -> Counter[str]:
    return sum((followed(seed, reading) for seed in seeds), Counter[str]())


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_verdict_is_true_whatever_changes_between_two_requests(batch: int) -> None:
    worlds = sized(50, 1_000, 20_000) // BATCHES
    counts = all_followed(range(batch * worlds, (batch + 1) * worlds))
    assert counts["complete, counted"] > 0.3 * SYNCS * worlds, counts


class NaiveWalk(CountedWalk):
    """Take a list for complete if it counts as many records as there are rows after the changes."""

    def _rounds(self) -> Iterator[Page]:
        rows = set(map(str, self._known))
        for page in self._walk:
            rows.update(ids_of(page))
            yield page
        whole = Query.everything(self._source.endpoint, self._source.page_size)
        counted = self._source.page(whole, 1).document.record_count
        if self.report.verdict is Verdict.WINDOW and counted == len(rows):
            self._conclude(Found(frozenset(), frozenset()))
            return
        self._begin_again(self._changes())
        yield from super()._rounds()


def test_the_count_of_the_list_alone_is_found_wrong() -> None:
    """A record that is added between the changes and the count makes up for one that is gone."""
    with pytest.raises(AssertionError, match=r"seed \d+, sync \d: kept \["):
        all_followed(range(1_000), NaiveWalk)
