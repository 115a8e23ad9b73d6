"""Report of a walk: its counts, progress and verdict.

Scope: the record of a reading. `walk` does the reading.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Self


class Verdict(Enum):
    """Classify what a walk has proven."""

    COMPLETE = "complete"  # every record that existed throughout was read
    WINDOW = "window"  # every record changed since a given time was read
    INCOMPLETE = "incomplete"  # nothing is proven
    PARTIAL = "partial"  # nothing yet: a part of a long reading
    UNAVAILABLE = "unavailable"  # nothing, because the account or the key lacks the endpoint

    @property
    def proven(self) -> bool:
        """Return whether all that was requested has been read."""
        return self in (Verdict.COMPLETE, Verdict.WINDOW)


class Proof(Enum):
    """Classify how a complete reading was proven."""

    READ = "read"  # the whole list was read
    COUNTED = "counted"  # changes were read, and ranks show that no other record is gone or missing


@dataclass
class WalkReport:
    """Hold the results of a walk; final once it has ended."""

    began: datetime  # by the earlier of the API's clock and ours, once it has ended
    pages: int = 0
    records: int = 0
    record_count: int | None = None  # by the API's count
    resumed: int = 0  # records that earlier syncs have read, whose reading this one goes on with
    verdict: Verdict = Verdict.INCOMPLETE
    reason: str = "it was not read to the end"  # why nothing is proven
    proof: Proof | None = None  # of a complete reading
    dropped: list[str] = field(default_factory=list)  # parameters that the account refuses
    # Whether the filter for changes, and the order of changes, were; None if it was not requested.
    filter_refused: bool | None = None
    sort_refused: bool | None = None

    def add(self, part: Self) -> None:
        """Add the counts of the walk of one of several lists that are read as one."""
        self.pages += part.pages
        self.records += part.records
        self.dropped = list(dict.fromkeys([*self.dropped, *part.dropped]))
        counts = (self.record_count, part.record_count)
        self.record_count = None if None in counts else sum(filter(None, counts))

    def so_far(self, size: int, seconds: float, *, waited: bool) -> str:
        """Describe the progress in words.

        Args:
            size: records of a page.
            seconds: since the walk began.
            waited: whether it has been waiting for the rate limit.
        """
        rate = self.records / seconds if seconds else 0.0
        if self.record_count is None:
            parts = [f"{self.pages:,} pages, {self.records:,} records"]
        else:
            pages, read = -(-self.record_count // size), self.resumed + self.records
            parts = [f"page {min(self.resumed // size + self.pages, pages):,} of {pages:,}"]
            records = min(read, self.record_count)  # some are read twice
            parts.append(f"{records:,} of {self.record_count:,} records")
        parts.append(f"{rate:,.0f} a second")
        if rate and self.record_count is not None:
            parts.append(f"about {duration((self.record_count - read) / rate)} left")
        if waited:
            parts.append("at the rate limit")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format seconds as `40 s`, `12 min`, `2.5 h` or `3 days`."""
    seconds = max(0.0, seconds)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
