"""Log of the syncs: the table `recruit_meta.syncs`, and the view `latest` over it.

Scope: both definitions. `state` makes decisions from them.

Syncs are ordered by `sync_number`, which does not depend on a clock. The view shows null in place
of a time from a wrong clock: in the future, before 1970, or later than the end of the last sync.
"""

from collections.abc import Collection, Container, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb

from recruit_assets.load.layout import META, VERSION, check_layout, store_layout
from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.table import ORDER, Table, describe, describe_view
from recruit_assets.load.tables import check_is_view, ensure

SYNCS_TABLE, LATEST_VIEW = "syncs", "latest"
MAX_NUMBER = (1 << 63) - 1  # of a BIGINT
SYNCS = {
    "sync_number": (
        "BIGINT",
        "Number of the sync within its endpoint, in the order they were stored",
    ),
    "endpoint": ("VARCHAR", "Name of the endpoint and of its table"),
    "run_id": ("VARCHAR", "The Dagster run"),
    "api": ("VARCHAR", "Address and version of the API, and a short hash that identifies the key"),
    "mode": ("VARCHAR", "full: all records were requested; incremental: the changed ones"),
    "verdict": ("VARCHAR", "complete, window, incomplete, partial, unavailable, or failed"),
    "proof": (
        "VARCHAR",
        "How completeness was proven. read: by reading the whole list; counted: by the ranks of "
        "records",
    ),
    "reason": ("VARCHAR", "Why completeness is not proven, or why the sync failed"),
    "started": ("TIMESTAMP WITH TIME ZONE", "When the sync began"),
    "finished": ("TIMESTAMP WITH TIME ZONE", "When it was merged or failed"),
    "requests": ("BIGINT", "Requests made"),
    "retries": ("BIGINT", "Requests repeated after a failure"),
    "seconds_waited_for_budget": (
        "DOUBLE",
        "Seconds waited for the rate limit, summed over pages in flight",
    ),
    "seconds_waited_to_retry": (
        "DOUBLE",
        "Seconds waited before retries, summed over pages in flight",
    ),
    "bytes": ("BIGINT", "Bytes received"),
    "pages": ("BIGINT", "Pages read"),
    "record_count": ("BIGINT", "Record count of the API when the read began"),
    "read": ("BIGINT", "Records read, including repeated ones"),
    "inserted": ("BIGINT", "New rows"),
    "updated": ("BIGINT", "Rows whose record changed"),
    "unchanged": ("BIGINT", "Rows whose record did not change"),
    "refreshed": ("BIGINT", "Unchanged rows that got new volatile values"),
    "deleted": ("BIGINT", "Rows whose record was found deleted"),
    "undeleted": ("BIGINT", "Deleted rows whose record returned"),
    "rewritten": ("BIGINT", "Rows that were rewritten because the column policy has changed"),
    "unparsed": ("BIGINT", "Values that did not fit their column"),
    "rows": ("BIGINT", "Rows in the table afterwards, including deleted ones"),
    "current_rows": ("BIGINT", "Rows in the table afterwards, without deleted ones"),
    "forgotten": ("BIGINT", "Current rows that were erased later, as their persons were forgotten"),
    "filter_refused": ("BOOLEAN", "Whether the API refuses the filter for changed records"),
    "sort_refused": ("BOOLEAN", "Whether the API refuses to sort by the last change"),
    "cursor": ("TIMESTAMP WITH TIME ZONE", "Watermark: all changes up to then are in the table"),
    "values_as_of": (
        "TIMESTAMP WITH TIME ZONE",
        "The values are at least as new as this; null if the sync has not proven it",
    ),
    "read_as_of": (
        "TIMESTAMP WITH TIME ZONE",
        "Every record was read then or later, whether it had changed or not; null if unknown",
    ),
}
LATEST = {
    "endpoint": "Name of the endpoint and of its table",
    "sync_number": "Number of its last sync",
    "run_id": "The Dagster run of that sync",
    "mode": "full or incremental",
    "verdict": "complete, window, incomplete, partial, unavailable, or failed",
    "reason": "Why completeness is not proven, or why the sync failed",
    "started": "When it began; null if the clock was wrong",
    "finished": "When it was merged or failed; null if the clock was wrong",
    "read_number": "Number of the last sync that read the list: complete, window or incomplete",
    "read_from": "When it began; null if the clock was wrong",
    "read_at": "When it was merged; null if the clock was wrong",
    "stored_number": "Number of the last sync that did not fail; columns up to cursor describe it",
    "stored_run_id": "The Dagster run of that sync",
    "rows": "Rows in the table afterwards, including deleted ones",
    "current_rows": "Rows in the table afterwards, without deleted ones",
    "api": "The API that it read",
    "cursor": "Watermark: all changes up to then are in the table",
    "filter_refused": "Whether the API refuses the filter for changed records",
    "sort_refused": "Whether the API refuses to sort by the last change",
    "proven_at": "When the last sync began that was complete or a window",
    "proven_api": "The API that it read",
    "complete_at": "When the last complete one began",
    "whole_at": "When the last complete one began that read the whole list",
    "values_as_of": "The values are at least as new as this; null if it is not known",
    "read_as_of": "Every record was read then or later, whether it had changed or not",
}
_STORED, _PROVEN = "rows IS NOT NULL", "verdict IN ('complete', 'window')"
# A reading that went on began in an earlier sync; a beginning after the end is from a wrong clock.
_BEGAN = "if(started > finished, started, least(started, values_as_of))"
_READ = "verdict IN ('complete', 'window', 'incomplete')"
_TAKEN_FROM = {  # a column of `syncs`, and what is true of the sync that has its last value
    **{
        name: (name, "true")
        for name in ("sync_number", "run_id", "mode", "verdict", "reason", "started", "finished")
    },
    "read_number": ("sync_number", _READ),
    "read_from": ("started", _READ),
    "read_at": ("finished", _READ),
    "stored_number": ("sync_number", _STORED),
    "stored_run_id": ("run_id", _STORED),
    **{name: (name, _STORED) for name in ("rows", "current_rows", "api", "cursor", "read_as_of")},
    **{name: (name, f"{name} IS NOT NULL") for name in ("filter_refused", "sort_refused")},
    "proven_at": ("started", _PROVEN),
    "proven_api": ("api", _PROVEN),
    "complete_at": ("started", "verdict = 'complete'"),
    "whole_at": (_BEGAN, "verdict = 'complete' AND proof IS DISTINCT FROM 'counted'"),
    "values_as_of": ("coalesce(values_as_of, started)", _PROVEN),  # earlier versions had none
}
_TIMES = {
    name
    for name, (value, _) in _TAKEN_FROM.items()
    if name in ("values_as_of", "whole_at") or "TIMESTAMP" in SYNCS[value][0]
}
RENAMED = {  # since version 1: the new name of a column, and its old one
    "seconds_waited_for_budget": "waited_for_budget",
    "seconds_waited_to_retry": "waited_to_retry",
    "bytes": "received",
    "current_rows": "living",
}
_SYNCS = Table(
    META,
    SYNCS_TABLE,
    "What each sync of each endpoint did",
    SYNCS,
    fills={
        "sync_number": "row_number() OVER (PARTITION BY endpoint "
        f"ORDER BY finished NULLS FIRST, {ORDER})"
    },
)


