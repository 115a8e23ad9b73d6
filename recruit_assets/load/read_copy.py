"""The read copy: a file of its own for readers, which would keep syncs out of the database.

A new one replaces it after each run; readers that have the old one open keep that. Unless it may
have personal data, it has only listed columns of listed tables, so nothing unknown gets into it:
neither attributes that the API adds, nor tables of users. It has no digests of rows either, as they
are made of personal values too.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint
from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.copies import COPY, LOCK, OLD, copy_all, exclusive, make_copy
from recruit_assets.load.current import create_view
from recruit_assets.load.erasure import compacted_at, personal_columns
from recruit_assets.load.forgotten import FORGOTTEN
from recruit_assets.load.history import HISTORY, SPAN
from recruit_assets.load.layout import META, check_version
from recruit_assets.load.reading import is_made, reading
from recruit_assets.load.salt import SALT
from recruit_assets.load.schema import (
    BOOKKEEPING,
    SCHEMA,
    columns_found,
    schema_name,
    table_exists,
    table_name,
)
from recruit_assets.load.sql import quoted
from recruit_assets.load.syncs import SYNCS, SYNCS_TABLE, numbered, prepare_syncs
from recruit_assets.load.table import Table, describe
from recruit_assets.load.tables import ensure
from recruit_assets.text import counted

PUBLISHING = timedelta(minutes=30)  # in which a run may not have published its syncs yet
READ_ONLY = 0o400  # DuckDB opens a file for writing by default, which would keep readers out
PUBLISHED = Table(
    META,
    "read_copy",
    "When this copy of the database was published; the database itself has no such table",
    {"published": ("TIMESTAMP WITH TIME ZONE", "When the copy was made")},
)
_LATE = {"checkpoint_threshold": "1TB"}  # no checkpoint before the secrets are removed
_SECRET = (SALT, FORGOTTEN)  # tables with which hashes could be traced to persons
_KEPT = BOOKKEEPING.keys() - {"_row_hash", UNPARSED}


@dataclass(frozen=True)
class CopyStatus:
    """Describe a read copy: when it was published, if it is there, and what is wrong with it."""

    path: str
    published: datetime | None = None
    problem: str = ""


Columns = Mapping[str, Sequence[str]]  # names by table, such as `recruit.jobs`


def public_columns(endpoints: Iterable[Endpoint]) -> dict[str, list[str]]:
    """Return the columns of our tables that have no personal data, by table."""
    found = {f"{META}.{SYNCS_TABLE}": list(SYNCS)}
    for endpoint in endpoints:
        names = [column.name for column in endpoint.columns()]
        personal = set(personal_columns(endpoint, names))
        found[f"{SCHEMA}.{endpoint.name}"] = [*(n for n in names if n not in personal), *_KEPT]
        tracked = [each.name for each in endpoint.tracked() if each.name not in personal]
        if tracked:
            found[f"{HISTORY}.{endpoint.name}"] = [*tracked, *SPAN]
    return found


def publish(
    path: str,
    target: str,
    wait_seconds: float,
    config: Mapping[str, Any],
    columns: Columns | None,
) -> None:
    """Replace the read copy of a database, or create it; without a database, do nothing.

    Args:
        path: the database.
        target: the path of the copy.
        wait_seconds: how long to wait while another process writes to the database.
        config: DuckDB's own options.
        columns: what the copy has, by table; everything if it is None.

    Raises:
        DatabaseProblem: the message says what is wrong; the old copy stays.
    """
    if not is_made(path):
        return
    file = Path(path).resolve()

    def fill(database: duckdb.DuckDBPyConnection) -> None:
        if columns is None:
            copy_all(database, file)
            for name in _SECRET:  # before the checkpoint, which would write it to the file
                database.execute(f"DROP TABLE IF EXISTS {quoted(COPY)}.{quoted(META)}.{name}")
        with database.cursor() as old, database.cursor() as new:
            old.execute(f"USE {quoted(OLD)}")
            new.execute(f"USE {quoted(COPY)}")
            new.execute("BEGIN TRANSACTION")
            if columns is not None:
                _copy_columns(old, new, columns)
            ensure(new, PUBLISHED)
            published = table_name(new, PUBLISHED.name, META)
            new.execute(f"INSERT INTO {published} VALUES (?)", [datetime.now(UTC)])
            new.execute("COMMIT")

    options = config if columns is not None else {**_LATE, **config}
    with exclusive(file, wait_seconds):
        check_target(path, target, wait_seconds)
        copy = Path(os.path.realpath(target))
        make_copy(file, copy, wait_seconds, options, fill, mode=READ_ONLY)


def check_target(path: str, target: str, wait_seconds: float) -> None:
    """Refuse a path that cannot be, or is not, that of the read copy of a database.

    Args:
        path: the database.
        target: the path of the copy, where there may be nothing yet.
        wait_seconds: how long to wait while another process writes to what is there.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    copy, database = os.path.realpath(target), os.path.realpath(path)
    folder = os.path.dirname(copy)
    refused = {
        "is the database itself": copy == database,
        "is a file of the database": copy in (f"{database}.wal", f"{database}{LOCK}"),
        "is a link to itself": os.path.islink(copy),
        "contains a question mark, at which DuckDB ends a path": "?" in copy,
    }
    for reason in (each for each, holds in refused.items() if holds):
        raise DatabaseProblem(f"{target} {reason}: {_ADVICE}.")
    if not os.path.isdir(folder):
        raise DatabaseProblem(f"There is no folder {folder}: create it, or {_ADVICE}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DatabaseProblem(f"{folder} is not writable: change its permissions, or {_ADVICE}.")
    if os.path.exists(copy) and not (os.path.isfile(copy) and os.path.getsize(copy) == 0):
        published_at(target, wait_seconds)


def published_at(target: str, wait_seconds: float) -> datetime | None:
    """Return when the read copy was published; None if there is none.

    Raises:
        DatabaseProblem: the file is no read copy, or another process has it open for writing.
    """
    if not os.path.exists(target):
        return None
    foreign = DatabaseProblem(
        f"{target} is no read copy, so it is not replaced: move it, or give the copy another path."
    )
    if not is_made(target):
        raise foreign
    try:
        with reading(target, wait_seconds) as copy:
            if not table_exists(copy, PUBLISHED.name, META):
                raise foreign
            published = table_name(copy, PUBLISHED.name, META)
            ((found,),) = copy.execute(f"SELECT max(published) FROM {published}").fetchall()
    except DatabaseBusy:
        raise
    except DatabaseProblem as problem:
        raise foreign from problem
    return found if isinstance(found, datetime) else None


def copy_status(
    database: duckdb.DuckDBPyConnection, target: str, wait_seconds: float, run: str = ""
) -> CopyStatus:
    """Return whether the read copy has the syncs and erasures of earlier runs.

    Args:
        database: open.
        target: the path of the copy, which may not exist.
        wait_seconds: how long to wait while another process writes to the copy.
        run: a run whose syncs do not count, as it may go on.
    """
    before, published = datetime.now(UTC) - PUBLISHING, None
    try:
        published = published_at(target, wait_seconds)
        missing = _missing(database, target if published else "", wait_seconds, before, run)
    except DatabaseProblem as problem:
        return CopyStatus(target, published, str(problem))
    erased = compacted_at(database, datetime.now(UTC))
    if published and erased and erased > published:
        return CopyStatus(
            target,
            published,
            "The read copy is older than the last erasure, so what was erased may still be in it: "
            "run a sync, which publishes it again.",
        )
    return CopyStatus(
        target,
        published,
        f"The read copy lacks {counted(missing, 'sync')} that ended by "
        f"{before:%Y-%m-%d %H:%M} UTC: the log of the last run says why."
        if missing
        else "",
    )


def _missing(
    database: duckdb.DuckDBPyConnection,
    target: str,
    wait_seconds: float,
    before: datetime,
    run: str,
) -> int:
    known: dict[str, int] = {}
    if target:
        with reading(target, wait_seconds) as copy:
            last = f"SELECT endpoint, max(sync_number) FROM {numbered(copy)} GROUP BY endpoint"
            known = dict(copy.execute(last).fetchall())
    ended = database.execute(
        f"SELECT endpoint, sync_number FROM {numbered(database)} "
        "WHERE finished < ? AND run_id IS DISTINCT FROM ?",
        [before, run],
    ).fetchall()
    return sum(number > known.get(endpoint, 0) for endpoint, number in ended)


_ADVICE = "set RECRUIT_READ_COPY to another path"


def _copy_columns(
    old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection, columns: Columns
) -> None:
    """Copy the listed columns, as far as they exist, and make the views of them."""
    comments = _comments(old)
    for name, wanted in columns.items():
        schema, _, table = name.partition(".")
        found = [each for each, _ in columns_found(old, table, schema) if each.lower() in wanted]
        if not found:
            continue
        full, selected = table_name(new, table, schema), ", ".join(map(quoted, found))
        new.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(new, schema)}")
        new.execute(
            f"CREATE TABLE {full} AS SELECT {selected} FROM {table_name(old, table, schema)}"
        )
        known = comments.get(name, {})
        describe(new, full, {each: known[each] for each in found if each in known})
    prepare_syncs(new, check_version(old).account)
    for name in columns:
        schema, _, table = name.partition(".")
        if schema == SCHEMA and "_deleted_at" in dict(columns_found(new, table)):
            create_view(new, table)


def _comments(database: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return the comments of all columns, by table and column."""
    found: dict[str, dict[str, str]] = {}
    for name, column, comment in database.execute(
        "SELECT concat_ws('.', schema_name, table_name), column_name, comment "
        "FROM duckdb_columns() WHERE database_name = current_database() AND comment IS NOT NULL"
    ).fetchall():
        found.setdefault(name, {})[column] = comment
    return found
