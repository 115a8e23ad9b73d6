"""The history: every version that a record was seen in, in `recruit_history`.

What lives here: versions of the columns in `Endpoint.history`, one row each, opened and closed in
the transaction that merges. They follow from the table alone: the living rows are compared with the
open versions. So what is missing, for whatever reason, is made up for by the next sync.
"""

from datetime import UTC, datetime

import duckdb

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.load.names import literal, quoted
from recruit_assets.load.schema import columns_found, schema_name, table_name
from recruit_assets.load.sweep import LIVING

HISTORY = "recruit_history"
VERSION = {
    "valid_from": ("TIMESTAMP WITH TIME ZONE NOT NULL", "Since when the record was like this"),
    "valid_to": ("TIMESTAMP WITH TIME ZONE", "Until when; null while it is like this"),
    "seen_at": ("TIMESTAMP WITH TIME ZONE NOT NULL", "When a sync wrote this version"),
    "_run_id": ("VARCHAR", "The Dagster run of that sync"),
}


def write_history(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, run_id: str) -> None:
    """Close the versions that no longer hold, and open those that hold now.

    Args:
        database: open for writing, in the transaction of the merge, after the sweep.
        endpoint: whose table it is; nothing is done if it has no history.
        run_id: the Dagster run, remembered with each version.
    """
    if not endpoint.history:
        return
    _prepare(database, endpoint)
    _compare(database, endpoint)
    now = datetime.now(UTC)
    _date(database, endpoint, now)
    table = table_name(database, endpoint.name, HISTORY)
    # A clock that was set back must not end a version before it began.
    database.execute(
        f"UPDATE {table} h SET valid_to = coalesce(d.valid_from, greatest(?, h.valid_from)) "
        "FROM dated d WHERE h.id = d.id AND h.valid_to IS NULL",
        [now],
    )
    names = ", ".join(map(quoted, ("id", *endpoint.history)))
    database.execute(
        f"INSERT INTO {table} ({names}, valid_from, seen_at, _run_id) "
        f"SELECT {names}, valid_from, ?, ? FROM dated WHERE lives",
        [now, run_id],
    )


def _prepare(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Make the table, or add the columns that one of an earlier version lacks."""
    table = table_name(database, endpoint.name, HISTORY)
    present = dict(columns_found(database, endpoint.name, HISTORY))
    if not present:
        versioned = ", ".join(f"{name} {sql_type}" for name, (sql_type, _) in VERSION.items())
        comment = literal(f"Every version seen of each row of {endpoint.name}")
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, HISTORY)}")
        database.execute(f"CREATE TABLE {table} (id VARCHAR NOT NULL, {versioned})")
        database.execute(f"COMMENT ON TABLE {table} IS {comment}")
    known = {column.name: column for column in endpoint.columns()}
    meanings = {name: meaning for name, (_, meaning) in VERSION.items()}
    meanings |= {name: known[name].meaning for name in ("id", *endpoint.history)}
    for name in endpoint.history:
        if name not in present:
            column = f"{quoted(name)} {known[name].kind.sql}"
            database.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for name in meanings.keys() - present.keys():
        meaning = literal(meanings[name])
        database.execute(f"COMMENT ON COLUMN {table}.{quoted(name)} IS {meaning}")


def _compare(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Make `turned`: the rows that are not what their open version says, and those without rows."""
    kinds = {column.name: column.kind for column in endpoint.columns()}
    present = {name for name, _ in columns_found(database, endpoint.name)}
    # A table of an earlier version may lack a column, or have another type there.
    now = [
        f"try_cast({f't.{quoted(name)}' if name in present else 'NULL'} AS {kinds[name].sql}) "
        f"AS {quoted(name)}"
        for name in endpoint.history
    ]
    differs = " OR ".join(
        f"t.{quoted(name)} IS DISTINCT FROM h.{quoted(name)}" for name in endpoint.history
    )
    database.execute(
        "CREATE OR REPLACE TEMP TABLE turned AS "
        "SELECT coalesce(t.id, h.id) AS id, t.id IS NOT NULL AS lives, "
        f"{', '.join(f't.{quoted(name)}' for name in endpoint.history)} "
        f"FROM (SELECT id, {', '.join(now)} FROM {table_name(database, endpoint.name)} t "
        f"WHERE {LIVING} AND id IS NOT NULL) t FULL JOIN "
        f"(SELECT * FROM {table_name(database, endpoint.name, HISTORY)} WHERE valid_to IS NULL) h "
        f"ON h.id = t.id WHERE t.id IS NULL OR h.id IS NULL OR {differs}"
    )


def _date(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, now: datetime) -> None:
    """Make `dated`: what has turned, with since when it is so.

    That is the latest of the record's own times that lies between the version before and now;
    without one it is now, or when the version before ended, should the clock have been set back.
    """
    times = [
        quoted(column.name)
        for column in endpoint.columns()
        if column.name in endpoint.history and column.kind is Kind.TIMESTAMP
    ]
    own = ", ".join(
        f"CASE WHEN coalesce({name} > earlier, true) AND {name} <= $now THEN {name} END"
        for name in times
    )
    database.execute(
        "CREATE OR REPLACE TEMP TABLE dated AS SELECT *, "
        f"CASE WHEN lives THEN coalesce(greatest({own}), greatest($now, earlier)) END "
        "AS valid_from FROM turned "
        "LEFT JOIN (SELECT id, max(coalesce(valid_to, valid_from)) AS earlier "
        f"FROM {table_name(database, endpoint.name, HISTORY)} WHERE id IN (SELECT id FROM turned) "
        "GROUP BY id) USING (id)",
        {"now": now},
    )
