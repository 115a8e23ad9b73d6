"""Table of an endpoint: the columns that it must have, and how rows regain lost ones.

Scope: what a sync ensures before it merges. `tables` rebuilds a table.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import duckdb

from recruit_assets.catalogue import EXTRAS, UNPARSED, Endpoint, Kind
from recruit_assets.errors import DatabaseChanged, DatabaseProblem
from recruit_assets.load.digest import digest
from recruit_assets.load.rebuild import rebuild
from recruit_assets.load.schema import (
    BOOKKEEPING,
    SCHEMA,
    UNKNOWN,
    columns_found,
    columns_of,
)
from recruit_assets.load.stage import NOTHING
from recruit_assets.load.table import Table
from recruit_assets.load.tables import check_ids, ensure


def prepare(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    staged: Mapping[str, Kind],
    ids: str = NOTHING,
) -> list[str]:
    """Create the endpoint's table, or add and rebuild the columns that it should have.

    Args:
        database: open for writing, in the transaction of the merge.
        endpoint: the endpoint of the table.
        staged: the columns of the rows to be merged.
        ids: the staged rows, as SQL to read from.

    Returns:
        Columns of the catalogue, and bookkeeping columns, that the table lacked or had in another
        type.

    Raises:
        DatabaseProblem: the table has no ids, or ids that were altered beyond repair, or a column
            that a user added is in the way.
        DatabaseChanged: another run gave a column another type since `staged` was made.
    """
    found = columns_found(database, endpoint.name)
    _check_ids(endpoint, found)
    present = columns_of(database, endpoint)
    taken = {name.lower() for name, _ in found}  # DuckDB compares names without case
    wanted = _columns(endpoint)
    unknown = {name: kind for name, kind in staged.items() if name not in wanted}
    for name, kind in unknown.items():
        _check(endpoint, name, kind, present, taken)
    added = {
        name: (kind.sql, EXTRAS.get(name, UNKNOWN))
        for name, kind in unknown.items()
        if name not in present
    }
    columns, digested = wanted | added, {name: unknown[name] for name in added}
    if found and _table(endpoint, columns, {}, taken).defects(found):
        digested |= columns_of_the_api(database, endpoint)
    table = replace(_table(endpoint, columns, digested, taken), ids=ids)
    defects = ensure(database, table)
    return [name for name in defects if name in wanted]


def refill(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, rows: str, without: Collection[str]
) -> None:
    """Replace the rows of a table that is prepared, and remove columns from it.

    Args:
        database: open for writing, in a transaction.
        endpoint: the endpoint of the table.
        rows: the new rows, as SQL to read from, with the columns of the table and `rowid`.
        without: the columns to remove.
    """
    found = columns_found(database, endpoint.name)
    kept = columns_of_the_api(database, endpoint)
    digested = {name: kind for name, kind in kept.items() if name not in without}
    present = {name.lower() for name, _ in found}
    table = _table(endpoint, _columns(endpoint), digested, present)
    rebuild(database, table, found, [], rows=rows, without=without)


def is_damaged(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> bool:
    """Return whether the table, which must exist, lacks a column that a sync would recreate.

    Raises:
        DatabaseProblem: it has no ids, or they were altered beyond repair.
    """
    found = columns_found(database, endpoint.name)
    _check_ids(endpoint, found)
    table = _table(endpoint, _columns(endpoint), {}, set())
    check_ids(database, table, found)
    return bool(table.defects(found))


def _columns(endpoint: Endpoint) -> dict[str, tuple[str, str]]:
    known = {column.name: (column.kind.sql, column.meaning) for column in endpoint.columns()}
    return known | BOOKKEEPING


def _table(
    endpoint: Endpoint,
    columns: Mapping[str, tuple[str, str]],
    digested: Mapping[str, Kind],
    present: set[str],
) -> Table:
    """Return the definition of the table.

    Rows are digested again if columns change, so the next sync writes only those that differ from
    what the API sends. An erased row is recognized by its missing digest.
    """
    known = {column.name: column.kind for column in endpoint.columns()}
    volatile = {column.name for column in endpoint.columns() if column.volatile}
    row_hash = digest({**digested, **known, UNPARSED: Kind.JSON}, volatile)
    fills = {"_row_hash": f"CASE WHEN _deleted_at IS NULL THEN {row_hash} END"}
    if "_row_hash" in present:
        fills["_deleted_at"] = "CASE WHEN _row_hash IS NULL THEN coalesce(_loaded_at, now()) END"
    return Table(
        SCHEMA,
        endpoint.name,
        endpoint.description,
        columns,
        fills=fills,
        computed=("_row_hash",),
        lossless=set(known) - {"id"},
    )


def columns_of_the_api(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, Kind]:
    """Return the columns that the endpoint's table has now for what the API sends.

    They are those of the catalogue, and those with our comment; any other was added by a user.
    """
    ours = {column.name for column in endpoint.columns()} | columns_added(database, endpoint)
    return {name: kind for name, kind in columns_of(database, endpoint).items() if name in ours}


def columns_added(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> set[str]:
    """Return the columns that syncs have added for what the catalogue does not know."""
    found = database.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() "
        "AND lower(schema_name) = ? AND lower(table_name) = ? "
        "AND list_contains(?::VARCHAR[], comment)",
        [SCHEMA, endpoint.name, [UNKNOWN, *EXTRAS.values()]],
    ).fetchall()
    return {name for (name,) in found}


def _check_ids(endpoint: Endpoint, found: list[tuple[str, str]]) -> None:
    if found and "id" not in {name.lower() for name, _ in found}:
        raise DatabaseProblem(
            f"{SCHEMA}.{endpoint.name} has no column id, so its rows cannot be identified: rename "
            "the column back, or drop the table, then run again."
        )


def _check(
    endpoint: Endpoint, name: str, kind: Kind, present: Mapping[str, Kind], taken: set[str]
) -> None:
    """Refuse a column of the API that conflicts with a column of the table."""
    if name not in present and name.lower() in taken:
        raise DatabaseProblem(
            f"{endpoint.name} has a column {name} that somebody else added, and the API sends "
            "one of that name: rename or drop it, then run again."
        )
    if name in present and present[name].sql != kind.sql:
        raise DatabaseChanged(
            f"Another run changed {endpoint.name}.{name} to {present[name].sql} while this one "
            f"read it as {kind.sql}: run it again."
        )
