"""How fresh and complete the tables are, as the page shows it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.build import Row
from recruit_assets.marts.charts import cell


def as_of(applications: datetime | None, syncs: Iterable[Row]) -> datetime | None:
    """Return the moment that all numbers are at least as new as, if their tables were synced."""
    older = [row["values_as_of"] for row in syncs if _rolls(row)]
    return applications and min([applications, *older])


def _rolls(row: Row) -> bool:
    """Return whether the last sync left values that are older than its beginning."""
    known, begun = row["values_as_of"], row["proven_at"]
    return bool(known and begun and begun - known > timedelta(minutes=1))


def freshness(found: Mapping[str, Row]) -> list[Row]:
    """Return how fresh and complete each table is, with those that only some accounts sync."""
    never: Row = dict.fromkeys(("read_at", "complete_at", "rows", "values_as_of", "proven_at"))
    never["verdict"] = "never synced"
    return [
        {
            "Table": name.replace("_", " "),
            "Rows": row["rows"],
            "Last read": row["read_at"],
            "State": _state(row),
        }
        for name in dict.fromkeys([*(each.name for each in ENDPOINTS), *sorted(found)])
        for row in [found.get(name, never)]
    ]


def _state(row: Row) -> str:
    """Return what the last sync proved, in a word or two."""
    words = {"window": "changes", "incomplete": "unproven"}
    state = words.get(row["verdict"], str(row["verdict"]))
    if row["complete_at"] and state != "complete":
        state += f"; complete on {cell(row['complete_at'])}"
    if _rolls(row):
        state += f"; values as of {cell(row['values_as_of'])}"
    return state[:1].upper() + state[1:]
