"""The DuckDB that files are attached to: their modes, their names, and what it must not do."""

import multiprocessing
import os
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.reading import reading
from recruit_assets.marts.report import write


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0, 0o022])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_nobody_else_may_read_a_database_its_log_or_the_report(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    with connection(str(path), {}, 0) as database:
        for number in range(2):
            with transaction(database):
                database.execute(f"CREATE TABLE t{number} AS SELECT 'Ada' AS name")
                assert (mode(path), mode(f"{path}.wal")) == (0o600, 0o600)
            database.execute("CHECKPOINT")  # which removes the log
    assert mode(path) == 0o600
    assert mode(write("<p>", tmp_path / "report.html")) == 0o600


@pytest.mark.usefixtures("_umask")
def test_files_keep_the_mode_that_their_owner_gave_them(tmp_path: Path) -> None:
    path, page = tmp_path / "own.duckdb", tmp_path / "report.html"
    duckdb.connect(str(path)).close()
    page.touch()
    for each in (path, page):
        each.chmod(0o640)
    with connection(str(path), {}, 0) as database, transaction(database):
        database.execute("CREATE TABLE t AS SELECT 1 AS i")
        assert (mode(path), mode(f"{path}.wal")) == (0o640, 0o640)
    assert (mode(path), mode(write("<p>", page))) == (0o640, 0o640)


def test_a_link_to_a_database_is_followed_to_its_log_as_well(tmp_path: Path) -> None:
    path, link = tmp_path / "there" / "real.duckdb", tmp_path / "link.duckdb"
    path.parent.mkdir()
    link.symlink_to(path)
    with connection(str(link), {}, 0) as database, transaction(database):
        database.execute("CREATE TABLE t AS SELECT 1 AS i")
        assert mode(f"{path}.wal") == 0o600
        assert not os.path.lexists(f"{link}.wal")


@pytest.mark.parametrize("name", ["recruit", "recruit_meta", "main", "memory", "a b'c\"d"])
def test_a_file_called_like_a_schema_makes_no_name_ambiguous(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / f"{name}.duckdb")
    with connection(path, {}, 0) as database:
        database.execute("CREATE SCHEMA recruit")
        database.execute("CREATE TABLE recruit.jobs AS SELECT 1 AS i")
        database.execute("CREATE SCHEMA recruit_meta")
        database.execute("CREATE TABLE recruit_meta.syncs AS SELECT 2 AS i")
    with reading(path, 0) as database:
        assert database.execute("FROM recruit.jobs, recruit_meta.syncs").fetchall() == [(1, 2)]


def make_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t AS SELECT 1")
    database.close()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


MADE: dict[str, Callable[[Path], object]] = {
    "sqlite": make_sqlite,
    "parquet": lambda path: pq.write_table(pa.table({"id": ["1"]}), path),
    "csv": lambda path: path.write_text("id,name\n1,Ada\n" * 1000),
    "zip": lambda path: path.write_bytes(b"PK\3\4" + bytes(9000)),
    "one byte": lambda path: path.write_bytes(b"x"),
    "folder": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "socket": make_socket,
}


@pytest.mark.parametrize("kind", MADE)
def test_what_is_no_database_is_a_sentence_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket may not be long
    path = Path("x.duckdb")
    MADE[kind](path)
    before = path.read_bytes() if path.is_file() else path.stat()
    with pytest.raises(DatabaseProblem) as raised, connection(str(path), {}, 0):
        pass
    assert "set RECRUIT_DATABASE to" in str(raised.value)
    assert "xtension" not in str(raised.value)
    assert (path.read_bytes() if path.is_file() else path.stat()) == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("reads", [True, False])
def test_nothing_is_fetched_or_made_possible_again(tmp_path: Path, *, reads: bool) -> None:
    path = str(tmp_path / "x.duckdb")
    with connection(path, {}, 0):
        pass
    own = {"threads": 2}  # an engine that no other test uses, as its limit stays
    with reading(path, 0) if reads else connection(path, own, 0) as database:
        for name in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert database.execute(f"SELECT current_setting('{name}')").fetchall() == [(False,)]
            with pytest.raises(duckdb.Error, match="locked"):
                database.execute(f"SET {name} = true")
        database.execute("SET memory_limit = '1GB'")  # as a merge does


def test_the_bound_on_memory_is_lifted_after_the_block(tmp_path: Path) -> None:
    with connection(str(tmp_path / "x.duckdb"), {"memory_limit": "1GB"}, 0) as database:
        big = "SELECT len(list(i)) FROM range(12_000_000) t(i)"  # 96 MB that cannot be spilled
        with bounded_memory(database, rows=1, size=1), pytest.raises(duckdb.OutOfMemoryException):
            database.execute(big)
        assert database.execute(big).fetchall() == [(12_000_000,)]


def _write(path: str) -> None:
    with connection(path, {}, 5) as database, transaction(database):
        database.execute("INSERT INTO t SELECT count(*) FROM range(1_000_000)")


@pytest.mark.ring(2)
def test_a_forked_process_opens_what_its_parent_has_used(tmp_path: Path) -> None:
    path = str(tmp_path / "x.duckdb")
    with connection(path, {}, 0) as database:
        database.execute("CREATE TABLE t AS SELECT count(*) AS i FROM range(1_000_000)")
    process = multiprocessing.get_context("fork").Process(target=_write, args=(path,))
    process.start()
    process.join(60)
    process.kill()
    assert process.exitcode == 0
    with connection(path, {}, 0) as database:
        assert database.execute("SELECT count(*) FROM t").fetchall() == [(2,)]
