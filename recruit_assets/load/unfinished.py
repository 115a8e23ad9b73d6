"""Readings that were interrupted: `recruit_meta.unfinished`, at most one of each endpoint.

A part of a long reading is stored in one transaction with what is left of it, so that the next sync
goes on there. Rows that a part should have shown are collected until the reading is complete.

Scope: the table. `extract.unfinished` says what is saved of a reading.
"""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.layout import META
from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure

UNFINISHED = "unfinished"
KEPT = Table(
    META,
    UNFINISHED,
    "Readings of whole lists that the next sync goes on with",
    {
        "endpoint": ("VARCHAR", "Name of the endpoint and of its table"),
        "query": ("VARCHAR", "The parameters of its requests"),
        "began": ("TIMESTAMP WITH TIME ZONE", "When the reading began"),
        "total": ("BIGINT", "Record count of the API then"),
        "records": ("BIGINT", "Records read so far"),
        "lanes": ("VARCHAR", "Where the reading goes on, as JSON"),
        "refreshes": ("BOOLEAN", "Whether it stores new volatile values"),
        "missing": ("VARCHAR[]", "Ids of current rows that should have been read"),
    },
)


@dataclass(frozen=True)
class Rest:
    """Hold what is left of a reading; the fields are those of `extract.unfinished.Unfinished`.

    `refreshes` says whether it stores new volatile values.
    """

    query: str
    began: datetime
    total: int
    records: int
    lanes: str
    refreshes: bool


def keep(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    rest: Rest,
    missing: Collection[str],
) -> None:
    """Store the rest of a reading in place of an earlier one.

    Args:
        database: open for writing, in the transaction that stores the part before it.
        endpoint: the endpoint that is read.
        rest: what is left of the reading.
        missing: ids of current rows that the reading should have shown by now.
    """
    ensure(database, KEPT)
    drop(database, [endpoint.name])
    database.execute(
        f"INSERT INTO {table_name(database, UNFINISHED, META)} "
        f"({', '.join(KEPT.columns)}) VALUES ({', '.join('?' * len(KEPT.columns))})",
        [endpoint.name, *astuple(rest), list(missing)],
    )


def drop(database: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Let no sync of these endpoints go on with a reading."""
    if columns_found(database, UNFINISHED, META):
        database.execute(
            f"DELETE FROM {table_name(database, UNFINISHED, META)} "
            "WHERE endpoint IN (SELECT unnest(?::VARCHAR[]))",
            [list(names)],
        )


def rest_of(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> Rest | None:
    """Return what is left of an endpoint's reading; None if there is none, or it was altered."""
    if (row := _row(database, endpoint)) is None:
        return None
    return Rest(*row[:-1])


def missing_so_far(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[str]:
    """Return the ids of current rows that an endpoint's unfinished reading should have shown."""
    row = _row(database, endpoint)
    return row[-1] if row else []


def _row(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint
) -> tuple[str, datetime, int, int, str, bool, list[str]] | None:
    found = columns_found(database, UNFINISHED, META)
    if not found or KEPT.defects(found):
        return None
    rows = database.execute(
        f"SELECT * EXCLUDE (endpoint) FROM {table_name(database, UNFINISHED, META)} "
        "WHERE endpoint = ?",
        [endpoint.name],
    ).fetchall()
    return rows[0] if len(rows) == 1 and None not in rows[0] else None
