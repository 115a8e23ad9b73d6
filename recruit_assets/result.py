"""The results of a sync, and its rows in `recruit_meta.syncs`.

A long reading is stored in parts, each with a row of its own, and counts in a row are of what came
after the row before. Contains no decisions: `store` makes them.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from recruit_assets.catalogue import Kind
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.report import Verdict, WalkReport
from recruit_assets.extract.unfinished import Part
from recruit_assets.load.merge import MergeCounts
from recruit_assets.load.preview import Preview
from recruit_assets.load.syncs import SYNCS
from recruit_assets.options import Mode
from recruit_assets.reading import Reading


@dataclass
class SyncResult:
    """Hold the results of a sync, or of a part of one."""

    reading: Reading
    merged: MergeCounts = field(default_factory=MergeCounts)
    gone: list[str] = field(default_factory=list)  # ids proven gone
    kept: int = 0  # rows that the list did not return, but that were not proven gone
    deleted: int = 0
    current_rows: int = 0
    unparsed: dict[str, int] = field(default_factory=dict)
    columns: dict[str, Kind] = field(default_factory=dict)
    preview: Preview = field(default_factory=Preview)
    cursor: datetime | None = None  # start of the next incremental read
    values_as_of: datetime | None = None  # the values are at least as new; None if unproven
    read_as_of: datetime | None = None  # every record was read then or later
    cover: Cover | None = None  # since when each id is known; None if that stays as it was
    seconds: float = 0.0  # duration of the sync

    @property
    def mode(self) -> Mode:
        """Return whether everything was read, or what had changed."""
        return self.reading.mode

    @property
    def report(self) -> WalkReport:
        """Return the report of the reading."""
        return self.reading.report

    def add(self, part: "SyncResult") -> None:
        """Add what an earlier part of the same sync merged."""
        self.merged += part.merged
        self.deleted += part.deleted
        self.unparsed = dict(Counter(self.unparsed) + Counter(part.unparsed))


class SyncRows:
    """Make the rows of one sync.

    Args:
        reading: the reading of the endpoint.
        run_id: the id of the Dagster run.
        recorded: what earlier rows have counted of the source's requests; it is kept up to date.
    """

    def __init__(self, reading: Reading, run_id: str, recorded: Counter[str]) -> None:
        self._reading, self._run_id = reading, run_id
        self._sent, self._read = recorded, Counter[str]()

    def row(self) -> dict[str, Any]:
        """Return what is known of a sync however it ends."""
        report = self._reading.report
        return {
            "run_id": self._run_id,
            "api": self._reading.source.api,
            "started": self._reading.started,
            "finished": datetime.now(UTC),
            "verdict": report.verdict.value,
            "proof": report.proof.value if report.proof else None,
            "reason": report.reason or None,
            **_since(self._sent, self._requests()),
            **_since(self._read, self._pages()),
            "record_count": report.record_count,
            "rewritten": self._reading.state.rewritten,
        }

    def merged(self, result: SyncResult, part: Part | None) -> dict[str, Any]:
        """Return, in addition to `row`, what is known of a sync, or a part, that was merged."""
        report = self._reading.report
        merged = {name: n for name, n in asdict(result.merged).items() if name in SYNCS}
        return {
            **merged,
            "mode": result.mode.value,
            "deleted": result.deleted,
            "current_rows": result.current_rows,
            "unparsed": sum(result.unparsed.values()),
            "filter_refused": report.filter_refused,
            "sort_refused": report.sort_refused,
            "cursor": result.cursor,
            "values_as_of": result.values_as_of,
            "read_as_of": result.read_as_of,
        } | (_partial(part) if part else {})

    def stored(self) -> None:
        """Note that a row was stored: the next one counts what comes after it."""
        self._sent.update(_since(self._sent, self._requests()))
        self._read.update(_since(self._read, self._pages()))

    def _pages(self) -> dict[str, float]:
        report = self._reading.report
        return {"pages": report.pages, "read": report.records}

    def _requests(self) -> dict[str, float]:
        stats = self._reading.source.stats
        return {
            "requests": stats.requests,
            "retries": stats.retries,
            "seconds_waited_for_budget": stats.seconds_waited_for_budget,
            "seconds_waited_to_retry": stats.seconds_waited_to_retry,
            "bytes": stats.bytes,
        }


def _since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, Any]:
    return {name: number - before[name] for name, number in now.items()}


def _partial(part: Part) -> dict[str, Any]:
    return {"verdict": Verdict.PARTIAL.value, "reason": f"covered {part.unfinished.so_far()}"}
