"""The read copy: what is in it, what it never replaces, and that a kill leaves it whole."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.load.read_copy import copy_status, public_columns, publish, published_at
from recruit_assets.load.reading import reading
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS
from recruit_assets.options import Mode
from recruit_assets_tests.conftest import BY_NAME, Project
from recruit_assets_tests.load.killing import WHOLE, killed_at_any_moment
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)

COLUMNS = public_columns(ENDPOINTS)
OWN = "CREATE TABLE own AS SELECT 1 AS one"
KILLS = sized(4, 5, 20)
ROWS = 50_000

KILLED = """
import os, sys
from recruit_assets.load.read_copy import publish
replace = os.replace
def kill(*paths):
    if sys.argv[3] == "after":
        replace(*paths)
    os.kill(os.getpid(), 9)
os.replace = kill
publish(sys.argv[1], sys.argv[2], 5, {}, None)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The path of the copy, in a folder of its own."""
    (tmp_path / "readers").mkdir()
    return tmp_path / "readers" / "copy.duckdb"


def made(project: Project, copy: Path, *, personal: bool = False) -> None:
    """Publish the copy."""
    publish(str(project.path), str(copy), 1, {}, None if personal else COLUMNS)


def run(path: Path, sql: str) -> None:
    """Do what a user does in a shell."""
    with connection(str(path), {}, 1) as database:
        database.execute(sql)


def asked(copy: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the copy as its readers do."""
    with duckdb.connect(str(copy), read_only=True) as reader:
        return reader.execute(sql).fetchall()


def tables(copy: Path) -> set[str]:
    found = asked(copy, "SELECT concat_ws('.', schema_name, table_name) FROM duckdb_tables()")
    return {str(name) for (name,) in found}


def test_it_has_what_is_known_to_be_harmless_and_nothing_else(project: Project, copy: Path) -> None:
    world = project.sandbox.world
    world.change("candidates", min(world.table("candidates")), {"shoe-size": "unknown"})
    for name in ("candidates", "jobs", "job_applications"):
        project.sync(name)
    run(project.path, f"{OWN}; CREATE TABLE recruit_meta.own AS SELECT 2 AS two")
    run(project.path, "ALTER TABLE recruit.jobs ADD COLUMN own INTEGER")
    with connection(str(project.path), {}, 1) as database:
        build(database, MARTS)
    made(project, copy)
    assert tables(copy) == {
        *("recruit.candidates", "recruit.jobs", "recruit.job_applications"),
        *("recruit_history.jobs", "recruit_history.job_applications"),
        *("recruit_meta.syncs", "recruit_meta.schema_version", "recruit_meta.read_copy"),
    }
    candidates = BY_NAME["candidates"].columns()
    harmless = [column.name for column in candidates if not column.personal]
    assert "email" not in harmless
    shown = [name for name, *_ in asked(copy, "DESCRIBE recruit_now.candidates")]
    assert sorted(shown) == sorted(harmless)
    (comment,) = asked(
        copy,
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'recruit' "
        "AND table_name = 'jobs' AND column_name = 'title'",
    )
    assert comment != (None,)
    same = "SELECT endpoint, sync_number, current_rows FROM recruit_meta.latest ORDER BY ALL"
    assert asked(copy, same) == project.query(same)
    rows = "SELECT id, title FROM recruit_now.jobs ORDER BY id"
    assert asked(copy, rows) == project.query(rows)


def test_with_personal_data_it_has_everything(project: Project, copy: Path) -> None:
    project.sync("candidates")
    run(project.path, OWN)
    made(project, copy, personal=True)
    assert tables(copy) >= {"recruit.candidates", "main.own", "recruit_meta.syncs"}
    rows = "SELECT * FROM recruit_now.candidates ORDER BY id"
    assert asked(copy, rows) == project.query(rows)


