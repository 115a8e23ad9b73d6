"""Totals of a run: what its syncs did together, from the log of syncs."""

from dataclasses import dataclass

import duckdb

from recruit_assets.load.layout import META
from recruit_assets.load.schema import table_exists
from recruit_assets.load.syncs import SYNCS_TABLE, numbered
from recruit_assets.text import counted

ROWS = ("inserted", "updated", "deleted")
RARE = ("undeleted", "rewritten")  # shown only if there are any


@dataclass(frozen=True)
class RunTotals:
    """Hold what the syncs of a run did, in rows and requests."""

    endpoints: dict[str, list[str]]  # names by verdict
    rows: dict[str, int]  # by what was done
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
        shown = {did: rows for did, rows in self.rows.items() if rows or did not in RARE}
        changed = ", ".join(f"{rows:,} {did}" for did, rows in shown.items())
        requests = counted(self.requests, "request")
        return f"{counted(synced, 'endpoint')} synced{rest}: {changed}, {requests}"


def run_totals(database: duckdb.DuckDBPyConnection, run_id: str) -> RunTotals | None:
    """Return the totals of a run, or None if it has synced nothing into this database."""
    if not table_exists(database, SYNCS_TABLE, META):
        return None
    columns = (*ROWS, *RARE, "requests")
    summed = ", ".join(f"coalesce(sum({column}), 0) AS {column}" for column in columns)
    totals = ", ".join(f"sum({column})" for column in columns)
    found = database.execute(
        "WITH own AS (SELECT *, max(sync_number) OVER (PARTITION BY endpoint) = sync_number "
        f"AS is_last FROM {numbered(database)} WHERE run_id = ?), "
        f"endpoints AS (SELECT endpoint, {summed}, any_value(verdict) FILTER (is_last) AS verdict "
        "FROM own WHERE is_last OR verdict = 'partial' GROUP BY endpoint), "
        "last AS (SELECT * REPLACE (if(verdict IN ('complete', 'window', 'incomplete', "
        "'unavailable'), verdict, 'failed') AS verdict) FROM endpoints) "
        f"SELECT verdict, list(endpoint ORDER BY endpoint), {totals} FROM last GROUP BY verdict",
        [run_id],
    ).fetchall()
    if not found:
        return None
    *rows, requests = (sum(map(int, column)) for column in list(zip(*found, strict=True))[2:])
    names = {verdict: endpoints for verdict, endpoints, *_ in found}
    return RunTotals(names, dict(zip((*ROWS, *RARE), rows, strict=True)), requests)
