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
from time import sleep

import duckdb
from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.connection import STORAGE, connection, database_name, explaining
from recruit_assets.load.names import literal, quoted

COPY = "compacted"
LINGER = 0.2  # seconds

_DEFINED = {  # in DuckDB's catalog: what it lists, and what must be the same of each
    "duckdb_tables": "schema_name, table_name, sql, comment",
    "duckdb_columns": "schema_name, table_name, column_name, comment",
    "duckdb_views": "schema_name, view_name, sql, comment",
    "duckdb_indexes": "schema_name, index_name, sql",
    "duckdb_sequences": "schema_name, sequence_name",
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
    copy = file.with_name(f"{file.name}.compacting")
    with _alone(file), explaining(path, wait_seconds):
        with connection(path, {}, wait_seconds) as database:
            database.execute("CHECKPOINT")  # a killed run may have left something beside the file
        before = file.stat().st_size
        copy.unlink(missing_ok=True)  # of a compaction that was killed
        try:
            _copy(path, copy)
        finally:
            copy.unlink(missing_ok=True)  # where it is still: it failed
    return Sizes(before, file.stat().st_size)


def _copy(path: str, copy: Path) -> None:
    old = database_name(path)
    with duckdb.connect(":memory:", config=dict(STORAGE)) as both:
        both.execute(f"ATTACH {literal(path)} AS {quoted(old)} (READ_ONLY)")
        both.execute(f"ATTACH {literal(str(copy))} AS {quoted(COPY)}")
        both.execute(f"COPY FROM DATABASE {quoted(old)} TO {quoted(COPY)}")
        if _content(both, old) != _content(both, COPY):
            raise DatabaseProblem(f"A copy of {path} came out different, so it was thrown away.")
        both.execute(f"DETACH {quoted(COPY)}")
        shutil.copymode(path, copy)
        os.replace(copy, os.path.realpath(path))
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
