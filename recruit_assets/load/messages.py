"""What DuckDB says in an error, as a sentence, and how much of its words may be shown.

Its words quote the values that it found, which may tell of a person, and each constraint, index
over an expression and generated column has words of its own for that. So only the words before the
first place where a value can stand are kept.
"""

import os
import re
from tempfile import gettempdir

import duckdb

from recruit_assets.errors import DatabaseBusy, DatabaseChanged, DatabaseProblem, NotEnoughMemory
from recruit_assets.load.disk import UNDONE, disk_problem, removal_problem

SPILL_FULL = "max_temp_directory_size"  # DuckDB says so before the disk does
NO_BLOCK = "could not allocate block"  # DuckDB has no memory left, also where a commit needs it
COMMIT = "Failed to commit: "  # which DuckDB says before the reason
# What a name follows, of a column or of an option, and no value.
_NAMING = r"(?:NOT NULL constraint failed|The following options were not recognized): (?=[\w., ]+$)"
_PREFIX = re.compile(rf"(?:[A-Z][\w ]*Error: )?(?:{COMMIT}|{_NAMING})?")
_CLAUSE = re.compile(r"""(?:(?!(?<!\w)[-+]?\d)[^"'`:(\[{\n])*""")
_CLAUSE_WITH_NAMES = re.compile(r"""(?:"\w+"|[^"'`:(\[{\n])*""")
# Errors about names, which DuckDB finds before it looks at a value.
_OF_NAMES = (duckdb.BinderException, duckdb.CatalogException, duckdb.DependencyException)
# Errors of values that do not fit, which are not of the machine whatever they quote.
_OF_VALUES = (duckdb.IntegrityError, duckdb.DataError)
_CONFLICT = re.compile(
    r"conflict|(another|different|concurrent) transaction|subject .*deleted", re.IGNORECASE
)


def without_values(error: duckdb.Error) -> str:
    """Return DuckDB's words up to where a value can stand: a quote, a colon, a number.

    Those about a file are whole, as they quote nothing but its path.
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
    """Return whether a transaction met what another one did, and not something of the machine."""
    if not isinstance(error, duckdb.TransactionException):
        return False
    # Names of files and tables, and values, apart.
    text = re.sub(r"(?s)[\"'].*[\"']", "", _PREFIX.sub("", str(error), count=1))
    return bool(_CONFLICT.search(text.partition(":")[0]))


def problem_of(
    path: str, error: duckdb.Error, wait_seconds: float, *, committed: bool = False
) -> DatabaseProblem:
    """Return what DuckDB says of a file as an error of ours.

    Args:
        path: the file.
        error: what DuckDB raised.
        wait_seconds: how long a busy file was waited for.
        committed: whether all that was to be written is in the file all the same.
    """
    known = _known_problem(path, error, wait_seconds, committed=committed)
    return known or DatabaseProblem(f"DuckDB could not use {path}: {without_values(error)}")


def is_refused_commit(error: duckdb.Error) -> bool:
    """Return whether a commit failed for what was written, as an index over an expression does."""
    commit = isinstance(error, duckdb.TransactionException) and COMMIT in str(error)
    return commit and _known_problem("", error, 0) is None


def _known_problem(
    path: str, error: duckdb.Error, wait_seconds: float, *, committed: bool = False
) -> DatabaseProblem | None:
    """Return what is wrong with the file or the machine, or None if it is something else."""
    if isinstance(error, _OF_VALUES):
        return None
    text, folder = str(error), os.path.dirname(os.path.abspath(path))
    problem = (
        disk_problem(text, folder, committed=committed)
        or _busy(path, text, wait_seconds)
        or removal_problem(text, committed=committed)
    )
    if problem:
        return problem
    if isinstance(error, duckdb.OutOfMemoryException) or NO_BLOCK in text:
        return _too_little_memory(path, text)
    if "not a valid DuckDB database" in text:
        return DatabaseProblem(
            f"{path} is not a DuckDB database, so it was left alone: set RECRUIT_DATABASE to "
            "another file."
        )
    if _is_conflict(error):
        return DatabaseChanged(f"{path} was changed by another run: {without_values(error)}")
    return None


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
