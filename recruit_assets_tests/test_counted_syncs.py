"""Deletions that incremental syncs find by the ranks of records, with real parts."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import ceil, log2
from random import Random

import pytest

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.options import Mode
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.old_candidates import (
    NAME,
    OLD,
    SIZE,
    counted,
    current,
    ids,
    known,
    remove,
    requests,
    rows,
)
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.test_checks import evaluated, says
from recruit_assets_tests.test_erasure import left

pytestmark = pytest.mark.ring(2)


@pytest.fixture
def small(project: Project) -> Project:
    """A project that has read eight pages of candidates, the last of them half full."""
    return known(project, 7 * SIZE + 15)


def steps(world: World) -> Iterator[tuple[str, int, Callable[[], list[str]]]]:
    """What goes from the list before each sync: how many runs of neighbours, and which ids."""
    random = Random(16)

    def run(length: int) -> list[str]:
        start = random.randrange(world.count(NAME) - length)
        return ids(world)[start : start + length]

    yield "nothing", 0, list
    yield "one", 1, lambda: run(1)
    yield "ten", 10, lambda: random.sample(ids(world), 10)
    yield "a hundred in a run", 1, lambda: run(100)
    yield "the oldest", 1, lambda: ids(world)[:1]
    yield "a page", 1, lambda: ids(world)[100 * SIZE : 101 * SIZE]
    yield "the newest", 0, lambda: ids(world)[-2:]
    yield "the last page", 0, lambda: ids(world)[world.count(NAME) // SIZE * SIZE :]
    yield "a hundred", 100, lambda: random.sample(ids(world), 100)


@FULL
def test_deletions_among_10_000_candidates_take_the_requests_that_are_promised(
    project: Project,
) -> None:
    world = known(project, 10_000).sandbox.world
    after = rows(project)
    for what, runs, chosen in steps(world):
        pages, gone = ceil(world.count(NAME) / SIZE), chosen()
        remove(world, gone)
        result = counted(project)
        before, after = after, rows(project)
        assert result.deleted == len(gone), what
        assert {id_ for id_ in before if before[id_] != after[id_]} == set(gone), what
        asked, by_id = requests(project)
        # One that is listed shows that the API has records by id at all.
        assert len(by_id) == len(gone) + bool(gone), what
        assert set(gone) <= set(by_id), what
        search = 1 + (runs and runs * (1.01 * log2(pages / runs) + 0.63))
        assert asked <= 1.1 * search + 1 + 2, what
        assert result.report.pages == asked, what


def test_deletions_additions_and_changes_at_once(small: Project) -> None:
    world = small.sandbox.world
    first, *rest = ids(world)
    remove(world, rest[3:200:100])
    world.change(NAME, first, {"first-name": "Changed"})
    world.change(NAME, rest[-1], {"first-name": "Changed"})
    for _ in range(40):
        world.add(NAME)
    result = counted(small)
    merged = result.merged
    assert (result.deleted, merged.inserted, merged.updated) == (2, 40, 2)
    remove(world, [*ids(world)[-20:], rest[60]])
    assert counted(small).deleted == 21


@pytest.mark.parametrize(
    "request_number", [3, *(pytest.param(number, marks=FULL) for number in (1, 2, 4))]
)
def test_what_goes_during_the_search_is_found_now_or_by_the_next_sync(
    small: Project, request_number: int
) -> None:
    """Two old records go before the sync; others at both ends and one that is new go in it."""
    world = small.sandbox.world
    stay = set(ids(world)[3:-3])
    remove(world, ids(world)[50:200:100])
    stay.intersection_update(ids(world))
    asked = 0

    def happen(world: World) -> None:
        nonlocal asked
        asked += 1
        if asked == request_number:
            remove(world, [ids(world)[0], ids(world)[-1]])
            world.remove(NAME, world.add(NAME))

    small.sandbox.before(NAME, happen, times=None)
    result = small.sync(NAME)
    assert asked >= request_number
    assert (result.report.proof, result.report.verdict) == (Proof.COUNTED, Verdict.COMPLETE)
    assert result.deleted >= 2
    assert stay <= current(small).keys()
    small.sandbox.clear_faults()
    assert result.deleted + counted(small).deleted == 4


def test_a_record_that_returns_with_a_change_hides_no_deletion(small: Project) -> None:
    """It makes up for one that is gone at the first search, so the changes call for another."""
    world = small.sandbox.world
    returning, gone = ids(world)[50:200:100]
    world.remove(NAME, returning)
    assert counted(small).deleted == 1
    world.remove(NAME, gone)
    world.add(NAME, id=returning)
    result = counted(small)
    assert (result.deleted, result.merged.undeleted) == (1, 1)
    pages, _ = requests(small)
    assert result.report.pages == pages


def test_the_next_sync_reads_changes_from_the_beginning_of_this_search(small: Project) -> None:
    begun: list[datetime] = []
    small.sandbox.rules.no_date = True
    small.sandbox.before(NAME, lambda _: begun.append(datetime.now(UTC)))
    result = counted(small)
    assert result.cursor
    assert result.cursor < begun[0]
    assert (result.report.pages, result.report.records) == (2, 15)


@pytest.mark.parametrize(
    ("deletion_policy", "kept"),
    [
        (DeletionPolicy.erase, 2),
        pytest.param(DeletionPolicy.keep, 2, marks=FULL),
        pytest.param(DeletionPolicy.drop, 0, marks=FULL),
    ],
)
def test_what_is_left_of_a_deleted_row_is_what_a_full_read_leaves(
    project: Project, deletion_policy: DeletionPolicy, kept: int
) -> None:
    project.deleted_rows = deletion_policy
    world = project.sandbox.world
    alike = OLD | dict.fromkeys(("first-name", "last-name", "email"), "Alike")
    gone = [world.add(NAME, alike) for _ in range(2)]
    known(project, 7 * SIZE)
    for mode, id_ in zip((Mode.full, Mode.incremental), gone, strict=True):
        world.remove(NAME, id_)
        assert project.sync(NAME, mode=mode).deleted == 1
    columns = "* EXCLUDE (id, _run_id, _loaded_at, _deleted_at, _row_hash), _row_hash IS NULL"
    found = project.query(f"SELECT {columns} FROM recruit.{NAME} WHERE id IN {tuple(gone)}")
    assert len(found) == kept
    assert found == found[:1] * kept
    assert bool(left(project)) is (deletion_policy is not DeletionPolicy.keep)


def test_a_run_that_finds_a_deletion_is_well_and_compacts(small: Project) -> None:
    small.sandbox.world.remove(NAME, ids(small.sandbox.world)[100])
    result = small.materialize(NAME, mode=Mode.incremental)
    assert metadata(result, NAME)["proof"] == "counted"
    assert metadata(result, NAME)["deleted"] == 1
    assert says(result, NAME) == {}
    assert {"sync_is_complete", "erasure_is_done"} <= evaluated(result, NAME).keys()
    assert left(small) is None


def test_the_history_of_a_deleted_record_ends(project: Project) -> None:
    name, world = "job_applications", project.sandbox.world
    project.sync(name)
    gone = list(world.table("job-applications"))[-1]
    world.remove("job-applications", gone)
    result = project.sync(name)
    assert (result.report.proof, result.deleted) == (Proof.COUNTED, 1)
    ended = f"SELECT count(*) FROM recruit_history.{name} WHERE valid_to IS NULL AND id = '{gone}'"
    assert project.query(ended) == [(0,)]
    open_versions = f"SELECT count(*) FROM recruit_history.{name} WHERE valid_to IS NULL"
    assert project.query(open_versions) == [(world.count("job-applications"),)]
