"""Deletions that incremental syncs find by the ranks of records, with real parts.

The records are months old, as most records of an account are: all newer ones would be read.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from math import ceil, log2
from random import Random
from typing import Any

import pytest

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.errors import ConfirmationRequired
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.options import Mode
from recruit_assets.sandbox import World
from recruit_assets.store import SyncResult
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.test_checks import evaluated, says
from recruit_assets_tests.test_erasure import left

pytestmark = pytest.mark.ring(2)
NAME = "candidates"
SIZE = 30
OLD = {each: datetime(2026, 1, 1, tzinfo=UTC) for each in ("created-at", "updated-at")}


def ids(world: World) -> list[str]:
    return list(world.table(NAME))


def remove(world: World, gone: Sequence[str]) -> None:
    for id_ in gone:
        world.remove(NAME, id_)


def known(project: Project, records: int) -> Project:
    """Let the project read a list of old records."""
    world = project.sandbox.world
    for id_ in ids(world):
        world.change(NAME, id_, OLD)
    while world.count(NAME) < records:
        world.add(NAME, OLD)
    project.sync(NAME)
    return project


@pytest.fixture
def small(project: Project) -> Project:
    """A project that has read eight pages of candidates, the last of them half full."""
    return known(project, 7 * SIZE + 15)


def rows(project: Project) -> dict[str, int]:
    """A hash of each row, with all its columns."""
    return dict(project.query(f"SELECT id, hash(row) FROM recruit.{NAME} AS row"))


def current(project: Project) -> dict[str, str]:
    """The first name of each current row."""
    found = f"SELECT id, first_name FROM recruit.{NAME} WHERE _deleted_at IS NULL"
    return dict(project.query(found))


def listed(project: Project) -> dict[str, str]:
    """The first name of each record."""
    table = project.sandbox.world.table(NAME)
    return {id_: record["attributes"]["first-name"] for id_, record in table.items()}


def counted(project: Project) -> SyncResult:
    """Sync; it must be complete, by ranks, and the table must then equal the list."""
    project.sandbox.clear_requests()
    result = project.sync(NAME)
    assert result.report.verdict is Verdict.COMPLETE
    assert (result.mode, result.report.proof) == (Mode.incremental, Proof.COUNTED)
    assert current(project) == listed(project)
    return result


def requests(project: Project) -> tuple[int, list[str]]:
    """How many pages were requested, and the records that were requested by id."""
    paths = [each.path for each in project.sandbox.requests]
    return paths.count(NAME), [each.partition("/")[2] for each in paths if each != NAME]


def steps(world: World) -> Iterator[tuple[str, int, Callable[[], list[str]]]]:
    """What goes from the list before each sync: how many runs of neighbours, and which ids."""
    random = Random(16)

    def run(length: int) -> list[str]:
        start = random.randrange(world.count(NAME) - length)
        return ids(world)[start : start + length]

    yield "nothing", 0, list
    yield "one", 1, lambda: run(1)
    yield "ten", 10, lambda: random.sample(ids(world), 10)
    yield "ten in a run", 1, lambda: run(10)
    yield "a hundred in a run", 1, lambda: run(100)
    yield "the oldest", 1, lambda: ids(world)[:1]
    yield "a page", 1, lambda: ids(world)[100 * SIZE : 101 * SIZE]
    yield "the newest", 0, lambda: ids(world)[-2:]
    yield "the last page", 0, lambda: ids(world)[world.count(NAME) // SIZE * SIZE :]
    yield "a hundred", 100, lambda: random.sample(ids(world), 100)


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


@pytest.mark.parametrize("request_number", [1, 3, *(pytest.param(n, marks=FULL) for n in (2, 4))])
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


def test_a_record_that_returns_with_old_times_is_stored_and_not_called_complete(
    small: Project,
) -> None:
    world = small.sandbox.world
    hidden = ids(world)[100]
    world.remove(NAME, hidden)
    assert counted(small).deleted == 1
    world.add(NAME, OLD, id=hidden)
    result = small.sync(NAME)
    assert (result.report.verdict, result.report.proof) == (Verdict.WINDOW, None)
    assert result.report.reason == (
        "1 older records became visible without being changed: there may be more of them"
    )
    assert (result.merged.undeleted, current(small)) == (1, listed(small))
    assert result.cursor
    counted(small)


@pytest.mark.parametrize("left_over", [0, 3])
def test_a_list_that_is_nearly_empty_needs_a_person(small: Project, left_over: int) -> None:
    world = small.sandbox.world
    before = rows(small)
    remove(world, ids(world)[left_over:])
    gone = len(before) - left_over
    said = f"{gone} of the {len(before)} current rows are not in the API's list"
    with pytest.raises(ConfirmationRequired, match=said):
        small.sync(NAME)
    assert rows(small) == before


def test_more_than_a_fifth_of_a_list_needs_a_person(project: Project) -> None:
    """All of them are on the last page, so that the search finds them in one request."""
    world = known(project, 45).sandbox.world
    remove(world, ids(world)[33:])
    project.sandbox.clear_requests()
    with pytest.raises(ConfirmationRequired, match="12 of the 45 current rows are not in the"):
        project.sync(NAME)
    assert requests(project) == (2, [])
    assert project.sync(NAME, allow_mass_delete=True).deleted == 12
    assert counted(project).deleted == 0


def test_a_list_of_one_record_that_goes_is_empty(project: Project) -> None:
    world = project.sandbox.world
    remove(world, ids(world)[1:])
    remove(known(project, 1).sandbox.world, ids(world))
    assert counted(project).deleted == 1
    assert counted(project).deleted == 0


def test_a_record_that_may_not_be_read_by_its_id_is_kept(small: Project) -> None:
    world = small.sandbox.world
    hidden = ids(world)[100]
    world.remove(NAME, hidden)
    small.sandbox.fail(f"{NAME}/{hidden}", status=403, times=None)
    for _ in range(2):
        result = small.sync(NAME)
        assert (result.report.proof, result.deleted, result.kept) == (Proof.COUNTED, 0, 1)
        assert hidden in current(small)
    small.sandbox.clear_faults()
    assert counted(small).deleted == 1


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


def test_a_backup_that_is_restored_between_two_syncs_catches_up(small: Project) -> None:
    world, backup = small.sandbox.world, small.path.with_suffix(".backup")
    shutil.copy(small.path, backup)
    remove(world, ids(world)[50:200:100])
    world.change(NAME, ids(world)[50], {"first-name": "Changed"})
    world.add(NAME)
    assert counted(small).deleted == 2
    shutil.copy(backup, small.path)
    world.remove(NAME, ids(world)[100])
    assert counted(small).deleted == 3


def an_id_without_a_number(project: Project) -> None:
    project.sandbox.world.add(NAME, OLD, id="one-of-a-kind")
    project.sync(NAME, mode=Mode.full)


def a_new_id_without_a_number(project: Project) -> None:
    project.sandbox.world.add(NAME, id="one-of-a-kind")


def no_order(project: Project) -> None:
    project.sandbox.rules.refuse = {NAME: {"sort"}}


def newest_first(project: Project) -> None:
    no_order(project)
    project.sandbox.rules.newest_first = {NAME}


@pytest.mark.parametrize(
    "odd", [an_id_without_a_number, a_new_id_without_a_number, no_order, newest_first]
)
def test_a_list_that_cannot_be_searched_shows_its_changes_alone(
    small: Project, odd: Callable[[Project], Any]
) -> None:
    world = small.sandbox.world
    odd(small)
    gone, changed = ids(world)[50:200:100]
    world.remove(NAME, gone)
    world.change(NAME, changed, {"first-name": "Changed"})
    result = small.sync(NAME, mode=Mode.incremental)
    assert (result.mode, result.report.verdict) == (Mode.incremental, Verdict.WINDOW)
    assert (result.report.proof, result.deleted, result.kept) == (None, 0, 0)
    assert current(small).items() - listed(small).items() == {(gone, "Added")}
    assert listed(small).items() <= current(small).items()
    assert small.sync(NAME, mode=Mode.full).deleted == 1


def test_a_list_without_counts_proves_nothing(small: Project) -> None:
    world, cursor = small.sandbox.world, "SELECT max(cursor) FROM recruit_meta.syncs"
    small.sandbox.rules.no_counts = {NAME}
    world.remove(NAME, ids(world)[100])
    before = small.query(cursor)
    result = small.sync(NAME)
    assert (result.mode, result.report.verdict) == (Mode.incremental, Verdict.INCOMPLETE)
    assert (result.deleted, result.kept, small.query(cursor)) == (0, 0, before)
    small.sandbox.rules.no_counts = set()
    assert counted(small).deleted == 1
