"""Compaction: a copy of the database without the versions of rows that were replaced since.

DuckDB writes a new version beside the old one and gives the room back to itself, not to the disk.
The copy is compared with the original and takes its place in one step. Writers are kept out by
DuckDB's own lock for readers, so nothing that is written can be lost in between.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

import backoff
import duckdb
from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.connection import connection, explaining
from recruit_assets.load.engine import attaching, start
from recruit_assets.load.folder import Folder
from recruit_assets.load.names import quoted

OLD, COPY, PLACE = "original", "compacted copy", "compacting"
LINGER = 0.2  # seconds

_DEFINED = {  # in DuckDB's catalog: what it lists, and what must be the same of each
    "duckdb_tables": "schema_name, table_name, sql, comment",
    "duckdb_columns": "schema_name, table_name, column_name, comment",
    "duckdb_views": "schema_name, view_name, sql, comment",
    "duckdb_indexes": "schema_name, index_name, sql",
    "duckdb_sequences": "schema_name, sequence_name",
    "duckdb_types": "schema_name, type_name, logical_type, labels",
    "duckdb_functions": "schema_name, function_name, macro_definition",
}


@dataclass(frozen=True)
class Sizes:
    """Bytes of the file."""

    before: int
    after: int


def compact(path: str, wait_seconds: float) -> Sizes:
    """Put a compact copy in the place of a database.

    Args:
        path: the file, which must be there.
        wait_seconds: how long to wait while another process holds it.

    Raises:
        DatabaseProblem: with what is wrong; the file is as it was.
    """
    if not Path(path).exists():
        raise DatabaseProblem(f"There is no {path} yet: materialize something first.")
    file = Path(path).resolve()
    attempt = backoff.on_exception(
        backoff.expo, DatabaseBusy, max_time=wait_seconds, max_value=1, logger=None
    )(_attempt)
    with _alone(file):
        before = file.stat().st_size
        for left in file.parent.glob(f".{file.name}.{PLACE}-*"):
            shutil.rmtree(left)  # of a compaction that was killed
        attempt(file, wait_seconds)
    return Sizes(before, file.stat().st_size)


def _attempt(file: Path, wait_seconds: float) -> None:
    """Copy, compare, and swap, unless somebody writes between the first two of these steps."""
    with connection(str(file), {}, wait_seconds) as database:
        database.execute("CHECKPOINT")  # a killed run may have left something beside the file
    spill = Folder()
    try:
        with (
            TemporaryDirectory(prefix=f".{file.name}.{PLACE}-", dir=file.parent) as place,
            explaining(str(file), wait_seconds),
            start({"temp_directory": str(spill.path / "spill")}) as database,
        ):
            _copy(database, file, Path(place) / file.name)
    finally:
        spill.close()


def _copy(database: duckdb.DuckDBPyConnection, file: Path, copy: Path) -> None:
    database.execute(attaching(str(file), OLD, "READ_ONLY"))
    if Path(f"{file}.wal").exists():
        raise DatabaseBusy(f"{file} was written to just now, and not to the end: run it again.")
    database.execute(attaching(str(copy), COPY))
    database.execute(f"COPY FROM DATABASE {quoted(OLD)} TO {quoted(COPY)}")
    if _content(database, OLD) != _content(database, COPY):
        raise DatabaseProblem(f"A copy of {file} came out different, so it was thrown away.")
    database.execute(f"DETACH {quoted(COPY)}")
    shutil.copymode(file, copy)
    os.replace(copy, file)
    # Who opened the old file just now must still find it locked, and so turn to the new one.
    sleep(LINGER)


def _content(database: duckdb.DuckDBPyConnection, name: str) -> list[list[tuple[object, ...]]]:
    """Everything that a database holds: what is defined in it, and a digest of each table."""
    found = [
        database.execute(
            f"SELECT {columns} FROM {listed}() WHERE database_name = ? ORDER BY ALL", [name]
        ).fetchall()
        for listed, columns in _DEFINED.items()
    ]
    for schema, table, *_ in found[0]:
        rows = f"{quoted(name)}.{quoted(schema)}.{quoted(table)}"
        digest = f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {rows} t"
        found.append(database.execute(digest).fetchall())
    return found


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep a second compaction out, whose copy would be older than what is written meanwhile."""
    try:
        with FileLock(f"{file}.compacting.lock", blocking=False):
            yield
    except Timeout:
        raise DatabaseBusy(f"{file} is being compacted already.") from None
