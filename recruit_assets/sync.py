"""One sync of one endpoint: look at the state, read, prove what is gone, merge, remember.

What lives here: the order of things. Reading is done in `extract`, what is proven gone in `gone`,
writing in `store`; Dagster calls this from the IO manager and reports the result.
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

CLOCKS_APART = timedelta(minutes=1)  # more is worth a warning
PAGES_PER_BATCH = 10  # pages converted to Arrow together


class Sync:
    """One sync of one endpoint.

    Args:
        source: the endpoint.
        opened: opens the database for writing.
        exists: tells whether the database is there; to open it would make it.
        options: what was chosen.
        run_id: the Dagster run.
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
        """Sync; whatever fails leaves the table and the cursor as they were.

        Raises:
            RecruitError: with what happened and what to do; it is remembered as well.
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
        """Return what is there; what is wrong with the database fails before anything is asked.

        A table that lacks a column, or has it in another type, is read whole: what was in there
        is not known from the changes alone.
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
        """Warn of a clock that is wrong, ours or the API's."""
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
    """Have garbage collected less often: records hold no cycles, and looking costs a tenth."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _batches(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Yield the pages, several at a time, which is quicker to convert than one by one."""
    pages = iter(pages)
    while batch := list(islice(pages, PAGES_PER_BATCH)):
        yield batch
