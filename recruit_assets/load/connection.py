"""Opening the DuckDB file: waiting for whoever holds it, and saying what is wrong with it.

DuckDB lets one process write, and nobody read meanwhile. So a file is opened only for as long as
it is needed, and a busy one is waited for. The file must never be opened as an ordinary file by a
process that has it open in DuckDB: closing that handle drops DuckDB's lock without a word.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any

import backoff
import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseChanged, DatabaseProblem

# What DuckDB 2 writes by default, 1.5 and the tools built on it cannot open.
STORAGE = {"storage_compatibility_version": "v1.5.0"}
STILLBORN = 10.0  # seconds after which nobody is making an empty file into a database any more
SHORTEST_WAIT, LONGEST_WAIT = 0.01, 0.5  # seconds between two tries; a lock is free within 5 ms


@contextmanager
def connection(
    path: str, config: dict[str, Any], wait_seconds: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database, open for writing, closed on the way out whatever happens.

    Args:
        path: the file; it is created if its folder is there.
        config: DuckDB's own options.
        wait_seconds: how long to wait while another process holds the file.

    Raises:
        DatabaseProblem: with what is wrong and what to do.
    """
    check_path(path)
    opened = backoff.on_exception(
        backoff.expo,
        DatabaseBusy,
        max_time=wait_seconds,
        factor=SHORTEST_WAIT,
        max_value=LONGEST_WAIT,
        logger=None,
    )(_open)
    database = opened(path, {**STORAGE, **config}, wait_seconds)
    try:
        database.execute("SET TimeZone = 'UTC'")
        yield database
    except duckdb.Error as error:
        raise _problem(path, error, wait_seconds) from error
    finally:
        database.close()


@contextmanager
def transaction(database: duckdb.DuckDBPyConnection, *, keep: bool = True) -> Iterator[None]:
    """All or nothing of what is done in the block; nothing also if it is not to be kept."""
    database.execute("BEGIN TRANSACTION")
    try:
        yield
        database.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        with suppress(duckdb.Error):  # a COMMIT that failed has rolled back already
            database.execute("ROLLBACK")
        raise


def check_path(path: str) -> None:
    """Refuse a path that cannot become a database.

    Raises:
        DatabaseProblem: with what is wrong and what to do.
    """
    if path == ":memory:":
        raise DatabaseProblem(
            "A database in memory would be gone with the run: set RECRUIT_DATABASE to a file."
        )
    file = Path(path)
    folder = file.absolute().parent
    # os.path answers False for what may not be looked at, where pathlib raises.
    if not os.path.isdir(folder):
        raise DatabaseProblem(
            f"There is no folder {folder}, or it may not be entered: create it, or set "
            "RECRUIT_DATABASE elsewhere."
        )
    if file.is_dir():
        raise DatabaseProblem(f"{file} is a folder: set RECRUIT_DATABASE to a file.")
    for place in (folder, file):
        if place.exists() and not os.access(place, os.W_OK):
            raise DatabaseProblem(
                f"{place} may not be written: change its rights, or set RECRUIT_DATABASE elsewhere."
            )


def _open(path: str, config: dict[str, Any], wait_seconds: float) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(path, config=config)
    except duckdb.Error as error:
        if _is_empty(path):
            if time() - os.path.getmtime(path) > STILLBORN:
                os.unlink(path)
            # Somebody makes it just now, or was killed while doing so, and it is gone next time.
            raise DatabaseBusy(f"{path} is empty, also after {wait_seconds:g} s.") from error
        raise _problem(path, error, wait_seconds) from error


def _is_empty(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) == 0


def _problem(path: str, error: duckdb.Error, wait_seconds: float) -> DatabaseProblem:
    text = str(error)
    if "Could not set lock on file" in text:
        holder = re.search(r"held in (.+?\(PID \d+\))", text)
        return DatabaseBusy(
            f"{path} is held by {holder.group(1) if holder else 'another process'}, also after "
            f"{wait_seconds:g} s: close it there (a shell or a notebook counts), then run again."
        )
    if "not a valid DuckDB database" in text:
        return DatabaseProblem(
            f"{path} is not a DuckDB database, so it was left alone: set RECRUIT_DATABASE to "
            "another file."
        )
    if isinstance(error, duckdb.TransactionException):
        return DatabaseChanged(f"{path} was changed by another run: {text}")
    return DatabaseProblem(f"DuckDB could not use {path}: {text}")
