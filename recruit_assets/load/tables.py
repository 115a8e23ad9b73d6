"""Making, widening and repairing every table of ours, in whatever transaction is open.

What lives here: DDL. Which columns a table must have is said in `schema`, `history` and `state`.

A table that lacks a column, or has one in another type, is built again beside the old one, filled
from it, and takes its name: DuckDB 1.5, 2 and DuckLake all commit that together with changed rows,
and each column is filled in the same statement. Whatever else somebody has added stays: columns,
defaults, comments, constraints, indexes; and views, which DuckDB binds when they are read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from recruit_assets.catalogue import UNPARSED
from recruit_assets.load.convert import as_json, converted
from recruit_assets.load.names import literal, quoted
from recruit_assets.load.schema import columns_found, schema_name, table_name

ORDER = "_row_before"  # in `fills`: where a row stood in the table
MISFITS = "_misfits"
_ENTRIES = "STRUCT(key VARCHAR, value JSON)[]"


@dataclass(frozen=True)
class Table:
    """What a table must be.

    Args:
        schema: where it is.
        name: its name.
        comment: what its rows are.
        columns: SQL type and meaning of each, by name.
        fills: SQL for what a column holds in rows that are older than it, over all columns;
            without it, null.
        computed: columns that follow from the others, and are filled whenever it is rebuilt.
        lossless: columns whose values are kept in `_unparsed` where they do not fit a new type.
    """

    schema: str
    name: str
    comment: str
    columns: Mapping[str, tuple[str, str]]
    fills: Mapping[str, str] = field(default_factory=dict)
    computed: Sequence[str] = ()
    lossless: Collection[str] = ()

    def defects(self, found: Sequence[tuple[str, str]]) -> list[str]:
        """Return the columns that are missing, or have another type, given those found."""
        types = {name.lower(): sql_type for name, sql_type in found}
        return [name for name, (sql_type, _) in self.columns.items() if types.get(name) != sql_type]


def ensure(database: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Make a table if it is missing, and add or rebuild the columns that it should have.

    Returns:
        The columns that were missing, or had another type; none if the table was made.
    """
    found = columns_found(database, table.name, table.schema)
    if not found:
        _create(database, table)
        return []
    defects = table.defects(found)
    if defects:
        _rebuild(database, table, found, defects)
    return defects


def _create(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    full = table_name(database, table.name, table.schema)
    lines = [f"{quoted(name)} {sql_type}" for name, (sql_type, _) in table.columns.items()]
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, table.schema)}")
    database.execute(f"CREATE TABLE {full} ({', '.join(lines)})")
    database.execute(f"COMMENT ON TABLE {full} IS {literal(table.comment)}")
    meanings = {name: meaning for name, (_, meaning) in table.columns.items()}
    _comment(database, full, meanings)


def _rebuild(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    found: Sequence[tuple[str, str]],
    defects: Sequence[str],
) -> None:
    """Put a table with the right columns, filled from the old one, in its place."""
    old = table_name(database, table.name, table.schema)
    new_name = f"{table.name} rebuilt"
    new = table_name(database, new_name, table.schema)
    lines, meanings = _definition(database, table, found)
    indexes = _indexes(database, table)
    database.execute(f"CREATE TABLE {new} ({', '.join(lines)})")
    database.execute(f"INSERT INTO {new} BY NAME {_refilled(table, old, found, defects)}")
    database.execute(f"DROP TABLE {old}")
    database.execute(f"ALTER TABLE {new} RENAME TO {quoted(table.name)}")
    for sql in indexes:
        database.execute(sql)
    database.execute(f"COMMENT ON TABLE {old} IS {literal(table.comment)}")
    _comment(database, old, meanings)


