"""Staged rows of any types as rows of their table.

Scope: SQL that gives a delivery the names and types of the table's columns, and the values of
columns that it lacks. A value fits if it can be cast to the column's type and back unchanged; a
misfit becomes JSON in `_unparsed`.
"""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from recruit_assets.catalogue import UNPARSED, Kind
from recruit_assets.load.convert import as_json, converted
from recruit_assets.load.row_stage import Part
from recruit_assets.load.sql import literal, quoted, unused
from recruit_assets.load.stage import POSITION
from recruit_assets.load.unparsed import as_object, entries, entries_of, entry

_MISFITS = quoted(unused("misfits"))


def column_types(
    delivered: Mapping[str, str], parts: Iterable[Part], found: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """Return the SQL type of each delivered column, by its name in the table.

    A column that the table lacks has the type of the first part with values; one that has no value
    anywhere is left out.

    Args:
        delivered: names of columns, by name in lower case.
        parts: the rows.
        found: the columns that the table has, with their types.
    """
    first: dict[str, str] = {}
    for part in parts:
        first = part.types | first
    present = {name.lower(): (name, sql_type) for name, sql_type in found}
    named = [present.get(each, (name, first.get(each))) for each, name in delivered.items()]
    return {name: sql_type for name, sql_type in named if sql_type}


def all_fit(part: Part, columns: Mapping[str, str]) -> bool:
    """Return whether the staged rows have the types of these columns, so that every value fits."""
    return all(part.types.get(name.lower(), wanted) == wanted for name, wanted in columns.items())


def converted_rows(part: Part, columns: Mapping[str, str]) -> str:
    """Return staged rows with these columns and `_unparsed`, as SQL to read from.

    Args:
        part: the rows.
        columns: SQL types of the table, by name.
    """
    values, misfits = [], []
    for name, wanted in columns.items():
        value, old = converted_column(part, name, wanted), part.types.get(name.lower(), wanted)
        values.append(f"{value} AS {quoted(name)}")
        if old != wanted:
            lost = f"{quoted(name.lower())} IS NOT NULL AND ({value}) IS NULL"
            json = as_json(name.lower(), old)
            misfits.append(entry(name, f"CASE WHEN {lost} THEN {json} END"))
    if not misfits:
        rows = f"{', '.join(values)}, NULL::JSON AS {UNPARSED}, {POSITION}"
        return f"(SELECT {rows} FROM {part.sql})"
    rows = f"SELECT {', '.join(values)}, {entries(misfits)} AS {_MISFITS}, {POSITION}"
    return (
        f"(SELECT * EXCLUDE ({_MISFITS}), {as_object(_MISFITS)} AS {UNPARSED} "
        f"FROM ({rows} FROM {part.sql}))"
    )


def converted_column(part: Part, name: str, wanted: str) -> str:
    """Return SQL for the values of a column in staged rows as another type; null for a misfit."""
    staged = name.lower()
    old = part.types.get(staged)
    if old is None:
        return f"NULL::{wanted}"
    if old == wanted:
        return quoted(staged)
    # A text is never parsed: "1" stays a text in a column that is JSON because of other rows.
    if wanted == Kind.JSON.sql:
        return as_json(staged, old)
    return converted(staged, old, wanted)


def add_lacking(
    database: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    key: str,
    lacking: Iterable[str],
) -> str:
    """Give rows the values that their table has in columns which they lack.

    Args:
        database: open for writing, in the transaction of the merge.
        table: full name of the table.
        source: a part of the rows, as SQL to read from.
        key: the column that identifies a row.
        lacking: the columns.

    Returns:
        The rows with these columns, as SQL to read from: a temporary table, because the merge
        deletes the rows that it replaces.
    """
    names = ", ".join(f"t.{quoted(name)}" for name in lacking)
    listed = ", ".join(map(literal, lacking))
    old = f"list_filter({entries_of(f't.{UNPARSED}')}, lambda e: list_contains([{listed}], e.key))"
    unparsed = as_object(f"list_concat({entries_of(f's.{UNPARSED}')}, {old})")
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE whole AS SELECT s.* REPLACE ({unparsed} AS {UNPARSED}), "
        f"{names} FROM {source} s LEFT JOIN {table} t ON t.{quoted(key)} = s.{quoted(key)}"
    )
    return "whole"
