"""The writes of a sync in one transaction: merge, sweep, history, and a row for the sync itself.

Contains their order. Each write is implemented in `load`; `conclusion` sets the verdict.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict

import backoff
import duckdb

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.conclusion import conclude, earlier_cursor
from recruit_assets.errors import (
    DatabaseBusy,
    DatabaseChanged,
    DatabaseProblem,
    NoSpaceLeft,
    NotEnoughMemory,
    RecruitError,
    WriteConflict,
)
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.extract.unfinished import Part, Unfinished
from recruit_assets.load.column_policies import check_followed, note_complete
from recruit_assets.load.connection import transaction
from recruit_assets.load.cover import drop_cover, oldest, store_cover
from recruit_assets.load.current import ensure_view
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.forgotten import check_listed
from recruit_assets.load.history import HISTORY, write_history
from recruit_assets.load.layout import META
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.merge import count_misfits, merge
from recruit_assets.load.preview import preview
from recruit_assets.load.schema import SCHEMA, columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import recall, remember, rows, written_since
from recruit_assets.load.stood_at import ensure_macro
from recruit_assets.load.sweep import count_current, missed, sweep
from recruit_assets.load.sync_state import SyncState
from recruit_assets.load.syncs import SYNCS_TABLE
from recruit_assets.load.unfinished import Rest, drop, keep, missing_so_far
from recruit_assets.options import Mode
from recruit_assets.person import leave_out
from recruit_assets.reading import Reading
from recruit_assets.result import SyncResult, SyncRows

MAX_TRIES, FIRST_WAIT = 5, 0.1  # of a write that conflicts with others, and seconds in between


class Store:
    """Write the records that one sync of one endpoint read.

    Args:
        reading: the reading of the endpoint.
        opened: opens the database for writing.
        run_id: the id of the Dagster run.
        deletion_policy: what is left of the rows of records that are gone.
        recorded: what earlier rows of this sync have counted of the source's requests.
    """

    def __init__(
        self,
        reading: Reading,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        run_id: str,
        deletion_policy: DeletionPolicy,
        recorded: Counter[str],
    ) -> None:
        self._reading, self._endpoint, self._source = reading, reading.endpoint, reading.source
        self._log, self._options = reading.source.log, reading.options
        self._state, self._rows = reading.state, SyncRows(reading, run_id, recorded)
        self._left: Unfinished | None = None  # what the last part has left to read
        self._opened, self._run_id = opened, run_id
        self._deletion_policy, self._account = deletion_policy, reading.state.account

    def write(self, stage: Stage, result: SyncResult, part: Part | None = None) -> None:
        """Merge the rows, and record the sync or a part of it; store the counts in `result`.

        Args:
            stage: the rows.
            result: the counts, and what is proven gone.
            part: what of the list has been read, if the reading goes on: then what is left of it
                is stored, and nothing is deleted.

        Raises:
            DatabaseProblem: the database cannot be written, and is unchanged.
        """
        try:
            self._write_patiently(stage, result, part)
        except NotEnoughMemory:  # the limit was too low for these rows; nothing was changed
            self._log.info(f"{self._endpoint.name}: merging again, with more memory")
            self._write_patiently(stage, result, part, bounded=False)
        except DatabaseChanged:  # the change may be over, and a retry keeps the records read
            self._write(stage, result, part)

    def write_failure(self, error: RecruitError) -> None:
        """Record a failed sync, if there is a database that can be written."""
        committed = isinstance(error, NoSpaceLeft) and error.committed  # already recorded
        if isinstance(error, DatabaseBusy) or committed or self._options.dry_run:
            return
        so_far = f" The next sync goes on: {self._left.so_far()}." if self._left else ""
        failed = {"verdict": "failed", "proof": None, "reason": f"{error}{so_far}"}
        try:
            with self._opened() as database, transaction(database):
                remember(database, self._endpoint, self._rows.row() | failed, self._account)
            self._rows.stored()
        except DatabaseProblem as problem:
            self._log.warning(
                f"{self._endpoint.name}: the failure could not be recorded: {problem}"
            )

    @backoff.on_exception(
        backoff.expo, WriteConflict, max_tries=MAX_TRIES, factor=FIRST_WAIT, logger=None
    )
    def _write_patiently(
        self, stage: Stage, result: SyncResult, part: Part | None, *, bounded: bool = True
    ) -> None:
        """Write again after a conflict with another transaction; nothing was changed."""
        self._write(stage, result, part, bounded=bounded)

    def _write(
        self, stage: Stage, result: SyncResult, part: Part | None, *, bounded: bool = True
    ) -> None:
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
            newer = self._written_since(database, now)
            stage.flush()
            repaired[SCHEMA] = prepare(database, endpoint, stage.columns, stage.sql)
            if repaired[SCHEMA] and (self._goes_on or self._reading.mode is not Mode.full):
                raise DatabaseChanged("Something else has removed columns of the table.")
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
            if part:
                self._keep(database, stage, result, now, part)
            else:
                self._conclude(database, result, now, newer)
            leave_out(database, self._reading, self._run_id)
            if self._reading.state.void or now.void:
                drop_cover(database, endpoint.name)
            if result.cover:
                store_cover(database, endpoint, result.cover.ranges, self._reading.query.listed)
            if not endpoint.nested_in or result.report.verdict.proven:
                result.read_as_of = oldest(database, endpoint)
            whole = result.mode is Mode.full and part is None
            repaired[HISTORY] = self._sweep(database, result, whole=whole)
            row = self._rows.row() | self._rows.merged(result, part)
            row |= {"rows": rows(database, endpoint)}
            repaired[META] = remember(database, endpoint, row, self._account)
            if part:
                now = recall(database, endpoint).at(self._source.api)
        if not options.dry_run:
            self._state, self._left = now, part.unfinished if part else None
            self._rows.stored()
            self._warn(repaired)

    @property
    def _goes_on(self) -> bool:
        """Return whether parts of this reading have been stored before."""
        return self._left is not None or self._reading.report.resumed > 0

    def _written_since(
        self, database: duckdb.DuckDBPyConnection, now: SyncState
    ) -> list[str] | None:
        """Return the runs that have written rows since the read was planned; None if unknown.

        Raises:
            DatabaseChanged: another sync was stored, which a part that was read before could undo.
        """
        if self._reading.is_divided:
            if now.stored != self._state.stored:
                raise DatabaseChanged("Another sync was stored while this one was reading.")
            if now.void and not self._state.void:
                raise DatabaseChanged("Something else changed the table between two parts.")
        return written_since(database, self._endpoint, self._state, now)

    def _keep(
        self,
        database: duckdb.DuckDBPyConnection,
        stage: Stage,
        result: SyncResult,
        now: SyncState,
        part: Part,
    ) -> None:
        """Store what is left of the reading after a part; the cursor stays where it was."""
        left, refreshes = part.unfinished, self._options.refresh_volatile
        missing = set(missing_so_far(database, self._endpoint) if self._goes_on else ())
        missing.update(missed(database, self._endpoint, stage, part.stretches))
        missing -= self._reading.left_out.records.keys()
        keep(database, self._endpoint, Rest(**asdict(left), refreshes=refreshes), sorted(missing))
        result.cursor = earlier_cursor(self._reading, now, left.began)

    def _conclude(
        self,
        database: duckdb.DuckDBPyConnection,
        result: SyncResult,
        now: SyncState,
        newer: Sequence[str] | None,
    ) -> None:
        """Set verdict and cursor after the last rows."""
        conclude(database, self._reading, result, now, newer)
        if result.report.proof is Proof.READ:
            note_complete(database, self._endpoint)
        available = result.report.verdict is not Verdict.UNAVAILABLE
        if self._reading.state.void or (result.mode is Mode.full and available):
            drop(database, [self._endpoint.name])

    def _sweep(
        self, database: duckdb.DuckDBPyConnection, result: SyncResult, *, whole: bool
    ) -> list[str]:
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
            whole=whole,
        )
        if self._endpoint.history:
            ensure_macro(database)
        return defects

    def _warn(self, repaired: Mapping[str, Sequence[str]]) -> None:
        """Warn of the columns that were repaired, by schema of the table."""
        for schema, columns in repaired.items():
            if columns:
                table = SYNCS_TABLE if schema == META else self._endpoint.name
                self._log.warning(
                    f"{schema}.{table} lacked the columns {', '.join(columns)}, or had them with "
                    "another type: the table was repaired."
                )
