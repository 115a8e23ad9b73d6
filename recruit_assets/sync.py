"""One sync of one endpoint: look at the state, read, prove what is gone, merge, remember.

What lives here: the order of things and the rules of deletion. Reading is done in `extract`,
writing in `load`; Dagster calls this from the IO manager and reports what came of it.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.errors import (
    DatabaseBusy,
    DatabaseProblem,
    NotEnoughMemory,
    RecruitError,
    RequestFailed,
    ShowsMuchLess,
)
from recruit_assets.extract.pages import Walk
from recruit_assets.extract.records import Flattener
from recruit_assets.extract.report import Report, Verdict
from recruit_assets.extract.source import Page, Source
from recruit_assets.load.connection import transaction
from recruit_assets.load.guards import Compared, doubts
from recruit_assets.load.history import write_history
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.merge import Merged, merge
from recruit_assets.load.schema import columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import State, recall, recall_cursor, remember, rows
from recruit_assets.load.sweep import Remains, absent, living, sweep

OVERLAP = timedelta(minutes=10)  # that an incremental read begins before its cursor
PAGES_AT_ONCE = 10  # that are in memory as they came; others are on their way meanwhile
ASKED_ONE_BY_ONE = 100  # absentees of a run; more are looked for in a second walk
ACCEPT = "run it once with allow_mass_delete (in the launchpad, or as the asset's config)"


class Mode(Enum):
    """What is read; lower case, as the launchpad shows it."""

    auto = "auto"  # what has changed, where the API can tell and the last whole reading is recent
    incremental = "incremental"  # what has changed, where the API can tell
    full = "full"  # all


@dataclass(frozen=True)
class Options:
    """What can be chosen for one sync."""

    mode: Mode = Mode.auto
    full_after_hours: float = 24
    refresh_volatile: bool = False
    allow_mass_delete: bool = False
    dry_run: bool = False
    remains: Remains = Remains.erase


@dataclass
class Outcome:
    """What a sync did."""

    report: Report
    state: State  # before it
    asked_for_changes: bool
    mode: Mode = Mode.full  # what became of it
    merged: Merged = field(default_factory=Merged)
    gone: list[str] = field(default_factory=list)  # ids proven gone
    kept: int = 0  # rows that the list did not show, and whose record is there all the same
    deleted: int = 0
    living: int = 0
    unparsed: dict[str, int] = field(default_factory=dict)
    crowded: bool = False  # more unknown attributes came than get a column of their own
    columns: dict[str, Kind] = field(default_factory=dict)
    cursor: datetime | None = None  # where the next incremental read goes on
    seconds: float = 0.0  # that it took


class Sync:
    """One sync of one endpoint.

    Args:
        source: the endpoint.
        opened: opens the database for writing.
        exists: whether the database is there, which opening it would change.
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
        self._opened, self._exists = opened, exists
        self._options, self._run_id = options, run_id
        self._started = datetime.now(UTC)

    def run(self) -> Outcome:
        """Sync; whatever fails leaves the table and the cursor as they were.

        Raises:
            RecruitError: with what happened and what to do; it is remembered as well.
        """
        state, columns = self._look()
        walk = Walk(self._source, since(self._endpoint, self._options, state, self._started))
        try:
            with self._source, Stage() as stage, _rare_collections():
                outcome = self._run(walk, state, columns, stage)
        except RecruitError as error:
            self._remember_failure(walk, error)
            raise
        outcome.seconds = (datetime.now(UTC) - self._started).total_seconds()
        return outcome

    def _look(self) -> tuple[State, dict[str, Kind]]:
        """What is there; shows what is wrong with the database before anything is asked."""
        if not self._exists():
            return State(), {}
        with self._opened() as database:
            columns = columns_of(database, self._endpoint)
            if not columns:
                return State(void=True), {}
            return recall(database, self._endpoint, self._source.api), columns

    def _run(self, walk: Walk, state: State, columns: dict[str, Kind], stage: Stage) -> Outcome:
        outcome = Outcome(walk.report, state, asked_for_changes=walk.query.since is not None)
        flattener = Flattener(self._endpoint, columns)

        def add(pages: Iterable[Page]) -> None:
            for some in _gathered(pages):
                records = [record for page in some for record in page.records]
                positions = [place for page in some for place in page.positions]
                stage.add(flattener.table(records), flattener.columns, positions)

        add(walk)
        outcome.mode = Mode.incremental if walk.query.since else Mode.full
        whole = outcome.mode is Mode.full and walk.report.verdict is not Verdict.UNAVAILABLE
        missing = self._missing(stage, walk.report, state) if whole and columns else []
        if walk.report.verdict is Verdict.COMPLETE:
            outcome.gone = self._proven_gone(missing, walk, stage, add)
            outcome.kept = len(missing) - len(outcome.gone)
        outcome.unparsed, outcome.crowded = dict(flattener.unparsed), flattener.more > 0
        try:
            self._store(stage, outcome)
        except NotEnoughMemory:  # it was bounded too low for these rows, and changed nothing
            self._log.info(f"{self._endpoint.name}: merged again, with more memory")
            self._store(stage, outcome, bounded=False)
        return outcome

    def _missing(self, stage: Stage, report: Report, state: State) -> list[str]:
        """The ids of living rows that a whole reading did not bring, if it proves anything.

        Raises:
            ShowsMuchLess: they are too many to be believed, or the others lack too much.
        """
        stage.flush()
        with self._opened() as database:
            columns = columns_of(database, self._endpoint)
            if not columns:
                return []
            proven = report.verdict is Verdict.COMPLETE
            missing = absent(database, self._endpoint, stage) if proven else []
            compared = Compared(columns, len(missing), state.api, self._source.api)
            found = list(doubts(database, self._endpoint, stage, compared))
        accepted = self._options.allow_mass_delete or self._options.dry_run
        for doubt in found:
            if doubt.refuses and not accepted:
                says = f"{doubt.says} Nothing was changed. If that is right, {ACCEPT}."
                raise ShowsMuchLess(says)
            self._log.warning(doubt.says)
        return missing

    def _proven_gone(
        self,
        missing: list[str],
        walk: Walk,
        stage: Stage,
        add: Callable[[Iterable[Page]], None],
    ) -> list[str]:
        """Those of the missing whose records are gone; the others are staged."""
        if not missing:
            return []
        if len(missing) <= ASKED_ONE_BY_ONE and self._is_found_by_id(walk, stage):
            found = dict(self._source.find(missing, walk.query))
            add(page for page in found.values() if page)
            return [id_ for id_, page in found.items() if page is None]
        again = Walk(self._source)
        add(again)
        if again.report.verdict is not Verdict.COMPLETE:
            self._log.warning(
                f"{self._endpoint.name}: {len(missing):,} rows were not in the API's list, and a "
                f"second reading could not prove it ({again.report.reason}): they stay."
            )
            return []
        stage.flush()
        with self._opened() as database:
            return sorted(set(missing) & set(absent(database, self._endpoint, stage)))

    def _is_found_by_id(self, walk: Walk, stage: Stage) -> bool:
        """Whether the API answers for a record of the list by its id; else a 404 tells nothing."""
        if stage.first_id is None:
            return False
        try:
            ((_, page),) = self._source.find([stage.first_id], walk.query)
        except RequestFailed:
            return False
        return bool(page and page.records)

    def _store(self, stage: Stage, outcome: Outcome, *, bounded: bool = True) -> None:
        """Merge, sweep and remember, all or nothing; nothing in a dry run."""
        endpoint, options = self._endpoint, self._options
        with (
            self._opened() as database,
            bounded_memory(database, stage.rows, stage.size) if bounded else nullcontext(),
            transaction(database, keep=not options.dry_run),
        ):
            outcome.merged = merge(
                database,
                endpoint,
                stage,
                self._run_id,
                refresh_volatile=options.refresh_volatile,
            )
            outcome.columns = columns_of(database, endpoint)
            outcome.deleted = sweep(
                database,
                endpoint,
                outcome.gone,
                self._run_id,
                remains=options.remains,
                columns=outcome.columns,
            )
            outcome.living = living(database, endpoint)
            write_history(
                database,
                endpoint,
                self._run_id,
                outcome.gone,
                outcome.columns,
                whole=outcome.mode is Mode.full,
            )
            outcome.cursor = self._cursor(database, outcome)
            row = self._row(outcome.report) | self._results(outcome)
            row |= {"rows": rows(database, endpoint), "cursor": outcome.cursor}
            remember(database, endpoint, row, void=outcome.state.void)

    def _row(self, report: Report) -> dict[str, Any]:
        effort = self._source.effort
        return {
            "run_id": self._run_id,
            "api": self._source.api,
            "started": self._started,
            "finished": datetime.now(UTC),
            "verdict": report.verdict.value,
            "reason": report.reason or None,
            "requests": effort.requests,
            "retries": effort.retries,
            "waited_for_budget": effort.queued,
            "waited_to_retry": effort.waited,
            "received": effort.received,
            "pages": report.pages,
            "record_count": report.record_count,
            "read": report.records,
        }

    def _results(self, outcome: Outcome) -> dict[str, Any]:
        report = outcome.report
        merged = {name: rows for name, rows in asdict(outcome.merged).items() if name != "repeated"}
        return {
            **merged,
            "mode": outcome.mode.value,
            "deleted": outcome.deleted,
            "living": outcome.living,
            "unparsed": sum(outcome.unparsed.values()),
            "filter_refused": report.filter_refused if outcome.asked_for_changes else None,
        }

    def _cursor(self, database: duckdb.DuckDBPyConnection, outcome: Outcome) -> datetime | None:
        """Where the next incremental read goes on: from the start of this one, if it is proven.

        If not, from where it stood, or from this start if another sync has moved it on meanwhile:
        this one may have put older versions over what that one had brought.
        """
        report = outcome.report
        if not self._endpoint.dated:
            return None
        if report.verdict.proven:
            return report.began
        stood = None if outcome.state.void else recall_cursor(database, self._endpoint)
        return min(stood, report.began) if stood else None

    def _remember_failure(self, walk: Walk, error: RecruitError) -> None:
        if isinstance(error, DatabaseBusy) or self._options.dry_run or not self._exists():
            return
        failed = {"verdict": "failed", "reason": str(error)}
        try:
            with self._opened() as database, transaction(database):
                remember(database, self._endpoint, self._row(walk.report) | failed)
        except DatabaseProblem as problem:
            self._log.warning(f"{self._endpoint.name}: the failure was not noted: {problem}")


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Have garbage collected less often: records hold no cycles, and looking costs a tenth."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _gathered(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """The pages, several at a time: so many rows are as quickly made columns of as few."""
    pages = iter(pages)
    while some := list(islice(pages, PAGES_AT_ONCE)):
        yield some


def since(endpoint: Endpoint, options: Options, state: State, now: datetime) -> datetime | None:
    """From when on changes are asked for; None for the whole list."""
    whole = options.mode is Mode.full or options.allow_mass_delete or options.dry_run
    if whole or not endpoint.dated or state.cursor is None:
        return None
    if options.mode is Mode.auto:
        longest = timedelta(hours=options.full_after_hours)
        if state.filter_refused or state.complete_at is None or now - state.complete_at > longest:
            return None
    # Whole seconds, as the API may cut the times that it compares.
    return (state.cursor - OVERLAP).replace(microsecond=0)
