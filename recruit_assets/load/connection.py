"""Opening the DuckDB file: waiting for whoever holds it, and saying what is wrong with it.

DuckDB lets one process write, and nobody read meanwhile. So a file is opened only for as long as
it is needed, and a busy one is waited for. The file must never be opened as an ordinary file by a
process that has it open in DuckDB: closing that handle drops DuckDB's lock without a word.

Starting DuckDB takes ten times as long as opening a file in it (20 ms, and as much again for the
first look at its catalog). So one DuckDB without a file is started for a process, and files are
attached to it and detached again.
"""

import atexit
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import time
from typing import Any, ParamSpec, TypeVar

import backoff
import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseChanged, DatabaseProblem, NotEnoughMemory
from recruit_assets.load.folder import Folder
from recruit_assets.load.names import literal, quoted

P = ParamSpec("P")
R = TypeVar("R")

# What DuckDB 2 writes by default, 1.5 and the tools built on it cannot open.
STORAGE = {"storage_compatibility_version": "v1.5.0"}
STILLBORN = 10.0  # seconds after which nobody is making an empty file into a database any more
SHORTEST_WAIT, LONGEST_WAIT = 0.01, 0.5  # seconds between two tries; a lock is free within 5 ms
INTERRUPTED = "Query interrupted"  # what DuckDB says when a signal ends a query
# Names that every DuckDB gives to something of its own.
ITS_OWN = ("memory", "system", "temp", "main", "pg_catalog", "information_schema")


class _Engine:
    """A DuckDB that files are attached to; whoever opens one that is attached shares it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        folder = Folder()  # for what does not fit into its memory
        atexit.register(folder.close)
        spill = {"temp_directory": str(folder.path / "spill")}
        self._duckdb = duckdb.connect(":memory:", config={**STORAGE, **spill, **config})
        self._users: Counter[str] = Counter()
        self._names: dict[str, str] = {}  # of the files that are attached
        self._lock = Lock()

    def attach(self, path: str) -> None:
        """Open a file.

        Raises:
            duckdb.Error: it cannot be opened.
        """
        with self._lock:
            if not self._users[path]:
                name = database_name(path)
                if name in self._names.values():
                    name += f"_{sha256(path.encode()).hexdigest()[:8]}"
                with self._duckdb.cursor() as cursor:
                    cursor.execute(f"ATTACH {literal(path)} AS {quoted(name)}")
                self._names[path] = name
            self._users[path] += 1

    def detach(self, path: str) -> None:
        """Close a file, if nobody else in this process has it open."""
        with self._lock:
            self._users[path] -= 1
            if not self._users[path]:
                with self._duckdb.cursor() as cursor:
                    cursor.execute(f"DETACH {quoted(self._names.pop(path))}")

    def cursor(self, path: str) -> duckdb.DuckDBPyConnection:
        """A connection of its own to an attached file."""
        cursor = self._duckdb.cursor()
        cursor.execute(f"USE {quoted(self._names[path])}")
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor


@cache
def _engine(config: str) -> _Engine:
    """The one DuckDB of this process with a configuration, in JSON."""
    return _Engine(json.loads(config))


def database_name(path: str) -> str:
    """What DuckDB calls the database of a file."""
    stem = Path(path).stem
    return f"{stem}_file" if stem.lower() in ITS_OWN else stem


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
    with explaining(path, wait_seconds):
        engine = _engine(json.dumps(config, sort_keys=True))
    patient(wait_seconds)(_attach)(engine, path, wait_seconds)
    try:
        with explaining(path, wait_seconds), engine.cursor(path) as database:
            yield database
    finally:
        engine.detach(path)


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
def explaining(path: str, wait_seconds: float) -> Iterator[None]:
    """Turn what DuckDB says of a file into a sentence.

    Raises:
        DatabaseProblem: with what is wrong and what to do.
        KeyboardInterrupt: a signal ended the query. DuckDB notices it and raises a plain
            RuntimeError, which Dagster would take for a failure of this step alone.
    """
    try:
        yield
    except duckdb.Error as error:
        raise _problem(path, error, wait_seconds) from error
    except RuntimeError as error:
        if str(error) == INTERRUPTED:
            raise KeyboardInterrupt from error
        raise


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


def _attach(engine: _Engine, path: str, wait_seconds: float) -> None:
    try:
        engine.attach(path)
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
    if "Unique file handle conflict" in text:
        return DatabaseBusy(
            f"{path} is open in this process already, also after {wait_seconds:g} s: close it "
            "there (a notebook counts), then run again."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return NotEnoughMemory(
            f"DuckDB needs more memory for {path} than it may take: raise its memory_limit. {text}"
        )
    if "not a valid DuckDB database" in text:
        return DatabaseProblem(
            f"{path} is not a DuckDB database, so it was left alone: set RECRUIT_DATABASE to "
            "another file."
        )
    if isinstance(error, duckdb.TransactionException):
        return DatabaseChanged(f"{path} was changed by another run: {text}")
    return DatabaseProblem(f"DuckDB could not use {path}: {text}")
