import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.compact import compact
from recruit_assets.load.connection import connection
from recruit_assets.load.scratch import Folder
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

KILLED = """
import os, sys
from recruit_assets.load.compact import compact
os.replace = lambda *_: os.kill(os.getpid(), 9)
compact(sys.argv[1], 1)
"""

WRITER = """
import duckdb, os, sys
database = duckdb.connect(sys.argv[1])
database.execute("INSERT INTO own VALUES (2, NULL)")
os.kill(os.getpid(), 9)
"""

ROWS = 200_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database most of which is versions that were replaced."""
    path = tmp_path / "grown.duckdb"
    with connection(str(path), {}, 0) as database:
        database.execute("CREATE SCHEMA recruit")
        database.execute(
            "CREATE TABLE recruit.things AS "
            f"SELECT i::VARCHAR AS id, md5(i::VARCHAR) AS text FROM range({ROWS}) t(i)"
        )
        database.execute("COMMENT ON TABLE recruit.things IS 'Things.'")
        database.execute("COMMENT ON COLUMN recruit.things.id IS 'Their ids.'")
        database.execute("CREATE VIEW recruit.few AS SELECT * FROM recruit.things LIMIT 3")
        database.execute("CREATE SCHEMA recruit_history")
        database.execute("CREATE TABLE recruit_history.things AS SELECT 'first' AS text")
        database.execute("CREATE TABLE own AS SELECT 1 AS one, [1, NULL] AS many")
        database.execute("CREATE MACRO twice(x) AS 2 * x")
        for number in range(4):
            database.execute(f"UPDATE recruit.things SET text = md5(text || '{number}')")
            database.execute("CHECKPOINT")
    return path


def content(path: Path) -> list[list[tuple[object, ...]]]:
    with duckdb.connect(str(path), read_only=True) as database:
        return [
            database.execute(query).fetchall()
            for query in (
                "SELECT count(*), sum(hash(t)::HUGEINT) FROM recruit.things t",
                "SELECT * FROM recruit.few ORDER BY id",
                "SELECT comment FROM duckdb_tables() ORDER BY ALL",
                "SELECT comment FROM duckdb_columns() WHERE comment IS NOT NULL",
                "FROM recruit_history.things",
                "SELECT *, twice(one) FROM own",
            )
        ]


def test_the_copy_is_smaller_and_holds_the_same(path: Path) -> None:
    before, mode = content(path), 0o640
    path.chmod(mode)
    sizes = compact(str(path), 0)
    assert content(path) == before
    assert sizes.after == path.stat().st_size < 0.7 * sizes.before
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert {each.name for each in path.parent.iterdir()} <= {
        path.name,
        f"{path.name}.compacting.lock",
    }


def test_foreign_keys_are_copied_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "keys.duckdb"
    with connection(str(path), {}, 0) as database:
        database.execute("CREATE TABLE parts (id VARCHAR PRIMARY KEY)")
        database.execute("CREATE TABLE also (part VARCHAR REFERENCES parts (id))")
        database.execute("INSERT INTO parts VALUES ('1')")
        database.execute("INSERT INTO also VALUES ('1')")
    if duckdb.__version__.startswith("1."):
        with pytest.raises(DatabaseProblem, match="Drop the foreign key, or upgrade DuckDB"):
            compact(str(path), 0)
    else:
        compact(str(path), 0)
    with duckdb.connect(str(path), read_only=True) as database:
        assert database.execute("FROM also").fetchall() == [("1",)]


def test_what_a_link_leads_to_is_compacted(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(path)
    before = path.stat().st_size
    compact(str(link), 0)
    assert link.is_symlink()
    assert path.stat().st_size < before


def test_nobody_can_write_until_the_copy_is_in_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = f"import duckdb; duckdb.connect({str(path)!r}).execute('DROP TABLE own')"
    replace, tried = os.replace, []

    def try_to_write(*names: str) -> None:
        done = subprocess.run([sys.executable, "-c", write], capture_output=True, check=False)
        tried.append(done.stderr)
        replace(*names)

    monkeypatch.setattr(os, "replace", try_to_write)
    before = content(path)
    compact(str(path), 0)
    assert b"Could not set lock" in tried[0]
    assert content(path) == before


@FULL
def test_killed_before_the_end_it_leaves_the_file_and_the_next_one_tidies(path: Path) -> None:
    before, size = content(path), path.stat().st_size
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert path.stat().st_size == size
    assert content(path) == before
    (left,) = path.parent.glob(f".{path.name}.compacting-*")
    assert stat.S_IMODE(left.stat().st_mode) == 0o700  # the copy holds personal data
    compact(str(path), 0)
    assert content(path) == before
    assert not left.exists()


@FULL
def test_what_a_writer_leaves_who_is_killed_meanwhile_is_compacted_next_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bool] = []

    def folder() -> Folder:
        if not left:  # just now somebody writes, and is killed
            subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False)
            left.append(Path(f"{path}.wal").exists())
        return Folder()

    monkeypatch.setattr("recruit_assets.load.copies.Folder", folder)
    compact(str(path), 5)
    assert left == [True]
    assert content(path)[-1] == [(1, [1, None], 2), (2, None, 4)]


def test_a_file_that_is_held_or_missing_is_a_sentence(path: Path, tmp_path: Path) -> None:
    with held_elsewhere(path), pytest.raises(DatabaseBusy, match="is still held by"):
        compact(str(path), 0)
    with (
        FileLock(f"{path}.compacting.lock"),
        pytest.raises(DatabaseBusy, match="is already being compacted"),
    ):
        compact(str(path), 0)
    with pytest.raises(DatabaseProblem, match="materialize something first"):
        compact(str(tmp_path / "none.duckdb"), 0)
