"""One reading of one endpoint: the lazy output of an endpoint's asset.

Contains what is asked of the API, which follows from the state of the table, and the conversion of
the responses to rows. Nothing is requested before a reading is iterated. `extract` sends the
requests; the IO manager iterates, and merges the rows (see `sync`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

import pyarrow as pa

from recruit_assets.catalogue import Kind
from recruit_assets.errors import RequestFailed
from recruit_assets.extract.by_parent import WalkByParent
from recruit_assets.extract.counted import CountedWalk
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.forgotten import LeftOut
from recruit_assets.extract.query import Query
from recruit_assets.extract.records import RecordTable
from recruit_assets.extract.report import Proof, WalkReport
from recruit_assets.extract.rolling import AUDITS, Covered, RollingWalk
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.unfinished import Part, Unfinished
from recruit_assets.extract.walk import Walk
from recruit_assets.load.known import OVERLAP
from recruit_assets.load.state import SyncState
from recruit_assets.options import Mode, Options, is_audit, rolls, since

PAGES_PER_BATCH = 10  # pages converted to Arrow together
MIN_PAGES_TO_DIVIDE = 300  # pages; shorter lists are stored in one transaction
MAX_PAUSE = timedelta(days=7)  # older parts are dear to bring up to date


@dataclass(frozen=True)
class Batch:
    """Hold rows, the kinds of all columns by now, and each row's position in order of arrival."""

    rows: pa.Table
    columns: Mapping[str, Kind]
    positions: Sequence[int]


