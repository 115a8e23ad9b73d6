"""What no sync may get wrong: shifts, short answers, deletions, lesser keys, changes in windows."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.errors import RecruitError, Transient
from recruit_assets.extract.report import Verdict
from recruit_assets.metadata import facts
from recruit_assets.options import Mode
from recruit_assets.sandbox import Rules, Sandbox, World
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import KEY, Project, metadata, served
from recruit_assets_tests.rings import FULL

FAULTS = [
    "status", "html", "empty", "truncated", "reset", "garbage", "list", "null-data", "no-id",
]  # fmt: skip


def fill(project: Project, path: str, count: int) -> None:
    while project.sandbox.world.count(path) < count:
        project.sandbox.world.add(path)


def ids(world: World, path: str) -> list[str]:
    return [record["id"] for record in world.records(path)]


def current(project: Project, name: str) -> set[str]:
    found = project.query(f"SELECT id FROM recruit.{name} WHERE _deleted_at IS NULL")
    return {id_ for (id_,) in found}


def remove_first(count: int, then_add: int = 0) -> Callable[[World], None]:
    """Removes the first records of the regions, and adds others at the end."""

    def happen(world: World) -> None:
        for id_ in ids(world, "regions")[:count]:
            world.remove("regions", id_)
        for _ in range(then_add):
            world.add("regions")

    return happen


def synced(project: Project, name: str = "regions", **config: Any) -> dict[str, Any]:
    """Sync one endpoint; return what its metadata tells, without a Dagster run."""
    result = project.sync(name, **config)
    told = {"deleted": result.deleted, "dagster/row_count": result.current_rows}
    return facts(result) | asdict(result.merged) | told


def materialized(project: Project, name: str = "regions", **config: Any) -> dict[str, Any]:
    """Materialize one endpoint; return its metadata."""
    return metadata(project.materialize(name, **config), name)


@pytest.mark.ring(2)
@pytest.mark.parametrize(
    "concurrency", [pytest.param(1, marks=FULL), 4, pytest.param(16, marks=FULL)]
)
@pytest.mark.parametrize("page", [1, 2, pytest.param(4, marks=FULL)])
@pytest.mark.parametrize("added", [0, 3])
@pytest.mark.parametrize("newest_first", [False, True])
def test_deletes_during_a_walk_hide_no_living_row(
    project: Project, *, newest_first: bool, added: int, page: int, concurrency: int
) -> None:
    fill(project, "regions", 100)
    project.settings = {"concurrency": concurrency}
    if newest_first:
        project.sandbox.rules.refuse = {"regions": {"sort"}}
        project.sandbox.rules.newest_first = {"regions"}
    throughout = set(ids(project.sandbox.world, "regions")[3:])
    project.sandbox.before("regions", remove_first(3, added), page=page)
    found = project.sync("regions")
    assert throughout <= current(project, "regions")
    assert found.report.verdict is Verdict.COMPLETE
    project.sync("regions")
    assert current(project, "regions") == set(ids(project.sandbox.world, "regions"))


def test_deletes_while_links_are_followed_delete_nothing_and_are_told(project: Project) -> None:
    project.sandbox.rules.no_counts = {"regions"}
    fill(project, "regions", 100)
    synced(project)
    project.sandbox.before("regions", remove_first(3), page=2)
    found = synced(project)
    assert (found["verdict"], found["deleted"]) == ("incomplete", 0)
    assert len(current(project, "regions")) == 100
    assert found["reason"] == "the API does not say how many records there are"


def test_a_short_read_deletes_nobody(project: Project) -> None:
    def one_record(document: dict[str, Any]) -> None:
        document.update(data=document["data"][:1], meta={"record-count": 1, "page-count": 1})
        document["links"].pop("next", None)

    fill(project, "regions", 100)
    synced(project)
    project.sandbox.alter("regions", one_record, times=1)
    said = project.failure("regions")
    assert said == (
        "regions: 99 of the 100 current rows are not in the API's list. Nothing was changed. If "
        "this is expected, run it once with allow_mass_delete (in the launchpad, or as the asset's "
        "config)."
    )
    assert len(current(project, "regions")) == 100


@pytest.mark.ring(2)
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("page", [1, 2, 4])
def test_a_short_page_loses_nothing(project: Project, page: int, times: int | None) -> None:
    fill(project, "regions", 100)
    project.sync("regions")
    project.sandbox.alter(
        "regions", lambda page: page.update(data=page["data"][:3]), page=page, times=times
    )
    report = project.sync("regions").report
    assert len(current(project, "regions")) == 100
    assert report.verdict is (Verdict.COMPLETE if times else Verdict.INCOMPLETE)
    if not times:
        assert f"page {page} has 3 records where" in report.reason


@pytest.mark.ring(2)
def test_a_delete_is_seen_and_a_return_as_well(project: Project) -> None:
    synced(project, "candidates")
    world = project.sandbox.world
    first, second, *_ = world.records("candidates")
    world.remove("candidates", first["id"])
    found = synced(project, "candidates", mode=Mode.full)
    assert (found["deleted"], found["dagster/row_count"]) == (1, 39)
    assert project.query(
        "SELECT id, email, first_name, _unparsed, _row_hash, internal, updated_at IS NOT NULL "
        "FROM recruit.candidates WHERE _deleted_at IS NOT NULL"
    ) == [(first["id"], None, None, None, None, first["attributes"]["internal"], True)]
    world.add("candidates", first["attributes"], id=first["id"])
    found = synced(project, "candidates", mode=Mode.full)
    assert (found["undeleted"], found["updated"], found["deleted"]) == (1, 0, 0)
    assert project.query(
        f"SELECT email, _deleted_at FROM recruit.candidates WHERE id = '{first['id']}'"
    ) == [(first["attributes"]["email"], None)]
    assert second["id"] in current(project, "candidates")


@pytest.mark.ring(2)
@pytest.mark.parametrize(
    ("deletion_policy", "rows"), [(DeletionPolicy.keep, 40), (DeletionPolicy.drop, 39)]
)
def test_what_is_left_of_a_deleted_row(
    project: Project, deletion_policy: DeletionPolicy, rows: int
) -> None:
    project.deleted_rows = deletion_policy
    synced(project, "candidates")
    gone = project.sandbox.world.records("candidates")[0]
    project.sandbox.world.remove("candidates", gone["id"])
    assert synced(project, "candidates", mode=Mode.full)["deleted"] == 1
    assert project.counts_of("candidates") == rows
    kept = [(gone["attributes"]["email"],)] if deletion_policy is DeletionPolicy.keep else []
    assert kept == project.query(f"SELECT email FROM recruit.candidates WHERE id = '{gone['id']}'")


def test_a_record_that_answers_by_its_id_is_not_gone(project: Project) -> None:
    synced(project)
    hidden = ids(project.sandbox.world, "regions")[0]

    def hide(document: dict[str, Any]) -> None:
        if isinstance(document["data"], list):
            document["data"] = [each for each in document["data"] if each["id"] != hidden]
            document["meta"]["record-count"] -= 1

    project.sandbox.alter("regions", hide)
    assert synced(project)["deleted"] == 0
    assert hidden in current(project, "regions")


@pytest.mark.ring(2)
def test_many_absentees_are_looked_for_in_a_second_walk(project: Project) -> None:
    fill(project, "regions", 700)
    synced(project)
    for id_ in ids(project.sandbox.world, "regions")[:101]:
        project.sandbox.world.remove("regions", id_)
    project.sandbox.clear_requests()
    found = synced(project)
    assert (found["deleted"], found["dagster/row_count"]) == (101, 599)
    assert {request.path for request in project.sandbox.requests} == {"regions"}


@pytest.mark.parametrize("status", [403, 404])
def test_where_records_do_not_answer_by_id_a_404_proves_nothing(
    project: Project, status: int
) -> None:
    fill(project, "regions", 40)
    synced(project)
    first, *rest = ids(project.sandbox.world, "regions")
    for id_ in rest:
        project.sandbox.fail(f"regions/{id_}", status=status, times=None)
    project.sandbox.world.remove("regions", first)
    project.sandbox.clear_requests()
    assert synced(project)["deleted"] == 1
    lists = [each for each in project.sandbox.requests if each.path == "regions" and each.page == 2]
    assert len(lists) == 2  # it was read a second time


@pytest.mark.ring(2)
def test_a_mass_delete_needs_a_person(project: Project) -> None:
    fill(project, "regions", 100)
    synced(project)
    for id_ in ids(project.sandbox.world, "regions")[:21]:
        project.sandbox.world.remove("regions", id_)
    assert "21 of the 100 current rows" in project.failure("regions")
    dry = materialized(project, dry_run=True)
    assert (dry["deleted"], len(dry["would_be_deleted"])) == (21, 21)
    assert len(current(project, "regions")) == 100
    assert synced(project, allow_mass_delete=True)["deleted"] == 21
    assert current(project, "regions") == set(ids(project.sandbox.world, "regions"))


def test_a_dry_run_writes_nothing(project: Project) -> None:
    synced(project)
    world = project.sandbox.world
    changed, removed, *_ = ids(world, "regions")
    world.change("regions", changed, {"name": "Renamed"})
    world.remove("regions", removed)
    world.add("regions")
    tables = "SELECT * FROM recruit.regions ORDER BY id", "FROM recruit_meta.syncs"
    before = [project.query(each) for each in tables]
    found = materialized(project, dry_run=True)
    assert (found["inserted"], found["updated"], found["deleted"]) == (1, 1, 1)
    assert found["would_be_deleted"] == [removed]
    assert not found.keys() & {"dagster/row_count", "dagster/column_schema", "cursor", "preview"}
    assert [project.query(each) for each in tables] == before


@pytest.mark.ring(2)
@pytest.mark.parametrize("scope", ["internal", "public"])
def test_a_key_that_sees_less_than_before_wipes_nothing(project: Project, scope: Any) -> None:
    synced(project, "jobs")
    before = project.query("SELECT * FROM recruit.jobs ORDER BY id")
    project.sandbox.rules.scope = scope
    assert "Nothing was changed" in project.failure("jobs", mode="full")
    assert project.query("SELECT * FROM recruit.jobs ORDER BY id") == before


def test_a_column_that_is_suddenly_empty_needs_a_person(project: Project) -> None:
    def strip(document: dict[str, Any]) -> None:
        for each in document["data"]:
            each["attributes"].pop("name")

    fill(project, "regions", 20)
    synced(project)
    project.sandbox.alter("regions", strip)
    assert "every row has a value in name, but no record that was read has one" in project.failure(
        "regions"
    )


@pytest.mark.parametrize("counted", [True, False])
def test_an_empty_list_wipes_nothing(project: Project, *, counted: bool) -> None:
    def empty(document: dict[str, Any]) -> None:
        document.update(data=[], meta={"record-count": 0, "page-count": 0} if counted else {})
        document["links"].pop("next", None)

    synced(project)
    before = current(project, "regions")
    project.sandbox.alter("regions", empty)
    if counted:
        said = f"{len(before)} of the {len(before)} current rows are not in the API's list"
        assert said in project.failure("regions")
    else:
        found = synced(project)
        assert (found["verdict"], found["deleted"]) == ("incomplete", 0)
    assert current(project, "regions") == before


def test_a_key_revoked_in_the_middle(project: Project) -> None:
    fill(project, "regions", 100)
    synced(project)
    project.sandbox.fail("regions", status=401, page=2, times=None)
    assert "Check RECRUIT_API_KEY" in project.failure("regions")
    assert len(current(project, "regions")) == 100
    ((reason, cursor),) = project.query(
        "SELECT reason, cursor FROM recruit_meta.syncs WHERE verdict = 'failed'"
    )
    assert "HTTP 401" in reason
    assert cursor is None


def test_a_list_that_is_forbidden_today(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    synced(project)
    before = current(project, "regions")
    project.sandbox.rules.without = {"regions": 403}
    found = materialized(project)
    assert found["verdict"] == "unavailable"
    assert current(project, "regions") == before
    assert "regions could be read until 20" in capfd.readouterr().err


@pytest.mark.ring(2)
@pytest.mark.parametrize("page", [pytest.param(1, marks=FULL), 2, pytest.param(4, marks=FULL)])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_does_not_end_changes_nothing_and_the_next_sync_is_right(
    project: Project, kind: str, page: int
) -> None:
    fill(project, "regions", 100)
    project.sync("regions")
    tables = "SELECT * FROM recruit.regions ORDER BY id"
    before = project.query(tables)
    project.sandbox.world.change("regions", ids(project.sandbox.world, "regions")[5], {"name": "N"})
    project.sandbox.fail("regions", kind=kind, page=page, times=None)
    with pytest.raises(RecruitError, match=f"regions, page {page}: "):
        project.sync("regions")
    assert project.query(tables) == before
    assert project.query("SELECT count(*) FROM recruit_meta.syncs WHERE verdict = 'failed'") == [
        (1,)
    ]
    project.sandbox.clear_faults()
    assert project.sync("regions").merged.updated == 1


@pytest.mark.ring(2)
@pytest.mark.parametrize("page", [1, pytest.param(2, marks=FULL), 4])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"X-Rate-Limit-Reset": "0"}])
@pytest.mark.parametrize("status", [429, 503])
def test_five_faults_in_a_row_are_got_over(
    project: Project, status: int, headers: dict[str, str], page: int
) -> None:
    fill(project, "regions", 100)
    project.sandbox.fail("regions", status=status, headers=headers, page=page, times=5)
    project.sync("regions")
    assert project.query("SELECT verdict, retries FROM recruit_meta.syncs") == [("complete", 5)]
    assert len(current(project, "regions")) == 100


@pytest.mark.ring(2)
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize(
    "odd",
    [
        {"data": [], "meta": {"record-count": 0, "page-count": 0}},
        {"data": [], "meta": {}},
        {"meta": {}},
    ],
)
def test_one_odd_answer_proves_nothing_wrong(
    project: Project, odd: dict[str, Any], page: int, *, newest_first: bool
) -> None:
    if newest_first:
        project.sandbox.rules.refuse = {"regions": {"sort"}}
        project.sandbox.rules.newest_first = {"regions"}
    fill(project, "regions", 100)
    project.sandbox.alter("regions", lambda document: document.update(odd), page=page, times=1)
    verdict = project.sync("regions").report.verdict
    assert verdict is Verdict.INCOMPLETE or len(current(project, "regions")) == 100


@pytest.mark.ring(2)
def test_a_table_that_somebody_dropped_is_read_whole_even_after_a_failure(
    project: Project,
) -> None:
    synced(project, "candidates")
    with lakes.connect(project.path) as database:
        database.execute("DROP TABLE recruit.candidates")
    project.sandbox.rules.without = {"candidates": 403}
    synced(project, "candidates")
    project.sandbox.rules.without = {}
    assert synced(project, "candidates", mode=Mode.incremental)["mode"] == "full"
    assert len(current(project, "candidates")) == 40


def test_another_key_reads_all_again(project: Project) -> None:
    synced(project, "candidates")
    project.sandbox.rules.key = "another"
    project.settings = {"key": "another"}
    assert synced(project, "candidates", mode=Mode.incremental)["mode"] == "full"


def test_a_record_that_may_not_be_read_by_its_id_stays(project: Project) -> None:
    synced(project)
    gone = ids(project.sandbox.world, "regions")[0]
    project.sandbox.world.remove("regions", gone)
    project.sandbox.fail(f"regions/{gone}", status=403, times=None)
    assert synced(project)["deleted"] == 0
    assert gone in current(project, "regions")


def requests_of(project: Project, name: str, **config: Any) -> tuple[int, dict[str, Any]]:
    project.sandbox.clear_requests()
    found = synced(project, name, **config)
    return len(project.sandbox.requests), found


def test_an_incremental_sync_asks_for_what_changed(project: Project) -> None:
    world = project.sandbox.world
    synced(project, "candidates")
    requests, found = requests_of(project, "candidates")
    assert (requests, found["mode"], found["verdict"]) == (2, "incremental", "complete")
    changed = ids(world, "candidates")[7]
    world.change("candidates", changed, {"first-name": "Changed"})
    added = world.add("candidates")
    requests, found = requests_of(project, "candidates")
    assert (requests, found["inserted"], found["updated"]) == (2, 1, 1)
    assert project.query(f"SELECT first_name FROM recruit.candidates WHERE id = '{changed}'") == [
        ("Changed",)
    ]
    assert added in current(project, "candidates")


@pytest.mark.ring(2)
def test_fifty_changes_among_10_000_candidates_take_six_requests_at_most(
    project: Project,
) -> None:
    world = project.sandbox.world
    old = datetime(2026, 1, 1, tzinfo=UTC)
    while world.count("candidates") < 10_000:
        world.add("candidates", {"created-at": old, "updated-at": old})
    synced(project, "candidates")
    for each in ids(world, "candidates")[::200]:
        world.change("candidates", each, {"first-name": "Changed"})
    requests, found = requests_of(project, "candidates")
    assert (found["mode"], found["verdict"], found["updated"]) == ("incremental", "complete", 50)
    assert requests <= 6


@pytest.mark.ring(2)
def test_who_refuses_the_filter_and_the_sort_is_asked_once(project: Project) -> None:
    synced(project, "notes")
    requests, found = requests_of(project, "notes")
    pages = -(-project.sandbox.world.count("notes") // 30)
    read = pages + (pages > 1)
    searched = 1  # for deletions, before the changes turn out not to be offered
    assert (requests, found["mode"]) == (searched + 2 + read, "full")
    assert found["refused_parameters"] == [
        "filter[updated-at]: changes are read from the end of the list, sorted by updated-at",
        "sort=updated-at,id: every sync reads the whole list",
    ]
    assert requests_of(project, "notes")[0] == read
    assert requests_of(project, "notes", mode=Mode.incremental)[0] == searched + 2 + read


def test_auto_reads_all_when_the_last_complete_reading_is_old(project: Project) -> None:
    synced(project, "candidates")
    assert requests_of(project, "candidates", full_after_hours=1)[1]["mode"] == "incremental"
    assert requests_of(project, "candidates", full_after_hours=0)[1]["mode"] == "full"


def test_rows_that_somebody_took_are_read_again(project: Project) -> None:
    synced(project, "candidates")
    with lakes.connect(project.path) as database:
        database.execute("DELETE FROM recruit.candidates WHERE internal IS NOT NULL")
    assert synced(project, "candidates")["inserted"] == 40


@pytest.mark.ring(2)
@pytest.mark.parametrize("skew", [-5, 5])
def test_a_clock_that_is_off_loses_nothing(project: Project, skew: int, tmp_path: Any) -> None:
    def off() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=skew)

    with served(Sandbox(candidates=40, rules=Rules(key=KEY), clock=off)) as sandbox:
        project.sandbox = sandbox
        synced(project, "candidates")
        for each in ids(sandbox.world, "candidates"):
            sandbox.world.change("candidates", each, {"first-name": "Skewed"})
        assert synced(project, "candidates")["updated"] == 40


@pytest.mark.ring(2)
def test_changes_during_an_incremental_read_lose_nothing(project: Project) -> None:
    world = project.sandbox.world
    fill(project, "candidates", 300)
    synced(project, "candidates")
    for each in ids(world, "candidates")[:200]:
        world.change("candidates", each, {"first-name": "First"})

    def again(world: World) -> None:
        for each in ids(world, "candidates")[50:250:10]:
            world.change("candidates", each, {"first-name": "Second"})

    project.sandbox.before("candidates", again, times=4)
    assert synced(project, "candidates")["mode"] == "incremental"
    assert synced(project, "candidates")["mode"] == "incremental"
    expected = {
        record["id"]: record["attributes"]["first-name"] for record in world.records("candidates")
    }
    assert dict(project.query("SELECT id, first_name FROM recruit.candidates")) == expected


@pytest.mark.ring(2)
def test_equal_times_on_the_boundary_lose_nothing(project: Project) -> None:
    world = project.sandbox.world
    fill(project, "candidates", 100)
    synced(project, "candidates")
    ((cursor,),) = project.query("SELECT cursor FROM recruit_meta.syncs")
    at = cursor - timedelta(minutes=10)
    for each in ids(world, "candidates"):
        world.change("candidates", each, {"first-name": "Equal", "updated-at": at})
    found = synced(project, "candidates")
    assert (found["mode"], found["updated"]) == ("incremental", 100)


def test_an_incomplete_sync_does_not_move_the_cursor(project: Project) -> None:
    synced(project, "candidates")
    project.sandbox.rules.no_counts = {"candidates"}
    assert synced(project, "candidates")["verdict"] == "incomplete"
    # The API tells whole seconds, so the second reading can seem to have begun before the first.
    assert project.query(
        "SELECT max_by(cursor, sync_number) <= min_by(cursor, sync_number), count(*) "
        "FROM recruit_meta.syncs WHERE endpoint = 'candidates'"
    ) == [(True, 2)]


def test_an_answer_that_drips_without_end_is_cut_off(
    sandbox: Sandbox, walk: Callable[..., Any]
) -> None:
    sandbox.fail("candidates", kind="drip", times=None)
    with pytest.raises(Transient, match="not sent a complete response after 0 s"):
        list(walk("candidates", max_seconds=0.0))
