"""What a reading proves, once its rows are merged.

Another sync may have changed the table since the reading was planned. If it differs from the
records read, or was replaced, nothing is proven, nothing is deleted, and the next sync is a full
read.
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.load.cover import drop_cover
from recruit_assets.load.sweep import of_current
from recruit_assets.load.sync_state import SyncState
from recruit_assets.reading import Reading
from recruit_assets.result import SyncResult


def conclude(
    database: duckdb.DuckDBPyConnection,
    reading: Reading,
    result: SyncResult,
    now: SyncState,
    newer: Sequence[str] | None,
) -> None:
    """Set the verdict of a reading, and the cursor of the next incremental one.

    A proven reading moves the cursor to its own start; an unproven one keeps the old cursor.

    Args:
        database: the database after the merge, in its transaction.
        reading: the reading.
        result: the result to update: verdict, cursor, cover, and the ids that are gone.
        now: the state that the merge found.
        newer: the runs that wrote since the reading was planned; None if the table was replaced.
    """
    report, endpoint = result.report, reading.endpoint
    moved = newer is None or (newer and _differs(database, reading, result))
    if moved and report.verdict is not Verdict.UNAVAILABLE:
        report.verdict, report.proof = Verdict.INCOMPLETE, None
        report.reason = (
            "the table was replaced while this sync was reading: was a backup restored?"
            if newer is None
            else "another sync changed the table while this sync was reading"
        )
        result.gone, result.cursor = [], None
        drop_cover(database, endpoint.name)
        return
    if newer and report.proof is Proof.COUNTED:  # rows of theirs were not among those counted
        changes = reading.query.since is not None
        report.verdict = Verdict.WINDOW if changes else Verdict.INCOMPLETE
        report.proof = None
        report.reason = "" if changes else "another sync has stored rows in the meantime"
    if report.verdict.proven:
        result.values_as_of = reading.values_as_of
    holds = report.verdict.proven or endpoint.nested_in  # of each nested list that was read
    if holds and not newer:  # rows of theirs may be gone by now
        result.cover = reading.cover
    if not endpoint.dated:
        result.cursor = None
    elif report.verdict.proven:
        result.cursor = result.values_as_of
    else:
        result.cursor = earlier_cursor(reading, now, report.began)


def earlier_cursor(reading: Reading, now: SyncState, began: datetime) -> datetime | None:
    """Return the cursor of a sync that proves nothing: the one before, if it still holds.

    Args:
        reading: the reading.
        now: the state that the merge found.
        began: when the reading began.
    """
    previous = None if reading.state.void else now.cursor
    return min(previous, began) if previous else None


def _differs(database: duckdb.DuckDBPyConnection, reading: Reading, result: SyncResult) -> bool:
    """Return whether the table differed from the records that this sync read."""
    merged = result.merged
    written = merged.inserted + merged.updated + merged.undeleted + merged.superseded
    return bool(written or of_current(database, reading.endpoint, result.gone))
