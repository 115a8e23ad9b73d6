"""Several processes write to one lake, some are killed, and all that is read is whole."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from recruit_assets.errors import DatabaseChanged
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.reading import reading
from recruit_assets.load.stage import Stage
from recruit_assets.store import MAX_TRIES
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.load.test_merge import SMALL
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)
WRITERS, MERGES, ROWS = 3, sized(2, 4, 10), 500
PROCESSES = multiprocessing.get_context("forkserver")


def merge(database: duckdb.DuckDBPyConnection, name: str, ids: range) -> None:
    """Merge rows of this name, in the transaction that is open."""
    record_table = RecordTable(SMALL)
    with Stage() as stage:
        rows = record_table.table([Record(str(each), {"name": name}) for each in ids])
        stage.add(rows, record_table.columns, ids)
        prepare_and_merge(database, SMALL, stage, name)


def write(address: str, writer: int) -> None:
    """Merge all rows again and again, and each time a few that no other writer has."""
    for number in range(MERGES):
        with connection(address, {}, wait_seconds=60) as database:
            with transaction(database):
                merge(database, f"w{writer}n{number}", range(ROWS))
            first = ROWS + 10 * (writer * MERGES + number)
            with transaction(database):
                merge(database, "own", range(first, first + 10))


@contextmanager
def running(*processes: BaseProcess) -> Iterator[None]:
    for each in processes:
        each.start()
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.join()


def test_writers_of_one_table_all_end_right_and_readers_are_always_served(lake: Path) -> None:
    with connection(str(lake), {}, 60) as database, transaction(database):
        merge(database, "first", range(ROWS))
    processes = [
        PROCESSES.Process(target=write, args=(str(lake), writer)) for writer in range(WRITERS)
    ]
    reads = count()
    with running(*processes), lakes.connect(lake, read_only=True) as reader:
        while any(each.is_alive() for each in processes):
            next(reads)
            (found,) = reader.execute(
                "SELECT count(*), count(DISTINCT id), count(DISTINCT name) FROM recruit.small "
                f"WHERE id::INTEGER < {ROWS}"
            ).fetchall()
            assert found == (ROWS, ROWS, 1)
        assert [each.exitcode for each in processes] == [0] * WRITERS
    assert next(reads) > WRITERS * MERGES
    with lakes.connect(lake, read_only=True) as database:
        rows = "SELECT count(*), count(DISTINCT id) FROM recruit.small"
        expected = ROWS + WRITERS * MERGES * 10
        assert database.execute(rows).fetchall() == [(expected, expected)]


def hold(address: str, told: Connection) -> None:
    """Merge rows, and tell it before they are committed."""
    with connection(address, {}, wait_seconds=60) as database, transaction(database):
        merge(database, "killed", range(ROWS * 10))
        told.send("merged")
        told.recv()


def merge_and(do: Callable[[], object], lake: Path, ids: range = range(ROWS)) -> None:
    """Merge rows, and do something before they are committed."""
    with connection(str(lake), {}, 1) as database, transaction(database):
        merge(database, "ours", ids)
        do()


def names(address: Path) -> list[tuple[Any, ...]]:
    with reading(str(address), 0) as database:
        return database.execute("SELECT name, count(*) FROM recruit.small GROUP BY ALL").fetchall()


def test_a_killed_writer_leaves_nothing_and_the_next_one_goes_on(lake: Path) -> None:
    with connection(str(lake), {}, 60) as database, transaction(database):
        merge(database, "first", range(ROWS))
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=hold, args=(str(lake), theirs))
    with running(process):
        assert ours.recv() == "merged"
        assert names(lake) == [("first", ROWS)]  # a reader is served
    assert process.exitcode == -9
    assert names(lake) == [("first", ROWS)]
    with connection(str(lake), {}, 60) as database, transaction(database):
        merge(database, "second", range(ROWS))
    assert names(lake) == [("second", ROWS)]


def test_processes_that_create_a_lake_at_once_have_one(lake: Path) -> None:
    processes = [PROCESSES.Process(target=write, args=(str(lake), each)) for each in range(4)]
    with running(*processes):
        for each in processes:
            each.join()
        assert [each.exitcode for each in processes] == [0] * 4
    with lakes.connect(lake, read_only=True) as database:
        rows = "SELECT count(*), count(DISTINCT id) FROM recruit.small"
        expected = ROWS + 4 * MERGES * 10
        assert database.execute(rows).fetchall() == [(expected, expected)]


def test_another_tool_that_takes_no_turn_is_a_conflict(lake: Path) -> None:
    with connection(str(lake), {}, 60) as database, transaction(database):
        merge(database, "first", range(ROWS))
    with (
        lakes.connect(lake) as other,
        pytest.raises(DatabaseChanged, match="was changed by another run") as raised,
    ):
        merge_and(lambda: other.execute("UPDATE recruit.small SET name = 'theirs'"), lake)
    assert raised.value.retryable
    assert names(lake) == [("theirs", ROWS)]


def test_a_sync_writes_again_after_conflicts(
    project: Project,
    lake: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another tool writes in the transaction of the merge, each time but the last."""
    world, flush = project.sandbox.world, Stage.flush
    project.sync("users")
    id_ = min(world.table("users"))
    world.change("users", id_, {"title": "ours"})
    others = iter(range(MAX_TRIES - 1))

    def conflicting(stage: Stage) -> None:
        if (number := next(others, None)) is not None:
            with lakes.connect(lake) as other:
                other.execute(f"UPDATE recruit.users SET title = 'theirs{number}'")
        flush(stage)

    monkeypatch.setattr(Stage, "flush", conflicting)
    assert project.sync("users").current_rows == world.count("users")
    assert next(others, None) is None
    assert project.query(f"SELECT title FROM recruit.users WHERE id = '{id_}'") == [("ours",)]
    assert "Reading it again" not in caplog.text
