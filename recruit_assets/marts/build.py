"""Build the tables of `recruit_marts` from their SQL, and check them."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import transaction
from recruit_assets.load.layout import check_version
from recruit_assets.load.read_copy import public_columns
from recruit_assets.load.schema import (
    columns_found,
    count,
    is_table,
    schema_name,
    table_exists,
    table_name,
)
from recruit_assets.load.sql import literal, quoted
from recruit_assets.marts.changes import Build, digest_content, digest_inputs, remember_builds
from recruit_assets.marts.level_views import create_views, level_views
from recruit_assets.marts.mart import MARTS, MARTS_SCHEMA, Mart
from recruit_assets.marts.rules import NO_RULES, Rules
from recruit_assets.marts.views import known_columns

REPLACED = ("hiring_funnel", "source_quality", "stage_visits")  # marts of 0.1.0
Row = dict[str, Any]


@dataclass
class Built:
    """Hold a built mart: its rows, the types of its columns, and its faults by kind.

    `unmet` are the expectations that it does not meet, which do not make it wrong. `kept_since` is
    when it was built, if it was not built again.
    """

    mart: Mart
    rows: int
    types: dict[str, str]
    faults: dict[str, list[str]]
    unmet: list[str]
    kept_since: datetime | None = None

    @property
    def wrong(self) -> bool:
        """Return whether a check found a fault."""
        return any(self.faults.values())


class _Wrong(Exception):
    """End the transaction of a mart that is wrong."""


def build(
    database: duckdb.DuckDBPyConnection, marts: Iterable[Mart], rules: Rules = NO_RULES
) -> list[Built]:
    """Replace the tables of marts in one transaction: all of them, or none if one is wrong.

    The tables of marts that a later version replaced are dropped in it.

    Args:
        database: open for writing.
        marts: in order of dependency.
        rules: the user's own rules.

    Raises:
        DatabaseProblem: a later version of this project wrote the file.
    """
    check_version(database)
    built: list[Built] = []
    with known_columns(database, rules), suppress(_Wrong), transaction(database):
        built += [_build(database, mart) for mart in marts]
        if any(each.wrong for each in built):
            raise _Wrong
        _drop_replaced(database)
        _remember(database, [each.mart for each in built])
    return built


def inspect(database: duckdb.DuckDBPyConnection, marts: Iterable[Mart]) -> list[Built]:
    """Return what the tables of marts are now.

    Raises:
        DatabaseProblem: one was never built.
    """
    with known_columns(database):
        return [inspect_known(database, mart) for mart in marts]


def inspect_known(database: duckdb.DuckDBPyConnection, mart: Mart) -> Built:
    """Return what the table of a mart is now, within `known_columns`.

    Raises:
        DatabaseProblem: it was never built.
    """
    if not table_exists(database, mart.name, MARTS_SCHEMA):
        raise DatabaseProblem(f"There is no {MARTS_SCHEMA}.{mart.name} yet: materialize it first.")
    table = table_name(database, mart.name, MARTS_SCHEMA)
    types = dict(columns_found(database, mart.name, MARTS_SCHEMA))
    unmet = [sql for sql in mart.expected if not _holds(database, table, sql)]
    return Built(mart, count(database, table), types, _faults(database, mart, table), unmet)


def ask(
    database: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None
) -> list[Row]:
    """Return the rows of a query over marts, each as a dict by column; `values` are parameters."""
    found = database.execute(sql, values)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def published_columns(endpoints: Iterable[Endpoint]) -> dict[str, list[str]]:
    """Return what a read copy has of tables and marts, which have no personal data, by table."""
    marts = {mart.name: list(mart.columns) for mart in MARTS}
    for mart in MARTS:
        marts |= level_views(mart)
    return public_columns(endpoints) | {f"{MARTS_SCHEMA}.{name}": marts[name] for name in marts}


def _build(database: duckdb.DuckDBPyConnection, mart: Mart) -> Built:
    table = table_name(database, mart.name, MARTS_SCHEMA)
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, MARTS_SCHEMA)}")
    database.execute(f"CREATE OR REPLACE TABLE {table} AS {mart.sql}")
    database.execute(f"COMMENT ON TABLE {table} IS {literal(mart.description)}")
    for name, meaning in mart.columns.items():
        database.execute(f"COMMENT ON COLUMN {table}.{quoted(name)} IS {literal(meaning)}")
    create_views(database, mart)
    return inspect_known(database, mart)


def _remember(database: duckdb.DuckDBPyConnection, marts: Collection[Mart]) -> None:
    """Store what the marts were built from; of others, nothing is known any more."""
    inputs, now = digest_inputs(database, marts), datetime.now(UTC)
    built = [
        Build(mart.name, inputs[mart.name], digest_content(database, mart.name), now)
        for mart in marts
    ]
    remember_builds(database, built, replaced=[mart.name for mart in MARTS])


def _drop_replaced(database: duckdb.DuckDBPyConnection) -> None:
    for name in REPLACED:
        if is_table(database, name, MARTS_SCHEMA):
            database.execute(f"DROP TABLE {table_name(database, name, MARTS_SCHEMA)}")


def _faults(database: duckdb.DuckDBPyConnection, mart: Mart, table: str) -> dict[str, list[str]]:
    """Return the faults of a mart, by kind: the SQL conditions that are not true."""
    grain = ", ".join(map(quoted, mart.grain))
    conditions = {
        "grain": [f"count(*) = count(DISTINCT row({grain}))"],
        "rates": [
            f"count(*) FILTER ({quoted(name)} NOT BETWEEN 0 AND 1) = 0" for name in mart.rates
        ],
        "totals": list(mart.checks),
    }
    return {
        kind: [sql for sql in each if not _holds(database, table, sql)]
        for kind, each in conditions.items()
    }


def _holds(database: duckdb.DuckDBPyConnection, table: str, condition: str) -> bool:
    ((holds,),) = database.execute(f"SELECT {condition} FROM {table}").fetchall()
    return bool(holds)
