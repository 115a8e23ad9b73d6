"""Erased means erased: personal values leave the bytes of the file, not only its tables.

DuckDB compresses text, so that a search for bytes would miss most of it: the databases here are
made without compression, and each search finds the planted names before it may miss them.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock

from recruit_assets.assets import SyncConfig
from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.checks import run_checks
from recruit_assets.cli.main import main
from recruit_assets.load.compact import compact, make_erasure_final
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.erasure import Pending, note_erasure, pending
from recruit_assets.load.reading import reading
from recruit_assets.options import Mode
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, served, settings_for
from recruit_assets_tests.rings import FULL, sized
from recruit_assets_tests.syncing import ASSETS, resources

pytestmark = pytest.mark.ring(2)

PLAIN = {"force_compression": "uncompressed"}
LONG_AGO = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
FIELDS = ("first-name", "last-name", "email", "phone", "pitch")


def planted(number: int) -> dict[str, str]:
    """Values that are found nowhere else, of one person."""
    return {field: f"Zyxgone{number:04}{field.replace('-', '')}" for field in FIELDS}


def found_in(*places: Path) -> set[str]:
    """Files that hold planted bytes."""
    files = [
        each for place in places for each in ([place] if place.is_file() else place.rglob("*"))
    ]
    return {each.name for each in files if each.is_file() and b"Zyxgone" in each.read_bytes()}


def materialize(project: Project, *names: str) -> dg.ExecuteInProcessResult:
    """Materialize endpoints into a database without compression, in a real run."""
    database = RecruitDatabase(database=str(project.path), wait_seconds=20, connection_config=PLAIN)
    return dg.materialize(
        [each for each in ASSETS if each.key.path[-1] in names],
        resources=resources(
            database,
            RecruitApi(first_wait=0, **settings_for(project.sandbox)),
            project.deleted_rows,
        ),
        instance=project.instance,
        run_config=dg.RunConfig({name: SyncConfig(mode=Mode.full) for name in names}),
    )


def left(project: Project) -> Pending | None:
    """What is pending in the database."""
    with reading(str(project.path), 5) as database:
        return pending(database)


def yesterday(project: Project) -> None:
    """Let the last compaction be one of yesterday."""
    with connection(str(project.path), PLAIN, 5) as database:
        day = datetime.now(UTC) - timedelta(days=1)
        database.execute("UPDATE recruit_meta.compactions SET finished = ?", [day])


@pytest.mark.parametrize(
    "deletion_policy", [DeletionPolicy.erase, pytest.param(DeletionPolicy.drop, marks=FULL)]
)
def test_erased_values_are_gone_from_the_bytes_after_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deletion_policy: DeletionPolicy
) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for each in (home, temporary, tmp_path / "data"):
        each.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    rows = sized(200, 500, 10_000)
    rules = Rules(key=KEY)
    with (
        served(Sandbox(candidates=rows, rules=rules)) as sandbox,
        dg.DagsterInstance.local_temp(str(home)) as instance,
    ):
        path = tmp_path / "data" / "x.duckdb"
        project = Project(sandbox, path, instance, deleted_rows=deletion_policy)
        ids = sorted(sandbox.world.table("candidates"))[:40]
        for number, id_ in enumerate(ids):
            sandbox.world.change("candidates", id_, planted(number))
        assert materialize(project, "candidates").success
        assert found_in(tmp_path / "data") == {path.name}  # the positive control
        assert left(project) is None

        for id_ in ids[:10]:
            sandbox.world.remove("candidates", id_)
        for id_ in ids[10:25]:
            sandbox.world.change("candidates", id_, dict.fromkeys(FIELDS))
        for id_ in ids[25:]:
            sandbox.world.change("candidates", id_, dict.fromkeys(FIELDS, "Anonymous"))
        assert materialize(project, "candidates").success
        assert found_in(tmp_path / "data", home, temporary) == set()
        assert left(project) is None
        names = " || ".join(f"coalesce({field.replace('-', '_')}, '')" for field in FIELDS)
        said = f"SELECT count(*) FROM recruit.candidates WHERE contains({names}, 'Zyxgone')"
        assert project.query(said) == [(0,)]
        assert project.counts_of("candidates") == rows - 10 * (
            deletion_policy is DeletionPolicy.drop
        )


@pytest.fixture
def erased(project: Project) -> Project:
    """A project whose last sync erased a candidate, and was no run that could compact."""
    project.sync("candidates")
    project.sandbox.world.remove("candidates", first(project))
    project.sync("candidates", mode=Mode.full)
    return project


def first(project: Project) -> str:
    """The id of a candidate."""
    return min(project.sandbox.world.table("candidates"))


def finish(project: Project, *, within_run: bool = False) -> bool:
    """End a run; whether it has compacted."""
    return bool(make_erasure_final(str(project.path), 0.1, {}, within_run=within_run))


def test_it_is_remembered_until_a_run_ends_and_compacted_once_a_day(erased: Project) -> None:
    found = left(erased)
    assert found
    assert found.rows == 1
    assert not finish(erased, within_run=True)  # more steps may follow
    assert finish(erased)
    assert left(erased) is None
    assert not finish(erased)
    with connection(str(erased.path), {}, 0) as database, transaction(database):
        note_erasure(database, BY_NAME["users"], 3)
    assert not finish(erased)  # not twice on a day
    yesterday(erased)
    assert finish(erased)


def test_what_waited_for_a_day_waits_no_longer_for_the_last_step(erased: Project) -> None:
    with connection(str(erased.path), {}, 0) as database:
        database.execute("UPDATE recruit_meta.erasures SET since = since - INTERVAL 25 HOUR")
    assert finish(erased, within_run=True)


def test_a_time_in_the_future_is_distrusted(erased: Project) -> None:
    with connection(str(erased.path), {}, 0) as database:
        database.execute("UPDATE recruit_meta.erasures SET since = since + INTERVAL 2 YEAR")
    found = left(erased)
    assert found
    assert found.is_overdue(datetime.now(UTC))
    assert finish(erased)
    with connection(str(erased.path), {}, 0) as database, transaction(database):
        database.execute(
            "UPDATE recruit_meta.compactions SET finished = finished + INTERVAL 2 YEAR"
        )
        note_erasure(database, BY_NAME["users"], 1)
    assert finish(erased)


@pytest.mark.parametrize(
    ("before", "after", "noted"),
    [
        ({"phone": "1"}, {"phone": None}, True),
        ({"phone": "1"}, {"phone": "  "}, True),
        ({"phone": "1"}, {"phone": "2"}, False),
        (
            {"first-name": "Ada", "last-name": "Lovelace", "email": "ada@example.com"},
            {"first-name": "Anon", "last-name": "Anon", "email": "anon@example.com"},
            True,
        ),
        ({"phone": None}, {"phone": "2"}, False),
        ({"tags": ["a", "b"]}, {"tags": ["a", "b", "c"]}, False),
        ({"tags": ["a", "b"]}, {"tags": ["b"]}, True),
        ({"unknown": "x"}, {"unknown": None}, True),
        ({"phone": {"odd": "x"}}, {"phone": "1"}, True),  # it was in _unparsed
        ({"nobody-knows": {"a": 1}}, {"nobody-knows": {"a": 2}}, True),
    ],
)
def test_which_changes_erase(
    project: Project, before: dict[str, Any], after: dict[str, Any], *, noted: bool
) -> None:
    world, id_ = project.sandbox.world, first(project)
    world.change("candidates", id_, before)
    project.sync("candidates")
    world.change("candidates", id_, after)
    project.sync("candidates")
    assert bool(left(project)) is noted


@pytest.mark.parametrize("deletion_policy", list(DeletionPolicy))
def test_deleted_rows_are_noted_where_something_is_erased(
    project: Project, deletion_policy: DeletionPolicy
) -> None:
    project.deleted_rows = deletion_policy
    project.sync("candidates")
    project.sandbox.world.remove("candidates", first(project))
    project.sync("candidates", mode=Mode.full)
    assert bool(left(project)) is (deletion_policy is not DeletionPolicy.keep)
    assert not Path(f"{project.path}.wal").exists()


def test_a_busy_file_is_a_warning_and_the_next_run_compacts(
    erased: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    with FileLock(f"{erased.path}.compacting.lock"):
        assert erased.materialize("regions").success
    told = capfd.readouterr().err
    assert told.count("is still in the bytes of the database") == 1
    assert left(erased)
    assert erased.materialize("regions").success
    assert left(erased) is None


KILLED = """
import os, sys
from recruit_assets.load.compact import make_erasure_final
os.replace = lambda *_: os.kill(os.getpid(), 9)
make_erasure_final(sys.argv[1], 5, {})
"""


def test_what_a_killed_compaction_leaves_goes_at_the_next_sync(erased: Project) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(erased.path)], check=False)
    copies = f".{erased.path.name}.compacting-*"
    assert list(erased.path.parent.glob(f"{copies}/*"))
    assert left(erased)
    erased.sync("regions")
    assert not list(erased.path.parent.glob(copies))
    assert left(erased)
    assert finish(erased)


def test_a_running_compaction_is_left_alone_and_waited_for(
    erased: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = f"""
