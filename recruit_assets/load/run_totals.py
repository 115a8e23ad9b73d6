"""Totals of a run: what its syncs did together, from the log of syncs."""

from dataclasses import dataclass

import duckdb

from recruit_assets.load.layout import META
from recruit_assets.load.schema import table_exists
from recruit_assets.load.syncs import SYNCS_TABLE, numbered


@dataclass(frozen=True)
class RunTotals:
    """Hold what the syncs of a run did, in rows and requests."""

    endpoints: dict[str, list[str]]  # names by verdict
    inserted: int
    updated: int
    deleted: int
    requests: int

    def __str__(self) -> str:
        stored = ("complete", "window", "incomplete")
        synced = sum(len(self.endpoints.get(verdict, [])) for verdict in stored)
        unproven = [
            f"{verdict}: {', '.join(self.endpoints[verdict])}"
            for verdict in ("incomplete", "unavailable", "failed")
            if verdict in self.endpoints
        ]
        rest = f" ({'; '.join(unproven)})" if unproven else ""
        return (
            f"{_counted(synced, 'endpoint')} synced{rest}: {self.inserted:,} inserted, "
            f"{self.updated:,} updated, {self.deleted:,} deleted, "
            f"{_counted(self.requests, 'request')}"
        )


def run_totals(database: duckdb.DuckDBPyConnection, run_id: str) -> RunTotals | None:
    """Return the totals of a run, or None if it has synced nothing into this database."""
    if not table_exists(database, SYNCS_TABLE, META):
        return None
    found = database.execute(
        "WITH last AS (SELECT * REPLACE (if(verdict IN ('complete', 'window', 'incomplete', "
        "'unavailable'), verdict, 'failed') AS verdict) "
        f"FROM {numbered(database)} WHERE run_id = ? "
        "QUALIFY row_number() OVER (PARTITION BY endpoint ORDER BY sync_number DESC) = 1) "
        "SELECT verdict, list(endpoint ORDER BY endpoint), coalesce(sum(inserted), 0), "
        "coalesce(sum(updated), 0), coalesce(sum(deleted), 0), coalesce(sum(requests), 0) "
        "FROM last GROUP BY verdict",
        [run_id],
    ).fetchall()
    if not found:
        return None
    counts = [sum(map(int, column)) for column in list(zip(*found, strict=True))[2:]]
    return RunTotals({verdict: names for verdict, names, *_ in found}, *counts)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
