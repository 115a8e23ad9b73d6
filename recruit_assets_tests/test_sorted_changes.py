"""Changes of lists that the API sorts by `updated-at` and does not filter by it, with real parts.

Each incremental sync takes one request more, for the end of the list by id: nothing was deleted.

The sandbox refuses the filter for stages, as an account does, and sorts them; for notes it does
neither.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.options import Mode
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)
NAME = "stages"
OLD = {"updated-at": datetime(2026, 1, 1, tzinfo=UTC)}
ROWS = 80  # two full pages, and twenty records on the last one
BY_FILTER = "filter[updated-at]: changes are read from the end of the list, sorted by updated-at"
BY_SORT = "sort=updated-at,id: every sync reads the whole list"


@pytest.fixture
def known(project: Project) -> Project:
    """A project that has read all stages, and knows that the API does not filter them."""
    world = project.sandbox.world
    for id_ in ids(world)[ROWS:]:
        world.remove(NAME, id_)
    while len(ids(world)) < ROWS:
        world.add(NAME)
    for id_ in ids(world):
        world.change(NAME, id_, OLD)
    project.sync(NAME)
    project.sync(NAME)
    return project


def ids(world: World) -> list[str]:
    return list(world.table(NAME))


def touch(world: World, number: int) -> None:
    """Change some records, first every other one, all at the same time, a minute ago."""
    at = datetime.now(UTC) - timedelta(seconds=60)
    for id_ in [*ids(world)[::2], *ids(world)[1::2]][:number]:
        world.change(NAME, id_, {"name": "Changed", "updated-at": at})


def requests_of(project: Project, **options: Any) -> tuple[int, SyncResult]:
    project.sandbox.clear_requests()
    result = project.sync(NAME, **options)
    return len(project.sandbox.requests), result


def assert_equal(project: Project) -> None:
    """The table has the names of the records."""
    records = project.sandbox.world.records(NAME)
    assert dict(
        project.query(f"SELECT id, name FROM recruit.{NAME} WHERE _deleted_at IS NULL")
    ) == {each["id"]: each["attributes"]["name"] for each in records}


def test_a_list_at_rest_takes_two_requests(known: Project) -> None:
    for options in ({}, {"mode": Mode.incremental}):
        requests, result = requests_of(known, **options)
        assert (requests, result.mode) == (2, Mode.incremental)
        assert result.report.verdict is Verdict.COMPLETE
        assert result.report.proof is Proof.COUNTED
        assert result.report.record_count is None  # it counts the whole list, which was not read
        for request, sort in zip(known.sandbox.requests, ("id", "updated-at,id"), strict=True):
            assert (request.query["sort"], request.query["page[number]"]) == (sort, "3")
            assert not any(name.startswith("filter[updated-at]") for name in request.query)


def test_the_filter_is_requested_once_and_the_whole_list_is_not(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.sync(NAME)
    with caplog.at_level(logging.WARNING):
        requests, result = requests_of(project)
    assert (requests, result.mode) == (3, Mode.incremental)
    assert caplog.messages == [f"{NAME}: the API refuses {BY_FILTER}"]
    refused = "SELECT filter_refused, sort_refused FROM recruit_meta.latest"
    assert project.query(refused) == [(True, False)]
    assert requests_of(project)[0] == 2
    assert project.query(refused) == [(True, False)]


@pytest.mark.parametrize(
    ("changes", "requests"),
    [
        (1, 2),
        (19, 2),
        (20, 4),  # all of the last page; the one before it, and the last one again
        (60, 5),
    ],
)
def test_changes_take_their_pages_and_one_request_more(
    known: Project, changes: int, requests: int
) -> None:
    touch(known.sandbox.world, changes)
    made, result = requests_of(known)
    assert (made, result.merged.updated) == (requests, changes)
    assert result.report.proof is Proof.COUNTED
    assert_equal(known)


def test_a_list_whose_last_page_is_full_takes_two_requests_more(known: Project) -> None:
    for _ in range(10):
        known.sandbox.world.add(NAME, OLD)
    known.sync(NAME, mode=Mode.full)
    assert requests_of(known)[0] == 4


def test_the_end_is_found_after_many_records_have_come_or_gone(known: Project) -> None:
    world = known.sandbox.world
    for _ in range(90):
        world.add(NAME, {"updated-at": datetime.now(UTC) - timedelta(seconds=60)})
    requests, result = requests_of(known)
    # The new records are read by id, then as changes: the three pages that were past the end, the
    # page before them, and in the end the last one again.
    assert (requests, result.merged.inserted) == (11, 90)
    for id_ in ids(world)[:30]:
        world.remove(NAME, id_)
    touch(world, 5)
    requests, result = requests_of(known, mode=Mode.incremental)
    assert (result.report.verdict, result.deleted) == (Verdict.COMPLETE, 30)
    assert_equal(known)


def test_changes_during_the_read_lose_nothing(known: Project) -> None:
    world = known.sandbox.world
    touch(world, 40)

    def again(world: World) -> None:
        for id_ in ids(world)[10:70:5]:
            world.change(NAME, id_, {"name": "Again"})
        world.remove(NAME, ids(world)[75])
        world.add(NAME)

    known.sandbox.before(NAME, again, times=4)
    assert known.sync(NAME).mode is Mode.incremental
    assert known.sync(NAME).mode is Mode.incremental
    assert known.sync(NAME, mode=Mode.full).merged.updated == 0
    assert_equal(known)


def test_a_sort_that_is_refused_later_is_not_requested_again(known: Project) -> None:
    sandbox = known.sandbox
    sandbox.rules.refuse = {NAME: {"sort=updated-at"}}
    touch(sandbox.world, 3)
    requests, result = requests_of(known)
    assert (requests, result.mode) == (6, Mode.full)
    assert result.report.verdict is Verdict.COMPLETE
    assert result.report.dropped == [BY_SORT]
    assert requests_of(known)[0] == 4  # the first page is read again in its turn
    assert requests_of(known, mode=Mode.incremental)[1].report.dropped == [BY_FILTER, BY_SORT]
    assert_equal(known)


@FULL
def test_a_list_with_a_record_that_has_no_time_is_read_whole(
    known: Project, caplog: pytest.LogCaptureFixture
) -> None:
    undated = ids(known.sandbox.world)[7]
    known.sandbox.world.change(NAME, undated, {"updated-at": None})
    with caplog.at_level(logging.WARNING):
        requests, result = requests_of(known)
    assert (requests, result.mode, result.report.verdict) == (6, Mode.full, Verdict.COMPLETE)
    assert caplog.messages == [
        f"{NAME}: its records are not in the order of updated-at, so the whole list is read."
    ]
    assert requests_of(known)[0] == 4
    known.sandbox.world.change(NAME, undated, OLD)
    assert requests_of(known)[0] == 4
    assert requests_of(known)[0] == 2


def test_a_database_that_knows_of_the_filter_alone_requests_the_sort(known: Project) -> None:
    with duckdb.connect(str(known.path)) as database:
        database.execute("UPDATE recruit_meta.syncs SET sort_refused = NULL")
    assert requests_of(known)[0] == 2


def test_a_list_without_counts_is_read_whole(known: Project) -> None:
    known.sandbox.rules.no_counts = {NAME}
    touch(known.sandbox.world, 3)
    result = known.sync(NAME)
    assert (result.mode, result.report.verdict) == (Mode.full, Verdict.INCOMPLETE)
    assert_equal(known)