def prepare_syncs(database: duckdb.DuckDBPyConnection, account: str = "") -> list[str]:
    """Create or repair `recruit_meta`, and migrate a file of an earlier version.

    Args:
        database: open for writing, in a transaction.
        account: the account whose records are in the file; empty if it has no name.

    Returns:
        Columns that were missing, or had another type, in a file of this version.

    Raises:
        DatabaseProblem: the file is from a later version or of another account, or has a view or
            table that a user made in place of one of ours.
    """
    found = check_layout(database, account)
    if found.version < VERSION:
        _rename_columns(database)
    defects = ensure(database, _SYNCS)
    if not _is_latest(database):
        check_is_view(database, LATEST_VIEW, META)
        _make_view(database)
    store_layout(database, account, found)
    return defects if found.version == VERSION else []


def add_sync(database: duckdb.DuckDBPyConnection, values: Mapping[str, Any]) -> None:
    """Write the row of a sync, with the next number of its endpoint.

    If that does not fit, because something else wrote the last number, all syncs are renumbered.

    Args:
        database: open for writing, in a transaction; `recruit_meta` is prepared.
        values: by column of `SYNCS`, including `endpoint`; an omitted column is null.
    """
    syncs = table_name(database, SYNCS_TABLE, META)
    last = f"SELECT coalesce(max(sync_number), 0) FROM {syncs} WHERE endpoint = ?"
    ((number,),) = database.execute(last, [values["endpoint"]]).fetchall()
    if number == MAX_NUMBER:
        database.execute(
            f"UPDATE {syncs} SET sync_number = place FROM {numbered(database)} AS known "
            "WHERE syncs.rowid = known.rowid"
        )
        ((number,),) = database.execute(last, [values["endpoint"]]).fetchall()
    known = {**values, "sync_number": number + 1}
    database.execute(
        f"INSERT INTO {syncs} ({', '.join(map(quoted, known))}) "
        f"VALUES ({', '.join('?' * len(known))})",
        list(known.values()),
    )


