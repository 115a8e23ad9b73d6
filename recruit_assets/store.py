"""The writes of a sync in one transaction: merge, sweep, history, and a row for the sync itself.

Contains their order, and what a read proves about a table that changed during the read. Each write
is implemented in `load`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import DeletionPolicy, Kind
from recruit_assets.errors import (
    DatabaseBusy,
    DatabaseChanged,
    DatabaseProblem,
    NoSpaceLeft,
    NotEnoughMemory,
    RecruitError,
)
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.load.column_policies import check_followed, note_complete
from recruit_assets.load.connection import transaction
from recruit_assets.load.current import ensure_view
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.forgotten import check_listed
from recruit_assets.load.history import HISTORY, write_history
from recruit_assets.load.layout import META
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.merge import MergeCounts, count_misfits, merge
from recruit_assets.load.preview import Preview, preview
from recruit_assets.load.schema import SCHEMA, columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import SyncState, recall, remember, rows, written_since
from recruit_assets.load.stood_at import ensure_macro
from recruit_assets.load.sweep import any_current, count_current, sweep
from recruit_assets.load.syncs import SYNCS, SYNCS_TABLE
from recruit_assets.options import Mode
from recruit_assets.person import leave_out
from recruit_assets.reading import Reading


@dataclass
class SyncResult:
    """Hold the results of a sync."""

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
    seconds: float = 0.0  # duration of the sync

    @property
    def mode(self) -> Mode:
        """Return whether everything was read, or what had changed."""
        return self.reading.mode

    @property
    def report(self) -> WalkReport:
        """Return the report of the reading."""
        return self.reading.report


class Store:
    """Write the records that one sync of one endpoint read.

    Args:
        reading: the reading of the endpoint.
        opened: opens the database for writing.
        run_id: the id of the Dagster run.
        deletion_policy: what is left of the rows of records that are gone.
    """

    def __init__(
        self,
        reading: Reading,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        run_id: str,
        deletion_policy: DeletionPolicy,
    ) -> None:
        self._reading, self._endpoint, self._source = reading, reading.endpoint, reading.source
        self._log, self._options = reading.source.log, reading.options
        self._opened, self._run_id = opened, run_id
        self._deletion_policy, self._account = deletion_policy, reading.state.account

    def write(self, stage: Stage, result: SyncResult) -> None:
        """Merge, sweep and record the sync; store the counts in `result`.

        Raises:
            DatabaseProblem: the database cannot be written, and is unchanged.
        """
        try:
            self._write(stage, result)
        except NotEnoughMemory:  # the limit was too low for these rows; nothing was changed
            self._log.info(f"{self._endpoint.name}: merging again, with more memory")
            self._write(stage, result, bounded=False)
        except DatabaseChanged:  # the conflict may be over, and a retry keeps the records read
            self._write(stage, result)

    def write_failure(self, error: RecruitError) -> None:
        """Record a failed sync, if there is a database that can be written."""
        committed = isinstance(error, NoSpaceLeft) and error.committed  # already recorded
        if isinstance(error, DatabaseBusy) or committed or self._options.dry_run:
            return
        failed = {"verdict": "failed", "proof": None, "reason": str(error)}
        try:
            with self._opened() as database, transaction(database):
                remember(database, self._endpoint, self._row() | failed, self._account)
        except DatabaseProblem as problem:
            self._log.warning(
                f"{self._endpoint.name}: the failure could not be recorded: {problem}"
            )

    def _write(self, stage: Stage, result: SyncResult, *, bounded: bool = True) -> None:
        """Write in one transaction; roll it back in a dry run."""
        endpoint, options = self._endpoint, self._options
        repaired: dict[str, list[str]] = {}  # columns by schema
        with (
            self._opened() as database,
            bounded_memory(database, stage.rows, stage.size) if bounded else nullcontext(),
            transaction(database, keep=not options.dry_run),
        ):
            if not options.dry_run:
                check_followed(database, endpoint, self._reading.state.salt)
                check_listed(database, endpoint, self._reading.state.forgotten)
            now = recall(database, endpoint).at(self._source.api)
            newer = written_since(database, endpoint, self._reading.state, now)
            stage.flush()
            repaired[SCHEMA] = prepare(database, endpoint, stage.columns, stage.sql)
            result.merged = merge(
                database,
                endpoint,
                stage,
                self._run_id,
                refresh_volatile=options.refresh_volatile,
                newer=newer or (),
            )
            if result.unparsed:  # a record that was read twice counts once
                result.unparsed = count_misfits(database, stage)
            ensure_view(database, endpoint.name)
            result.columns = columns_of(database, endpoint)
            self._set_verdict(database, result, now, newer)
            if result.report.proof is Proof.READ:
                note_complete(database, endpoint)
            leave_out(database, self._reading, self._run_id)
            repaired[HISTORY] = self._sweep(database, result)
            row = self._row() | self._results(result)
            row |= {"rows": rows(database, endpoint), "cursor": result.cursor}
            repaired[META] = remember(database, endpoint, row, self._account)
        if not options.dry_run:
            self._warn(repaired)

    def _sweep(self, database: duckdb.DuckDBPyConnection, result: SyncResult) -> list[str]:
        """Delete what is gone, and write the history; return the columns repaired in it."""
        result.deleted = sweep(
            database,
            self._endpoint,
            result.gone,
            self._run_id,
            deletion_policy=self._deletion_policy,
            columns=result.columns,
        )
        result.current_rows = count_current(database, self._endpoint)
        result.preview = preview(database, self._endpoint)
        defects = write_history(
            database,
            self._endpoint,
            self._run_id,
            result.gone,
            result.columns,
            whole=result.mode is Mode.full,
        )
        if self._endpoint.history:
            ensure_macro(database)
        return defects

    def _set_verdict(
        self,
        database: duckdb.DuckDBPyConnection,
        result: SyncResult,
        now: SyncState,
        newer: Sequence[str] | None,
    ) -> None:
        """Set the verdict of the read, and the cursor of the next incremental read.

        A proven read moves the cursor to its own start; an unproven one keeps the old cursor. If
        the table was replaced since the read was planned, or was changed and differs from the
        records read, nothing is proven, nothing is deleted, and the next sync is a full read.

        Args:
            database: the database after the merge.
            result: the result to update: verdict, cursor, and the ids that are gone.
            now: the state that the merge found.
            newer: the runs that wrote since the read was planned; None if the table was replaced.
        """
        report, endpoint = result.report, self._endpoint
        moved = newer is None or (newer and self._differs(database, result))
        if moved and report.verdict is not Verdict.UNAVAILABLE:
            report.verdict, report.proof = Verdict.INCOMPLETE, None
            report.reason = (
                "the table was replaced while this sync was reading: was a backup restored?"
                if newer is None
                else "another sync changed the table while this sync was reading"
            )
            result.gone, result.cursor = [], None
            return
        if newer and report.proof is Proof.COUNTED:  # rows of theirs were not among those counted
            report.verdict, report.proof = Verdict.WINDOW, None
        if not endpoint.dated:
            result.cursor = None
        elif report.verdict.proven:
            result.cursor = report.began
        else:
            previous = None if self._reading.state.void else now.cursor
            result.cursor = min(previous, report.began) if previous else None

    def _differs(self, database: duckdb.DuckDBPyConnection, result: SyncResult) -> bool:
        """Return whether the table differed from the records that this sync read."""
        merged = result.merged
        written = merged.inserted + merged.updated + merged.undeleted + merged.superseded
        return bool(written or any_current(database, self._endpoint, result.gone))

    def _warn(self, repaired: Mapping[str, Sequence[str]]) -> None:
        """Warn of the columns that were repaired, by schema of the table."""
        for schema, columns in repaired.items():
            if columns:
                table = SYNCS_TABLE if schema == META else self._endpoint.name
                self._log.warning(
                    f"{schema}.{table} lacked the columns {', '.join(columns)}, or had them with "
                    "another type: the table was repaired."
                )

    def _row(self) -> dict[str, Any]:
        report, stats = self._reading.report, self._source.stats
        return {
            "run_id": self._run_id,
            "api": self._source.api,
            "started": self._reading.started,
            "finished": datetime.now(UTC),
            "verdict": report.verdict.value,
            "proof": report.proof.value if report.proof else None,
            "reason": report.reason or None,
            "requests": stats.requests,
            "retries": stats.retries,
            "seconds_waited_for_budget": stats.seconds_waited_for_budget,
            "seconds_waited_to_retry": stats.seconds_waited_to_retry,
            "bytes": stats.bytes,
            "pages": report.pages,
            "record_count": report.record_count,
            "read": report.records,
            "rewritten": self._reading.state.rewritten,
        }

    def _results(self, result: SyncResult) -> dict[str, Any]:
        reading = self._reading
        merged = {name: n for name, n in asdict(result.merged).items() if name in SYNCS}
        return {
            **merged,
            "mode": result.mode.value,
            "deleted": result.deleted,
            "current_rows": result.current_rows,
            "unparsed": sum(result.unparsed.values()),
            "filter_refused": reading.report.filter_refused,
            "sort_refused": reading.report.sort_refused,
        }
