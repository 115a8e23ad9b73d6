"""What is in the tables and how their last syncs ended, read without changing anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.schema import count, is_there, table_name
from recruit_assets.load.state import META
from recruit_assets.load.sweep import LIVING


@dataclass(frozen=True)
class Overview:
    """A table and its last syncs; times are None if there was none."""

    table: str
    rows: int = 0  # living ones
    deleted: int = 0
    synced_at: datetime | None = None  # when the last sync ended, however it did
    verdict: str | None = None  # of that
    reason: str | None = None  # why it proved nothing, or failed
    proven_at: datetime | None = None  # when the last began that was complete or a window
    complete_at: datetime | None = None  # when the last complete one began


def overview(database: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]) -> list[Overview]:
    """What is known of each endpoint's table, there or not."""
    syncs = _last_syncs(database)
    return [
        Overview(each.name, *_rows(database, each), *syncs.get(each.name, ())) for each in endpoints
    ]


def _rows(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> tuple[int, int]:
    if not is_there(database, endpoint.name):
        return 0, 0
    table = table_name(database, endpoint.name)
    living = count(database, f"{table} WHERE {LIVING}")
    return living, count(database, table) - living


def _last_syncs(
    database: duckdb.DuckDBPyConnection,
) -> dict[str, tuple[datetime, str, str | None, datetime | None, datetime | None]]:
    if not is_there(database, "syncs", META):
        return {}
    found = database.execute(
        "SELECT endpoint, max(finished), arg_max(verdict, finished), "
        "arg_max_null(reason, finished), "
        "max(started) FILTER (verdict IN ('complete', 'window')), "
        "max(started) FILTER (verdict = 'complete') "
        f"FROM {table_name(database, 'syncs', META)} GROUP BY endpoint"
    ).fetchall()
    return {endpoint: (*rest,) for endpoint, *rest in found}
