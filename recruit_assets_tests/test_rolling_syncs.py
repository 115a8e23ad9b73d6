"""Lists that cannot be asked for their changes: syncs that read a part, with real parts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from recruit_assets.catalogue import Rolling
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.extract.rolling import AUDITS, SYNCS
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.report import gather
from recruit_assets.options import Mode
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

SIZE = 30
OLD = {"created-at": datetime(2026, 1, 1, tzinfo=UTC)}
DATED = {"updated-at": OLD["created-at"]}
TIMES = ("started", "finished", "cursor", "values_as_of")


def pass_time(project: Project, hours: float = 1) -> None:
    """Let everything that the database knows have been known that long."""
    ago = f"- INTERVAL {hours * 60} MINUTE"
    with duckdb.connect(str(project.path)) as database:
        synced = "SELECT DISTINCT endpoint FROM recruit_meta.syncs WHERE rows >= 0"
        for (name,) in database.execute(synced).fetchall():
            database.execute(f"UPDATE recruit.{name} SET _loaded_at = _loaded_at {ago}")
        database.execute(f"UPDATE recruit_meta.cover SET since = since {ago}")
        sets = ", ".join(f"{each} = {each} {ago}" for each in TIMES)
        database.execute(f"UPDATE recruit_meta.syncs SET {sets}")


def listed(project: Project, name: str) -> set[str]:
    return set(project.sandbox.world.table(name))


def current(project: Project, name: str) -> set[str]:
    found = project.query(f"SELECT id FROM recruit.{name} WHERE _deleted_at IS NULL")
    return {id_ for (id_,) in found}


def ranges(project: Project, name: str) -> list[tuple[Any, ...]]:
    found = f"SELECT low, high, since FROM recruit_meta.cover WHERE endpoint = '{name}'"
    return project.query(f"{found} ORDER BY low")


def known(project: Project, name: str, records: int) -> Project:
    """Let the project read a list of old records, an hour ago."""
    world = project.sandbox.world
    attributes = {"todos": OLD, "candidates": OLD | DATED}.get(name, {})
    while world.count(name) < records:
        world.add(name, attributes)
    while world.count(name) > records:
        world.remove(name, max(listed(project, name), key=int))
    for id_ in listed(project, name):
        world.change(name, id_, attributes)
    for _ in range(2):  # without a time of its creation, a row is old if it was stored before
        assert project.sync(name).report.verdict is Verdict.COMPLETE
        pass_time(project)
    return project


def rolled(project: Project, name: str, mode: Mode = Mode.auto) -> SyncResult:
    """Sync; it must be complete without reading the list."""
    project.sandbox.clear_requests()
    result = project.sync(name, mode=mode, rolling=Rolling.always)
    assert (result.report.verdict, result.report.reason) == (Verdict.COMPLETE, "")
    assert (result.mode, result.report.proof) == (Mode.incremental, Proof.COUNTED)
    assert current(project, name) == listed(project, name)
    return result


@pytest.mark.parametrize("name", ["todos", "users"])
@FULL
def test_each_row_is_read_once_in_so_many_syncs(project: Project, name: str) -> None:
    """Todos have the time of their creation, and users have not."""
    known(project, name, 8 * SIZE + 15)
    world, column = project.sandbox.world, {"todos": "subject", "users": "title"}[name]
    first = listed(project, name)
    for id_ in first:
        world.change(name, id_, {column: "Changed"})
    asked = 0
    for hour in range(SYNCS):
        world.remove(name, sorted(listed(project, name), key=int)[5 * hour % 200])
        world.add(name, OLD if name == "todos" else {})
        result = rolled(project, name)
        assert (result.deleted, result.merged.inserted) == (1, 1)
        moments = [since for _, _, since in ranges(project, name)]
        assert len(moments) <= 2 * SYNCS + 2
        assert result.values_as_of == min(moments)
        asked += result.report.pages
        pass_time(project)
    changed = f"SELECT id FROM recruit.{name} WHERE _deleted_at IS NULL AND {column} = 'Changed'"
    assert {id_ for (id_,) in project.query(changed)} == first & listed(project, name)
    assert asked <= SYNCS * (1 + 4 + 2)  # the end, the search for one, and a part


@pytest.mark.ring(3)
@pytest.mark.parametrize("records", [48 * SIZE + 15, 48 * SIZE])
def test_a_list_at_rest_takes_its_end_and_a_part_of_it(project: Project, records: int) -> None:
    known(project, "todos", records)
    asked = 0
    for _ in range(SYNCS):
        result = rolled(project, "todos")
        assert len(project.sandbox.requests) == result.report.pages
        asked += result.report.pages
        pass_time(project)
    assert asked <= records / SIZE + SYNCS * (2.5 if records % SIZE else 3.5)
    ((whole,),) = project.query("SELECT max(started) FROM recruit_meta.syncs WHERE mode = 'full'")
    assert min(since for _, _, since in ranges(project, "todos")) > whole


def test_a_sync_shows_since_when_its_values_are_known(project: Project) -> None:
    known(project, "todos", 8 * SIZE)
    result = rolled(project, "todos")
    oldest = min(since for _, _, since in ranges(project, "todos"))
    seen = "SELECT values_as_of, proven_at > values_as_of FROM recruit_meta.latest"
    assert project.query(f"{seen} WHERE endpoint = 'todos'") == [(oldest, True)]
    assert result.values_as_of == oldest
    assert result.cursor is None


def test_a_record_that_returns_is_stored_and_proves_nothing(project: Project) -> None:
    """There may be more of them that the search has not met."""
    known(project, "todos", 8 * SIZE)
    world = project.sandbox.world
    gone, other = sorted(listed(project, "todos"), key=int)[-12:-10]
    world.remove("todos", gone)
    rolled(project, "todos")
    pass_time(project)
    before = ranges(project, "todos")
    world.add("todos", OLD, id=gone)
    world.remove("todos", other)
    result = project.sync("todos", rolling=Rolling.always)
    assert result.report.verdict is Verdict.INCOMPLETE
    assert result.report.reason.startswith("1 older records became visible")
    assert (result.deleted, ranges(project, "todos")) == (0, before)
    assert current(project, "todos") == listed(project, "todos") | {other}
    assert rolled(project, "todos").deleted == 1


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM recruit.todos WHERE id = (SELECT min(id) FROM recruit.todos)",
        "UPDATE recruit_meta.syncs SET api = 'another key'",
        "UPDATE recruit_meta.cover SET listed = 'filter=another'",
        "UPDATE recruit_meta.cover SET high = high - 1",
        "UPDATE recruit_meta.cover SET since = now() + INTERVAL 1 DAY",
        "UPDATE recruit_meta.cover SET since = since - INTERVAL 48 HOUR",
        "ALTER TABLE recruit_meta.cover DROP since",
        "DROP TABLE recruit_meta.cover",
    ],
)
def test_what_is_known_is_void_if_it_may_be_untrue(project: Project, change: str) -> None:
    known(project, "todos", 8 * SIZE)
    with duckdb.connect(str(project.path)) as database:
        database.execute(change)
    result = project.sync("todos", rolling=Rolling.always)
    assert (result.report.verdict, result.mode) == (Verdict.COMPLETE, Mode.full)
    ((low, _, since),) = ranges(project, "todos")
    assert (low, since) == (-1, result.report.began)


def test_what_another_key_has_shown_is_forgotten_even_if_nothing_is_proven(
    project: Project,
) -> None:
    known(project, "todos", 8 * SIZE)
    with duckdb.connect(str(project.path)) as database:
        database.execute("UPDATE recruit_meta.syncs SET api = 'another key'")
    project.sandbox.rules.without = {"todos": 403}
    assert project.sync("todos").report.verdict is Verdict.UNAVAILABLE
    assert ranges(project, "todos") == []


@pytest.mark.parametrize("name", ["todos", "candidates"])
def test_a_sync_that_is_stored_while_a_part_is_read_leaves_no_proof(
    project: Project, name: str
) -> None:
    """The other one stores a record that was deleted before the search, which knows nothing."""
    known(project, name, 8 * SIZE + 15)
    stored = list[Any]()

    def other(world: World) -> None:
        born = world.add(name, OLD | DATED if name == "candidates" else OLD)
        project.sync(name, mode=Mode.full)
        world.remove(name, born)
        stored.extend(ranges(project, name))

    project.sandbox.before(name, other)
    result = project.sync(name, mode=Mode.audit, rolling=Rolling.always)
    unproven = {"todos": Verdict.INCOMPLETE, "candidates": Verdict.WINDOW}
    assert (result.report.verdict, result.report.proof) == (unproven[name], None)
    assert ranges(project, name) == stored
    project.sandbox.clear_faults()
    assert project.sync(name, mode=Mode.audit, rolling=Rolling.always).deleted == 1


@pytest.mark.parametrize(
    ("records", "options", "parts"),
    [
        (8 * SIZE, {"rolling": Rolling.auto, "requests_per_10s": 1}, True),
        (8 * SIZE, {"rolling": Rolling.auto, "requests_per_10s": 48}, False),  # in a minute
        (8 * SIZE, {"rolling": Rolling.auto, "requests_per_10s": 0}, False),
        (5 * SIZE, {"rolling": Rolling.auto, "requests_per_10s": 1}, False),
        (5 * SIZE, {"rolling": Rolling.always}, True),
        (SIZE, {"rolling": Rolling.always}, False),
        (8 * SIZE, {"rolling": Rolling.never, "requests_per_10s": 1}, False),
        (8 * SIZE, {"rolling": Rolling.always, "mode": Mode.full}, False),
        (8 * SIZE, {"rolling": Rolling.always, "dry_run": True}, False),
        (8 * SIZE, {"rolling": Rolling.always, "mode": Mode.incremental}, True),
    ],
)
def test_which_lists_are_read_in_parts(
    project: Project, records: int, options: dict[str, Any], *, parts: bool
) -> None:
    known(project, "todos", records)
    assert (project.sync("todos", **options).mode is Mode.incremental) is parts


@FULL
def test_a_dated_list_that_refuses_to_show_its_changes_is_read_in_parts(project: Project) -> None:
    rules = project.sandbox.rules
    rules.refuse = {"candidates": {"filter[updated-at]", "sort=updated-at"}}
    known(project, "candidates", 8 * SIZE)
    refused = project.sync("candidates", mode=Mode.incremental)
    assert refused.report.filter_refused
    assert refused.report.sort_refused
    pass_time(project)
    result = rolled(project, "candidates")
    assert result.cursor == result.values_as_of
    changed = min(listed(project, "candidates"), key=int)
    project.sandbox.world.change("candidates", changed, {"first-name": "Changed"})
    rules.refuse = {}
    result = project.sync("candidates", mode=Mode.incremental, rolling=Rolling.always)
    assert (result.report.proof, result.merged.updated) == (Proof.COUNTED, 1)


@pytest.fixture
def dated(project: Project) -> Project:
    """A project that has read sixteen pages of old candidates, a day ago."""
    known(project, "candidates", 15 * SIZE + 15)
    pass_time(project, 24)
    return project


def audited(project: Project, mode: Mode = Mode.audit) -> SyncResult:
    """Sync; the changes are read, and a part of the others."""
    result = project.sync("candidates", mode=mode, rolling=Rolling.always)
    assert (result.mode, result.report.verdict.proven) == (Mode.incremental, True)
    assert current(project, "candidates") == listed(project, "candidates")
    pass_time(project, 24)
    return result


@pytest.mark.ring(3)
def test_an_audit_finds_what_changes_as_it_was(dated: Project) -> None:
    """A record changes without a new time."""
    world = dated.sandbox.world
    ids = sorted(listed(dated, "candidates"), key=int)
    world.change("candidates", ids[0], {"first-name": "Changed", **DATED})
    verdicts = []
    for night in range(AUDITS):
        result = audited(dated)
        assert result.report.pages <= 1 + 1 + 2
        moments = [since for _, _, since in ranges(dated, "candidates")]
        verdicts.append(result.report.verdict)
        assert len(moments) <= AUDITS + 2, night
    assert set(verdicts) == {Verdict.COMPLETE}
    changed = "SELECT id FROM recruit.candidates WHERE first_name = 'Changed'"
    assert dated.query(changed) == [(ids[0],)]
    whole = "SELECT max(started) FROM recruit_meta.syncs WHERE mode = 'full'"
    read_as_of = "SELECT read_as_of FROM recruit_meta.latest"
    assert dated.query(read_as_of) > dated.query(whole)


@FULL
def test_an_audit_stores_a_record_that_returns_as_it_was(dated: Project) -> None:
    world = dated.sandbox.world
    newest = sorted(listed(dated, "candidates"), key=int)[-12]
    world.remove("candidates", newest)
    assert audited(dated).deleted == 1
    world.add("candidates", OLD | DATED, id=newest)
    result = audited(dated)
    assert (result.report.verdict, result.merged.undeleted) == (Verdict.WINDOW, 1)
    assert audited(dated).report.verdict is Verdict.COMPLETE


def test_a_sync_audits_a_long_list_when_it_would_read_the_whole(dated: Project) -> None:
    before = ranges(dated, "candidates")
    result = synced(dated)
    assert (result.mode, len(ranges(dated, "candidates"))) == (Mode.incremental, 3)
    assert min(since for *_, since in ranges(dated, "candidates")) == before[0][2]
    assert result.report.pages in (3, 4)
    assert synced(dated).report.pages == 2  # the next part is due in a day
    assert dated.sync("candidates", mode=Mode.full).mode is Mode.full
    assert len(ranges(dated, "candidates")) == 1


def test_an_audit_reads_short_lists_and_those_that_are_not_known_whole(dated: Project) -> None:
    assert dated.sync("candidates", mode=Mode.audit).mode is Mode.full
    with duckdb.connect(str(dated.path)) as database:
        database.execute("DROP TABLE recruit_meta.cover")
    result = dated.sync("candidates", mode=Mode.audit, rolling=Rolling.always)
    assert result.mode is Mode.full


def test_an_audit_of_a_list_that_was_read_with_other_parameters_proves_nothing(
    dated: Project,
) -> None:
    with duckdb.connect(str(dated.path)) as database:
        database.execute("UPDATE recruit_meta.cover SET listed = 'filter=another'")
    audited(dated)
    assert ranges(dated, "candidates") == []
    assert dated.sync("candidates", mode=Mode.audit, rolling=Rolling.always).mode is Mode.full


def synced(project: Project) -> SyncResult:
    return project.sync("candidates", rolling=Rolling.always)


@FULL
def test_marts_and_the_report_are_as_old_as_the_oldest_value(project: Project) -> None:
    project.sync("job_applications")
    aside = "UPDATE recruit_meta.syncs SET values_as_of = started - INTERVAL {} HOUR"
    with duckdb.connect(str(project.path)) as database:
        database.execute("SET TimeZone = 'UTC'")
        for hours in (0, 20):
            database.execute(aside.format(hours))
            build(database, MARTS)
            ((begun,),) = database.execute("SELECT started FROM recruit_meta.syncs").fetchall()
            as_of = begun - timedelta(hours=hours)
            marts = "SELECT DISTINCT as_of FROM recruit_marts.applications"
            assert database.execute(marts).fetchall() == [(as_of,)]
            contents = gather(database)
            assert contents.as_of == as_of
            (row,) = [each for each in contents.tables if each["Table"] == "job applications"]
            assert ("values as of" in row["State"]) is bool(hours)


def test_a_run_shows_since_when_all_is_known(project: Project) -> None:
    known(project, "todos", 8 * SIZE + 15)
    project.settings = {"rolling": Rolling.always}
    result = project.materialize("todos")
    shown = metadata(result, "todos")
    ((oldest,),) = project.query("SELECT min(since) FROM recruit_meta.cover")
    assert shown["values_as_of"] == shown["read_as_of"] == oldest.timestamp()
    logged = [entry.user_message for entry in project.instance.all_logs(result.run_id)]
    said = f"so every record was read at {oldest:%Y-%m-%d %H:%M} UTC or later"
    assert any(each.endswith(said) for each in logged)
