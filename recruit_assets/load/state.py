"""What is remembered of each sync, in `recruit_meta.syncs`: one row for each endpoint and run.

It is the state: the last good row holds the cursor, and is written in the transaction that merges
what was read up to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.names import literal, quoted
from recruit_assets.load.schema import columns_found, count, is_there, schema_name, table_name
from recruit_assets.text import one_line

META = "recruit_meta"
SYNCS = {
    "endpoint": ("VARCHAR", "The endpoint, as its table is called"),
    "run_id": ("VARCHAR", "The Dagster run"),
    "api": ("VARCHAR", "The address of the API, its version, and a mark that tells keys apart"),
    "mode": ("VARCHAR", "full: the whole list was asked for; incremental: what had changed"),
    "verdict": ("VARCHAR", "complete, window, incomplete, unavailable, or failed"),
    "reason": ("VARCHAR", "Why it is not proven complete, or failed"),
    "started": ("TIMESTAMP WITH TIME ZONE", "When the sync began"),
    "finished": ("TIMESTAMP WITH TIME ZONE", "When it was merged, or failed"),
    "requests": ("BIGINT", "Requests made"),
    "retries": ("BIGINT", "Tries after a first one"),
    "waited_for_budget": ("DOUBLE", "Seconds waited for the budget, pages in flight added up"),
    "waited_to_retry": ("DOUBLE", "Seconds waited between tries, pages in flight added up"),
    "received": ("BIGINT", "Bytes of answers"),
    "pages": ("BIGINT", "Pages read"),
    "record_count": ("BIGINT", "How many records the API counted when the reading began"),
    "read": ("BIGINT", "Records that came, repeated ones included"),
    "inserted": ("BIGINT", "Rows that are new"),
    "updated": ("BIGINT", "Rows that differ"),
    "unchanged": ("BIGINT", "Rows that came and do not differ"),
    "refreshed": ("BIGINT", "Unchanged rows that got new volatile values"),
    "deleted": ("BIGINT", "Rows that were found gone"),
    "undeleted": ("BIGINT", "Deleted rows whose record came back"),
    "unparsed": ("BIGINT", "Values that did not fit their column"),
    "rows": ("BIGINT", "Rows in the table afterwards, deleted ones included"),
    "living": ("BIGINT", "Rows in the table afterwards, without deleted ones"),
    "filter_refused": ("BOOLEAN", "Whether the API refuses to be asked for changed records"),
    "cursor": ("TIMESTAMP WITH TIME ZONE", "What had changed by then is in the table"),
}


@dataclass(frozen=True)
class State:
    """What earlier syncs of an endpoint have left."""

    cursor: datetime | None = None
    complete_at: datetime | None = None  # when the last complete walk began
    filter_refused: bool = False
    void: bool = False  # whether what was remembered does not fit what is there
    api: str = ""  # what identified the API at the last good sync


@dataclass(frozen=True)
class Past:
    """What is remembered of one sync that did not fail."""

    verdict: str
    reason: str
    living: int


def last_syncs(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, number: int) -> list[Past]:
    """So many of the last syncs of an endpoint that did not fail, the last one first."""
    present = {name for name, _ in columns_found(database, "syncs", META)}
    if not present.issuperset(SYNCS):  # no sync, or one of an earlier version
        return []
    found = database.execute(
        f"SELECT verdict, coalesce(reason, ''), living FROM {_syncs(database)} "
        "WHERE endpoint = ? AND living IS NOT NULL ORDER BY finished DESC LIMIT ?",
        [endpoint.name, number],
    ).fetchall()
    return [Past(*each) for each in found]


def recall(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, api: str) -> State:
    """The state of an endpoint at the API of this address.

    It is void if somebody else added or took rows, or the table is of another API, or was read
    with another key. The table must be there.
    """
    if not _is_there(database):
        return State()
    ((cursor, complete_at, refused, remembered, last_api, good_api),) = database.execute(
        "SELECT arg_max(cursor, finished) FILTER (cursor IS NOT NULL), "
        "max(started) FILTER (verdict = 'complete'), "
        "arg_max(filter_refused, finished) FILTER (filter_refused IS NOT NULL), "
        "arg_max(rows, finished) FILTER (rows IS NOT NULL), "
        "arg_max(api, finished) FILTER (rows IS NOT NULL), "
        "arg_max(api, finished) FILTER (verdict IN ('complete', 'window')) "
        f"FROM {_syncs(database)} WHERE endpoint = ?",
        [endpoint.name],
    ).fetchall()
    if remembered != rows(database, endpoint) or last_api != api:
        return State(void=True, api=good_api or "")
    return State(cursor, complete_at, bool(refused), api=good_api or "")


def recall_cursor(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> datetime | None:
    """Where the cursor stands now, whoever moved it."""
    if not _is_there(database):
        return None
    ((cursor,),) = database.execute(
        "SELECT arg_max(cursor, finished) FILTER (cursor IS NOT NULL) "
        f"FROM {_syncs(database)} WHERE endpoint = ?",
        [endpoint.name],
    ).fetchall()
    found: datetime | None = cursor
    return found


def remember(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    values: Mapping[str, Any],
    *,
    void: bool = False,
) -> None:
    """Write the row of a run, in place of what an earlier try of the same run has left.

    Args:
        database: open for writing.
        endpoint: what was synced.
        values: by column of `SYNCS`, `run_id` among them; what is left out is null.
        void: whether earlier cursors are void, for good.
    """
    _create(database)
    syncs = _syncs(database)
    reason = values.get("reason")
    known = {"endpoint": endpoint.name, **values, "reason": reason and one_line(reason)}
    if void:
        database.execute(f"UPDATE {syncs} SET cursor = NULL WHERE endpoint = ?", [endpoint.name])
    database.execute(
        f"DELETE FROM {syncs} WHERE endpoint = ? AND run_id = ?",
        [endpoint.name, known["run_id"]],
    )
    database.execute(
        f"INSERT INTO {syncs} ({', '.join(map(quoted, known))}) "
        f"VALUES ({', '.join('?' * len(known))})",
        list(known.values()),
    )


def _create(database: duckdb.DuckDBPyConnection) -> None:
    """Make the table, or add what one of an earlier version lacks."""
    syncs = _syncs(database)
    present = dict(columns_found(database, "syncs", META))
    if not present:
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, META)}")
        database.execute(f"CREATE TABLE {syncs} (endpoint VARCHAR)")
        database.execute(f"COMMENT ON TABLE {syncs} IS 'What each sync of each endpoint did'")
    for name, (sql_type, meaning) in SYNCS.items():
        if name in present:
            continue
        database.execute(f"ALTER TABLE {syncs} ADD COLUMN IF NOT EXISTS {quoted(name)} {sql_type}")
        database.execute(f"COMMENT ON COLUMN {syncs}.{quoted(name)} IS {literal(meaning)}")


def _is_there(database: duckdb.DuckDBPyConnection) -> bool:
    return is_there(database, "syncs", schema=META)


def _syncs(database: duckdb.DuckDBPyConnection) -> str:
    return table_name(database, "syncs", schema=META)


def rows(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> int:
    """How many rows a table has, deleted ones included."""
    return count(database, table_name(database, endpoint.name))
