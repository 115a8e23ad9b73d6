"""Lists that cannot be asked for their changes: syncs that read a part, with real parts."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from recruit_assets.catalogue import Rolling
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.extract.rolling import SYNCS
from recruit_assets.options import Mode
from recruit_assets.store import SyncResult
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

SIZE = 30
OLD = {"created-at": datetime(2026, 1, 1, tzinfo=UTC)}
TIMES = ("started", "finished", "cursor", "values_as_of")


def pass_time(project: Project, name: str, hours: float = 1) -> None:
    """Let everything that the database knows have been known that long."""
    ago = f"- INTERVAL {hours * 60} MINUTE"
    with duckdb.connect(str(project.path)) as database:
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
    attributes = OLD if name in ("todos", "candidates") else {}
    while world.count(name) < records:
        world.add(name, attributes)
    while world.count(name) > records:
        world.remove(name, max(listed(project, name), key=int))
    for id_ in listed(project, name):
        world.change(name, id_, attributes)
    for _ in range(2):  # without a time of its creation, a row is old if it was stored before
        assert project.sync(name).report.verdict is Verdict.COMPLETE
        pass_time(project, name)
    return project


def rolled(project: Project, name: str, mode: Mode = Mode.auto) -> SyncResult:
    """Sync; it must be complete without reading the list."""
    project.sandbox.clear_requests()
    result = project.sync(name, mode=mode, rolling=Rolling.always)
    assert (result.report.verdict, result.report.reason) == (Verdict.COMPLETE, "")
    assert (result.mode, result.report.proof) == (Mode.incremental, Proof.COUNTED)
    assert current(project, name) == listed(project, name)
    return result


@pytest.mark.parametrize("name", [pytest.param("todos", marks=FULL), "users"])
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
        pass_time(project, name)
    changed = f"SELECT id FROM recruit.{name} WHERE _deleted_at IS NULL AND {column} = 'Changed'"
    assert {id_ for (id_,) in project.query(changed)} == first & listed(project, name)
    assert asked <= SYNCS * (1 + 4 + 2)  # the end, the search for one, and a part


@pytest.mark.parametrize("records", [48 * SIZE + 15, pytest.param(48 * SIZE, marks=FULL)])
def test_a_list_at_rest_takes_its_end_and_a_part_of_it(project: Project, records: int) -> None:
    known(project, "todos", records)
    asked = 0
    for _ in range(SYNCS):
        result = rolled(project, "todos")
        assert len(project.sandbox.requests) == result.report.pages
        asked += result.report.pages
        pass_time(project, "todos")
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
    pass_time(project, "todos")
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


def test_a_dated_list_that_refuses_to_show_its_changes_is_read_in_parts(project: Project) -> None:
    rules = project.sandbox.rules
    rules.refuse = {"candidates": {"filter[updated-at]", "sort=updated-at"}}
    known(project, "candidates", 8 * SIZE)
    refused = project.sync("candidates", mode=Mode.incremental)
    assert refused.report.filter_refused
    assert refused.report.sort_refused
    pass_time(project, "candidates")
    result = rolled(project, "candidates")
    assert result.cursor == result.values_as_of
    changed = min(listed(project, "candidates"), key=int)
    project.sandbox.world.change("candidates", changed, {"first-name": "Changed"})
    rules.refuse = {}
    result = project.sync("candidates", mode=Mode.incremental, rolling=Rolling.always)
    assert (result.report.proof, result.merged.updated) == (Proof.COUNTED, 1)
