"""Creating, widening and repairing every table of ours, in the transaction that is open.

Scope: DDL. `table` says what a table must be. One that lacks only columns which begin as null gets
them added; one that lacks others, or has one in another type, is rebuilt (see `rebuild`).
"""

from collections.abc import Sequence

import duckdb

from recruit_assets.catalogue import Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.convert import as_id
from recruit_assets.load.rebuild import rebuild
from recruit_assets.load.schema import columns_found, count, is_table, schema_name, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.table import ID, Table, describe

MAX_ADDED = 20  # columns; each takes a block of memory, which a rebuilt table does not


def ensure(database: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Create a table if it is missing, and add or rebuild the columns that it should have.

    Returns:
        The columns that were missing, or had another type; none if the table was created.

    Raises:
        DatabaseProblem: a user's view has its name, or its ids were altered beyond repair.
    """
    found = columns_found(database, table.name, table.schema)
    if not found:
        _create(database, table)
        return []
    check_is_table(database, table.name, table.schema)
    check_ids(database, table, found)
    defects = table.defects(found)
    if not defects:
        return []
    if len(defects) <= MAX_ADDED and table.begin_as_null(defects, found):
        _add(database, table, defects)
    else:
        rebuild(database, table, found, defects)
    return defects


def check_is_table(database: duckdb.DuckDBPyConnection, name: str, schema: str) -> None:
    """Refuse a view in place of a table of ours, which may not exist.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    if is_table(database, name, schema) is False:
        raise DatabaseProblem(
            f"{schema}.{name} is a view that somebody else created, in place of a table that a "
            "sync writes to: rename or drop the view, then run again. Nothing was changed."
        )


def check_is_view(database: duckdb.DuckDBPyConnection, name: str, schema: str) -> None:
    """Refuse a table in place of a view of ours, which may not exist.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    if is_table(database, name, schema):
        raise DatabaseProblem(
            f"{schema}.{name} is a table that somebody else created, in place of a view that "
            "each sync maintains: rename or drop the table, then run again. Nothing was changed."
        )


def check_ids(
    database: duckdb.DuckDBPyConnection, table: Table, found: Sequence[tuple[str, str]]
) -> None:
    """Refuse ids whose type was changed to one that no longer holds what the API sends.

    Args:
        database: open.
        table: the definition of the table.
        found: its present columns.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    sql_type = next((each for name, each in found if name.lower() == ID), "")
    if ID not in table.columns or sql_type in ("", table.columns[ID][0]):
        return
    full = table_name(database, table.name, table.schema)
    lost = count(database, f"{full} WHERE {ID} IS NOT NULL AND ({as_id(ID, sql_type)}) IS NULL")
    lost = lost or count(database, _respelled(full, table.ids, sql_type))
    if lost:
        raise DatabaseProblem(
            f"{table.schema}.{table.name}.{ID} was changed to {sql_type}, and {lost:,} of its ids "
            "no longer match the API's: restore the table from a backup, or rename or drop it, "
            "and the next sync creates a new one. Nothing was changed."
        )


def _respelled(full: str, ids: str, sql_type: str) -> str:
    """Return SQL for ids that the table seems to have in another spelling, as 0100 became 100.

    Args:
        full: the table.
        ids: those that the API sends, as SQL to read from.
        sql_type: the type that the table's ids were given.
    """
    number = "BIGINT" if sql_type == Kind.JSON.sql else sql_type
    spelled = f"SELECT {ID} AS sent, TRY_CAST({ID} AS {number}) AS {ID} FROM {ids}"
    return (
        f"(SELECT DISTINCT sent, {as_id(ID, number)} AS kept FROM ({spelled})) s "
        f"SEMI JOIN (SELECT {as_id(ID, sql_type)} AS kept FROM {full}) USING (kept) "
        f"ANTI JOIN (SELECT {as_id(ID, sql_type)} AS sent FROM {full}) USING (sent)"
    )


def _create(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    full = table_name(database, table.name, table.schema)
    lines = [f"{quoted(name)} {sql_type}" for name, (sql_type, _) in table.columns.items()]
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, table.schema)}")
    database.execute(f"CREATE TABLE {full} ({', '.join(lines)})")
    database.execute(f"COMMENT ON TABLE {full} IS {literal(table.comment)}")
    meanings = {name: meaning for name, (_, meaning) in table.columns.items()}
    describe(database, full, meanings)


def _add(database: duckdb.DuckDBPyConnection, table: Table, names: Sequence[str]) -> None:
    """Add columns that are null in existing rows."""
    full = table_name(database, table.name, table.schema)
    for name in names:
        database.execute(f"ALTER TABLE {full} ADD COLUMN {quoted(name)} {table.columns[name][0]}")
    describe(database, full, {name: table.columns[name][1] for name in names})
    for name in table.computed:
        value = table.fills[name]
        database.execute(
            f"UPDATE {full} SET {quoted(name)} = {value} "
            f"WHERE {quoted(name)} IS DISTINCT FROM ({value})"
        )
