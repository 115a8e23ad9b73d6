"""What a sync believes of earlier ones: wrong clocks, a restored backup, another sync at once."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import dagster as dg
import pytest
import time_machine

from recruit_assets.cli.status_report import tables_as_json
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import DatabaseProblem, RecruitError
from recruit_assets.extract.report import Verdict
from recruit_assets.load.layout import VERSION
from recruit_assets.load.overview import TableStatus, overview
from recruit_assets.load.syncs import MAX_NUMBER
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS
from recruit_assets.options import Mode
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import Rules, Sandbox, World
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import KEY, Project, served
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)
NAME = "job_applications"  # which has a history, and the marts' as_of
PATH = "job-applications"
HOURS = (timedelta(minutes=5), timedelta(hours=30), timedelta(days=400))
WRONG = [  # ahead and behind
    pytest.param(sign * by, marks=FULL if by != HOURS[1] else ())
    for by in HOURS
    for sign in (1, -1)
]


def ids(world: World) -> list[str]:
    return list(world.table(PATH))


def current(project: Project) -> set[str]:
    found = project.query(f"SELECT id FROM recruit.{NAME} WHERE _deleted_at IS NULL")
    return {id_ for (id_,) in found}


def status(project: Project) -> tuple[TableStatus, dict[str, Any]]:
    """What the command `status` is told of the table, and what it shows."""
    with lakes.connect(project.path, read_only=True) as database:
        tables = overview(database, ENDPOINTS)
    ((found, shown),) = [
        (each, shown)
        for each, shown in zip(tables, tables_as_json(tables, datetime.now(UTC)), strict=True)
        if each.table == NAME
    ]
    return found, shown


def change(project: Project, database: str) -> None:
    """Do something to the database, as somebody else would."""
    with lakes.connect(project.path) as connection:
        connection.execute(database)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_clock_that_was_wrong_for_one_sync_hides_nothing_afterwards(
    project: Project, caplog: pytest.LogCaptureFixture, wrong: timedelta
) -> None:
    world, now = project.sandbox.world, datetime.now(UTC)
    project.sync(NAME)
    with time_machine.travel(now + wrong, tick=True):
        world.change(PATH, ids(world)[3], {"cover-letter": "while it was wrong"})
        project.sync(NAME, mode=Mode.full)
    first, second, *_ = ids(world)
    world.remove(PATH, first)
    world.change(PATH, second, {"cover-letter": "afterwards"})
    project.sandbox.fail(PATH, status=401, times=1)
    with pytest.raises(RecruitError):
        project.sync(NAME)
    found, shown = status(project)
    assert found.verdict == shown["verdict"] == "failed"
    assert shown["behind_by_seconds"] is None or shown["behind_by_seconds"] >= 0
    if wrong > timedelta(0):  # it says nothing rather than something untrue
        assert shown["behind_by_seconds"] is shown["last_complete"] is None
    project.sync(NAME)
    result = project.sync(NAME, mode=Mode.full)
    assert result.report.verdict is Verdict.COMPLETE
    assert current(project) == set(ids(world))
    assert project.query(f"SELECT cover_letter FROM recruit.{NAME} WHERE id = '{second}'") == [
        ("afterwards",)
    ]
    found, shown = status(project)
    assert shown["verdict"] == "complete"
    assert 0 <= shown["behind_by_seconds"] < 3600
    assert project.query(
        f"SELECT count(*) FROM recruit_history.{NAME} WHERE valid_to < valid_from"
    ) == [(0,)]
    numbers = "SELECT list(sync_number ORDER BY sync_number) FROM recruit_meta.syncs"
    assert project.query(numbers) == [([1, 2, 3, 4, 5],)]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_vanishes_after_a_wrong_clock_is_seen_by_the_next_full_read(
    project: Project, wrong: timedelta
) -> None:
    world = project.sandbox.world
    with time_machine.travel(datetime.now(UTC) + wrong, tick=True):
        project.sync(NAME)
    world.remove(PATH, ids(world)[0])
    world.add(PATH)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True):
        project.sync(NAME)  # a day later, of which nobody asked for more than the usual
    assert current(project) == set(ids(world))


@pytest.mark.parametrize("by", HOURS)
def test_a_cursor_in_the_future_is_not_believed(project: Project, by: timedelta) -> None:
    project.sync(NAME)
    future = (datetime.now(UTC) + by).isoformat()
    change(project, f"UPDATE recruit_meta.syncs SET cursor = '{future}'")
    assert project.sync(NAME, mode=Mode.incremental).mode is Mode.full
    assert project.sync(NAME, mode=Mode.incremental).mode is Mode.incremental


def test_a_complete_reading_in_the_future_is_not_believed(project: Project) -> None:
    project.sync(NAME)
    future = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    change(project, f"UPDATE recruit_meta.syncs SET started = '{future}'")
    assert project.sync(NAME).mode is Mode.full
    assert project.sync(NAME).mode is Mode.incremental


ODD_TIMES = ["-infinity", "5000-01-01 (BC) 00:00:00+00", "0001-01-01 00:05:00+00", "infinity"]


@pytest.mark.parametrize("odd", ODD_TIMES)
def test_a_time_that_no_clock_has_written_counts_as_none(project: Project, odd: str) -> None:
    project.sync(NAME)
    written = ("started", "finished", "cursor", "values_as_of", "read_as_of")
    times = ", ".join(f"{name} = '{odd}'" for name in written)
    change(project, f"UPDATE recruit_meta.syncs SET {times}")
    change(project, f"UPDATE recruit_meta.cover SET since = '{odd}'")
    found, shown = status(project)
    assert (found.verdict, found.synced_at, found.proven_at) == ("complete", None, None)
    assert shown["behind_by_seconds"] is shown["last_complete"] is None
    assert project.query(
        "SELECT started, finished, cursor, proven_at, values_as_of, read_as_of "
        "FROM recruit_meta.latest"
    ) == [(None,) * 6]
    assert project.sync(NAME).mode is Mode.full
    assert project.sync(NAME).mode is Mode.incremental


def test_a_sync_number_without_a_successor_is_replaced(project: Project) -> None:
    project.sync(NAME)
    project.sync(NAME)
    change(project, f"UPDATE recruit_meta.syncs SET sync_number = {MAX_NUMBER - 1}"
                    " WHERE sync_number = 2")  # fmt: skip
    assert [project.sync(NAME).mode for _ in range(3)] == [Mode.incremental] * 3
    numbers = "SELECT list(sync_number ORDER BY started) FROM recruit_meta.syncs"
    assert project.query(numbers) == [([1, 2, 3, 4, 5],)]


def test_a_cursor_after_the_end_of_a_later_sync_is_not_believed(project: Project) -> None:
    now, off = datetime.now(UTC), timedelta(minutes=20)
    with (
        served(Sandbox(rules=Rules(key=KEY, no_date=True), clock=lambda: now)) as sandbox,
        time_machine.travel(now + off, tick=True) as machine,
    ):
        project.sandbox, world = sandbox, sandbox.world
        project.sync(NAME)
        machine.move_to(now)
        sandbox.fail(PATH, status=401)
        with pytest.raises(RecruitError):
            project.sync(NAME)
        now += timedelta(seconds=30)
        world.change(PATH, ids(world)[0], {"cover-letter": "changed"})
        now += timedelta(minutes=25)
        machine.move_to(now)
        assert project.sync(NAME, mode=Mode.incremental).merged.updated == 1


class Clock(BaseHTTPRequestHandler):
    """Answers every request with one record, and a `Date` that is off by so many seconds."""

    off = 0.0

    def do_GET(self) -> None:
        body = b'{"data":[{"id":"1","type":"regions"}],"meta":{"record-count":1,"page-count":1}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time() + self.off, usegmt=True)

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("off", "says"),
    [(-600, "10 min ahead of"), (600, "10 min behind"), (-9e6, "104 days ahead of"), (20, "")],
)
def test_clocks_that_are_apart_are_told(
    project: Project, caplog: pytest.LogCaptureFixture, off: float, says: str
) -> None:
    handler = type("Off", (Clock,), {"off": off})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        project.settings = {"base_url": f"http://127.0.0.1:{server.server_port}/v1/"}
        with caplog.at_level(logging.WARNING):
            project.sync("regions")
        server.shutdown()
    assert ("this machine's clock" in caplog.text) == bool(says)
    assert says in caplog.text


CORRECTED = [
    pytest.param(timedelta(minutes=sign * by), marks=FULL if by != 20 else ())
    for by in (11, 20, 60, 24 * 60)
    for sign in (1, -1)
]


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("off", CORRECTED)
def test_a_clock_that_is_corrected_during_a_sync_hides_no_change(
    project: Project, off: timedelta, *, dated: bool
) -> None:
    now = datetime.now(UTC)
    rules = Rules(key=KEY, no_date=not dated)
    with (
        served(Sandbox(rules=rules, clock=lambda: now)) as sandbox,
        time_machine.travel(now, tick=True) as machine,
    ):
        project.sandbox, world = sandbox, sandbox.world
        project.sync(NAME)
        machine.move_to(now + off)
        sandbox.before(PATH, lambda _: machine.move_to(now))
        sandbox.fail(PATH, status=503)
        assert project.sync(NAME, mode=Mode.incremental).report.verdict.proven
        now += timedelta(seconds=30)
        changed = ids(world)[0]
        world.change(PATH, changed, {"cover-letter": "changed"})
        now += abs(off) + timedelta(minutes=5)
        machine.move_to(now)
        assert project.sync(NAME, mode=Mode.incremental).merged.updated == 1


def test_marts_are_not_of_the_future(project: Project) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(days=400), tick=True):
        project.sync(NAME)
    with lakes.connect(project.path) as database:
        database.execute("SET TimeZone = 'UTC'")
        assert not [each for each in build(database, MARTS) if each.wrong]
    assert project.query("SELECT max(as_of) <= now() FROM recruit_marts.applications") == [(True,)]


def restored(project: Project) -> Callable[[World], None]:
    """Keep a backup, and return what restores it."""
    backup = project.path.with_suffix(".backup")
    shutil.copy(project.path, backup)

    def restore(_: World) -> None:
        shutil.copy(backup, project.path)

    return restore


@pytest.mark.only_files("a backup of a lake is no copy of one file")
@pytest.mark.parametrize("mode", [Mode.auto, Mode.full])
def test_a_backup_that_is_restored_while_a_sync_reads_loses_nothing(
    project: Project, mode: Mode
) -> None:
    world = project.sandbox.world
    project.sync(NAME)
    restore = restored(project)
    changed, gone, *_ = ids(world)
    world.change(PATH, changed, {"cover-letter": "after the backup"})
    world.remove(PATH, gone)
    project.sync(NAME, mode=Mode.full)
    project.sandbox.before(PATH, restore, times=1)
    result = project.sync(NAME, mode=mode)
    assert result.report.verdict is Verdict.INCOMPLETE
    assert "was a backup restored?" in result.report.reason
    assert (result.deleted, result.cursor) == (0, None)
    assert project.sync(NAME).mode is Mode.full
    assert current(project) == set(ids(world))
    assert project.query(f"SELECT cover_letter FROM recruit.{NAME} WHERE id = '{changed}'") == [
        ("after the backup",)
    ]
    assert project.sync(NAME).mode is Mode.incremental


@pytest.mark.only_files("a backup of a lake is no copy of one file")
def test_a_backup_that_other_syncs_went_on_from_is_another_table(project: Project) -> None:
    world = project.sandbox.world
    project.sync(NAME)
    restore = restored(project)
    changed = ids(world)[0]
    world.change(PATH, changed, {"cover-letter": "after the backup"})
    project.sync(NAME)

    def restore_and_sync(world: World) -> None:
        restore(world)
        with lakes.connect(project.path) as database:
            database.execute(
                "INSERT INTO recruit_meta.syncs BY NAME SELECT * REPLACE "
                "('other' AS run_id, 2 AS sync_number) FROM recruit_meta.syncs "
                f"WHERE endpoint = '{NAME}'"
            )

    project.sandbox.before(PATH, restore_and_sync, times=1)
    assert project.sync(NAME).report.verdict is Verdict.INCOMPLETE
    project.sync(NAME)
    assert project.query(f"SELECT cover_letter FROM recruit.{NAME} WHERE id = '{changed}'") == [
        ("after the backup",)
    ]


def interrupted(
    project: Project, meanwhile: Callable[[], SyncResult], **options: Any
) -> tuple[SyncResult, SyncResult]:
    """Sync, and let another sync be stored after the first page of this one was asked for."""
    others: list[SyncResult] = []

    def happen(_: World) -> None:
        if not others:
            others.append(meanwhile())

    project.sandbox.before(PATH, happen, page=None, times=1)
    result = project.sync(NAME, **options)
    return result, others[0]


@pytest.mark.parametrize("mode", [Mode.auto, Mode.full])
def test_two_syncs_that_read_the_same_prove_the_same(project: Project, mode: Mode) -> None:
    world = project.sandbox.world
    project.sync(NAME)
    world.change(PATH, ids(world)[0], {"cover-letter": "changed"})
    ours, theirs = interrupted(project, lambda: project.sync(NAME, mode=mode), mode=mode)
    assert ours.report.verdict.proven
    assert theirs.report.verdict.proven
    assert (theirs.merged.updated, ours.merged.updated, ours.cursor) == (
        1,
        0,
        ours.report.began,
    )


def test_what_a_later_sync_has_stored_is_not_overwritten_by_an_earlier_reading(
    project: Project,
) -> None:
    world = project.sandbox.world
    while world.count(PATH) < 70:
        world.add(PATH)
    project.sync(NAME)
    first, second, third, *_ = ids(world)
    world.change(PATH, first, {"cover-letter": "older"})
    world.change(PATH, third, {"cover-letter": "only here"})

    def later() -> None:
        world.change(PATH, first, {"cover-letter": "newer"})
        world.remove(PATH, second)
        project.sync(NAME, mode=Mode.full)

    happened: list[bool] = []

    def happen(_: World) -> None:
        if not happened:
            happened.append(True)
            later()

    project.settings = {"concurrency": 1}
    pages = -(-world.count(PATH) // 30)
    project.sandbox.before(PATH, happen, page=pages - 1, times=1)
    result = project.sync(NAME, mode=Mode.full)
    rows = dict(project.query(f"SELECT id, cover_letter FROM recruit.{NAME}"))
    assert rows[first] == "newer"
    assert current(project) == set(ids(world))
    if result.report.verdict is Verdict.INCOMPLETE:
        assert result.cursor is None
        assert project.sync(NAME).mode is Mode.full


def test_a_file_of_a_later_version_is_refused_before_anything_is_asked(project: Project) -> None:
    project.sync("regions")
    change(project, f"UPDATE recruit_meta.schema_version SET version = {VERSION + 1}")
    project.sandbox.clear_requests()
    with pytest.raises(DatabaseProblem, match="upgrade recruit-assets"):
        project.sync("regions")
    assert project.sandbox.requests == []
    assert project.query("SELECT count(*) FROM recruit_meta.syncs") == [(1,)]


LOST = [
    *(
        f"ALTER TABLE recruit.{NAME} DROP COLUMN {column}"
        for column in (
            "_unparsed", "_row_hash", "_run_id", "_loaded_at", "_deleted_at", "cover_letter",
            "job_id",
        )
    ),
    *(
        pytest.param(
            f"ALTER TABLE recruit.{NAME} ALTER {column}",
            marks=pytest.mark.only_files("a lake cannot change this type"),
        )
        for column in (
            "created_at TYPE DATE",
            "created_at TYPE VARCHAR",
            "cover_letter TYPE VARCHAR[] USING [cover_letter]",
        )
    ),
    f"ALTER TABLE recruit.{NAME} RENAME _row_hash TO digest",
    f"ALTER TABLE recruit_history.{NAME} DROP COLUMN seen_at",
    f"DROP TABLE recruit_history.{NAME}",
    "ALTER TABLE recruit_meta.syncs DROP COLUMN rows",
    "ALTER TABLE recruit_meta.syncs DROP COLUMN cursor",
    "ALTER TABLE recruit_meta.syncs DROP COLUMN sync_number",
    "DROP TABLE recruit_meta.syncs",
]  # fmt: skip


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance
) -> Iterator[Project]:
    """A project with a deleted row; who changes it takes a copy, and nobody changes the sandbox."""
    with served(Sandbox(candidates=40, rules=Rules(key=KEY))) as sandbox:
        project = Project(
            sandbox, lakes.database_at(tmp_path_factory.mktemp("kept") / "test.duckdb"), instance
        )
        project.sync(NAME)
        sandbox.world.remove(PATH, ids(sandbox.world)[0])
        project.sync(NAME, mode=Mode.full)
        yield project


@pytest.mark.parametrize("lost", LOST)
def test_a_sync_makes_again_what_was_lost(
    kept: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    project = replace(kept, path=lakes.copied(kept.path, tmp_path))
    columns = "* EXCLUDE (_loaded_at, _run_id, _row_hash)"
    living_rows = f"SELECT {columns} FROM recruit.{NAME} WHERE _deleted_at IS NULL ORDER BY id"
    before = project.query(living_rows)
    change(project, lost)
    with caplog.at_level(logging.WARNING):
        project.sync(NAME)
    if "DROP TABLE" not in lost:
        assert "the table was repaired" in caplog.text
    rows = [row[: len(before[0])] for row in project.query(living_rows.replace(
        columns, ", ".join(described(project, columns))
    ))]  # fmt: skip
    assert rows == before
    again = project.sync(NAME, mode=Mode.full)
    assert (again.merged.inserted, again.merged.updated, again.deleted) == (0, 0, 0)
    assert again.report.verdict is Verdict.COMPLETE


@pytest.mark.parametrize(
    ("obstacle", "options"),
    [
        ("", {"dry_run": True}),
        ("ALTER TABLE recruit_meta.syncs ALTER reason SET NOT NULL", {"mode": Mode.full}),
    ],
)
def test_a_repair_that_is_not_kept_is_not_logged(
    project: Project, caplog: pytest.LogCaptureFixture, obstacle: str, options: dict[str, Any]
) -> None:
    project.sync(NAME)
    change(project, "UPDATE recruit_meta.syncs SET reason = ''")
    change(project, f"{LOST[0]}; {obstacle}")
    with pytest.raises(DatabaseProblem) if obstacle else nullcontext():
        project.sync(NAME, **options)
    assert "the table was repaired" not in caplog.text


def described(project: Project, columns: str) -> list[str]:
    """The columns that a table was made with, in their order."""
    (endpoint,) = [each for each in ENDPOINTS if each.name == NAME]
    known = [column.name for column in endpoint.columns()]
    return [f'"{name}"' for name in (*known, "_deleted_at", "_unparsed")]


def test_a_column_that_is_lost_during_an_incremental_reading_is_filled_again(
    project: Project,
) -> None:
    project.sync(NAME)
    filled = f"SELECT count(cover_letter) FROM recruit.{NAME}"
    before = project.query(filled)

    def lose(_: World) -> None:
        with lakes.connect(project.path) as database:
            database.execute(f"ALTER TABLE recruit.{NAME} DROP COLUMN cover_letter")

    project.sandbox.before("job-applications", lose)
    assert project.sync(NAME, mode=Mode.incremental).mode is Mode.full
    assert project.query(filled) == before > [(0,)]