def test_readers_keep_the_file_that_they_opened(project: Project, copy: Path) -> None:
    project.sync("departments")
    made(project, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o400
    copy.chmod(0o440)
    count = "SELECT count(*) FROM recruit_now.departments"
    with reading(str(copy), 0) as reader:
        before = reader.execute(count).fetchall()
        project.sandbox.world.remove("departments", min(project.sandbox.world.table("departments")))
        project.sync("departments", mode=Mode.full)
        # Publishing looks into the old copy, which this process can open only once.
        script = f"from recruit_assets.load.read_copy import publish; publish({str(project.path)!r}"
        script += f", {str(copy)!r}, 1, {{}}, None)"
        subprocess.run([sys.executable, "-c", script], check=True)
        assert reader.execute(count).fetchall() == before
    assert asked(copy, count) == project.query(count) != before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o440
    assert [each.name for each in copy.parent.iterdir()] == [copy.name]


def test_it_replaces_nothing_but_a_read_copy(project: Project, copy: Path) -> None:
    project.sync("departments")
    other, text = copy.with_name("other.duckdb"), copy.with_name("thesis.txt")
    run(other, OWN)
    text.write_text("Years of work")
    content = {path: path.read_bytes() for path in (other, text)}
    link = copy.with_name("link.duckdb")
    link.symlink_to(project.path)
    circle = copy.with_name("circle.duckdb")
    circle.symlink_to(circle)
    for path, problem in [
        (other, "is no read copy, so it is not replaced: move it"),
        (text, "is no read copy, so it is not replaced"),
        (copy.parent, "is no read copy"),
        (project.path, "is the database itself"),
        (link, "is the database itself"),
        (Path(f"{project.path}.wal"), "is a file of the database"),
        (Path(f"{project.path}.compacting.lock"), "is a file of the database"),
        (circle, "is a link to itself"),
        (copy.with_name("a?b.duckdb"), "contains a question mark"),
        (copy.with_name("none") / "copy.duckdb", "There is no folder"),
    ]:
        with pytest.raises(DatabaseProblem, match=problem):
            made(project, path)
    assert {path: path.read_bytes() for path in content} == content
    assert project.query("SELECT count(*) FROM recruit.departments")
    made(project, copy)


def test_a_file_that_is_held_is_a_sentence_and_the_old_copy_stays(
    project: Project, copy: Path
) -> None:
    project.sync("departments")
    made(project, copy)
    before = published_at(str(copy), 1)
    copy.chmod(0o600)
    held = f"{project.path}.compacting.lock"
    with held_elsewhere(copy), pytest.raises(DatabaseBusy, match="is still held by"):
        publish(str(project.path), str(copy), 0, {}, COLUMNS)
    with FileLock(held), pytest.raises(DatabaseBusy, match="is already being compacted or copied"):
        publish(str(project.path), str(copy), 0, {}, COLUMNS)
    assert published_at(str(copy), 1) == before


def test_the_status_counts_the_syncs_that_it_lacks(project: Project, copy: Path) -> None:
    def lacks(run: str = "") -> tuple[bool, str]:
        with reading(str(project.path), 1) as database:
            found = copy_status(database, str(copy), 1, run)
        return found.published is not None, found.problem

    project.sync("departments")
    assert lacks() == (False, "")  # its run may not have ended
    run(project.path, "UPDATE recruit_meta.syncs SET finished = finished - INTERVAL 1 HOUR")
    there, problem = lacks()
    assert not there
    assert problem.startswith("The read copy lacks 1 sync that ended by ")
    ((run_id,),) = project.query("SELECT run_id FROM recruit_meta.syncs")
    assert lacks(run_id) == (False, "")
    made(project, copy)
    assert lacks() == (True, "")
    copy.chmod(0o600)
    copy.write_text("something else")
    assert "is no read copy" in lacks()[1]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_the_swap_it_leaves_the_old_or_the_new_copy(
    project: Project, copy: Path, moment: str
) -> None:
    project.sync("departments")
    made(project, copy)
    before = published_at(str(copy), 1)
    subprocess.run(
        [sys.executable, "-c", KILLED, str(project.path), str(copy), moment], check=False
    )
    assert (published_at(str(copy), 1) == before) is (moment == "before")
    (left,) = (each for each in copy.parent.iterdir() if each != copy)
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    made(project, copy)
    assert [each.name for each in copy.parent.iterdir()] == [copy.name]


def publish_version(path: str, copy: str, version: int) -> None:
    """Write a version of all rows, and publish it."""
    with connection(path, {}, 60) as database:
        database.execute(f"CREATE OR REPLACE TABLE t AS SELECT {version} AS v FROM range({ROWS})")
    publish(path, copy, 60, {}, None)


@pytest.mark.ring(3)
def test_killed_at_any_moment_it_leaves_the_old_or_the_new_copy(tmp_path: Path) -> None:
    path, copy = str(tmp_path / "killed.duckdb"), str(tmp_path / "copy.duckdb")
    last = WHOLE - 1
    for version in killed_at_any_moment(publish_version, path, copy, kills=KILLS, seed=15):
        ((found, rows),) = asked(Path(copy), "SELECT DISTINCT v, count(*) OVER () FROM t")
        assert found in (last, version)
        assert rows == ROWS
        assert published_at(copy, 1)
        last = int(str(found))
    assert last == version  # one that is left alone ends
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".copy")]
