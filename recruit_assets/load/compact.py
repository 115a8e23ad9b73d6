"""Compaction: a copy of the database without the row versions that were replaced.

DuckDB keeps replaced versions of rows and reuses their space instead of returning it to the disk.
So erased personal values stay in the bytes of the file until it is compacted. The copy is compared
with the original and replaces it in one step. DuckDB's own read lock keeps writers out, so no write
can be lost in between.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copymode, disk_usage, rmtree
from time import sleep
from typing import Any

import backoff
import duckdb
from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseBusy, DatabaseProblem, NoSpaceLeft
from recruit_assets.load.connection import connection, translate_duckdb_errors
from recruit_assets.load.disk import PRIVATE, disk_problem
from recruit_assets.load.engine import attaching, start
from recruit_assets.load.erasure import (
    COMPACTIONS,
    check_notes,
    note_compaction,
    pending,
    was_compacted_on,
)
from recruit_assets.load.layout import META
from recruit_assets.load.obstacles import translate_table_errors
from recruit_assets.load.reading import is_made
from recruit_assets.load.scratch import Folder, copying_folder
from recruit_assets.load.sql import quoted, unused

OLD, COPY = "original", "compacted copy"
DAY = timedelta(days=1)
LINGER = 0.2  # seconds that the old file stays locked after the swap
_ROW = quoted(unused("row"))

_DEFINED = {  # function of DuckDB's catalog: the columns that must be equal in the copy
    "duckdb_tables": "schema_name, table_name, sql, comment",
    "duckdb_columns": "schema_name, table_name, column_name, comment",
    "duckdb_views": "schema_name, view_name, sql, comment",
    "duckdb_indexes": "schema_name, index_name, sql, comment",
    "duckdb_sequences": "schema_name, sequence_name, start_value, last_value, comment",
    "duckdb_types": "schema_name, type_name, logical_type, labels, comment",
    "duckdb_functions": "schema_name, function_name, macro_definition, comment",
}


@dataclass(frozen=True)
class Sizes:
    """Hold the bytes of the file."""

    before: int
    after: int


def compact(path: str, wait_seconds: float, config: Mapping[str, Any] | None = None) -> Sizes:
    """Replace a database with a compact copy.

    Args:
        path: the file, which must exist.
        wait_seconds: how long to wait while another process holds or compacts it.
        config: DuckDB's own options.

    Raises:
        DatabaseProblem: the message says what is wrong; the file is unchanged.
    """
    if not Path(path).exists():
        raise DatabaseProblem(f"There is no {path} yet: materialize something first.")
    file = Path(path).resolve()
    with _exclusive(file, wait_seconds):
        return _compact(file, wait_seconds, dict(config or {}))


def make_erasure_final(
    path: str, wait_seconds: float, config: Mapping[str, Any], *, within_run: bool = False
) -> Sizes | None:
    """Compact a database from whose tables personal values were erased, at most once a day.

    Args:
        path: the file, which may not exist.
        wait_seconds: how long to wait while another process holds or compacts it.
        config: DuckDB's own options.
        within_run: whether the run continues and may erase more; then only an erasure that is a day
            old is reason enough.

    Returns:
        The sizes before and after, or None if there is nothing to do (yet).

    Raises:
        DatabaseProblem: the message says what is wrong; the file is unchanged, and the next run
            tries again.
    """
    file, options = Path(path).resolve(), dict(config)
    if not is_made(path) or not _is_due(file, wait_seconds, options, within_run=within_run):
        return None
    with _exclusive(file, wait_seconds):
        # Another run may have done it while this one waited.
        if not _is_due(file, wait_seconds, options, within_run=within_run):
            return None
        return _compact(file, wait_seconds, options)


def _is_due(file: Path, wait_seconds: float, config: dict[str, Any], *, within_run: bool) -> bool:
    now = datetime.now(UTC)
    with connection(str(file), config, wait_seconds) as database:
        found = pending(database)
        if found is None or was_compacted_on(database, now):
            return False
    return not within_run or now - found.since > DAY


def _compact(file: Path, wait_seconds: float, config: dict[str, Any]) -> Sizes:
    attempt = backoff.on_exception(
        backoff.expo, DatabaseBusy, max_time=wait_seconds, max_value=1, logger=None
    )(_attempt)
    before = file.stat().st_size
    attempt(file, wait_seconds, config)
    return Sizes(before, file.stat().st_size)


def _attempt(file: Path, wait_seconds: float, config: dict[str, Any]) -> None:
    """Copy, compare and swap; raise DatabaseBusy if the log holds a write since the checkpoint."""
    with connection(str(file), config, wait_seconds) as database:
        check_notes(database)
        database.execute("CHECKPOINT")  # a killed run may have left a write-ahead log
    spill = Folder()
    try:
        with (
            translate_duckdb_errors(str(file), wait_seconds),
            start({"temp_directory": str(spill.path / "spill"), **config}) as database,
        ):
            database.execute(attaching(str(file), OLD, "READ_ONLY"))
            place = copying_folder(str(file))  # after locking out syncs, which would remove it
            try:
                _copy(database, file, place / file.name)
            finally:
                rmtree(place, ignore_errors=True)
    except OSError as error:
        problem = disk_problem(str(error), str(file.parent))
        raise problem or DatabaseProblem(f"{file} could not be compacted: {error}.") from error
    finally:
        spill.close()


def _copy(database: duckdb.DuckDBPyConnection, file: Path, copy: Path) -> None:
    if is_made(f"{file}.wal"):
        raise DatabaseBusy(f"{file} has an unfinished write: run it again.")
    _check_room(database, file)
    database.execute(attaching(str(copy), COPY))
    copy.chmod(PRIVATE)
    try:
        database.execute(f"COPY FROM DATABASE {quoted(OLD)} TO {quoted(COPY)}")
    except duckdb.ConstraintException as error:  # DuckDB 1.5 copies tables by name order
        raise DatabaseProblem(
            f"{file} was not compacted, and is unchanged: DuckDB {duckdb.__version__} cannot copy "
            "a table before the one that its foreign key refers to. Drop the foreign key, or "
            "upgrade DuckDB to 2.0 or later, then run the job compact."
        ) from error
    if _content(database, OLD) != _content(database, COPY):
        raise DatabaseProblem(f"The copy of {file} differs from the original, so it was discarded.")
    with translate_table_errors(f"{META}.{COMPACTIONS}"):
        note_compaction(database, COPY)
    database.execute(f"DETACH {quoted(COPY)}")
    owner, made = file.stat(), copy.stat()
    if (owner.st_uid, owner.st_gid) != (made.st_uid, made.st_gid):
        os.chown(copy, owner.st_uid, owner.st_gid)
    copymode(file, copy)
    os.replace(copy, file)
    # A process that has just opened the old file must find it locked, and so reopen the new one.
    sleep(LINGER)


def _check_room(database: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Refuse to start a copy that there is no room for.

    Raises:
        NoSpaceLeft: the message says how much room it takes.
    """
    ((needed,),) = database.execute(
        "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = ?", [OLD]
    ).fetchall()
    if disk_usage(file.parent).free < needed:
        raise NoSpaceLeft(
            f"no space left: make room (at {file.parent}), because a compact copy of {file.name} "
            f"takes up to {needed:,} bytes there. Nothing was changed."
        )


def _content(database: duckdb.DuckDBPyConnection, name: str) -> list[list[tuple[object, ...]]]:
    """Return all that a database contains: its definitions, and a digest of each table."""
    found = [
        database.execute(
            f"SELECT {columns} FROM {listed}() WHERE database_name = ? ORDER BY ALL", [name]
        ).fetchall()
        for listed, columns in _DEFINED.items()
    ]
    for schema, table, *_ in found[0]:
        rows = f"{quoted(name)}.{quoted(schema)}.{quoted(table)}"
        digest = f"SELECT count(*), sum(hash({_ROW})::HUGEINT) FROM {rows} {_ROW}"
        found.append(database.execute(digest).fetchall())
    return found


@contextmanager
def _exclusive(file: Path, wait_seconds: float) -> Iterator[None]:
    """Exclude a concurrent compaction, whose copy would be older than later writes."""
    try:
        with FileLock(f"{file}.compacting.lock", timeout=wait_seconds):
            yield
    except Timeout:
        raise DatabaseBusy(f"{file} is already being compacted.") from None