class Reading:
    """Read one endpoint, once, while it is iterated; `report` has the verdict afterwards.

    Iteration yields Arrow tables. A record that was read more than once is in them more than once:
    the last one counts. Use it as a context manager, so that nothing is requested after an error.
    `left_out` has the records that were left out, because their persons were forgotten.

    Args:
        source: the endpoint.
        state: the state of its table, from which the reading is planned.
        options: the options of the sync.
    """

    def __init__(self, source: Source, state: SyncState, options: Options) -> None:
        self.source, self.endpoint, self.options = source, source.endpoint, options
        self.state = state.at(source.api)
        self.started = datetime.now(UTC)
        self._walk = self._planned()
        columns = dict(state.columns)
        if columns:
            columns |= {each.name: each.kind for each in self.endpoint.columns()}
        self._record_table = RecordTable(self.endpoint, columns, state.salt)
        forgotten = self.state.forgotten
        self.left_out = LeftOut(self.endpoint, forgotten.persons, forgotten.salt)

    def _planned(self) -> Walk | WalkByParent | CountedWalk | RollingWalk:
        """Return what to read: everything, or changes or a part and, if possible, what is gone."""
        if self.endpoint.filtered_by:
            return WalkByParent(self.source)
        if rolling := self._rolling():
            return rolling
        known, mode = self.state.known, self.options.mode
        if mode is Mode.auto and known and len(known.ids) < self.source.page_size:
            return Walk(self.source)  # one request, where changes and deletions take two
        size = self.source.page_size
        start = since(self.endpoint, self.options, self.state, self.started, size)
        changes = partial(
            Walk,
            self.source,
            start,
            filtered=not (self.state.filter_refused and self.state.sorts_changes),
            rows=self.state.dated_rows,
        )
        if start is None:
            return Walk(self.source, unfinished=self._unfinished())
        if known is None:
            return changes()
        covered = self._covered() or Covered(known.ids, known.settled, Cover.whole(start))
        audit = is_audit(self.options, self.state, self.started, size)
        return CountedWalk(self.source, changes, covered, OVERLAP, AUDITS if audit else None)

    def _rolling(self) -> RollingWalk | None:
        """Return a reading of a part of the list, unless it is read in another way."""
        state, size = self.state, self.source.page_size
        known = self._covered()
        if known and rolls(self.endpoint, self.options, state, self.started, size):
            return RollingWalk(self.source, known, OVERLAP)
        return None

    def _covered(self) -> Covered | None:
        known, stored = self.state.known, self.state.cover
        cover = Cover.of(stored.ranges) if stored else None
        if known and stored and cover:
            return Covered(known.ids, known.settled, cover, stored.listed)
        return None

    def _unfinished(self) -> Unfinished | None:
        """Return the reading that was interrupted, if this one can go on with it."""
        rest, options = self.state.rest, self.options
        if rest is None or options.dry_run:
            return None
        left = Unfinished(rest.query, rest.began, rest.total, rest.records, rest.lanes)
        why = ""
        if self.state.void:
            why = "its rows or columns, the API's address or version, or the key have changed"
        elif self.started - rest.began > MAX_PAUSE:
            why = f"it began more than {MAX_PAUSE.days} days ago"
        elif options.refresh_volatile and not rest.refreshes:
            why = "it did not refresh volatile values"
        if why:
            self.source.log.warning(
                f"{self.endpoint.name}: a reading that was interrupted ({left.so_far()}) cannot "
                f"go on, because {why}: the whole list is read."
            )
            return None
        return left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Send nothing more."""
        self.source.__exit__()

    def __iter__(self) -> Iterator[pa.Table]:
        for batch in self.batches():
            yield batch.rows

    def batches(self) -> Iterator[Batch]:
        """Read the endpoint, and yield its rows.

        Raises:
            RequestFailed: it cannot be read.
        """
        return self.convert(self._walk)

    def convert(self, pages: Iterable[Page]) -> Iterator[Batch]:
        """Yield the rows of pages of the endpoint, without those of forgotten persons."""
        for batch in _in_batches(pages):  # converts faster than single pages
            records = [record for page in batch for record in page.records]
            positions = [place for page in batch for place in page.positions]
            rows, kept = self.left_out.remaining(self._record_table.table(records), positions)
            yield Batch(rows, self._record_table.columns, kept)

    def planned_from(self, state: SyncState) -> "Reading":
        """Return another reading of the same endpoint, planned from a later state."""
        rewritten = self.state.rewritten + state.rewritten
        return Reading(self.source, replace(state, rewritten=rewritten), self.options)

    @property
    def is_long(self) -> bool:
        """Return whether it takes so many requests that it is stored in parts."""
        return (self.report.record_count or 0) > MIN_PAGES_TO_DIVIDE * self.source.page_size

    @property
    def is_divided(self) -> bool:
        """Return whether it is stored in parts, or goes on with a reading that was."""
        return isinstance(self._walk, Walk) and self._walk.is_divided

    def part(self) -> Part | None:
        """Return what was read since the last call; None if the reading cannot be divided.

        Once the reading has ended, None means that its batches are all of it.
        """
        return self._walk.part() if isinstance(self._walk, Walk) else None

    @property
    def report(self) -> WalkReport:
        """Return the report, which is final once the reading has been iterated."""
        return self._walk.report

    @property
    def query(self) -> Query:
        """Return the query, without the parameters that the account refused."""
        return self._walk.query

    @property
    def mode(self) -> Mode:
        """Return whether everything was read, or only what had changed or a part."""
        if isinstance(self._walk, RollingWalk) and not self._walk.whole:
            return Mode.incremental
        return Mode.incremental if self.query.since else Mode.full

    @property
    def cover(self) -> Cover | None:
        """Return since when each id is known after a reading; None if it does not show that."""
        if isinstance(self._walk, WalkByParent):
            return None
        if not isinstance(self._walk, Walk) and self._walk.cover:
            return self._walk.cover
        report, query = self.report, self.query
        searchable = query.sorted and query.size is not None and report.record_count is not None
        whole = report.proof is Proof.READ and searchable
        return Cover.whole(report.began) if whole else None

    @property
    def values_as_of(self) -> datetime | None:
        """Return a moment that all values are at least as new as; None if that is not proven."""
        if isinstance(self._walk, RollingWalk) and self._walk.cover:
            return self._walk.cover.oldest
        return self.report.began if self.report.verdict.proven else None

    @property
    def missing(self) -> list[str]:
        """Return the known ids that an incremental reading found missing in the list."""
        return [] if isinstance(self._walk, Walk | WalkByParent) else self._walk.missing

    @property
    def unparsed(self) -> dict[str, int]:
        """Return how many values did not fit, by column; repeated records count each time."""
        return dict(self._record_table.unparsed)

    @property
    def crowded(self) -> bool:
        """Return whether there are more unknown attributes than get their own column."""
        return self._record_table.more > 0


def _in_batches(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Yield pages several at a time, and those before an error before it is raised."""
    batch: list[Page] = []
    try:
        for page in pages:
            batch.append(page)
            if len(batch) == PAGES_PER_BATCH:
                yield batch
                batch = []
    except RequestFailed:
        yield batch
        raise
    yield batch
