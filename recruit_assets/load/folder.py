"""Folders for what must not outlive a run: rows on their way, and what DuckDB has no memory for.

Both hold personal data. So each folder is locked while somebody needs it, and whoever makes one
removes those of runs that were killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir
from time import time

from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseProblem

FOLDER = "recruit-assets-"
LOCK = "lock"
JUST_NOW = 60.0  # seconds


class Folder:
    """A folder of one's own, gone when it is closed or its process ends.

    Raises:
        DatabaseProblem: it cannot be made.
    """

    def __init__(self) -> None:
        with explained():
            clear_leftovers()
            self._folder = TemporaryDirectory(prefix=FOLDER, ignore_cleanup_errors=True)
            self.path = Path(self._folder.name)
            self._lock = FileLock(self.path / LOCK)
            self._lock.acquire()

    def close(self) -> None:
        """Remove it."""
        self._folder.cleanup()  # while it is locked, so that nobody clears it meanwhile
        self._lock.release()


def clear_leftovers() -> None:
    """Remove what runs that were killed have left: it holds personal data.

    A run that lives holds the lock in its folder; the system lets go of it however a run ends. A
    lock made just now may be about to be taken.
    """
    for lock in Path(gettempdir()).glob(f"{FOLDER}*/{LOCK}"):
        try:
            if time() - lock.stat().st_mtime < JUST_NOW:
                continue
            with FileLock(lock, blocking=False):
                rmtree(lock.parent, ignore_errors=True)
        except (Timeout, OSError):  # somebody's, or gone meanwhile
            continue


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the system says of a folder into a sentence.

    Raises:
        DatabaseProblem: with what to do.
    """
    try:
        yield
    except OSError as error:
        raise DatabaseProblem(
            f"Rows could not be kept on their way to the database ({error}): make room there, or "
            "set TMPDIR to a folder with room."
        ) from error
