"""Errors of the disk as sentences, and the modes of files that hold personal data.

Scope: the system's messages for a full or broken disk, in one place, and the modes of files that
DuckDB creates. Folders that must not outlive a run are in `scratch`.
"""

import errno
import os
import re
import stat
from contextlib import suppress

from recruit_assets.errors import DatabaseProblem, NoSpaceLeft

PRIVATE = 0o600
_FULL = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
_BROKEN = {
    os.strerror(errno.EROFS): "is read-only: mount it for writing, or use another folder",
    os.strerror(errno.EIO): "fails (input/output error): check that disk before the next run",
}
_GONE = (os.strerror(errno.ENOENT), "No files found that match")  # the latter is DuckDB's
KEPT = "What was merged is committed."
UNDONE = "Uncommitted changes were rolled back: the last good state remains."


def disk_problem(message: str, path: str, *, committed: bool = False) -> DatabaseProblem | None:
    """Return the error for a disk problem, or None if the message is about something else.

    Args:
        message: the system's or DuckDB's message.
        path: what was written; a file that the message names takes precedence.
        committed: whether everything that was to be merged is in the database nevertheless.
    """
    named = re.search(r'file "([^"]+)"', message)
    place = os.path.dirname(named[1]) if named else path
    state = KEPT if committed else UNDONE
    if any(phrase in message for phrase in _FULL):
        return NoSpaceLeft(
            f"no space left: make room (at {place}), then run again. {state} {message}",
            committed=committed,
        )
    for phrase, advice in _BROKEN.items():
        if phrase in message:
            return DatabaseProblem(f"The disk at {place} {advice}. {state} {message}")
    return None


def removal_problem(message: str, *, committed: bool = False) -> DatabaseProblem | None:
    """Return the error for a removed file, or None if the message is about something else.

    Args:
        message: DuckDB's message.
        committed: whether everything that was to be merged is in the database nevertheless.
    """
    if not any(phrase in message for phrase in _GONE):
        return None
    return DatabaseProblem(
        f"A file or folder in use was removed: find out what removes it, then run again. "
        f"{KEPT if committed else UNDONE} {message}"
    )


def make_log(database: str) -> None:
    """Create DuckDB's write-ahead log before DuckDB does, which would make it readable by all.

    The log gets the mode of its database; so does a log left by an earlier run.

    Args:
        database: the path of the file, which is attached or about to be.

    Raises:
        OSError: it cannot be created.
    """
    mode, log = stat.S_IMODE(os.stat(database).st_mode), f"{database}.wal"
    try:
        handle = os.open(log, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE)
    except FileExistsError:
        set_mode(log, mode)
        return
    try:
        os.fchmod(handle, mode)
    finally:
        os.close(handle)  # DuckDB opens it at its first write, so no lock is dropped


def remove_unused_log(database: str) -> None:
    """Remove the log if nothing was written to it, while the database is still attached."""
    log = f"{database}.wal"
    with suppress(FileNotFoundError):
        if os.path.getsize(log) == 0:
            os.unlink(log)


def set_mode(path: str, mode: int) -> None:
    """Set the mode of a regular file of ours, without following a link."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG(os.lstat(path).st_mode) and os.lstat(path).st_uid == os.geteuid():
            os.chmod(path, mode)


def inode(path: str) -> tuple[int, int] | None:
    """Return the device and inode of a file, which identify it; None if there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
