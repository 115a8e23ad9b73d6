"""Opening the DuckDB file: waiting for whoever holds it, and saying what is wrong with it.

DuckDB lets one process write, and nobody read meanwhile. So a file is opened only for as long as
it is needed, and a busy one is waited for. The file must never be opened as an ordinary file by a
process that has it open in DuckDB: closing that handle drops DuckDB's lock without a word. DuckDB
itself is started in `engine`.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from time import time
from typing import Any, ParamSpec, TypeVar

import backoff
import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseChanged, DatabaseProblem, NotEnoughMemory
from recruit_assets.load.disk import UNDONE, disk_problem, removal_problem
from recruit_assets.load.engine import Engine, FileReplaced, opened, prepare_to_write
from recruit_assets.load.scratch import remove_copies
from recruit_assets.text import one_line

P = ParamSpec("P")
R = TypeVar("R")

STILLBORN = 10.0  # seconds after which nobody is making an empty file into a database any more
SPILL_FULL = "max_temp_directory_size"  # DuckDB says so before the disk does
SHORTEST_WAIT, LONGEST_WAIT = 0.01, 0.5  # seconds between two tries; a lock is free within 5 ms
NO_BLOCK = "could not allocate block"  # DuckDB has no memory left, also where a commit needs it
_CONFLICT = re.compile(
    r"conflict|(another|different|concurrent) transaction|subject .*deleted", re.IGNORECASE
)
INTERRUPTED = "Query interrupted"  # what DuckDB says when a signal ends a query


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
    file = os.path.realpath(path)  # as DuckDB keeps its log beside the name that it is told
    engine = patient(wait_seconds)(_open)(file, config, wait_seconds)
    try:
        remove_copies(file)
        with translate_duckdb_errors(path, wait_seconds), engine.cursor() as database:
            yield database
    except BaseException:
        with suppress(duckdb.Error):  # of a file that is not well, which has been said
            engine.close()
        raise
    with translate_duckdb_errors(path, wait_seconds, committed=True):
        engine.close()


def patient(wait_seconds: float) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Tries again while the file is busy."""
    return backoff.on_exception(
        backoff.expo,
        DatabaseBusy,
        max_time=wait_seconds,
        factor=SHORTEST_WAIT,
        max_value=LONGEST_WAIT,
        logger=None,
    )


@contextmanager
def translate_duckdb_errors(
    path: str, wait_seconds: float, *, committed: bool = False
) -> Iterator[None]:
    """Turn what DuckDB says of a file into a sentence.

    Args:
        path: the file.
        wait_seconds: how long a busy file was waited for.
        committed: whether all that was to be written is in the file whatever happens here.

    Raises:
        DatabaseProblem: with what is wrong and what to do.
        KeyboardInterrupt: a signal ended the query.
    """
    try:
        with _raising_interrupts():
            yield
    except duckdb.Error as error:
        raise _problem(path, error, wait_seconds, committed=committed) from error


@contextmanager
def _raising_interrupts() -> Iterator[None]:
    """Turn what DuckDB makes of a signal into an interrupt again.

    It raises a plain RuntimeError in the place of what the signal's handler raised, and Dagster
    would take that for a failure of one step, and go on with the others.

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
    if "?" in os.path.realpath(path):
        raise DatabaseProblem(
            f"{one_line(path)} holds a question mark, and DuckDB would put its log in another "
            "place: set RECRUIT_DATABASE to a path without one."
        )
    folder = file.absolute().parent
    # os.path answers False for what may not be looked at, where pathlib raises.
    if not os.path.isdir(folder):
        raise DatabaseProblem(
            f"There is no folder {folder}, or it may not be entered: create it, or set "
            "RECRUIT_DATABASE elsewhere."
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
                f"{place} may not be written: change its rights, or set RECRUIT_DATABASE elsewhere."
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
            if time() - os.path.getmtime(path) > STILLBORN:
                os.unlink(path)
            # Somebody makes it just now, or was killed while doing so, and it is gone next time.
            raise DatabaseBusy(f"{path} is empty, also after {wait_seconds:g} s.") from error
        raise _problem(path, error, wait_seconds) from error


def _is_empty(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) == 0


def _problem(
    path: str, error: duckdb.Error, wait_seconds: float, *, committed: bool = False
) -> DatabaseProblem:
    text, folder = str(error), os.path.dirname(os.path.abspath(path))
    problem = disk_problem(text, folder, committed=committed) or _busy(path, text, wait_seconds)
    if problem:
        return problem
    if removed := removal_problem(text, committed=committed):
        return removed
    if isinstance(error, duckdb.OutOfMemoryException) or NO_BLOCK in text:
        return _too_little_memory(path, text)
    if "not a valid DuckDB database" in text:
        return DatabaseProblem(
            f"{path} is not a DuckDB database, so it was left alone: set RECRUIT_DATABASE to "
            "another file."
        )
    if isinstance(error, duckdb.TransactionException) and _is_conflict(text):
        return DatabaseChanged(f"{path} was changed by another run: {text}")
    return DatabaseProblem(f"DuckDB could not use {path}: {text}")


def _is_conflict(text: str) -> bool:
    """Return whether a transaction met what another one did, and not something of the machine."""
    return bool(_CONFLICT.search(re.sub(r'"[^"]*"', "", text)))  # names of files and tables apart


def _busy(path: str, text: str, wait_seconds: float) -> DatabaseBusy | None:
    if "Could not set lock on file" in text:
        holder = re.search(r"held in (.+?\(PID \d+\))", text)
        return DatabaseBusy(
            f"{path} is held by {holder.group(1) if holder else 'another process'}, also after "
            f"{wait_seconds:g} s: close it there (a shell or a notebook counts), then run again."
        )
    if "Unique file handle conflict" in text:
        return DatabaseBusy(
            f"{path} is open in this process already, also after {wait_seconds:g} s: close it "
            "there (a notebook counts), then run again."
        )
    return None


def _too_little_memory(path: str, text: str) -> NotEnoughMemory:
    if SPILL_FULL in text:
        return NotEnoughMemory(
            f"no space left: make room (at {gettempdir()}, or set TMPDIR to a folder with room) "
            f"for what DuckDB has no memory for, or raise its memory_limit. {UNDONE} {text}"
        )
    return NotEnoughMemory(
        f"DuckDB needs more memory for {path} than it may take: raise its memory_limit. {text}"
    )
