"""Compaction: a copy of the database without the row versions that were replaced.

DuckDB keeps replaced versions of rows and reuses their space instead of returning it to the disk.
So erased personal values stay in the bytes of the file until it is compacted. The copy is compared
with the original and replaces it in one step (see `copies`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import disk_usage
from typing import Any

import duckdb

from recruit_assets.errors import DatabaseProblem, NoSpaceLeft
from recruit_assets.load.connection import connection, exists
from recruit_assets.load.copies import COPY, OLD, copy_all, exclusive, make_copy
from recruit_assets.load.destination import destination
from recruit_assets.load.erasure import (
    COMPACTIONS,
    check_notes,
    note_compaction,
    pending,
    was_compacted_on,
)
from recruit_assets.load.lake import Lake
from recruit_assets.load.layout import META
from recruit_assets.load.obstacles import translate_table_errors
from recruit_assets.load.reading import is_made
from recruit_assets.load.sql import quoted, unused
from recruit_assets.load.upkeep import keep_up

DAY = timedelta(days=1)
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
        path: the file, which must exist, or the address of a lake.
        wait_seconds: how long to wait while another process holds or compacts it.
        config: DuckDB's own options.

    Raises:
        DatabaseProblem: the message says what is wrong; the file is unchanged.
    """
    if not exists(path):
        raise DatabaseProblem(f"There is no {path} yet: materialize something first.")
    if isinstance(destination(path), Lake):
        return Sizes(*keep_up(path, wait_seconds, config or {}, erased=True))
    file = Path(path).resolve()
    with exclusive(file, wait_seconds):
        return _compact(file, wait_seconds, dict(config or {}))


def make_erasure_final(
    path: str, wait_seconds: float, config: Mapping[str, Any], *, within_run: bool = False
) -> Sizes | None:
    """Compact a database from whose tables personal values were erased, at most once a day.

    Args:
        path: the file, which may not exist, or the address of a lake.
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
    options = dict(config)
    if isinstance(destination(path), Lake):
        return _keep_up(path, wait_seconds, options, within_run=within_run)
    file = Path(path).resolve()
    if not is_made(path) or not _is_due(file, wait_seconds, options, within_run=within_run):
        return None
    with exclusive(file, wait_seconds):
        # Another run may have done it while this one waited.
        if not _is_due(file, wait_seconds, options, within_run=within_run):
            return None
        return _compact(file, wait_seconds, options)


def _keep_up(
    address: str, wait_seconds: float, config: dict[str, Any], *, within_run: bool
) -> Sizes | None:
    """Keep up a lake, at the end of each run; return the sizes if values were erased."""
    if not exists(address):
        return None
    is_due = _is_due(address, wait_seconds, config, within_run=within_run)
    if within_run and not is_due:
        return None
    sizes = keep_up(address, wait_seconds, config, erased=is_due)
    return Sizes(*sizes) if is_due else None


def _is_due(
    file: Path | str, wait_seconds: float, config: dict[str, Any], *, within_run: bool
) -> bool:
    now = datetime.now(UTC)
    with connection(str(file), config, wait_seconds) as database:
        found = pending(database)
        if found is None or was_compacted_on(database, now):
            return False
    return not within_run or now - found.since > DAY


def _compact(file: Path, wait_seconds: float, config: dict[str, Any]) -> Sizes:
    before = file.stat().st_size
    with connection(str(file), config, wait_seconds) as database:
        check_notes(database)
        _check_room(database, file)
    make_copy(file, file, wait_seconds, config, lambda database: _copy(database, file))
    return Sizes(before, file.stat().st_size)


def _copy(database: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Copy everything, and compare the copy with the original."""
    copy_all(database, file)
    if _content(database, OLD) != _content(database, COPY):
        raise DatabaseProblem(f"The copy of {file} differs from the original, so it was discarded.")
    with translate_table_errors(f"{META}.{COMPACTIONS}"):
        note_compaction(database, COPY)


def _check_room(database: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Refuse to start a copy that there is no room for.

    Raises:
        NoSpaceLeft: the message says how much room it takes.
    """
    ((needed,),) = database.execute(
        "SELECT used_blocks * block_size FROM pragma_database_size() "
        "WHERE database_name = current_database()"
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
