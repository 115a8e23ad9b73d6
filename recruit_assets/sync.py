"""One sync of one endpoint: look at the state, read, prove what is gone, merge, remember.

What lives here: the order of things and the rules of deletion. Reading is done in `extract`,
writing in `load`; Dagster calls this from the IO manager and reports what came of it.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.errors import (
    DatabaseBusy,
    DatabaseChanged,
    DatabaseProblem,
    NoSpaceLeft,
    NotEnoughMemory,
    RecruitError,
    ShowsMuchLess,
)
from recruit_assets.extract.pages import Walk
from recruit_assets.extract.records import Flattener
from recruit_assets.extract.report import Report, Verdict, duration
from recruit_assets.extract.source import Page, Source
from recruit_assets.load.connection import transaction
from recruit_assets.load.endpoint_table import columns_of_the_api, is_damaged, prepare
from recruit_assets.load.guards import Compared, doubts
from recruit_assets.load.history import HISTORY, write_history
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.merge import Merged, merge
from recruit_assets.load.schema import SCHEMA, columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import State, recall, remember, rows, written_since
from recruit_assets.load.sweep import Remains, absent, are_living, living, sweep
from recruit_assets.load.syncs import META, SYNCS, check_version

CLOCKS_APART = timedelta(minutes=1)  # more is worth a warning
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
        with self._source, _rare_collections():
            try:
                outcome = self._attempt()
            except DatabaseChanged as changed:
                self._log.warning(f"{self._endpoint.name}: {changed} It is read again.")
                outcome = self._attempt()
        outcome.seconds = (datetime.now(UTC) - self._started).total_seconds()
        return outcome

    def _attempt(self) -> Outcome:
        state, columns = self._look()
        walk = Walk(self._source, since(self._endpoint, self._options, state, self._started))
        try:
            with Stage() as stage:
                return self._run(walk, state, columns, stage)
        except RecruitError as error:
            self._remember_failure(walk, error)
            raise

    def _look(self) -> tuple[State, dict[str, Kind]]:
        """What is there; shows what is wrong with the database before anything is asked.

        A table that lacks a column, or has it in another type, is read whole: what was in there
        is not known from the changes alone.
        """
        if not self._exists():
            return State(), {}
        with self._opened() as database:
            check_version(database)
            state = recall(database, self._endpoint, self._source.api)
            if is_damaged(database, self._endpoint):
                state = replace(state, void=True, cursor=None)
            if columns := columns_of(database, self._endpoint):
                columns |= {each.name: each.kind for each in self._endpoint.columns()}
            return state, columns

    @contextmanager
    def _repaired(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The database with the endpoint's table as the merge will find it; nothing is kept."""
        with self._opened() as database, transaction(database, keep=False):
            prepare(database, self._endpoint, {})
            yield database

    def _run(self, walk: Walk, state: State, columns: dict[str, Kind], stage: Stage) -> Outcome:
        outcome = Outcome(walk.report, state, asked_for_changes=walk.query.since is not None)
        flattener = Flattener(self._endpoint, columns)

        def add(pages: Iterable[Page]) -> None:
            for some in _gathered(pages):
                records = [record for page in some for record in page.records]
                positions = [place for page in some for place in page.positions]
                stage.add(flattener.table(records), flattener.columns, positions)

        add(walk)
        self._compare_clocks()
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
        except DatabaseChanged:  # what it met may be over, and what was read need not be lost
            self._store(stage, outcome)
        return outcome

    def _missing(self, stage: Stage, report: Report, state: State) -> list[str]:
        """The ids of living rows that a whole reading did not bring, if it proves anything.

        Raises:
            ShowsMuchLess: they are too many to be believed, or the others lack too much.
        """
        stage.flush()
        with self._repaired() as database:
            columns = columns_of_the_api(database, self._endpoint)
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
        with self._repaired() as database:
            return sorted(set(missing) & set(absent(database, self._endpoint, stage)))

    def _is_found_by_id(self, walk: Walk, stage: Stage) -> bool:
        """Whether the API answers for a record of the list by its id; else a 404 tells nothing."""
        if stage.first_id is None:
            return False
        ((_, page),) = self._source.find([stage.first_id], walk.query)
        return bool(page and page.records)

    def _store(self, stage: Stage, outcome: Outcome, *, bounded: bool = True) -> None:
        """Merge, sweep and remember, all or nothing; nothing in a dry run."""
        endpoint, options = self._endpoint, self._options
        with (
            self._opened() as database,
            bounded_memory(database, stage.rows, stage.size) if bounded else nullcontext(),
            transaction(database, keep=not options.dry_run),
        ):
            now = recall(database, endpoint, self._source.api)
            newer = written_since(database, endpoint, outcome.state, now)
            self._warn(SCHEMA, endpoint.name, prepare(database, endpoint, stage.columns))
            outcome.merged = merge(
                database,
                endpoint,
                stage,
                self._run_id,
                refresh_volatile=options.refresh_volatile,
                newer=newer or (),
            )
            outcome.columns = columns_of(database, endpoint)
            self._claim(database, outcome, now, newer)
            outcome.deleted = sweep(
                database,
                endpoint,
                outcome.gone,
                self._run_id,
                remains=options.remains,
                columns=outcome.columns,
            )
            outcome.living = living(database, endpoint)
            lost = write_history(
                database,
                endpoint,
                self._run_id,
                outcome.gone,
                outcome.columns,
                whole=outcome.mode is Mode.full,
            )
            row = self._row(outcome.report) | self._results(outcome)
            row |= {"rows": rows(database, endpoint), "cursor": outcome.cursor}
            self._warn(HISTORY, endpoint.name, lost)
            self._warn(META, "syncs", remember(database, endpoint, row))

    def _claim(
        self,
        database: duckdb.DuckDBPyConnection,
        outcome: Outcome,
        now: State,
        newer: Sequence[str] | None,
    ) -> None:
        """Say what the reading proves, and where the next incremental one goes on.

        It goes on from the start of this one, if that is proven; if not, from where it stood. If
        the table is not the one that the reading was planned from, and does not agree with what
        came, nothing is proven, nothing is deleted, and the next sync reads everything.

        Args:
            database: after the merge.
            outcome: what is claimed; its verdict, cursor, and the ids that are gone may change.
            now: the state that the merge has found.
            newer: the runs that have written since the reading was planned; None if another table
                is in its place.
        """
        report, endpoint = outcome.report, self._endpoint
        other = "is not the one that it was planned from" if newer is None else "was changed"
        moved = newer is None or (newer and self._differs(database, outcome))
        if moved and report.verdict is not Verdict.UNAVAILABLE:
            by = ": was a backup restored?" if newer is None else " by another sync."
            report.verdict = Verdict.INCOMPLETE
            report.reason = f"the table {other} while this sync was reading{by}"
            outcome.gone, outcome.cursor = [], None
        elif not endpoint.dated:
            outcome.cursor = None
        elif report.verdict.proven:
            outcome.cursor = report.began
        else:
            stood = None if outcome.state.void else now.cursor
            outcome.cursor = min(stood, report.began) if stood else None

    def _differs(self, database: duckdb.DuckDBPyConnection, outcome: Outcome) -> bool:
        """Whether the table was not yet what this sync has read."""
        merged = outcome.merged
        written = merged.inserted + merged.updated + merged.undeleted + merged.superseded
        return bool(written or are_living(database, self._endpoint, outcome.gone))

    def _warn(self, schema: str, table: str, lost: Sequence[str]) -> None:
        """Say which columns were made again."""
        if lost:
            self._log.warning(
                f"{schema}.{table} lacked {', '.join(lost)}, or had another type there: the table "
                "was repaired."
            )

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
        merged = {name: n for name, n in asdict(outcome.merged).items() if name in SYNCS}
        return {
            **merged,
            "mode": outcome.mode.value,
            "deleted": outcome.deleted,
            "living": outcome.living,
            "unparsed": sum(outcome.unparsed.values()),
            "filter_refused": report.filter_refused if outcome.asked_for_changes else None,
        }

    def _remember_failure(self, walk: Walk, error: RecruitError) -> None:
        committed = isinstance(error, NoSpaceLeft) and error.committed  # then it is remembered
        busy = isinstance(error, DatabaseBusy)
        if busy or committed or self._options.dry_run or not self._exists():
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
