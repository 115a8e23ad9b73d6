"""Translation of DuckDB's errors, without the values that its messages quote.

DuckDB's messages quote values, which may be personal, and constraints, indexes over expressions and
generated columns each have their own wording. So a message is cut before the first place where a
value can be.
"""

import os
import re
from tempfile import gettempdir

import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseProblem, NotEnoughMemory, WriteConflict
from recruit_assets.load.disk import UNDONE, disk_problem, removal_problem
from recruit_assets.text import is_lake_address, one_line

SPILL_FULL = "max_temp_directory_size"  # DuckDB reports it before the disk does
NO_BLOCK = ("could not allocate block", "failed to pin block")  # out of memory, in a commit too
COMMIT = "Failed to commit: "  # prefix of the reason
# Prefixes of names of columns or options, as opposed to values.
_NAMING = r"(?:NOT NULL constraint failed|The following options were not recognized): (?=[\w., ]+$)"
_PREFIX = re.compile(rf"(?:[A-Z][\w ]*Error: )?(?:{COMMIT}|{_NAMING})?")
_CLAUSE = re.compile(r"""(?:(?!(?<!\w)[-+]?\d)[^"'`:(\[{\n])*""")
_CLAUSE_WITH_NAMES = re.compile(r"""(?:"\w+"|[^"'`:(\[{\n])*""")
# Errors about names, which DuckDB raises before it reads any value.
_OF_NAMES = (duckdb.BinderException, duckdb.CatalogException, duckdb.DependencyException)
# Errors about values that do not fit; they never mean a fault of the machine.
_OF_VALUES = (duckdb.IntegrityError, duckdb.DataError)
_CONFLICT = re.compile(
    r"conflict|(another|different|concurrent) transaction|subject .*deleted", re.IGNORECASE
)


# PostgreSQL has ended the connection during a transaction.
_LOST = re.compile(
    r'execute query "ROLLBACK": |server closed the connection|terminating connection due to'
)

# Another process created the lake first, with a folder of its own.
_CREATED = ("Failed to initialize DuckLake", "does not match existing data path")
_REMOVED = re.compile(r"Cannot open file .*\.parquet|HTTP .*404.*\.parquet")

# What time does not change, unlike a server that starts, or has too many clients.
_REFUSED = re.compile(r"FATAL: +(?!the database system is|sorry, too many|remaining connection)")


def without_values(error: duckdb.Error) -> str:
    """Return DuckDB's message up to where a value can be: a quote, a colon, a number.

    A message about a file is kept whole, because it quotes only the path.
    """
    text = str(error)
    if isinstance(error, duckdb.IOException):
        return text
    prefix = _PREFIX.match(text)
    start = prefix.end() if prefix else 0
    named = isinstance(error, _OF_NAMES)
    clause = (_CLAUSE_WITH_NAMES if named else _CLAUSE).match(text, start)
    end = clause.end() if clause else start
    return text[:end].rstrip() + "…" * (end < len(text))


def _is_conflict(error: duckdb.Error) -> bool:
    """Return whether a transaction conflicted with another one."""
    if not isinstance(error, duckdb.TransactionException):
        return False
    # Without the names of files and tables, and without values.
    text = re.sub(r"(?s)[\"'].*[\"']", "", _PREFIX.sub("", str(error), count=1))
    return bool(_CONFLICT.search(text.partition(":")[0]))


def problem_of(
    path: str, error: duckdb.Error, wait_seconds: float, *, committed: bool = False
) -> DatabaseProblem:
    """Return the error of ours for an error of DuckDB about a file.

    Args:
        path: the file.
        error: what DuckDB raised.
        wait_seconds: how long a busy file was waited for.
        committed: whether everything was committed nevertheless.
    """
    known = _known_problem(path, error, wait_seconds, committed=committed)
    return known or DatabaseProblem(f"DuckDB could not use {path}: {without_values(error)}")


def is_refused_commit(error: duckdb.Error) -> bool:
    """Return whether a commit was refused for its rows, such as by an index over an expression."""
    commit = isinstance(error, duckdb.TransactionException) and COMMIT in str(error)
    return commit and _known_problem("", error, 0) is None


def _known_problem(
    path: str, error: duckdb.Error, wait_seconds: float, *, committed: bool = False
) -> DatabaseProblem | None:
    """Return the error for a problem of the file or the machine; None for any other problem."""
    if isinstance(error, _OF_VALUES):
        return None
    text, folder = str(error), os.path.dirname(os.path.abspath(path))
    problem = (
        disk_problem(text, folder, committed=committed)
        or _of_lake(path, text)
        or _busy(path, text, wait_seconds)
        or removal_problem(text, committed=committed)
    )
    if problem:
        return problem
    if isinstance(error, duckdb.OutOfMemoryException) or any(each in text for each in NO_BLOCK):
        return _too_little_memory(path, text)
    if "not a valid DuckDB database" in text:
        return DatabaseProblem(
            f"{path} is not a DuckDB database, so it was not touched: set RECRUIT_DATABASE to "
            "another file."
        )
    if _is_conflict(error):
        return WriteConflict(f"{path} was changed by another run: {without_values(error)}")
    return None


def _of_lake(path: str, text: str) -> DatabaseProblem | None:
    """Return the error for a problem of a lake; None for any other problem."""
    if "Unable to connect to Postgres" in text:
        return _unreachable(path, text)
    if any(each in text for each in _CREATED):
        return DatabaseBusy(f"Another process is creating {path}: run again.")
    if "canceling statement due to lock timeout" in text:
        return DatabaseBusy(f"{path}: another process is still writing to it, so run again later.")
    if _LOST.search(text):
        return WriteConflict(f"The connection to the catalogue of {path} was lost: run again.")
    if is_lake_address(path) and _REMOVED.search(text):
        return WriteConflict(
            f"A file of {path} was removed while it was being read, by the upkeep of another "
            "process or by hand: run again."
        )
    return None


def _unreachable(path: str, text: str) -> DatabaseProblem:
    reason = one_line(text.partition("Unable to connect")[2].partition(" failed: ")[2])
    if _REFUSED.search(reason):
        return DatabaseProblem(
            f"PostgreSQL refuses the catalogue of {path}: correct the address, or PGPASSWORD "
            f"or .pgpass. {reason}"
        )
    return DatabaseBusy(
        f"The catalogue of {path} cannot be reached: start PostgreSQL, or correct the address. "
        f"{reason}"
    )


def _busy(path: str, text: str, wait_seconds: float) -> DatabaseBusy | None:
    if "Could not set lock on file" in text:
        holder = re.search(r"held in (.+?\(PID \d+\))", text)
        return DatabaseBusy(
            f"{path} is still held by {holder.group(1) if holder else 'another process'} after "
            f"{wait_seconds:g} s: close it there (a shell or a notebook counts), then run again."
        )
    if "Unique file handle conflict" in text:
        return DatabaseBusy(
            f"{path} is still open in this process after {wait_seconds:g} s: close it "
            "there (a notebook counts), then run again."
        )
    return None


def _too_little_memory(path: str, text: str) -> NotEnoughMemory:
    if SPILL_FULL in text:
        return NotEnoughMemory(
            f"no space left: make room (at {gettempdir()}, or set TMPDIR to a folder with room) "
            f"for data that does not fit into DuckDB's memory, or raise its memory_limit. {UNDONE} "
            f"{text}"
        )
    return NotEnoughMemory(
        f"DuckDB needs more memory for {path} than its limit allows: raise its memory_limit. {text}"
    )
