import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import duckdb
import pytest

from recruit_assets.errors import DatabaseBusy, DatabaseChanged, DatabaseProblem
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.memory import bounded_memory

HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""

# Root may write everywhere, so it becomes nobody first.
CHECK = """
import os, sys
from recruit_assets.load.destination import destination
if os.getuid() == 0:
    os.setuid(65534)
destination(sys.argv[1]).check()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the file open until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def problem(path: Path | str, wait_seconds: float = 0) -> DatabaseProblem:
    with (
        pytest.raises(DatabaseProblem) as raised,
        connection(str(path), {}, wait_seconds) as database,
    ):
        database.execute("CREATE TABLE t (i INTEGER)")
    return raised.value


def commit_where_the_folder_is_gone(path: Path) -> None:
    with connection(str(path), {}, 0) as database, transaction(database):
        database.execute("CREATE TABLE t (i INTEGER)")
        shutil.rmtree(path.parent)


def test_a_file_that_was_removed_is_no_change_by_another_run(tmp_path: Path) -> None:
    folder = tmp_path / "removed"
    folder.mkdir()
    with pytest.raises(DatabaseProblem, match="find out what removes it") as raised:
        commit_where_the_folder_is_gone(folder / "a.duckdb")
    assert not isinstance(raised.value, DatabaseChanged)


def update_twice_at_once(path: Path) -> None:
    with connection(str(path), {}, 0) as first, connection(str(path), {}, 0) as second:
        first.execute("CREATE TABLE t AS SELECT 1 AS i")
        with transaction(first):
            first.execute("UPDATE t SET i = 2")
            second.execute("UPDATE t SET i = 3")


def test_what_another_transaction_did_is_a_change_by_another_run(tmp_path: Path) -> None:
    with pytest.raises(DatabaseChanged, match="was changed by another run"):
        update_twice_at_once(tmp_path / "a.duckdb")


def test_a_file_is_made_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    with connection(str(path), {}, 0) as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS i")
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute("SELECT i FROM t").fetchall() == [(1,)]


def test_a_process_may_change_its_folder_while_the_file_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with connection("new.duckdb", {}, 0) as database:
        monkeypatch.chdir(tmp_path / "other")
        with transaction(database):
            database.execute("CREATE TABLE t (i INTEGER)")
    assert [each.name for each in tmp_path.glob("**/*.duckdb*")] == ["new.duckdb"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    error = problem(tmp_path / "missing" / "x.duckdb")
    assert f"There is no folder {tmp_path / 'missing'}" in str(error)
    assert "set RECRUIT_DATABASE to another path" in str(error)


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    link, circle = tmp_path / "link.duckdb", tmp_path / "circle.duckdb"
    link.symlink_to(tmp_path / "missing" / "x.duckdb")
    circle.symlink_to(circle)
    assert f"{link} is a link to {tmp_path / 'missing' / 'x.duckdb'}, where" in str(problem(link))
    assert f"{circle} is a link to {circle}, where no file exists" in str(problem(circle))
    (tmp_path / "missing").mkdir()
    with connection(str(link), {}, 0) as database:
        database.execute("CREATE TABLE t (i INTEGER)")
    assert (tmp_path / "missing" / "x.duckdb").exists()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert "is a folder: set RECRUIT_DATABASE to a file" in str(problem(tmp_path))


def test_a_database_in_memory_is_refused() -> None:
    assert "would be lost when the run ends" in str(problem(":memory:"))


def test_times_are_handed_out_in_utc(tmp_path: Path) -> None:
    with connection(str(tmp_path / "x.duckdb"), {}, 0) as database:
        table = database.sql("SELECT now() AS moment").to_arrow_table()
    assert table.schema.field("moment").type.tz == "UTC"


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("shopping list\n" * 1000)
    assert "is not a DuckDB database, so it was not touched" in str(problem(path))
    assert path.read_text().startswith("shopping list")


def test_a_folder_that_may_not_be_written_is_named() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", CHECK, f"{folder}/x.duckdb"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"{folder} is not writable: change its permissions" in done.stderr


def test_a_file_that_may_not_be_written_is_named() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "x.duckdb"
        duckdb.connect(str(file)).close()
        Path(folder).chmod(0o777)
        file.chmod(0o444)
        done = subprocess.run(
            [sys.executable, "-c", CHECK, file], capture_output=True, text=True, check=False
        )
        assert f"{file} is not writable: change its permissions" in done.stderr


def test_a_file_held_by_another_process_names_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    with held_elsewhere(path) as holder:
        error = problem(path, wait_seconds=0.05)
    assert f"(PID {holder.pid})" in str(error)
    assert "after 0.05 s: close it there" in str(error)
    assert error.retryable


def test_a_busy_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    with held_elsewhere(path) as holder:
        assert holder.stdin is not None
        holder.stdin.close()
        with connection(str(path), {}, wait_seconds=60) as database:
            assert database.execute("SELECT 1").fetchall() == [(1,)]


def test_an_error_inside_closes_the_file_and_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with (
        pytest.raises(DatabaseProblem, match=r"DuckDB could not use .*nosuch"),
        connection(str(path), {}, 0) as database,
    ):
        database.execute("SELECT * FROM nosuch")
    with duckdb.connect(str(path), read_only=True):
        pass  # would raise if the file were still open for writing


def test_files_can_be_read_by_duckdb_1_5(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with connection(str(path), {}, 0) as database:
        database.execute("CREATE TABLE t (i INTEGER)")
        (tags,) = database.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchall()[0]
    assert tags["storage_version"].startswith("v1.")


def test_an_empty_file_that_a_killed_run_left_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "left.duckdb"
    path.touch()
    os.utime(path, (0, 0))
    with connection(str(path), {}, wait_seconds=5) as database:
        assert database.execute("SELECT 1").fetchall() == [(1,)]


def test_an_empty_file_that_somebody_is_making_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    path.touch()
    with (
        pytest.raises(DatabaseBusy, match="is still empty"),
        connection(str(path), {}, wait_seconds=0.1),
    ):
        pass
    assert path.exists()


@pytest.mark.parametrize("stem", ["memory", "main", "TEMP", "system", "information_schema"])
def test_a_file_may_be_called_like_something_in_duckdb(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.duckdb"
    with connection(str(path), {}, 0) as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS i")
    with duckdb.connect() as reader:  # under another name, as 1.5 cannot read one called TEMP
        reader.execute(f"ATTACH '{path}' AS kept (READ_ONLY)")
        assert reader.execute("FROM kept.t").fetchall() == [(1,)]


def test_files_can_be_open_at_once_and_one_of_them_twice(tmp_path: Path) -> None:
    paths = [str(tmp_path / name / "same.duckdb") for name in ("a", "b")]
    for path in paths:
        Path(path).parent.mkdir()
    with connection(paths[0], {}, 0) as a, connection(paths[1], {}, 0) as b:
        a.execute("CREATE TABLE t AS SELECT 'a' AS name")
        b.execute("CREATE TABLE t AS SELECT 'b' AS name")
        with connection(paths[0], {}, 0) as again:
            assert again.execute("FROM t").fetchall() == [("a",)]
        assert a.execute("FROM t").fetchall() == [("a",)]
    for path in paths:
        with duckdb.connect(path, read_only=True) as reader:
            assert reader.execute("FROM t").fetchall() == [(Path(path).parent.name,)]


def test_an_option_that_duckdb_does_not_know_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseProblem, match="nosuch"),
        connection(str(tmp_path / "x.duckdb"), {"nosuch": 1}, 0),
    ):
        pass


@pytest.mark.parametrize(("limit", "bounded"), [("1GB", True), ("20MB", False)])
def test_memory_is_bounded_for_a_while_and_never_more_than_it_was(
    tmp_path: Path, limit: str, *, bounded: bool
) -> None:
    def allowed(database: duckdb.DuckDBPyConnection) -> tuple[str, int]:
        ((memory, threads),) = database.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads')"
        ).fetchall()
        return memory, threads

    config = {"memory_limit": limit, "threads": 2}
    with connection(str(tmp_path / "x.duckdb"), config, 0) as database:
        before = allowed(database)
        with bounded_memory(database, rows=1000, size=1_000_000):
            memory, threads = allowed(database)
            assert (memory != before[0]) is bounded
            assert threads == 1
        assert allowed(database) == before


def test_a_signal_during_a_query_is_an_interrupt(tmp_path: Path) -> None:
    def write() -> None:
        with connection(str(tmp_path / "x.duckdb"), {}, 0) as database:
            Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            for _ in range(1000):  # it may come between two queries as well
                database.execute("CREATE OR REPLACE TABLE t AS SELECT * FROM range(1000000)")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", ["a?b.duckdb", "q?uery/x.duckdb"])
def test_a_question_mark_would_put_the_log_elsewhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    assert "set RECRUIT_DATABASE to a path without one" in str(problem(path))
    assert not list(path.parent.glob("*.duckdb*"))
