"""SQLite file with the count of the rate limit, shared by all processes of a user.

Scope: opening the file in each process, transactions, and replacing a file that cannot be used.
`rate_limit` decides what is counted.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

from filelock import FileLock, Timeout

from recruit_assets.errors import BadSetting

Result = TypeVar("Result")

LOG = logging.getLogger(__name__)
MAX_WAIT = 60  # seconds to wait for other transactions, one by one, so that signals end it
UNSENT = "No more requests were sent, so nothing was merged."
SCHEMA = "SELECT name, sql FROM sqlite_master ORDER BY name"


class _Opened:
    """Hold the connection of one process; SQLite connections must not cross a fork."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.database: sqlite3.Connection | None = None
        self.file: tuple[int, int] | None = None


class RateLimitFile:
    """Keep an SQLite file that is recreated if damaged; safe for threads, processes and forks.

    Args:
        path: the location of the file.
        tables: the script that creates its tables.
        clock: seconds since the machine was started, the same for all processes.
        damaged: fills the new file that replaces one whose count is lost.

    Raises:
        BadSetting: the file cannot be used, and cannot be replaced.
    """

    one_machine = True

    def __init__(
        self,
        path: Path,
        tables: str,
        clock: Callable[[], float],
        damaged: Callable[[sqlite3.Connection, float], None],
    ) -> None:
        self._path, self._tables, self._clock, self._damaged = path, tables, clock, damaged
        self._processes: dict[int, _Opened] = {}
        with closing(sqlite3.connect(":memory:")) as right:
            right.executescript(tables)
            self._schema = right.execute(SCHEMA).fetchall()
        self.transaction(lambda *_: None)

    def transaction(self, work: Callable[[sqlite3.Connection, float], Result]) -> Result:
        """Return the result of work in an exclusive transaction, given the rows and the time.

        Raises:
            BadSetting: the file cannot be used, and cannot be replaced.
        """
        opened = self._processes.setdefault(os.getpid(), _Opened())
        with opened.lock:
            try:
                try:
                    return self._attempt(opened, work)
                except sqlite3.DatabaseError as error:
                    sound = _is_busy(error) or _is_full(error)
                    if sound or isinstance(error, sqlite3.ProgrammingError):
                        raise
                    self._close(opened)
                    return self._attempt(opened, work)
            except (sqlite3.Error, OSError, Timeout) as error:
                raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file in this process; the count remains."""
        opened = self._processes.setdefault(os.getpid(), _Opened())
        with opened.lock:
            if opened.database:
                opened.database.close()  # stays set, so that nothing reopens the file

    def _unusable(self, error: Exception) -> BadSetting:
        if _is_full(error):
            return BadSetting(
                f"no space left: make room (at {self._path.parent}), or set TMPDIR to a folder "
                f"with room, because requests are counted there. {UNSENT} {error}"
            )
        return BadSetting(
            f"The request budget cannot be kept in {self._path} ({error}): remove that file, or "
            "set TMPDIR to a folder with room."
        )

    def _attempt(
        self, opened: _Opened, work: Callable[[sqlite3.Connection, float], Result]
    ) -> Result:
        if opened.database is None:
            known = opened.file is not None
            opened.database = self._open(known=known)
            opened.file = _identity(self._path)
        database = opened.database
        _begin(database)
        try:
            if _identity(self._path) != opened.file:
                raise sqlite3.DatabaseError("another file is in its place")
            result = work(database, self._clock())
            database.execute("COMMIT")
            return result
        finally:
            if database.in_transaction:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")

    def _close(self, opened: _Opened) -> None:
        if opened.database:
            opened.database.close()
            opened.database = None

    def _open(self, *, known: bool) -> sqlite3.Connection:
        """Return a connection to a sound file; only one process at a time opens or creates it.

        Args:
            known: whether a count existed before, even if the file is gone now.
        """
        with FileLock(f"{self._path}.lock", timeout=MAX_WAIT):
            known = known or os.path.lexists(self._path)
            if os.path.isfile(self._path) and (sound := self._sound()):
                return sound
            if known:
                LOG.warning(
                    f"The request count in {self._path} was damaged or removed, and starts again: "
                    "nothing is sent for as long as earlier requests may count."
                )
            self._remove()
            database = self._connect()
            database.executescript(self._tables)
            if known:
                self._damaged(database, self._clock())
            return database

    def _sound(self) -> sqlite3.Connection | None:
        """Return a connection to the existing file, or None if it is damaged."""
        database = None
        try:
            database = self._connect()
            checked = database.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            if checked and database.execute(SCHEMA).fetchall() == self._schema:
                _begin(database)  # fails if the file is not writable
                database.execute("ROLLBACK")
                return database
        except sqlite3.DatabaseError as error:
            # If locks prevent even connecting, the file was emptied while others have it open.
            if _is_full(error) or (database and _is_busy(error)):
                raise
        if database:
            database.close()
        return None

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self._path, timeout=1, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for left in (self._path, Path(f"{self._path}-wal"), Path(f"{self._path}-shm")):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def _begin(database: sqlite3.Connection) -> None:
    for _ in range(MAX_WAIT):
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            busy = error
        else:
            return
    raise busy


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


def _is_full(error: Exception) -> bool:
    full = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
    return getattr(error, "sqlite_errorcode", 0) in full


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at a path; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
