"""The marts as Parquet files: one file per mart in a folder, for tools that do not read DuckDB.

The files have the rows of the tables, so nothing personal. Each says in its metadata that it is
ours, whose account it is, and which rows of which mart it has. A file without that, or a copy under
another name, is never replaced or removed.
"""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import transaction
from recruit_assets.load.disk import PRIVATE, disk_problem
from recruit_assets.load.schema import existing_table
from recruit_assets.load.sql import literal
from recruit_assets.marts.changes import digest_content
from recruit_assets.marts.mart import MARTS, MARTS_SCHEMA, Mart
from recruit_assets.text import one_line

# In a file's metadata.
ACCOUNT, MART, CONTENT = (f"recruit_assets_{each}" for each in ("account", "mart", "content"))
NEW = ".recruit-assets-incomplete-marts-"  # begins the names of folders of new files


@dataclass(frozen=True)
class _Label:
    """Hold what a file says about itself."""

    account: str
    mart: str
    content: str


def write_files(
    database: duckdb.DuckDBPyConnection, marts: Collection[Mart], folder: Path, account: str
) -> bool:
    """Write a file for each mart, and remove ours of other marts; return whether any was written.

    The new files replace the old ones once all are complete. Files that have these rows are left as
    they are. New files are readable by their owner only; replaced ones keep their mode.

    Args:
        database: open for writing.
        marts: the marts, which are built.
        folder: where the files are.
        account: whose marts they are; empty if the account has no name.

    Raises:
        DatabaseProblem: they cannot be written, and the old ones are as they were; the message says
            what to do.
    """
    with _translated_errors(folder), transaction(database, keep=False):
        found = check_folder(folder, marts, account)
        wanted = {
            f"{mart.name}.parquet": _Label(account, mart.name, digest_content(database, mart.name))
            for mart in marts
        }
        if found == wanted:
            return False
        for left in folder.glob(f"{NEW}*"):  # by a run that was killed
            _remove_left(left)
        with TemporaryDirectory(prefix=NEW, dir=folder) as new:
            for mart, (name, label) in zip(marts, wanted.items(), strict=True):
                _write(database, mart, Path(new) / name, label)
            for name in wanted:
                _replace(Path(new) / name, folder / name)
        for name in found.keys() - wanted:
            (folder / name).unlink()
    return True


def check_folder(folder: Path, marts: Collection[Mart], account: str) -> dict[str, _Label]:
    """Return what our files in a folder say about themselves, by name.

    Raises:
        DatabaseProblem: marts cannot be written there; the message says what to do.
    """
    shown = one_line(str(folder))
    if not os.path.isdir(folder):
        raise DatabaseProblem(
            f"There is no folder {shown}, or it is not accessible: create it, or set "
            "RECRUIT_PARQUET_FOLDER to another one."
        )
    if not os.access(folder, os.W_OK):
        raise DatabaseProblem(
            f"{shown} is not writable: change its permissions, or set RECRUIT_PARQUET_FOLDER to "
            "another folder."
        )
    labels = {path.name: _label(path) for path in folder.glob("*.parquet")}
    for name in (f"{mart.name}.parquet" for mart in marts):
        label = labels.get(name, _Label(account, "", ""))
        if label is None or label.account != account:
            whose = "of another account" if label else "none that recruit-assets wrote"
            raise DatabaseProblem(
                f"{shown}/{name} is {whose}: move or remove it, or set RECRUIT_PARQUET_FOLDER to "
                "another folder. Nothing was replaced."
            )
    return {name: label for name, label in labels.items() if label and label.account == account}


def _label(path: Path) -> _Label | None:
    """Return what a file says about itself; None if it is not ours, or not where we wrote it."""
    try:
        found = pq.read_metadata(path).metadata or {}
        label = _Label(*(found[each.encode()].decode() for each in (ACCOUNT, MART, CONTENT)))
    except (KeyError, OSError, ValueError, pa.ArrowException):
        return None
    return label if path.name == f"{label.mart}.parquet" else None


def _remove_left(folder: Path) -> None:
    """Remove a folder of new files, unless it has anything else."""
    ours = {f"{mart.name}.parquet" for mart in MARTS}
    if folder.is_symlink() or not folder.is_dir():
        return
    found = list(folder.iterdir())
    if all(path.name in ours and path.is_file() for path in found):
        for path in found:
            path.unlink()
        folder.rmdir()


def _write(database: duckdb.DuckDBPyConnection, mart: Mart, path: Path, label: _Label) -> None:
    table = existing_table(database, mart.name, MARTS_SCHEMA)
    about = {ACCOUNT: label.account, MART: label.mart, CONTENT: label.content}
    pairs = ", ".join(f"{name}: {literal(value)}" for name, value in about.items())
    options = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{pairs}}}"
    database.execute(f"COPY {table} TO {literal(str(path))} ({options})")


def _replace(new: Path, old: Path) -> None:
    try:
        new.chmod(stat.S_IMODE(old.stat().st_mode))
    except FileNotFoundError:
        new.chmod(PRIVATE)
    os.replace(new, old)


@contextmanager
def _translated_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        problem = disk_problem(str(error), str(folder), committed=True)
        raise problem or DatabaseProblem(
            f"The marts cannot be written to {one_line(str(folder))}: {one_line(str(error))}"
        ) from error
