"""The merge: staged rows into their table by `id`, in one transaction, writing what differs.

The order is: make and widen the table, find what differs, delete the old versions, insert the new.
There is no primary key: DuckDB updates through an index many times slower. `id` is unique because
the staged rows are made so here, and only one process can write at a time.

What differs is found by a digest over all columns but the volatile ones. It leaves nulls out, so
a column added later changes no digest but of the rows that have a value there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind
from recruit_assets.load.schema import literal, prepare, quoted, table_name
from recruit_assets.load.stage import POSITION, Stage


@dataclass(frozen=True)
class Merged:
    """What a merge did, in rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refreshed: int = 0  # unchanged, but given new values of volatile columns
    repeated: int = 0  # came more than once; the later one counted
    total: int = 0  # in the table now


def merge(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    stage: Stage,
    run_id: str,
    *,
    refresh_volatile: bool = False,
) -> Merged:
    """Merge the staged rows, all or nothing.

    Args:
        database: open for writing, outside of a transaction.
        endpoint: whose table it is; the table is made if it is missing.
        stage: the rows.
        run_id: the Dagster run, remembered with each row written.
        refresh_volatile: whether rows that are otherwise unchanged get new volatile values.

    Raises:
        DatabaseChanged: the table is no longer what the rows were made for.
        duckdb.Error: DuckDB failed; nothing was changed.
    """
    stage.flush()
    database.execute("BEGIN TRANSACTION")
    try:
        prepare(database, endpoint, stage.columns)
        merged = _merge(database, endpoint, stage, run_id, refresh_volatile=refresh_volatile)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    return merged


def _merge(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    stage: Stage,
    run_id: str,
    *,
    refresh_volatile: bool,
) -> Merged:
    table = table_name(database, endpoint.name)
    if not stage.files:
        return Merged(total=_count(database, table))
    volatile = {column.name for column in endpoint.columns() if column.volatile}
    source = f"read_parquet([{', '.join(map(literal, stage.files))}], union_by_name = true)"
    database.execute(
        "CREATE OR REPLACE TEMP TABLE arrived AS "
        f"SELECT id, {POSITION}, {digest(stage.columns, volatile)} AS _row_hash FROM {source} "
        f"WHERE {POSITION} IN (SELECT max({POSITION}) FROM {source} GROUP BY id)"
    )
    database.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS "
        f"SELECT a.id, a.{POSITION}, a._row_hash, t.id IS NOT NULL AS present "
        f"FROM arrived a LEFT JOIN {table} t ON t.id = a.id "
        "WHERE t.id IS NULL OR t._row_hash <> a._row_hash OR t._deleted_at IS NOT NULL"
    )
    database.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM changed WHERE present)")
    names = ", ".join(quoted(name) for name in stage.columns)
    database.execute(
        f"INSERT INTO {table} ({names}, _loaded_at, _run_id, _row_hash) "
        f"SELECT {', '.join('s.' + quoted(name) for name in stage.columns)}, ?, ?, c._row_hash "
        f"FROM {source} s JOIN changed c USING ({POSITION})",
        [datetime.now(UTC), run_id],
    )
    refreshed = _refresh(database, table, source, volatile) if refresh_volatile else 0
    (read,) = _row(database, f"SELECT count(*) FROM {source}")
    (distinct,) = _row(database, "SELECT count(*) FROM arrived")
    updated, inserted = _row(
        database,
        "SELECT count(*) FILTER (present), count(*) FILTER (NOT present) FROM changed",
    )
    return Merged(
        inserted=inserted,
        updated=updated,
        unchanged=distinct - inserted - updated,
        refreshed=refreshed,
        repeated=read - distinct,
        total=_count(database, table),
    )


def _refresh(
    database: duckdb.DuckDBPyConnection, table: str, source: str, volatile: set[str]
) -> int:
    """Give rows the volatile values that came, without making them new versions."""
    if not volatile:
        return 0
    names = [quoted(name) for name in sorted(volatile)]
    differs = " OR ".join(f"t.{name} IS DISTINCT FROM s.{name}" for name in names)
    (refreshed,) = _row(
        database,
        f"UPDATE {table} t SET {', '.join(f'{name} = s.{name}' for name in names)} "
        f"FROM {source} s JOIN arrived a USING ({POSITION}) WHERE t.id = a.id AND ({differs})",
    )
    return refreshed


def digest(columns: Mapping[str, Kind], volatile: set[str]) -> str:
    """SQL that digests a staged row; equal rows have equal digests, in every version of DuckDB.

    Each value stands behind its column's name and its own length, so that no two different rows
    read the same.
    """
    parts = []
    for name, kind in sorted(columns.items()):
        if name in volatile:
            continue
        value = _AS_TEXT.get(kind, "{}::VARCHAR").format(quoted(name))
        if name == UNPARSED and volatile:
            nothing = ", ".join(f'"{each}": null' for each in sorted(volatile))
            value = f"nullif(json_merge_patch({value}, {literal('{' + nothing + '}')}), '{{}}')"
        label = literal(name + "=")
        parts.append(f"{label} || length({value}) || ':' || {value}")
    return f"md5(concat({', '.join(parts)}))"


_AS_TEXT = {
    Kind.TIMESTAMP: "epoch_us({})::VARCHAR",
    Kind.TEXTS: "to_json({})::VARCHAR",
    Kind.KEYS: "to_json({})::VARCHAR",
}


def _row(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    return tuple(database.execute(sql).fetchall()[0])


def _count(database: duckdb.DuckDBPyConnection, table: str) -> int:
    return _row(database, f"SELECT count(*) FROM {table} WHERE _deleted_at IS NULL")[0]
