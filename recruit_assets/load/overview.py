"""Overview of the tables and of how their last syncs ended, read without changing anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.layout import check_version
from recruit_assets.load.schema import count, table_exists, table_name
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.syncs import latest


@dataclass(frozen=True)
class TableStatus:
    """Describe a table and its last syncs; a time is None if absent or from a wrong clock."""

    table: str
    rows: int = 0  # current rows
    deleted: int = 0
    synced_at: datetime | None = None  # when the last sync ended, whatever its result
    verdict: str | None = None  # of the last sync; None if there was none
    reason: str | None = None  # why it proved nothing, or failed
    proven_at: datetime | None = None  # when the last sync began that was complete or a window
    complete_at: datetime | None = None  # when the last complete sync began
    values_as_of: datetime | None = None  # the values are at least as new
    read_as_of: datetime | None = None  # every record was read then or later


def overview(
    database: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]
) -> list[TableStatus]:
    """Return what is known of each endpoint's table, whether or not it exists.

    Raises:
        DatabaseProblem: the file is from a later version of this project.
    """
    check_version(database)
    syncs = _last_syncs(database)
    return [
        TableStatus(each.name, *_rows(database, each), *syncs.get(each.name, ()))
        for each in endpoints
    ]


def left_over(
    database: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]
) -> list[TableStatus]:
    """Return what is known of the tables of endpoints that are not synced, of those with rows.

    Raises:
        DatabaseProblem: the file is from a later version of this project.
    """
    return [each for each in overview(database, endpoints) if each.rows or each.deleted]


def _rows(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> tuple[int, int]:
    if not table_exists(database, endpoint.name):
        return 0, 0
    table = table_name(database, endpoint.name)
    current = count(database, f"{table} WHERE {CURRENT}")
    return current, count(database, table) - current


def _last_syncs(
    database: duckdb.DuckDBPyConnection,
) -> dict[str, tuple[Any, ...]]:
    found = database.execute(
        "SELECT endpoint, finished, verdict, reason, proven_at, complete_at, values_as_of, "
        "read_as_of "
        f"FROM {latest(database)}"
    ).fetchall()
    return {endpoint: (*rest,) for endpoint, *rest in found}
