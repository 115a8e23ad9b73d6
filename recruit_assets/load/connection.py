"""Opening the database: waiting while another process holds it, and translating its errors.

DuckDB lets one process write a file, and none read at the same time. So a file is open only while
it is needed, and a busy one is waited for. A process that has the file open in DuckDB must never
open it as an ordinary file: closing that handle silently drops DuckDB's lock. `engine` starts
DuckDB.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

import backoff
import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.database_file import FileReplaced, StillEmpty
from recruit_assets.load.destination import Destination, destination
from recruit_assets.load.disk import disk_problem
from recruit_assets.load.engine import Engine, is_attached, opened, writing
from recruit_assets.load.messages import problem_of

P = ParamSpec("P")
R = TypeVar("R")

MIN_WAIT, MAX_WAIT = 0.01, 0.5  # seconds between two tries; a lock is free within 5 ms
REACH_SECONDS = 30.0  # how long the catalogue of a lake may take to come back
INTERRUPTED = "Query interrupted"  # DuckDB's message when a signal ends a query


@contextmanager
def connection(
    path: str, config: dict[str, Any], wait_seconds: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database for writing, and close it on exit, even after an error.

    Args:
        path: the file, which is created if its folder exists, or the address of a lake.
        config: DuckDB's own options.
        wait_seconds: how long to wait while another process holds the file.

    Raises:
        DatabaseProblem: the message says what is wrong and what to do.
    """
    place = destination(path)
    place.check()
    engine = patient(wait_seconds)(_open)(place, place.key, config, wait_seconds)
    try:
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
    with writing(database) as check:
        database.execute("BEGIN TRANSACTION")
        try:
            yield
            check()
            database.execute("COMMIT" if keep else "ROLLBACK")
        except BaseException:
            with suppress(duckdb.Error):  # a failed COMMIT has already rolled back
                database.execute("ROLLBACK")
            raise


@contextmanager
def snapshot(database: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let the queries of the block see one state; a lake is asked for it once, not by each."""
    database.execute("BEGIN TRANSACTION READ ONLY")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # after an error of a query
            database.execute("ROLLBACK")


def exists(path: str) -> bool:
    """Return whether there is a database, without opening it, which would create it.

    Raises:
        DatabaseProblem: there can be no database.
    """
    place = destination(path)
    place.check()
    return asked(place, path, place.exists)


def asked(place: Destination, path: str, question: Callable[[], bool]) -> bool:
    """Return the answer of a destination that is asked whether it exists.

    A lake that is attached is not asked.

    Raises:
        DatabaseProblem: the catalogue of a lake cannot be reached.
    """

    @patient(REACH_SECONDS)
    def found() -> bool:
        with translate_duckdb_errors(path, REACH_SECONDS):
            return question()

    return (place.stays and is_attached(place)) or found()


def _open(place: Destination, path: str, config: dict[str, Any], wait_seconds: float) -> Engine:
    try:
        with _raising_interrupts():
            return opened(place, config)
    except FileReplaced as error:
        raise DatabaseBusy(f"{path} was just compacted: run it again.") from error
    except StillEmpty as error:
        # A process is creating it, or was killed while creating it; then it is gone next time.
        raise DatabaseBusy(f"{path} is still empty after {wait_seconds:g} s.") from error
    except OSError as error:
        problem = disk_problem(str(error), path)
        raise problem or DatabaseProblem(f"{path} cannot be written: {error}.") from error
    except duckdb.Error as error:
        raise problem_of(path, error, wait_seconds) from error
