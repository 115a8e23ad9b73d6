"""Rebuilding a table with the right columns, filled from the old one.

DuckDB 1.5, 2 and DuckLake all commit a rebuild together with changed rows, and each column is
filled in the same statement. Everything that users have added is kept: columns, defaults, comments,
constraints, indexes; and views, which DuckDB binds when they are read.
"""

from collections.abc import Collection, Sequence

import duckdb

from recruit_assets.catalogue import UNPARSED
from recruit_assets.load.convert import as_id, as_json, converted
from recruit_assets.load.schema import table_name
from recruit_assets.load.sql import literal, quoted, unused
from recruit_assets.load.table import ID, ORDER, Table, describe
from recruit_assets.load.unparsed import as_object, entries, entry

_MISFITS = quoted(unused("misfits"))
_OF_TABLE = (
    "database_name = current_database() AND lower(schema_name) = ? AND lower(table_name) = ?"
)


def rebuild(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    found: Sequence[tuple[str, str]],
    defects: Sequence[str],
    *,
    rows: str = "",
    without: Collection[str] = (),
) -> None:
    """Replace a table with one that has the right columns, filled from the old one.

    Args:
        database: open for writing, in a transaction.
        table: the definition of the table.
        found: its present columns, and their types.
        defects: the required columns that it lacks or has in another type.
        rows: what to fill it from instead, as SQL to read from, with the old columns and `rowid`.
        without: the columns that the new table is not to have.
    """
    old = table_name(database, table.name, table.schema)
    new = table_name(database, unused(table.name), table.schema)
    generated = _generated(database, table, old)
    lines, meanings = _definition(database, table, generated, without)
    lines += _constraints(database, table)
    indexes = _indexes(database, table)
    database.execute(f"CREATE TABLE {new} ({', '.join(lines)})")
    left_out = {*generated, *without}
    given = [(name, sql_type) for name, sql_type in found if name not in left_out]
    database.execute(f"INSERT INTO {new} BY NAME {_refilled(table, rows or old, given, defects)}")
    database.execute(f"DROP TABLE {old}")
    database.execute(f"ALTER TABLE {new} RENAME TO {quoted(table.name)}")
    for sql in indexes:
        database.execute(sql)
    database.execute(f"COMMENT ON TABLE {old} IS {literal(table.comment)}")
    describe(database, old, meanings)


def _generated(database: duckdb.DuckDBPyConnection, table: Table, full: str) -> set[str]:
    """Return the columns that users added and DuckDB computes from others.

    It lists their expression as if it were a default, but does not describe it as one.
    """
    described = database.execute(f"DESCRIBE {full}").fetchall()
    plain = {name for name, *_, default, _ in described if default is not None}
    listed = database.execute(
        "SELECT column_name FROM duckdb_columns() "
        f"WHERE {_OF_TABLE} AND column_default IS NOT NULL",
        [table.schema, table.name],
    ).fetchall()
    return {name for (name,) in listed if name not in plain and name.lower() not in table.columns}


def _definition(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    generated: Collection[str],
    without: Collection[str],
) -> tuple[list[str], dict[str, str]]:
    """Return the column definitions of the new table, and the comments of its columns."""
    lines, meanings, present = [], {}, set[str]()
    for name, sql_type, default, nullable, comment in database.execute(
        "SELECT column_name, data_type, column_default, is_nullable, comment "
        f"FROM duckdb_columns() WHERE {_OF_TABLE} ORDER BY column_index",
        [table.schema, table.name],
    ).fetchall():
        present.add(name.lower())
        if name in without:
            continue
        given = f" GENERATED ALWAYS AS ({default})" if name in generated else f" DEFAULT {default}"
        extra = given * bool(default) + " NOT NULL" * (not nullable)
        if name.lower() in table.columns:
            sql_type, meanings[name] = table.columns[name.lower()]  # noqa: PLW2901
            extra = ""
        elif comment:
            meanings[name] = comment
        lines.append(f"{quoted(name)} {sql_type}{extra}")
    missing = [name for name in table.columns if name not in present]
    lines += [f"{quoted(name)} {table.columns[name][0]}" for name in missing]
    meanings |= {name: table.columns[name][1] for name in missing}
    return lines, meanings


def _constraints(database: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Return the SQL of constraints that users have added, except NOT NULL."""
    found = database.execute(
        f"SELECT constraint_text FROM duckdb_constraints() WHERE {_OF_TABLE} "
        "AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'CHECK', 'FOREIGN KEY')",
        [table.schema, table.name],
    ).fetchall()
    return [text for (text,) in found]


def _indexes(database: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Return the SQL of indexes that users have created."""
    found = database.execute(
        f"SELECT sql FROM duckdb_indexes() WHERE {_OF_TABLE} AND sql IS NOT NULL",
        [table.schema, table.name],
    ).fetchall()
    return [sql for (sql,) in found]


def _refilled(
    table: Table, old: str, found: Sequence[tuple[str, str]], defects: Sequence[str]
) -> str:
    """Return SQL for the old rows with the new columns.

    Columns are converted first, then `_unparsed` gets the misfits, then columns are filled, each
    from all the others.
    """
    columns, misfits, present = [], [], set[str]()
    for name, sql_type in found:
        present.add(name.lower())
        column = quoted(name)
        if name.lower() in defects:
            wanted, _ = table.columns[name.lower()]
            is_id = name.lower() == ID
            column = as_id(name, sql_type) if is_id else converted(name, sql_type, wanted)
            if name.lower() in table.lossless:
                kept = f"CASE WHEN ({column}) IS NULL THEN {as_json(name, sql_type)} END"
                misfits.append(entry(name.lower(), kept))
        columns.append(f"{column} AS {quoted(name)}")
    missing = [name for name in defects if name not in present]
    columns += [f"NULL::{table.columns[name][0]} AS {quoted(name)}" for name in missing]
    columns.append(f"{entries(misfits)} AS {_MISFITS}")
    rows = f"SELECT {', '.join(columns)}, rowid AS {ORDER} FROM {old}"
    if misfits:
        kept = f"coalesce({as_object(_MISFITS, UNPARSED)}, {UNPARSED})"
        rows = f"SELECT * REPLACE ({kept} AS {UNPARSED}) FROM ({rows}) r"
    for name in [
        *(each for each in table.fills if each in missing and each not in table.computed),
        *table.computed,
    ]:
        rows = f"SELECT * REPLACE ({table.fills[name]} AS {quoted(name)}) FROM ({rows}) r"
    return f"SELECT * EXCLUDE ({ORDER}, {_MISFITS}) FROM ({rows}) r"
