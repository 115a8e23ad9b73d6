"""Read-only access to the DuckDB file.

Scope: opening the file for reading only, and whether a sync could write to it. `connection` opens
it for writing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from recruit_assets.load.connection import asked, patient, translate_duckdb_errors
from recruit_assets.load.destination import destination
from recruit_assets.load.engine import ALIAS, start
from recruit_assets.load.sql import quoted


def is_made(path: str) -> bool:
    """Return whether there is a database; the file of one that was never finished is empty.

    Raises:
        DatabaseProblem: the address of a lake is wrong, or its catalogue cannot be reached.
    """
    place = destination(path)
    return asked(place, path, place.is_made)


@contextmanager
def reading(path: str, wait_seconds: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database for reading only: nothing is created, changed, or kept from other readers.

    Args:
        path: the file, which must exist, or the address of a lake.
        wait_seconds: how long to wait while another process writes to it.

    Raises:
        DatabaseProblem: the message says what is wrong and what to do.
    """
    with start({}) as database:
        attach = destination(path).attach_read_only
        patient(wait_seconds)(_attach)(database, path, attach, wait_seconds)
        with translate_duckdb_errors(path, wait_seconds):
            database.execute(f"USE {quoted(ALIAS)}")
            database.execute("SET TimeZone = 'UTC'")
            yield database


def check_writable(path: str, wait_seconds: float) -> None:
    """Refuse a database that a sync could not write to now; it stays unchanged.

    Args:
        path: the file, which may not exist, or the address of a lake.
        wait_seconds: how long to wait while another process holds it.

    Raises:
        DatabaseProblem: the message says what is wrong, or which process holds it, and what to do.
    """
    place = destination(path)
    place.check()
    if is_made(path):
        with start({}) as database:
            patient(wait_seconds)(_attach)(database, path, place.try_to_attach, wait_seconds)


def _attach(
    database: duckdb.DuckDBPyConnection,
    path: str,
    attach: Callable[[duckdb.DuckDBPyConnection, str], None],
    wait_seconds: float,
) -> None:
    with translate_duckdb_errors(path, wait_seconds):
        attach(database, ALIAS)
