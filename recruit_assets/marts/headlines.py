"""The numbers at the top of the report: one period for all of them, and the one before.

A period is the last twelve whole months. The one before is shown only if all of it is known. What
was deleted before the first complete sync is not, and without it a comparison would show growth
that never was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

import duckdb

from recruit_assets.load.syncs import numbered
from recruit_assets.marts.build import Row, ask
from recruit_assets.marts.gaps import STAGES, Gaps

_LAST = "SELECT max(as_of) AS as_of FROM recruit_marts.applications"

_ZONE = "SELECT current_setting('TimeZone') AS zone"


@dataclass(frozen=True)
class Period:
    """Hold whole months, from the first of one to the first of the one after the last."""

    since: date
    until: date

    @classmethod
    def before(cls, moment: datetime | date) -> Self:
        """Return the twelve whole months before a time."""
        until = date(moment.year, moment.month, 1)
        return cls(until.replace(year=until.year - 1), until)

    @property
    def words(self) -> str:
        """Return it in words: its first and its last month."""
        last = date(self.until.year - (self.until.month == 1), (self.until.month - 2) % 12 + 1, 1)
        return f"{self.since:%B %Y} to {last:%B %Y}"

    @property
    def length(self) -> str:
        """Return how long it is in words."""
        months = 12 * (self.until.year - self.since.year) + self.until.month - self.since.month
        return {12: "year", 1: "month"}.get(months, f"{months} months")


@dataclass(frozen=True)
class Headlines:
    """Hold the numbers by title, each with its note, and what is to know of all of them.

    `filtered` is what is to know of them where they are filtered. `comparable` has the first month,
    counted from year 0, of which all is known that a number is of; None if there is none yet.
    """

    numbers: Mapping[str, Row]
    about: str
    filtered: str
    comparable: Mapping[str, int | None]


def gather_headlines(
    database: duckdb.DuckDBPyConnection, headlines: Sequence[Mapping[str, Any]], gaps: Gaps
) -> Headlines:
    """Query the headlines for the period before the last reading, and for the one before it."""
    as_of = ask(database, _LAST)[0]["as_of"]
    period = Period.before(as_of or datetime.now(UTC))
    earlier = Period.before(period.since)
    known = _known_since(database)
    numbers = {}
    for headline in headlines:
        needs = headline["needs"]
        if unknown := gaps.reason(needs):
            found: Row = {"value": None, "note": unknown}
        else:
            compared = not headline.get("now") and _covers(known, needs, earlier)
            found = count_headline(database, headline, period, earlier if compared else None)
        of_stages = {"unknown": bool(unknown), "stages": STAGES in needs}
        numbers[headline["title"]] = {**found, **of_stages}
    zone = ask(database, _ZONE)[0]["zone"]
    return Headlines(
        numbers,
        _about(period, earlier, known, zone),
        f"Months and days are those of {zone}.{_deleted(known)}",
        {each["title"]: _whole_from(known, each["needs"]) for each in headlines},
    )


def count_headline(
    database: duckdb.DuckDBPyConnection,
    headline: Mapping[str, Any],
    period: Period,
    earlier: Period | None,
) -> Row:
    """Return the value of a headline, its note, and how it was in the earlier period if given."""
    if headline.get("now"):
        found = ask(database, headline["sql"])
        return found[0] if found else {"value": None, "note": "nothing to count yet"}
    found = ask(database, headline["sql"], vars(period))
    if not found:
        return {"value": None, "note": "nothing to count in this period"}
    number = {"value": found[0]["value"], "note": found[0]["note"]}
    before = ask(database, headline["sql"], vars(earlier)) if earlier else []
    if earlier and number["value"] and before and before[0]["value"]:
        step = headline["difference"].format(found[0]["figure"] - before[0]["figure"])
        number["note"] += f"; {before[0]['value']} in the {earlier.length} before ({step})"
    return number


def _known_since(database: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Return when each endpoint was first read completely."""
    first = (
        f"SELECT endpoint, min(finished) AS since FROM {numbered(database)} "
        "WHERE verdict = 'complete' AND finished IS NOT NULL GROUP BY endpoint"
    )
    return {row["endpoint"]: row["since"] for row in ask(database, first)}


def _covers(known: Mapping[str, datetime], needs: Sequence[str], period: Period) -> bool:
    """Return whether nothing of a period can have been deleted before it was read."""
    return all(name in known and known[name].date() <= period.since for name in needs)


def _whole_from(known: Mapping[str, datetime], needs: Sequence[str]) -> int | None:
    """Return the first month of which nothing can have been deleted before it was read."""
    if any(name not in known for name in needs):
        return None
    last = max(known[name].date() for name in needs)
    return 12 * last.year + last.month - (last.day == 1)


def _about(period: Period, earlier: Period, known: Mapping[str, datetime], zone: str) -> str:
    said = f"Numbers at the top: {period.words}, whole months ({zone}), unless marked as current."
    first = known.get("job_applications")
    if first is None or first.date() <= earlier.since:
        return said
    return f"{said}{_deleted(known)}"


def _deleted(known: Mapping[str, datetime]) -> str:
    """Return what is not known of the time before the first complete sync, after a space."""
    first = known.get("job_applications")
    if first is None:
        return ""
    return (
        f" What was deleted before the first complete sync, on {first:%-d %B %Y}, is not counted, "
        "so no time before that is compared."
    )
