"""One sync of one endpoint: read, prove deletions, merge, record the sync.

Contains the order of these steps. `reading` reads, `gone` decides about deletions, `store` writes;
the IO manager calls this module and reports the result to Dagster.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import duckdb

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.errors import DatabaseChanged, RecruitError
from recruit_assets.extract.report import Verdict, duration
from recruit_assets.gone import Deletions
from recruit_assets.load.obstacles import with_translated_errors
from recruit_assets.load.schema import SCHEMA
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import read_state
from recruit_assets.new_key import KeyContradicted, confirm
from recruit_assets.options import Mode
from recruit_assets.parts import Parts
from recruit_assets.reading import Reading
from recruit_assets.result import SyncResult
from recruit_assets.store import Store

MAX_ATTEMPTS = 5  # to read a table that something else changes
CLOCKS_APART = timedelta(minutes=1)  # a larger difference is logged as a warning


class Sync:
    """Run one sync of one endpoint.

    Args:
        reading: the endpoint, not read yet.
        opened: opens the database for writing.
        exists: returns whether the database exists; opening it would create it.
        run_id: the id of the Dagster run.
        deletion_policy: what is left of the rows of records that are gone.
    """

    def __init__(
        self,
        reading: Reading,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        exists: Callable[[], bool],
        run_id: str,
        deletion_policy: DeletionPolicy = DeletionPolicy.erase,
    ) -> None:
        self._reading, self._endpoint, self._log = reading, reading.endpoint, reading.source.log
        self._opened = with_translated_errors(opened, f"{SCHEMA}.{self._endpoint.name}")
        self._exists = exists
        self._run_id, self._deletion_policy = run_id, deletion_policy
        self._recorded = Counter[str]()

    def run(self, *, again: bool = False) -> SyncResult:
        """Sync the endpoint; a failure leaves the table and the cursor unchanged.

        Args:
            again: whether the table may have changed since the reading was planned.

        Raises:
            RecruitError: the sync failed; the error is also recorded in the database, if possible.
        """
        with self._reading as reading:
            result = self._last_attempt(self._planned_again() if again else reading)
        result.seconds = (datetime.now(UTC) - reading.started).total_seconds()
        return result

    def _last_attempt(self, reading: Reading) -> SyncResult:
        """Read until nothing else has changed the table in the meantime."""
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return self._attempt(reading)
            except DatabaseChanged as changed:
                self._log.warning(f"{self._endpoint.name}: {changed} Reading it again.")
                reading = self._planned_again()
            except KeyContradicted as why:
                self._log.warning(
                    f"{self._endpoint.name}: the key was replaced, and {why}: the whole list is "
                    "read."
                )
                reading = reading.planned_from(reading.state.voided())
        return self._attempt(reading)

    def _planned_again(self) -> Reading:
        """Return the reading, planned from what the database has now."""
        reading = self._reading
        state = read_state(
            self._opened,
            self._exists,
            self._endpoint,
            reading.state.account,
            dry_run=reading.options.dry_run,
        )
        if state.note:
            self._log.warning(state.note)
        return reading.planned_from(state)

    def _attempt(self, reading: Reading) -> SyncResult:
        store = Store(reading, self._opened, self._run_id, self._deletion_policy, self._recorded)
        try:
            with Stage() as stage:
                return self._run(reading, stage, store)
        except RecruitError as error:
            if self._exists():
                store.write_failure(error)
            raise

    def _run(self, reading: Reading, stage: Stage, store: Store) -> SyncResult:
        parts = Parts(reading, stage, self._opened, store)
        for batch in parts.before_more(reading.batches()):
            stage.add(batch.rows, batch.columns, batch.positions)
        self._compare_clocks()
        if reading.state.rekeyed:
            confirm(reading, stage, self._opened)
        result = SyncResult(reading)
        deletions = Deletions(reading, self._opened, stage, parts.part())
        searched = reading.mode is Mode.full or reading.missing
        available = reading.report.verdict is not Verdict.UNAVAILABLE
        missing = deletions.missing() if searched and available and reading.state.columns else []
        if missing:
            result.gone = deletions.proven(missing)
            result.kept = len(missing) - len(result.gone)
        result.unparsed = reading.unparsed
        store.write(stage, result)
        result.add(parts.stored)
        return result

    def _compare_clocks(self) -> None:
        """Warn if our clock and the API's differ."""
        apart = self._reading.source.clocks.ahead
        if abs(apart) > CLOCKS_APART:
            which = "ahead of" if apart > timedelta(0) else "behind"
            by = duration(abs(apart).total_seconds())
            self._log.warning(
                f"{self._endpoint.name}: this machine's clock is {by} "
                f"{which} the API's: correct it, or times in the tables will be wrong."
            )
