"""Copies of the database: written to a private folder, then put in their place in one step.

Scope: what a compaction, whose copy replaces the database, and a read copy have in common. DuckDB's
own read lock keeps writers out while the copy is made. A kill leaves the old file or the new one,
and perhaps the folder, which the next copy removes.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from time import sleep
from typing import Any

import backoff
import duckdb
from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.connection import connection, translate_duckdb_errors
from recruit_assets.load.database_file import attaching, is_made
from recruit_assets.load.disk import PRIVATE, disk_problem
from recruit_assets.load.engine import start
from recruit_assets.load.scratch import Folder, copying_folder, remove_copies
from recruit_assets.load.sql import quoted

OLD, COPY = "original", "copy of it"  # names of the two in DuckDB
LOCK = ".compacting.lock"  # added to the path of a database
LINGER = 0.2  # seconds that a replaced database stays locked

Fill = Callable[[duckdb.DuckDBPyConnection], None]


@contextmanager
def exclusive(file: Path, wait_seconds: float) -> Iterator[None]:
    """Exclude concurrent copies of a database, the older of which could be the last in its place.

    Raises:
        DatabaseBusy: another process has been copying it for that long.
    """
    try:
        with FileLock(f"{file}{LOCK}", timeout=wait_seconds):
            yield
    except Timeout:
        raise DatabaseBusy(f"{file} is already being compacted or copied.") from None


def make_copy(
    file: Path,
    target: Path,
    wait_seconds: float,
    config: Mapping[str, Any],
    fill: Fill,
    *,
    mode: int = PRIVATE,
) -> None:
    """Write a copy of a database, and put it in its place. Call it within `exclusive`.

    Args:
        file: the database.
        target: where the copy goes: the database itself, or another file, which may not exist.
        wait_seconds: how long to wait while another process writes to the database.
        config: DuckDB's own options.
        fill: writes to the empty database `COPY`, given a connection with `OLD` attached as well.
        mode: the mode of the copy if there is no target yet, whose mode and owner it gets.

    Raises:
        DatabaseProblem: the message says what is wrong; the target is unchanged.
    """
    attempt = backoff.on_exception(
        backoff.expo, DatabaseBusy, max_time=wait_seconds, max_value=1, logger=None
    )(_attempt)
    attempt(file, target, wait_seconds, dict(config), fill, mode=mode)


def copy_all(database: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Copy everything that `OLD`, which is this file, has to `COPY`.

    Raises:
        DatabaseProblem: this DuckDB cannot copy a foreign key.
    """
    try:
        database.execute(f"COPY FROM DATABASE {quoted(OLD)} TO {quoted(COPY)}")
    except duckdb.ConstraintException as error:  # DuckDB 1.5 copies tables by name order
        raise DatabaseProblem(
            f"{file} was not compacted or copied, and is unchanged: DuckDB {duckdb.__version__} "
            "cannot copy a table before the one that its foreign key refers to. Drop the foreign "
            "key, or upgrade DuckDB to 2.0 or later, then run it again."
        ) from error


def _attempt(
    file: Path, target: Path, wait_seconds: float, config: dict[str, Any], fill: Fill, *, mode: int
) -> None:
    """Copy and swap; raise DatabaseBusy if the log holds a write since the checkpoint."""
    with connection(str(file), config, wait_seconds) as database:
        database.execute("CHECKPOINT")  # a killed run may have left a write-ahead log
    spill, is_apart = Folder(), target != file
    try:
        with (
            translate_duckdb_errors(str(file), wait_seconds, committed=is_apart),
            start({"temp_directory": str(spill.path / "spill"), **config}) as database,
        ):
            database.execute(attaching(str(file), OLD, "READ_ONLY"))
            if is_made(f"{file}.wal"):
                raise DatabaseBusy(f"{file} has an unfinished write: run it again.")
            remove_copies(str(target))
            with _folder(target) as place:
                _write(database, place / target.name, fill)
                _put_in_place(place / target.name, target, mode)
            if not is_apart:
                # A process that has just opened the old file must find it locked, and so reopen
                # the new one.
                sleep(LINGER)
    except OSError as error:
        problem = disk_problem(str(error), str(target.parent), committed=is_apart)
        raise problem or DatabaseProblem(f"{target} could not be written: {error}.") from error
    finally:
        spill.close()


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """Create a private folder next to the target, after locking out syncs, which would remove it.

    It is removed while the database is still locked.
    """
    place = copying_folder(str(target))
    try:
        yield place
    finally:
        rmtree(place, ignore_errors=True)


def _write(database: duckdb.DuckDBPyConnection, copy: Path, fill: Fill) -> None:
    database.execute(attaching(str(copy), COPY))
    copy.chmod(PRIVATE)
    fill(database)
    database.execute(f"DETACH {quoted(COPY)}")


def _put_in_place(copy: Path, target: Path, mode: int) -> None:
    """Replace the target with the copy, which gets its owner and mode."""
    if target.exists():
        owner, made = target.stat(), copy.stat()
        mode = owner.st_mode & 0o7777
        if (owner.st_uid, owner.st_gid) != (made.st_uid, made.st_gid):
            os.chown(copy, owner.st_uid, owner.st_gid)
    copy.chmod(mode)
    os.replace(copy, target)
