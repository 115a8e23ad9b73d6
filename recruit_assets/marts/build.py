"""Build the tables of `recruit_marts` from their SQL, and check them.

An endpoint may never have been synced, and a table of an earlier version may lack a column. So a
mart reads each table through a view with every known column, NULL where the table lacks it. The SQL
itself needs no special cases.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import transaction
from recruit_assets.load.history import HISTORY, SPAN
from recruit_assets.load.schema import (
    BOOKKEEPING,
    SCHEMA,
    columns_found,
    count,
    is_there,
    schema_name,
    table_name,
)
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.syncs import META, SYNCS, check_version, latest
from recruit_assets.marts.mart import NAMED, Mart

MARTS_SCHEMA = "recruit_marts"
_KNOWN: dict[tuple[str, str], Mapping[str, str]] = {
    **{
        (SCHEMA, each.name): {column.name: column.kind.sql for column in each.columns()}
        | {name: sql_type for name, (sql_type, _) in BOOKKEEPING.items()}
        for each in ENDPOINTS
    },
    (META, "syncs"): {name: sql_type for name, (sql_type, _) in SYNCS.items()},
    **{
        (HISTORY, each.name): {column.name: column.kind.sql for column in each.tracked()}
        | {name: sql_type for name, (sql_type, _) in SPAN.items()}
        for each in ENDPOINTS
        if each.history
    },
}


Row = dict[str, Any]


@dataclass
class Built:
    """Hold a built mart: its rows, the types of its columns, and its faults."""

    mart: Mart
    rows: int
    types: dict[str, str]
    faults: dict[str, list[str]]

    @property
    def wrong(self) -> bool:
        """Return whether a check found a fault."""
        return any(self.faults.values())


class _Wrong(Exception):
    """End the transaction of a mart that is wrong."""


def build(database: duckdb.DuckDBPyConnection, marts: Iterable[Mart]) -> list[Built]:
    """Replace the tables of marts in one transaction: all of them, or none if one is wrong.

    Raises:
        DatabaseProblem: a later version of this project wrote the file.
    """
    check_version(database)
    built: list[Built] = []
    with suppress(_Wrong), transaction(database):
        built += [_build(database, mart) for mart in marts]
        if any(each.wrong for each in built):
            raise _Wrong
    return built


def inspect(database: duckdb.DuckDBPyConnection, mart: Mart) -> dict[str, list[str]]:
    """Return the faults of a mart's table as it is, by check.

    Raises:
        DatabaseProblem: it was never built.
    """
    if not is_there(database, mart.name, MARTS_SCHEMA):
        raise DatabaseProblem(f"There is no {MARTS_SCHEMA}.{mart.name} yet: materialize it first.")
    _look_through(database, mart.checks)
    return _faults(database, mart, table_name(database, mart.name, MARTS_SCHEMA))


def ask(database: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Return the rows of a query over marts and other tables, each as a dict by column."""
    _look_through(database, [sql])
    found = database.execute(resolved(database, sql))
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _build(database: duckdb.DuckDBPyConnection, mart: Mart) -> Built:
    table = table_name(database, mart.name, MARTS_SCHEMA)
    _look_through(database, [mart.sql, *mart.checks])
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, MARTS_SCHEMA)}")
    database.execute(f"CREATE OR REPLACE TABLE {table} AS {resolved(database, mart.sql)}")
    database.execute(f"COMMENT ON TABLE {table} IS {literal(mart.description)}")
    for name, meaning in mart.columns.items():
        database.execute(f"COMMENT ON COLUMN {table}.{quoted(name)} IS {literal(meaning)}")
    types = dict(columns_found(database, mart.name, MARTS_SCHEMA))
    return Built(mart, count(database, table), types, _faults(database, mart, table))


def resolved(database: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the SQL with its tables resolved: marts to their full name, all others to views."""
    return NAMED.sub(
        lambda found: (
            table_name(database, found[2], MARTS_SCHEMA)
            if found[1] == MARTS_SCHEMA
            else f"temp.{quoted(found[0])}"
        ),
        sql,
    )


def _look_through(database: duckdb.DuckDBPyConnection, texts: Iterable[str]) -> None:
    """Create a view of each table that the SQL names, with every known column."""
    for schema, name in {pair for text in texts for pair in NAMED.findall(text)}:
        view = quoted(f"{schema}.{name}")
        if schema == MARTS_SCHEMA:
            continue
        if (schema, name) == (META, "latest"):
            rows = f"SELECT * FROM {latest(database)}"
            database.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {rows}")
            continue
        present = {column for column, _ in columns_found(database, name, schema)}
        known = _KNOWN[schema, name]
        columns = [
            quoted(column) if column in present else f"NULL::{sql_type} AS {quoted(column)}"
            for column, sql_type in known.items()
        ]
        source = f"FROM {table_name(database, name, schema)}" if present else "WHERE false"
        database.execute(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {', '.join(columns)} {source}"
        )


def _faults(database: duckdb.DuckDBPyConnection, mart: Mart, table: str) -> dict[str, list[str]]:
    """Return the faults of a mart, by check: the SQL conditions that are not true."""
    grain = ", ".join(map(quoted, mart.grain))
    conditions = {
        "grain_is_unique": [f"count(*) = count(DISTINCT row({grain}))"],
        "rates_are_rates": [
            f"count(*) FILTER ({quoted(name)} NOT BETWEEN 0 AND 1) = 0" for name in mart.rates
        ],
        "totals_agree": list(mart.checks),
    }
    return {
        check: [sql for sql in each if not _holds(database, table, sql)]
        for check, each in conditions.items()
    }


def _holds(database: duckdb.DuckDBPyConnection, table: str, condition: str) -> bool:
    ((holds,),) = database.execute(
        f"SELECT {resolved(database, condition)} FROM {table}"
    ).fetchall()
    return bool(holds)