from recruit_assets.load.connection import connection
with connection({str(erased.path)!r}, {{}}, SECONDS):
    pass
"""
    replace, waiting = os.replace, list[subprocess.Popen[bytes]]()

    def try_meanwhile(*names: str) -> None:
        hurried = sync.replace("SECONDS", "0")
        done = subprocess.run([sys.executable, "-c", hurried], capture_output=True, check=False)
        assert b"is still held by" in done.stderr
        assert list(erased.path.parent.glob(".*.compacting-*/*"))
        waiting.append(subprocess.Popen([sys.executable, "-c", sync.replace("SECONDS", "60")]))
        replace(*names)

    monkeypatch.setattr(os, "replace", try_meanwhile)
    compact(str(erased.path), 5)
    assert waiting[0].wait(60) == 0
    assert left(erased) is None


def test_the_check_fails_when_it_is_pending_for_two_days(erased: Project) -> None:
    def passes() -> bool:
        database = RecruitDatabase(database=str(erased.path), wait_seconds=0.1)
        (found,) = run_checks(
            BY_NAME["candidates"], database, dg.AssetKey("candidates"), {"erasure_is_done"}
        )
        assert found.severity is dg.AssetCheckSeverity.ERROR
        return bool(found.passed)

    assert passes()
    with connection(str(erased.path), {}, 0) as database:
        database.execute("UPDATE recruit_meta.erasures SET since = since - INTERVAL 49 HOUR")
    assert not passes()
    assert finish(erased)
    assert passes()


def test_status_tells_what_is_pending_and_since_when(
    erased: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(erased.path.parent)  # where no `.env` is
    monkeypatch.setenv("RECRUIT_DATABASE", str(erased.path))
    with connection(str(erased.path), {}, 0) as database:
        database.execute("UPDATE recruit_meta.erasures SET rows = 1200, since = ?", [LONG_AGO])

    def told(*words: str) -> str:
        main(["status", *words])
        return " ".join(capsys.readouterr().out.split())

    said = (
        "1,200 rows lost personal data that the database still holds, since 2001-02-03 04:05 (UTC)"
    )
    assert said in told()
    assert json.loads(told("--json"))["erasure_pending"] == {
        "rows": 1200,
        "since": "2001-02-03T04:05:00+00:00",
    }
    assert finish(erased)
    assert "lost personal data" not in told()
    assert json.loads(told("--json"))["erasure_pending"] is None
