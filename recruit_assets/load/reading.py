"""Looking at the DuckDB file without changing it.

What lives here: opening it for reading only, and whether a sync could write to it. Opening it for
writing is in `connection`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from recruit_assets.load.connection import check_path, patient, translate_duckdb_errors
from recruit_assets.load.engine import ALIAS, attaching, start
from recruit_assets.load.sql import quoted


def is_made(path: str) -> bool:
    """Whether there is a database: the file of one that was never finished is empty."""
    return os.path.isfile(path) and os.path.getsize(path) > 0


@contextmanager
def reading(path: str, wait_seconds: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database, open for reading only: nothing is made, changed, or kept from other readers.

    Args:
        path: the file, which must be there.
        wait_seconds: how long to wait while another process writes to it.

    Raises:
        DatabaseProblem: with what is wrong and what to do.
    """
    with start({}) as database:
        patient(wait_seconds)(_attach)(database, path, wait_seconds, "READ_ONLY")
        with translate_duckdb_errors(path, wait_seconds):
            database.execute(f"USE {quoted(ALIAS)}")
            database.execute("SET TimeZone = 'UTC'")
            yield database


def check_writable(path: str, wait_seconds: float) -> None:
    """Refuse a file that a sync could not write to just now; it stays as it is.

    Args:
        path: the file, there or not.
        wait_seconds: how long to wait while another process holds it.

    Raises:
        DatabaseProblem: with what is wrong, or who holds it, and what to do.
    """
    check_path(path)
    if not is_made(path) or Path(f"{path}.wal").exists():
        return  # there is nothing to open, or opening it would clear up after a killed run

    # Who only reads keeps a sync out as well. DuckDB takes its lock for writing when it opens a
    # file, and writes nothing to it until it is told to.
    with start({}) as database:
        patient(wait_seconds)(_attach)(database, path, wait_seconds)


def _attach(
    database: duckdb.DuckDBPyConnection, path: str, wait_seconds: float, *options: str
) -> None:
    with translate_duckdb_errors(path, wait_seconds):
        database.execute(attaching(os.path.realpath(path), ALIAS, *options))