def latest(database: duckdb.DuckDBPyConnection, *columns: str) -> str:
    """Return SQL for the rows of `recruit_meta.latest`, even if it is missing or out of date.

    Args:
        database: the database.
        columns: the columns that are needed; all by default, which take longer to plan.
    """
    now = f"TIMESTAMPTZ {literal(datetime.now(UTC).isoformat())}"
    return f"({_latest(_syncs(database), now, columns or LATEST)})"


def numbered(database: duckdb.DuckDBPyConnection) -> str:
    """Return SQL for all syncs, with every known column and a number each."""
    return f"({_numbered(_syncs(database))})"


def _syncs(database: duckdb.DuckDBPyConnection) -> str:
    """Return SQL for the stored syncs, with null for each missing column."""
    types = {
        name.lower(): sql_type for name, sql_type in columns_found(database, SYNCS_TABLE, META)
    }
    columns = [
        quoted(name)
        if types.get(name) == sql_type
        else f"TRY_CAST({_found(name, types)} AS {sql_type}) AS {quoted(name)}"
        for name, (sql_type, _) in SYNCS.items()
    ]
    if not types:
        return f"(SELECT {', '.join(columns)}, 0 AS rowid WHERE false)"
    return f"(SELECT {', '.join(columns)}, rowid FROM {table_name(database, SYNCS_TABLE, META)})"


def _found(name: str, present: Container[str]) -> str:
    names = [each for each in (name, RENAMED.get(name, name)) if each in present]
    return quoted(names[0]) if names else "NULL"


def _rename_columns(database: duckdb.DuckDBPyConnection) -> None:
    """Rename the columns of a file of version 1."""
    present = {name.lower() for name, _ in columns_found(database, SYNCS_TABLE, META)}
    syncs = table_name(database, SYNCS_TABLE, META)
    for name, before in RENAMED.items():
        if before in present and name not in present:
            database.execute(f"ALTER TABLE {syncs} RENAME COLUMN {before} TO {quoted(name)}")
            describe(database, syncs, {name: SYNCS[name][1]})


def _numbered(syncs: str) -> str:
    """Return SQL that orders syncs; those of version 1 have no number and are first."""
    return (
        "SELECT * REPLACE (coalesce(sync_number, place) AS sync_number) FROM ("
        "SELECT *, row_number() OVER (PARTITION BY endpoint ORDER BY sync_number NULLS FIRST, "
        f"finished NULLS FIRST, rowid) AS place FROM {syncs} WHERE endpoint IS NOT NULL)"
    )


def _latest(syncs: str, now: str, columns: Collection[str] = LATEST) -> str:
    """Return SQL for columns of the view; each costs time to plan, even if it is not used."""
    taken = ", ".join(
        f"arg_max_null({value}, place) FILTER ({which}) AS {quoted(name)}"
        for name, (value, which) in _TAKEN_FROM.items()
        if name in (*columns, "finished")
    )
    selected = ", ".join(
        f"CASE WHEN {quoted(name)} BETWEEN to_timestamp(0) AND latest_possible THEN {quoted(name)} "
        f"END AS {quoted(name)}"
        if name in _TIMES
        else quoted(name)
        for name in columns
    )
    return (
        f"SELECT {selected} FROM (SELECT *, CASE WHEN finished BETWEEN to_timestamp(0) AND {now} "
        f"THEN finished ELSE {now} END AS latest_possible "
        f"FROM (SELECT endpoint, {taken} FROM ({_numbered(syncs)}) GROUP BY endpoint))"
    )


def _is_latest(database: duckdb.DuckDBPyConnection) -> bool:
    try:
        return [name for name, _ in columns_found(database, LATEST_VIEW, META)] == list(LATEST)
    except duckdb.Error:  # the view reads columns that no longer exist
        return False


def _make_view(database: duckdb.DuckDBPyConnection) -> None:
    """Create the view; a view finds the table in its own schema, whatever the file is called."""
    view = table_name(database, LATEST_VIEW, META)
    syncs = f"(SELECT {', '.join(map(quoted, SYNCS))}, rowid FROM {SYNCS_TABLE})"
    database.execute(f"CREATE OR REPLACE VIEW {view} AS {_latest(syncs, 'now()')}")
    describe_view(database, view, "The last sync of each endpoint", LATEST)
