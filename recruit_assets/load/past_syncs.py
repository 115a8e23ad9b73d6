"""The last syncs of an endpoint that did not fail."""

from dataclasses import dataclass

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.syncs import numbered


@dataclass(frozen=True)
class PastSync:
    """Hold what is stored of one sync that did not fail."""

    verdict: str
    reason: str
    current_rows: int
    run_id: str
    forgotten: int = 0  # current rows that were erased before the next sync


def last_syncs(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, number: int
) -> list[PastSync]:
    """Return at most `number` syncs of an endpoint that did not fail, the last first."""
    found = database.execute(
        f"SELECT verdict, coalesce(reason, ''), current_rows, coalesce(run_id, ''), "
        "coalesce(forgotten, 0) "
        f"FROM {numbered(database)} "
        "WHERE endpoint = ? AND current_rows IS NOT NULL AND verdict IS NOT NULL "
        "ORDER BY place DESC LIMIT ?",
        [endpoint.name, number],
    ).fetchall()
    return [PastSync(*each) for each in found]
