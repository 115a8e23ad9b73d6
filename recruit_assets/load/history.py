"""SCD type 2 history in `recruit_history`: one row for each version of a record.

The API shows only the current state. So each sync records, in the transaction that merges, where
the columns that an endpoint tracks have changed: the open version ends, and another begins.
`endpoints` says which columns are tracked.

An incremental sync compares only the rows that it wrote. All rows are compared if it read the whole
list, or if afterwards there are not as many open versions as current rows (the table is older than
its history, or something else removed rows from either).
"""

from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.schema import SCHEMA, columns_found, count, table_name
from recruit_assets.load.sql import quoted
from recruit_assets.load.sweep import CURRENT, count_current
from recruit_assets.load.table import ORDER, Table
from recruit_assets.load.tables import ensure

HISTORY = "recruit_history"
OPEN = "valid_to IS NULL"
SPAN = {
    "valid_from": (
        "TIMESTAMP WITH TIME ZONE",
        "Start of the version: the API's own time if it gives one, else seen_at",
    ),
    "valid_to": (
        "TIMESTAMP WITH TIME ZONE",
        "End of the version: when the next one began, or the record was deleted; null if open",
    ),
    "seen_at": (
        "TIMESTAMP WITH TIME ZONE",
        "When a sync first wrote the version",
    ),
    "_run_id": ("VARCHAR", "The Dagster run that wrote it"),
}


def write_history(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    run_id: str,
    gone: Sequence[str],
    columns: Container[str],
    *,
    whole: bool,
) -> list[str]:
    """Record what a sync changed, if the endpoint has a history.

    Args:
        database: open for writing, in the transaction of the merge, after the sweep.
        endpoint: the endpoint of the history, whose table is created if it is missing.
        run_id: the Dagster run, which is stored in the rows that it wrote.
        gone: the ids that are proven gone.
        columns: the columns of the endpoint's table, which may lack some that are tracked.
        whole: whether the whole list was read; then all rows are compared.

    Returns:
        Columns that the history lacked, or had in another type.

    Raises:
        DatabaseProblem: it has no ids.
    """
    if not endpoint.history:
        return []
    table = table_name(database, endpoint.name)
    history = table_name(database, endpoint.name, HISTORY)
    values = {"now": datetime.now(UTC), "run": run_id}
    defects = _prepare(database, endpoint, columns)
    begun = _begun(endpoint, table, history, columns)
    _end(database, history, "id IN (SELECT unnest($gone::VARCHAR[]))", values, gone=list(gone))
    _begin(database, history, begun, values, of_run=True)
    if whole or count(database, f"{history} WHERE {OPEN}") != count_current(database, endpoint):
        there = f"SELECT id FROM {table} WHERE {CURRENT} AND id IS NOT NULL"
        _end(database, history, f"id NOT IN ({there})", values)
        _begin(database, history, begun, values, of_run=False)
    return defects


def end_versions(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, which: str) -> None:
    """Close open versions now, without new ones; `which` is SQL that is true of them."""
    history = table_name(database, endpoint.name, HISTORY)
    _end(database, history, which, {"now": datetime.now(UTC)})


def _end(
    database: duckdb.DuckDBPyConnection,
    history: str,
    which: str,
    values: dict[str, Any],
    **more: Any,
) -> None:
    """Close the open versions of records that are gone."""
    database.execute(
        f"UPDATE {history} SET valid_to = greatest(valid_from, $now) WHERE {OPEN} AND {which}",
        {"now": values["now"], **more},
    )


def _begin(
    database: duckdb.DuckDBPyConnection,
    history: str,
    begun: str,
    values: dict[str, Any],
    *,
    of_run: bool,
) -> None:
    """Begin new versions, and close those that were open until then."""
    database.execute(f"CREATE OR REPLACE TEMP TABLE begun AS {begun}", values | {"of_run": of_run})
    database.execute(
        f"UPDATE {history} h SET valid_to = b.valid_from "
        f"FROM begun b WHERE b.id = h.id AND h.{OPEN}"
    )
    database.execute(f"INSERT INTO {history} BY NAME SELECT * FROM begun")


def _begun(endpoint: Endpoint, table: str, history: str, columns: Container[str]) -> str:
    """Return SQL for new versions: current rows that no open version equals.

    A version begins at the latest of its own times that is between the beginning (or the end) of
    the previous version and now: when the application was moved, or the offer answered. Without one
    it begins when it was seen.
    """
    rows, differs, times = [], [], ["NULL"]
    for column in endpoint.tracked():
        name = quoted(column.name)
        found = name if column.name in columns else "NULL"
        rows.append(f"TRY_CAST({found} AS {column.kind.sql}) AS {name}")
        differs.append(f"r.{name} IS DISTINCT FROM h.{name}")
        if column.kind is Kind.TIMESTAMP:
            times.append(
                f"CASE WHEN r.{name} <= $now AND "
                f"r.{name} > coalesce(h.valid_to, h.valid_from, '-infinity') THEN r.{name} END"
            )
    written = f"SELECT {', '.join(rows)} FROM {table} WHERE {CURRENT} AND id IS NOT NULL"
    return (
        f"WITH r AS ({written} AND (_run_id = $run OR NOT $of_run)), "
        f"h AS (SELECT * FROM {history} WHERE id IN (SELECT id FROM r) QUALIFY row_number() "
        "OVER (PARTITION BY id ORDER BY valid_to DESC NULLS FIRST, valid_from DESC) = 1) "
        f"SELECT r.*, coalesce(greatest({', '.join(times)}), "
        "greatest($now, h.valid_from, h.valid_to)) AS valid_from, "
        "NULL::TIMESTAMPTZ AS valid_to, $now AS seen_at, $run AS _run_id "
        "FROM r LEFT JOIN h USING (id) "
        f"WHERE h.id IS NULL OR h.valid_to IS NOT NULL OR {' OR '.join(differs)}"
    )


def _prepare(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, columns: Container[str]
) -> list[str]:
    """Create the history's table, or add columns that have been tracked since.

    Open versions get their value of an added column, because tracking it is not a change. A lost
    time is replaced by the nearest known one.
    """
    table = table_name(database, endpoint.name)
    tracked = {each.name: (each.kind.sql, each.meaning) for each in endpoint.tracked()}
    if (found := columns_found(database, endpoint.name, HISTORY)) and "id" not in dict(found):
        raise DatabaseProblem(
            f"{HISTORY}.{endpoint.name} has no column id, so its versions belong to no record: "
            "rename the column back, or drop the table, and a new history begins."
        )
    fills = {
        name: f"CASE WHEN valid_to IS NULL THEN (SELECT any_value(TRY_CAST(o.{quoted(name)} AS "
        f"{sql_type})) FROM {table} o WHERE o.id = r.id AND o.{CURRENT}) END"
        for name, (sql_type, _) in tracked.items()
        if name in columns
    }
    return ensure(
        database,
        Table(
            HISTORY,
            endpoint.name,
            f"Versions of the records in {SCHEMA}.{endpoint.name}, since the first sync",
            tracked | SPAN,
            fills=_LOST | fills,
            ids=table,
        ),
    )


# The order matters: each may need those before it. Of versions that all lost their end, only the
# last one may be open; comparing it with the rows shows whether it is.
_LOST = {
    "seen_at": "coalesce(valid_from, now())",
    "valid_from": "coalesce(seen_at, now())",
    "valid_to": f"lead(valid_from) OVER (PARTITION BY id ORDER BY valid_from, {ORDER})",
}
