"""A DuckDB file as destination: what must be true of its path, and its log beside it."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import duckdb

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.disk import PRIVATE, inode, make_log, remove_unused_log, set_mode
from recruit_assets.load.scratch import remove_copies
from recruit_assets.load.sql import literal, quoted
from recruit_assets.text import one_line

HEADERS = 3 * 4096  # minimum bytes of a database
MAX_CREATION_SECONDS = 10.0  # seconds after which no process is still creating the database


class FileReplaced(Exception):
    """Report that a compaction has replaced the file that was just opened."""


class StillEmpty(Exception):
    """Report that the file has no database in it yet."""


def attaching(path: str, name: str, *options: str) -> str:
    """Return the SQL that attaches a file; naming its type keeps DuckDB from guessing it."""
    return f"ATTACH {literal(path)} AS {quoted(name)} ({', '.join(['TYPE duckdb', *options])})"


def is_made(path: str) -> bool:
    """Return whether there is a database; the file of one that was never finished is empty."""
    return os.path.isfile(path) and os.path.getsize(path) > 0


@dataclass(frozen=True)
class DatabaseFile:
    """Describe a DuckDB file by its path."""

    path: str
    # The path without links: DuckDB keeps its log next to the path that it is given.
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", os.path.realpath(self.path))

    @property
    def stays(self) -> bool:
        """Return that the file is detached once nobody uses it, since others wait for it."""
        return False

    @property
    def beside(self) -> Path:
        """Return the path of the file."""
        return Path(self.path)

    def exists(self) -> bool:
        """Return whether there is a file, without opening it, which would create it."""
        return Path(self.path).exists()

    def is_made(self) -> bool:
        """Return whether there is a database in it."""
        return is_made(self.path)

    def attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the file for writing, and create its log.

        Raises:
            duckdb.Error: it cannot be opened.
            FileReplaced: another file is at its path by now.
            StillEmpty: another process is creating it.
            OSError: the write-ahead log cannot be created.
        """
        path = self.key
        before = inode(path)
        try:
            database.execute(attaching(path, name))
        except duckdb.Error as error:
            if not before:
                _remove_unfinished(path)
            if os.path.isfile(path) and not is_made(path):
                _remove_abandoned(path)
                raise StillEmpty(path) from error
            raise
        try:
            if not before:
                set_mode(path, PRIVATE)
            elif inode(path) != before:
                raise FileReplaced(path)
            make_log(path)
            remove_copies(path)
        except BaseException:
            self.detach(database, name)
            raise

    def attach_read_only(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the file for reading."""
        database.execute(attaching(self.key, name, "READ_ONLY"))

    def reach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Do nothing: a file that is attached is open."""

    def try_to_attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the file for writing, unless that would recover the log of a killed run.

        A reader keeps a sync out as well. DuckDB takes its write lock when it opens a file, and
        writes nothing to it before a statement does.
        """
        if not Path(f"{self.key}.wal").exists():
            database.execute(attaching(self.key, name))

    @contextmanager
    def writing(
        self, database: duckdb.DuckDBPyConnection, name: str
    ) -> Iterator[Callable[[], None]]:
        """Create the log for the next transaction, unless it exists; other processes wait."""
        make_log(self.key)
        yield lambda: None

    def detach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Detach the file, and remove its log if nothing was written to it.

        Raises:
            duckdb.Error: commits could not be moved from the log into the file.
        """
        remove_unused_log(self.key)
        database.execute(f"DETACH {quoted(name)}")

    def check(self) -> None:
        """Refuse a path that cannot become a database.

        Raises:
            DatabaseProblem: the message says what is wrong and what to do.
        """
        if self.path == ":memory:":
            raise DatabaseProblem(
                "A database in memory would be lost when the run ends: set RECRUIT_DATABASE to a "
                "file."
            )
        if "?" in self.key:
            raise DatabaseProblem(
                f"{one_line(self.path)} contains a question mark, so DuckDB would write its log "
                "elsewhere: set RECRUIT_DATABASE to a path without one."
            )
        file = Path(self.path)
        folder = file.absolute().parent
        # os.path returns False if access is denied; pathlib raises.
        if not os.path.isdir(folder):
            raise DatabaseProblem(
                f"There is no folder {folder}, or it is not accessible: create it, or set "
                "RECRUIT_DATABASE to another path."
            )
        if os.path.islink(self.key) or not os.path.isdir(os.path.dirname(self.key)):
            raise DatabaseProblem(
                f"{file} is a link to {self.key}, where no file exists or can be created: create "
                "the folder there, or set RECRUIT_DATABASE to another path."
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


def _remove_unfinished(path: str) -> None:
    """Remove the rest of a database whose creation failed, because it would never open."""
    with suppress(FileNotFoundError):
        if os.path.getsize(path) < HEADERS:
            os.unlink(path)


def _remove_abandoned(path: str) -> None:
    """Remove an empty file whose process was killed while it created the database."""
    with suppress(FileNotFoundError):
        if time() - os.path.getmtime(path) > MAX_CREATION_SECONDS:
            os.unlink(path)
