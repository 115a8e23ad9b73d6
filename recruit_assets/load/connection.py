"""Opening the DuckDB file: waiting while another process holds it, and translating its errors.

DuckDB lets one process write, and none read at the same time. So a file is open only while it is
needed, and a busy one is waited for. A process that has the file open in DuckDB must never open it
as an ordinary file: closing that handle silently drops DuckDB's lock. `engine` starts DuckDB.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any, ParamSpec, TypeVar

import backoff
import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.disk import disk_problem
from recruit_assets.load.engine import Engine, FileReplaced, opened, prepare_to_write
from recruit_assets.load.messages import problem_of
from recruit_assets.load.scratch import remove_copies
from recruit_assets.text import one_line

P = ParamSpec("P")
R = TypeVar("R")

MAX_CREATION_SECONDS = 10.0  # seconds after which no process is still creating the database
MIN_WAIT, MAX_WAIT = 0.01, 0.5  # seconds between two tries; a lock is free within 5 ms
INTERRUPTED = "Query interrupted"  # DuckDB's message when a signal ends a query


@contextmanager
def connection(
    path: str, config: dict[str, Any], wait_seconds: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database for writing, and close it on exit, even after an error.

    Args:
        path: the file; it is created if its folder exists.
        config: DuckDB's own options.
        wait_seconds: how long to wait while another process holds the file.

    Raises:
        DatabaseProblem: the message says what is wrong and what to do.
    """
    check_path(path)
    file = os.path.realpath(path)  # DuckDB keeps its log next to the path that it is given
    engine = patient(wait_seconds)(_open)(file, config, wait_seconds)
    try:
        remove_copies(file)
        with translate_duckdb_errors(path, wait_seconds), engine.cursor() as database:
            yield database
    except BaseException:
        with suppress(duckdb.Error):  # of a damaged file, which has been reported
            engine.close()
        raise
    with translate_duckdb_errors(path, wait_seconds, committed=True):
        engine.close()


def patient(wait_seconds: float) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that retries while the file is busy."""
    return backoff.on_exception(
        backoff.expo,
        DatabaseBusy,
        max_time=wait_seconds,
        factor=MIN_WAIT,
        max_value=MAX_WAIT,
        logger=None,
    )


@contextmanager
def translate_duckdb_errors(
    path: str, wait_seconds: float, *, committed: bool = False
) -> Iterator[None]:
    """Translate DuckDB's errors about a file into sentences.

    Args:
        path: the file.
        wait_seconds: how long a busy file was waited for.
        committed: whether everything was committed before the block.

    Raises:
        DatabaseProblem: the message says what is wrong and what to do.
        KeyboardInterrupt: a signal ended the query.
    """
    try:
        with _raising_interrupts():
            yield
    except duckdb.Error as error:
        raise problem_of(path, error, wait_seconds, committed=committed) from error


@contextmanager
def _raising_interrupts() -> Iterator[None]:
    """Turn DuckDB's error for a signal back into an interrupt.

    DuckDB replaces the exception of the signal's handler with a plain RuntimeError, which Dagster
    would take for a failure of one step, and continue with the others.

    Raises:
        KeyboardInterrupt: a signal ended the query.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) == INTERRUPTED:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def transaction(database: duckdb.DuckDBPyConnection, *, keep: bool = True) -> Iterator[None]:
    """Run the block in a transaction; roll back on error, or if nothing is to be kept."""
    prepare_to_write(database)
    database.execute("BEGIN TRANSACTION")
    try:
        yield
        database.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        with suppress(duckdb.Error):  # a failed COMMIT has already rolled back
            database.execute("ROLLBACK")
        raise


def exists(path: str) -> bool:
    """Return whether there is a database, without opening it, which would create it.

    Raises:
        DatabaseProblem: the path cannot become a database.
    """
    check_path(path)
    return Path(path).exists()


def check_path(path: str) -> None:
    """Refuse a path that cannot become a database.

    Raises:
        DatabaseProblem: the message says what is wrong and what to do.
    """
    if path == ":memory:":
        raise DatabaseProblem(
            "A database in memory would be lost when the run ends: set RECRUIT_DATABASE to a file."
        )
    file = Path(path)
    if "?" in os.path.realpath(path):
        raise DatabaseProblem(
            f"{one_line(path)} contains a question mark, so DuckDB would write its log "
            "elsewhere: set RECRUIT_DATABASE to a path without one."
        )
    folder = file.absolute().parent
    # os.path returns False if access is denied; pathlib raises.
    if not os.path.isdir(folder):
        raise DatabaseProblem(
            f"There is no folder {folder}, or it is not accessible: create it, or set "
            "RECRUIT_DATABASE to another path."
        )
    real = os.path.realpath(path)
    if os.path.islink(real) or not os.path.isdir(os.path.dirname(real)):
        raise DatabaseProblem(
            f"{file} is a link to {real}, where no file exists or can be created: create the "
            "folder there, or set RECRUIT_DATABASE to another path."
        )
    if file.is_dir():
        raise DatabaseProblem(f"{file} is a folder: set RECRUIT_DATABASE to a file.")
    if file.exists() and not stat.S_ISREG(file.stat().st_mode):
        raise DatabaseProblem(
            f"{file} is a pipe, a socket or a device: set RECRUIT_DATABASE to a file."
        )
    for place in (folder, file):
        if place.exists() and not os.access(place, os.W_OK):
            raise DatabaseProblem(
                f"{place} is not writable: change its permissions, or set RECRUIT_DATABASE to "
                "another path."
            )


def _open(path: str, config: dict[str, Any], wait_seconds: float) -> Engine:
    try:
        with _raising_interrupts():
            return opened(path, config)
    except FileReplaced as error:
        raise DatabaseBusy(f"{path} was just compacted: run it again.") from error
    except OSError as error:
        problem = disk_problem(str(error), path)
        raise problem or DatabaseProblem(f"{path} cannot be written: {error}.") from error
    except duckdb.Error as error:
        if _is_empty(path):
            if time() - os.path.getmtime(path) > MAX_CREATION_SECONDS:
                os.unlink(path)
            # A process is creating it, or was killed while creating it; then it is gone next time.
            raise DatabaseBusy(f"{path} is still empty after {wait_seconds:g} s.") from error
        raise problem_of(path, error, wait_seconds) from error


def _is_empty(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) == 0
