"""One sync of one endpoint: load the state, read, prove deletions, merge, record the sync.

Contains the order of these steps. `extract` reads, `gone` decides about deletions, `store` writes;
the IO manager calls this module and reports the result to Dagster.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import duckdb

from recruit_assets.catalogue import Kind
from recruit_assets.errors import DatabaseChanged, RecruitError
from recruit_assets.extract.records import RecordTable
from recruit_assets.extract.report import Verdict, duration
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk
from recruit_assets.gone import Deletions
from recruit_assets.load.endpoint_table import is_damaged
from recruit_assets.load.obstacles import check_names, opening
from recruit_assets.load.schema import SCHEMA, columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import State, recall
from recruit_assets.load.syncs import check_version
from recruit_assets.options import Mode, Options, since
from recruit_assets.store import Store, SyncResult

CLOCKS_APART = timedelta(minutes=1)  # a larger difference is logged as a warning
PAGES_PER_BATCH = 10  # pages converted to Arrow together


class Sync:
    """Run one sync of one endpoint.

    Args:
        source: the endpoint.
        opened: opens the database for writing.
        exists: returns whether the database exists; opening it would create it.
        options: the options of the sync.
        run_id: the id of the Dagster run.
    """

    def __init__(
        self,
        source: Source,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        exists: Callable[[], bool],
        options: Options,
        run_id: str,
    ) -> None:
        self._source, self._endpoint, self._log = source, source.endpoint, source.log
        self._opened = opening(opened, f"{SCHEMA}.{self._endpoint.name}")
        self._exists, self._options = exists, options
        self._started = datetime.now(UTC)
        self._store = Store(source, self._opened, options, run_id, self._started)

    def run(self) -> SyncResult:
        """Sync the endpoint; a failure leaves the table and the cursor unchanged.

        Raises:
            RecruitError: the sync failed; the error is also recorded in the database, if possible.
        """
        with self._source, _rare_collections():
            try:
                result = self._attempt()
            except DatabaseChanged as changed:
                self._log.warning(f"{self._endpoint.name}: {changed} It is read again.")
                result = self._attempt()
        result.seconds = (datetime.now(UTC) - self._started).total_seconds()
        return result

    def _attempt(self) -> SyncResult:
        state, columns = self._look()
        walk = Walk(self._source, since(self._endpoint, self._options, state, self._started))
        try:
            with Stage() as stage:
                return self._run(walk, state, columns, stage)
        except RecruitError as error:
            if self._exists():
                self._store.write_failure(walk.report, error)
            raise

    def _look(self) -> tuple[State, dict[str, Kind]]:
        """Return the state and the columns; fail on a bad database before any request.

        A table that lacks a column, or has it in another type, gets a full read, because changed
        records alone do not restore the column.
        """
        if not self._exists():
            return State(), {}
        with self._opened() as database:
            check_version(database)
            check_names(database, self._endpoint)
            state = recall(database, self._endpoint, self._source.api)
            if is_damaged(database, self._endpoint):
                state = replace(state, void=True, cursor=None)
            if columns := columns_of(database, self._endpoint):
                columns |= {each.name: each.kind for each in self._endpoint.columns()}
            return state, columns

    def _run(self, walk: Walk, state: State, columns: dict[str, Kind], stage: Stage) -> SyncResult:
        result = SyncResult(walk.report, state, asked_for_changes=walk.query.since is not None)
        record_table = RecordTable(self._endpoint, columns)

        def add(pages: Iterable[Page]) -> None:
            for batch in _batches(pages):
                records = [record for page in batch for record in page.records]
                positions = [place for page in batch for place in page.positions]
                stage.add(record_table.table(records), record_table.columns, positions)

        add(walk)
        self._compare_clocks()
        result.mode = Mode.incremental if walk.query.since else Mode.full
        whole = result.mode is Mode.full and walk.report.verdict is not Verdict.UNAVAILABLE
        deletions = Deletions(self._source, self._opened, self._options, stage, add)
        missing = deletions.missing(walk.report, state) if whole and columns else []
        if missing:
            result.gone = deletions.proven(missing, walk.query)
            result.kept = len(missing) - len(result.gone)
        result.unparsed, result.crowded = dict(record_table.unparsed), record_table.more > 0
        self._store.write(stage, result)
        return result

    def _compare_clocks(self) -> None:
        """Warn if our clock and the API's differ."""
        apart = self._source.ahead
        if abs(apart) > CLOCKS_APART:
            which = "ahead of" if apart > timedelta(0) else "behind"
            by = duration(abs(apart).total_seconds())
            self._log.warning(
                f"{self._endpoint.name}: this machine's clock is {by} "
                f"{which} the API's: set it right, or times in the tables are wrong."
            )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage less often: records hold no cycles, and collections cost a tenth."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _batches(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Yield the pages in batches, which convert faster than single pages."""
    pages = iter(pages)
    while batch := list(islice(pages, PAGES_PER_BATCH)):
        yield batch
