"""Read-only access to the DuckDB file.

Scope: opening the file for reading only, and whether a sync could write to it. `connection` opens
it for writing.
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
    """Return whether there is a database; the file of one that was never finished is empty."""
    return os.path.isfile(path) and os.path.getsize(path) > 0


@contextmanager
def reading(path: str, wait_seconds: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database for reading only: nothing is created, changed, or kept from other readers.

    Args:
        path: the file, which must exist.
        wait_seconds: how long to wait while another process writes to it.

    Raises:
        DatabaseProblem: the message says what is wrong and what to do.
    """
    with start({}) as database:
        patient(wait_seconds)(_attach)(database, path, wait_seconds, "READ_ONLY")
        with translate_duckdb_errors(path, wait_seconds):
            database.execute(f"USE {quoted(ALIAS)}")
            database.execute("SET TimeZone = 'UTC'")
            yield database


def check_writable(path: str, wait_seconds: float) -> None:
    """Refuse a file that a sync could not write to now; the file stays unchanged.

    Args:
        path: the file, which may not exist.
        wait_seconds: how long to wait while another process holds it.

    Raises:
        DatabaseProblem: the message says what is wrong, or which process holds it, and what to do.
    """
    check_path(path)
    if not is_made(path) or Path(f"{path}.wal").exists():
        return  # there is nothing to open, or opening it would recover a killed run's log

    # A reader keeps a sync out as well. DuckDB takes its write lock when it opens a file, and
    # writes nothing to it before a statement does.
    with start({}) as database:
        patient(wait_seconds)(_attach)(database, path, wait_seconds)


def _attach(
    database: duckdb.DuckDBPyConnection, path: str, wait_seconds: float, *options: str
) -> None:
    with translate_duckdb_errors(path, wait_seconds):
        database.execute(attaching(os.path.realpath(path), ALIAS, *options))
