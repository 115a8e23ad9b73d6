"""Folders for what must not outlive a run: staged rows, and data that DuckDB spills.

Both hold personal data, as does the copy that a compaction makes. So each folder is private to its
owner and locked while it is in use, and the next run removes those of runs that were killed.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp

from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.disk import disk_problem

FOLDER = "recruit-assets-"
LOCK = "lock"
COPYING = "compacting"  # in the name of a folder next to a database


class Folder:
    """Hold a private folder, which is removed when it is closed.

    Raises:
        DatabaseProblem: it cannot be created.
    """

    def __init__(self) -> None:
        with translate_disk_errors():
            clear_leftovers()
            self.path = Path(mkdtemp(prefix=FOLDER))
            self._lock = FileLock(self.path / f"new-{LOCK}")
            self._lock.acquire()
            # Only now can other runs find it; the lock is on the file, whatever its name.
            (self.path / f"new-{LOCK}").rename(self.path / LOCK)
        self._process = os.getpid()

    def close(self) -> None:
        """Remove the folder, unless it belongs to the process that this one was forked from."""
        if os.getpid() != self._process:
            return
        rmtree(self.path, ignore_errors=True)  # while it is locked, so that no other run clears it
        self._lock.release()


def clear_leftovers() -> None:
    """Remove the folders of this user's killed runs, because they hold personal data.

    A run holds the lock in its folder; the system releases it however the run ends.
    """
    for lock in Path(gettempdir()).glob(f"{FOLDER}*/{LOCK}"):
        try:
            if _is_ours(lock.parent):
                with FileLock(lock, blocking=False):
                    rmtree(lock.parent, ignore_errors=True)
        except (Timeout, OSError):  # in use, or removed by another run
            continue


def copying_folder(database: str) -> Path:
    """Create the folder in which a compaction copies a database, next to the database."""
    file = Path(database)
    return Path(mkdtemp(prefix=f".{file.name}.{COPYING}-", dir=file.parent))


def remove_copies(database: str) -> None:
    """Remove the copies of a database that killed compactions have left.

    Args:
        database: the path of the file, which this process has open for writing. A running
            compaction would have it open for reading, so there is none.
    """
    file = Path(database)
    with os.scandir(file.parent) as found:
        left = [each.path for each in found if each.name.startswith(f".{file.name}.{COPYING}-")]
    for each in filter(_is_ours, map(Path, left)):
        rmtree(each, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Return whether only this user can have put anything into a folder."""
    found = folder.lstat()
    private = not stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Translate the system's errors about a folder into a sentence.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    try:
        yield
    except OSError as error:
        advice = "set TMPDIR to a folder with room, or make room there"
        raise disk_problem(str(error), gettempdir()) or DatabaseProblem(
            f"Rows could not be kept on their way to the database ({error}): {advice}."
        ) from error
