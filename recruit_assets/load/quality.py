"""Quality of an endpoint's table: repeated ids, orphans, misfits, unused space.

Scope: the queries that checks make. `checks` interprets the results.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint, ForeignKey, Kind
from recruit_assets.load.schema import (
    columns_of,
    count,
    existing_table,
    table_exists,
    table_name,
)
from recruit_assets.load.sql import quoted
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.syncs import latest

EXAMPLES = 5


@dataclass(frozen=True)
class Orphans:
    """Count keys of current rows that point at no row of a table."""

    keys: int
    examples: list[str]


def flawed_ids(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> tuple[int, int]:
    """Return how many rows have an id that another row has, and how many have none."""
    ((repeated, missing),) = database.execute(
        "SELECT count(id) - count(DISTINCT id), count(*) - count(id) "
        f"FROM {existing_table(database, endpoint.name)}"
    ).fetchall()
    return int(repeated), int(missing)


def rows_in_file(database: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return how many rows all tables have, and how many the file keeps, with replaced ones."""
    names = database.execute(
        "SELECT schema_name, table_name, estimated_size FROM duckdb_tables() "
        "WHERE database_name = current_database()"
    ).fetchall()
    rows = sum(count(database, table_name(database, name, schema)) for schema, name, _ in names)
    return rows, sum(kept for *_, kept in names)


def misfits(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, dict[str, int]]:
    """Return how many values of current rows did not fit, by column and JSON type."""
    table = existing_table(database, endpoint.name)
    found: dict[str, dict[str, int]] = {}
    for column, kind, values in database.execute(
        f"SELECT misfit.key, lower(misfit.type), count(*) FROM {table}, "
        f"json_each({UNPARSED}) AS misfit WHERE {CURRENT} GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        found.setdefault(column, {})[kind] = values
    return found


def orphans(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint
) -> Iterator[tuple[ForeignKey, Orphans]]:
    """Yield each foreign key to a table that was read, with its orphans.

    A key counts only if the table it points at was read after the row was written: a new record may
    point at one that the next sync reads.
    """
    table = existing_table(database, endpoint.name)
    present = columns_of(database, endpoint)
    keys = [
        key
        for key in endpoint.foreign_keys()
        if present.get(key.column) is (Kind.KEYS if key.many else Kind.KEY)
        and table_exists(database, key.table)
    ]
    read = _last_read(database) if keys else {}
    for key in keys:
        if key.table in read:
            yield key, _orphans(database, table, key, read[key.table])


def _last_read(database: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Return when the last proven reading of each endpoint began."""
    return dict(
        database.execute(
            f"FROM {latest(database, 'endpoint', 'proven_at')} WHERE proven_at IS NOT NULL"
        ).fetchall()
    )


def _orphans(
    database: duckdb.DuckDBPyConnection, table: str, key: ForeignKey, read: datetime
) -> Orphans:
    where, values = f"{CURRENT} AND _loaded_at < ?", list[Any]([read])
    if key.type_column:
        where += f" AND {quoted(key.type_column)} = ?"
        values.append(key.type)
    column = f"unnest({quoted(key.column)})" if key.many else quoted(key.column)
    ((keys, examples),) = database.execute(
        f"SELECT count(*), list(DISTINCT key ORDER BY key)[:{EXAMPLES}] "
        f"FROM (SELECT {column} AS key FROM {table} WHERE {where}) "
        f"ANTI JOIN {table_name(database, key.table)} ON id = key WHERE key IS NOT NULL",
        values,
    ).fetchall()
    return Orphans(int(keys), list(examples or []))
