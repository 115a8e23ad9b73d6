"""What a search by ranks may not conclude: odd lists, and what a person must accept."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from recruit_assets.errors import ConfirmationRequired
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.options import Mode
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.old_candidates import (
    NAME,
    OLD,
    SIZE,
    counted,
    current,
    ids,
    known,
    listed,
    remove,
    requests,
    rows,
)
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)


@pytest.fixture
def small(project: Project) -> Project:
    """A project that has read eight pages of candidates, the last of them half full."""
    return known(project, 7 * SIZE + 15)


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
    assert counted(project, Mode.incremental).deleted == 1
    assert counted(project, Mode.incremental).deleted == 0


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


def a_page_that_is_short(project: Project) -> None:
    def shorten(document: dict[str, Any]) -> None:
        document["data"] = document["data"][:3]

    project.sandbox.alter(NAME, shorten, page=8)


@pytest.mark.parametrize(
    "odd",
    [
        a_page_that_is_short,
        an_id_without_a_number,
        pytest.param(a_new_id_without_a_number, marks=FULL),
        no_order,
        pytest.param(newest_first, marks=FULL),
    ],
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
    small.sandbox.clear_faults()
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


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (404, NAME),
        pytest.param(404, "stages", marks=FULL),
        pytest.param(416, NAME, marks=FULL),
        (422, "stages"),
    ],
)
def test_an_api_that_refuses_pages_past_the_end_shows_its_changes(
    project: Project, name: str, status: int
) -> None:
    """The last page is full, so the page after it shows that it is the last."""
    world = project.sandbox.world
    for id_ in list(world.table(name))[2 * SIZE :]:
        world.remove(name, id_)
    while world.count(name) < 2 * SIZE:
        world.add(name, OLD)
    for id_ in world.table(name):
        world.change(name, id_, OLD)
    project.sync(name)
    project.sandbox.fail(name, page=3, status=status, times=None)
    changed = list(world.table(name))[10]
    world.change(name, changed, {"name": "Changed", "first-name": "Changed"})
    result = project.sync(name)
    assert result.report.verdict.proven
    assert (result.merged.updated, result.deleted) == (1, 0)


def test_changes_that_are_refused_after_the_search_are_no_restriction_of_the_key(
    small: Project,
) -> None:
    world = small.sandbox.world
    world.remove(NAME, ids(world)[100])
    small.sandbox.fail(NAME, page=1, status=403, times=None)
    result = small.sync(NAME, mode=Mode.incremental)
    assert (result.report.verdict, result.report.proof) == (Verdict.INCOMPLETE, None)
    assert result.deleted == 0
    small.sandbox.clear_faults()
    assert counted(small).deleted == 1


def test_an_id_with_a_leading_zero_is_not_counted(small: Project) -> None:
    world = small.sandbox.world
    last = ids(world)[-1]
    gone = ids(world)[100]
    world.add(NAME, id=f"00{last}")
    world.remove(NAME, gone)
    result = small.sync(NAME, mode=Mode.incremental)
    assert (result.report.verdict, result.deleted) == (Verdict.WINDOW, 0)
    assert small.sync(NAME, mode=Mode.full).deleted == 1


def test_changes_that_the_list_lacks_again_and_again_do_not_hold_up_the_cursor(
    small: Project,
) -> None:
    """As where lists are answered by a replica that lags behind."""
    world = small.sandbox.world
    changed = ids(world)[100]
    world.change(NAME, changed, {"first-name": "Changed"})

    def lag(document: dict[str, Any]) -> None:
        if document["meta"]["record-count"] > 1:
            document["data"] = [each for each in document["data"] if each["id"] != changed]
            document["meta"]["record-count"] -= 1

    small.sandbox.alter(NAME, lag)
    before = small.query(f"SELECT cursor FROM recruit_meta.latest WHERE endpoint = '{NAME}'")
    result = small.sync(NAME, mode=Mode.incremental)
    assert (result.report.verdict, result.deleted) == (Verdict.WINDOW, 0)
    assert result.merged.updated == 1
    assert small.query(f"SELECT cursor FROM recruit_meta.latest WHERE endpoint = '{NAME}'") > before


def test_a_sync_that_is_stored_during_a_counted_one_leaves_no_proof(small: Project) -> None:
    """The other one stores a record that was deleted before this one began, as it knows nothing."""
    born = list[str]()

    def other(world: World) -> None:
        born.append(world.add(NAME, OLD))
        small.sync(NAME, mode=Mode.full)
        world.remove(NAME, born[0])

    small.sandbox.before(NAME, other)
    result = small.sync(NAME, mode=Mode.incremental)
    assert result.report.proof is None
    assert counted(small).deleted == 1


def test_a_failed_sync_has_no_proof(small: Project) -> None:
    remove(small.sandbox.world, ids(small.sandbox.world)[3:])
    with pytest.raises(ConfirmationRequired):
        small.sync(NAME, mode=Mode.incremental)
    found = "SELECT verdict, proof FROM recruit_meta.syncs ORDER BY sync_number DESC LIMIT 1"
    assert small.query(found) == [("failed", None)]