def _definition(
    database: duckdb.DuckDBPyConnection, table: Table, found: Sequence[tuple[str, str]]
) -> tuple[list[str], dict[str, str]]:
    """Return the lines of the new table, and the comments of its columns."""
    lines, meanings = [], {}
    for name, sql_type, default, nullable, comment in database.execute(
        "SELECT column_name, data_type, column_default, is_nullable, comment "
        "FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ? ORDER BY column_index",
        [table.schema, table.name],
    ).fetchall():
        if name.lower() in table.columns:
            sql_type, meanings[name] = table.columns[name.lower()]  # noqa: PLW2901
            lines.append(f"{quoted(name)} {sql_type}")
        else:
            extra = f" DEFAULT {default}" * bool(default) + " NOT NULL" * (not nullable)
            lines.append(f"{quoted(name)} {sql_type}{extra}")
            meanings |= {name: comment} if comment else {}
    present = {name.lower() for name, _ in found}
    for name, (sql_type, meaning) in table.columns.items():
        if name not in present:
            lines.append(f"{quoted(name)} {sql_type}")
            meanings[name] = meaning
    constraints = database.execute(
        "SELECT constraint_text FROM duckdb_constraints() WHERE database_name = "
        "current_database() AND schema_name = ? AND table_name = ? "
        "AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'CHECK')",
        [table.schema, table.name],
    ).fetchall()
    return lines + [text for (text,) in constraints], meanings


def _indexes(database: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Return the SQL of indexes that somebody has made."""
    found = database.execute(
        "SELECT sql FROM duckdb_indexes() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ? AND sql IS NOT NULL",
        [table.schema, table.name],
    ).fetchall()
    return [sql for (sql,) in found]


def _refilled(
    table: Table, old: str, found: Sequence[tuple[str, str]], defects: Sequence[str]
) -> str:
    """Return SQL for the old rows with the new columns.

    Columns are converted first, then `_unparsed` gets what did not fit, then columns are filled,
    each from all the others.
    """
    columns, misfits, present = [], [], set[str]()
    for name, sql_type in found:
        present.add(name.lower())
        column = quoted(name)
        if name.lower() in defects:
            wanted, _ = table.columns[name.lower()]
            column = converted(name, sql_type, wanted)
            if name.lower() in table.lossless:
                kept = f"CASE WHEN ({column}) IS NULL THEN {as_json(name, sql_type)} END"
                misfits.append(f"{{'key': {literal(name.lower())}, 'value': {kept}}}")
        columns.append(f"{column} AS {quoted(name)}")
    missing = [name for name in defects if name not in present]
    columns += [f"NULL::{table.columns[name][0]} AS {quoted(name)}" for name in missing]
    columns.append(f"[{', '.join(misfits)}]::{_ENTRIES} AS {MISFITS}")
    rows = f"SELECT {', '.join(columns)}, rowid AS {ORDER} FROM {old}"
    if misfits:
        rows = f"SELECT * REPLACE ({_KEPT} AS {UNPARSED}) FROM ({rows}) r"
    for name in [
        *(each for each in table.fills if each in missing and each not in table.computed),
        *table.computed,
    ]:
        rows = f"SELECT * REPLACE ({table.fills[name]} AS {quoted(name)}) FROM ({rows}) r"
    return f"SELECT * EXCLUDE ({ORDER}, {MISFITS}) FROM ({rows}) r"


def _comment(database: duckdb.DuckDBPyConnection, full: str, meanings: Mapping[str, str]) -> None:
    for name, meaning in meanings.items():
        database.execute(f"COMMENT ON COLUMN {full}.{quoted(name)} IS {literal(meaning)}")


# A map's entries may not share a key, and its JSON is in the order that records are stored with.
_KEPT = f"""
    CASE WHEN list_bool_or(list_transform({MISFITS}, lambda e: e.value IS NOT NULL)) THEN to_json(
        map_from_entries(list_sort(list_concat(
            list_filter(
                map_entries(coalesce(TRY_CAST({UNPARSED} AS MAP(VARCHAR, JSON)), MAP {{}})),
                lambda e: NOT list_contains(list_transform({MISFITS}, lambda m: m.key), e.key)
            ),
            list_filter({MISFITS}, lambda e: e.value IS NOT NULL)
        )))
    ) ELSE {UNPARSED} END
"""
