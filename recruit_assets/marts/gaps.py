"""What the marts cannot tell, because tables were not read, or not lately.

Scope: the reasons in words. `report` shows them in place of figures that may be untrue.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.build import Row

MAX_UNKNOWN = 0.01  # of the applications, whose stage may be unknown before figures are withheld
MAX_AGE = timedelta(days=1)  # of a table, before the page warns that it may be out of date
STAGES = "stages"


@dataclass(frozen=True)
class Gaps:
    """Hold what is known of the tables: their rows of `recruit_meta.latest`, by endpoint.

    `without_stage` counts the applications whose stage is not known.
    """

    tables: Mapping[str, Row]
    applications: int
    without_stage: int

    def reason(self, needs: Collection[str]) -> str:
        """Return why figures that need these endpoints cannot be told; empty if they can."""
        if missing := self._unread(needs):
            return f"Not known: {missing} could not be read yet."
        if STAGES in needs and self.without_stage > MAX_UNKNOWN * self.applications:
            return (
                f"Not known: the stage of {self.without_stage:,} of {self.applications:,} "
                "applications is not known."
            )
        return ""

    def warnings(self, needs: Collection[str]) -> list[str]:
        """Return what to know of figures that need these endpoints before they are used."""
        now, read = datetime.now(UTC), self._read(needs)
        old: dict[str, list[str]] = {}  # names by the day of the last reading
        for name, row in read:
            if row["read_from"] and now - row["read_from"] > MAX_AGE:
                old.setdefault(f"{row['read_from']:%-d %B %Y}", []).append(shown(name))
        unproven = [shown(name) for name, row in read if row["proven_at"] is None]
        return [
            *(f"Last read on {day}: {', '.join(names)}." for day, names in old.items()),
            *([f"Records may be missing from: {', '.join(unproven)}."] if unproven else []),
        ]

    def _read(self, needs: Collection[str]) -> list[tuple[str, Row]]:
        """Return the endpoints that were read, with their rows, in the order of the catalogue."""
        rows = [(name, self.tables.get(name, {})) for name in _in_order(needs)]
        return [(name, row) for name, row in rows if row.get("read_number") is not None]

    def _unread(self, needs: Collection[str]) -> str:
        """Return the names of those that were never read."""
        read = [name for name, _ in self._read(needs)]
        return ", ".join(shown(name) for name in _in_order(needs) if name not in read)


def shown(endpoint: str) -> str:
    """Return the name of an endpoint in words."""
    return endpoint.replace("_", " ")


def _in_order(names: Collection[str]) -> list[str]:
    return [each.name for each in ENDPOINTS if each.name in names]
