"""What a walk did: its counts, how far it is, and its verdict.

What lives here: the account of a reading. The reading itself is in `walk`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Verdict(Enum):
    """What a walk has proven."""

    COMPLETE = "complete"  # every record that lived all the while has come
    WINDOW = "window"  # of those changed since a moment, every one has come
    INCOMPLETE = "incomplete"  # nothing
    UNAVAILABLE = "unavailable"  # nothing, as the account or the key does not have the endpoint

    @property
    def proven(self) -> bool:
        """Whether what was asked for has come, all of it."""
        return self in (Verdict.COMPLETE, Verdict.WINDOW)


@dataclass
class WalkReport:
    """What a walk did; whole once it has ended."""

    began: datetime  # by the API's clock or ours, whichever is behind once it has ended
    pages: int = 0
    records: int = 0
    record_count: int | None = None  # what the API says that there are
    verdict: Verdict = Verdict.INCOMPLETE
    reason: str = "it was not read to the end"  # why nothing is proven
    dropped: list[str] = field(default_factory=list)  # parameters that the account refuses
    filter_refused: bool = False  # whether the one for changed records was among them

    def so_far(self, size: int, seconds: float, *, waited: bool) -> str:
        """How far it is, in words.

        Args:
            size: records of a page.
            seconds: since it began.
            waited: whether it has been waiting for the budget.
        """
        rate = self.records / seconds if seconds else 0.0
        if self.record_count is None:
            parts = [f"{self.pages:,} pages, {self.records:,} records"]
        else:
            pages = -(-self.record_count // size)
            parts = [f"page {min(self.pages, pages):,} of {pages:,}"]
            parts.append(f"{self.records:,} of {self.record_count:,} records")
        parts.append(f"{rate:,.0f} a second")
        if rate and self.record_count is not None:
            parts.append(f"about {duration((self.record_count - self.records) / rate)} left")
        if waited:
            parts.append("at the rate limit")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `2.5 h` or `3 days`."""
    seconds = max(0.0, seconds)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
