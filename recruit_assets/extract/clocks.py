"""Clocks: the API's, this machine's, and `monotonic`, which cannot be set.

Scope: when something began, by the earliest of the clocks. `client` reads them at each response.
"""

from datetime import UTC, datetime, timedelta
from math import inf
from threading import Lock
from time import monotonic

from recruit_assets.extract.retry_after import moment_of


class Clocks:
    """Compare the clocks while a client sends requests. Thread-safe.

    `ahead` is how far our clock was ahead of the API's in the last response that had a `Date`;
    negative if it was behind.
    """

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._zero = inf  # the earliest time that a clock gave for zero of `monotonic`
        self._lock = Lock()

    def compare(self, date: str = "") -> None:
        """Read our clock, and the API's from the `Date` of a response that has just arrived."""
        ours, theirs = datetime.now(UTC), moment_of(date)
        if theirs:
            self.ahead = ours - theirs
        earliest = min(ours, theirs or ours).timestamp() - monotonic()
        with self._lock:
            self._zero = min(self._zero, earliest)

    def earliest(self, moment: float) -> datetime:
        """Return the earliest time that a clock gave for a moment of `monotonic`.

        If our clock is set between two reads of it, the reads give different times for that moment.
        """
        self.compare()
        return datetime.fromtimestamp(self._zero + moment, UTC)
