"""One reading of one endpoint: the lazy output of an endpoint's asset.

Contains what is asked of the API, which follows from the state of the table, and the conversion of
the responses to rows. Nothing is requested before a reading is iterated. `extract` sends the
requests; the IO manager iterates, and merges the rows (see `sync`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, Self

import pyarrow as pa

from recruit_assets.catalogue import Kind
from recruit_assets.errors import RequestFailed
from recruit_assets.extract.background import BackgroundPages
from recruit_assets.extract.by_parent import WalkByParent
from recruit_assets.extract.counted import CountedWalk
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.forgotten import LeftOut
from recruit_assets.extract.nested import NestedWalk
from recruit_assets.extract.query import Query
from recruit_assets.extract.records import RecordTable
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.rolling import RollingWalk
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.unfinished import Part
from recruit_assets.extract.walk import Walk
from recruit_assets.load.sync_state import SyncState
from recruit_assets.options import Mode, Options
from recruit_assets.planning import plan

PAGES_PER_BATCH = 10  # pages converted to Arrow together
MIN_PAGES_TO_DIVIDE = 300  # pages; shorter lists are stored in one transaction


@dataclass(frozen=True)
class Batch:
    """Hold rows, the kinds of all columns by now, and each row's position in order of arrival."""

    rows: pa.Table
    columns: Mapping[str, Kind]
    positions: Sequence[int]


class Followers(Protocol):
    """Describe the readings that follow one: they begin when its requests have ended."""

    def begin(self) -> None:
        """Begin them."""

    def stop(self) -> None:
        """Send nothing more for them."""


class Reading:
    """Read one endpoint, once, while it is iterated; `report` has the verdict afterwards.

    Iteration yields Arrow tables. A record that was read more than once is in them more than once:
    the last one counts. Use it as a context manager, so that nothing is requested after an error.
    `left_out` has the records that were left out, because their persons were forgotten.
    `followers` are told when it has been read, or interrupted.

    Args:
        source: the endpoint.
        state: the state of its table, from which the reading is planned.
        options: the options of the sync.
    """

    def __init__(self, source: Source, state: SyncState, options: Options) -> None:
        self.source, self.endpoint, self.options = source, source.endpoint, options
        self.state = state.at(source.api)
        self.started = datetime.now(UTC)
        self.followers: Followers | None = None
        self._walk = plan(source, self.state, options, self.started)
        if self.state.rekeyed and isinstance(self._walk, Walk | WalkByParent | NestedWalk):
            self._distrust()
            self._walk = plan(source, self.state, options, self.started)
        self._background: BackgroundPages | None = None
        columns = dict(state.columns)
        if columns:
            columns |= {each.name: each.kind for each in self.endpoint.columns()}
        self._record_table = RecordTable(self.endpoint, columns, state.salt)
        forgotten = self.state.forgotten
        self.left_out = LeftOut(self.endpoint, forgotten.persons, forgotten.salt)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """Send nothing more; after an interrupt, which ends the run, not for its followers either.

        An error ends this reading alone.
        """
        self.source.__exit__()
        if self.followers and kind and not issubclass(kind, Exception):
            self.followers.stop()

    def __iter__(self) -> Iterator[pa.Table]:
        for batch in self.batches():
            yield batch.rows

    def batches(self) -> Iterator[Batch]:
        """Read the endpoint, and yield its rows.

        Raises:
            RequestFailed: it cannot be read.
        """
        yield from self.convert(self._background or self._walk)
        available = self.report.verdict is not Verdict.UNAVAILABLE
        if self.state.rekeyed and (self.mode is Mode.full or not available):
            self._distrust()
        if self.followers:
            self.followers.begin()

    def _distrust(self) -> None:
        """Let nothing count that another key has shown."""
        self.source.log.info(
            f"{self.endpoint.name}: the key was replaced, so what the old one showed does not count"
        )
        self.state = self.state.voided()

    def begin(self) -> None:
        """Request the first pages in the background, from now on."""
        self._background = BackgroundPages(self._walk, self.source.stopped)

    @property
    def is_requesting(self) -> bool:
        """Return whether it requests pages in the background, or will once there is room."""
        return self._background is not None and not self._background.ended

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
        ahead = self._background is not None and self._background.is_ahead
        return self._walk.part() if isinstance(self._walk, Walk) and not ahead else None

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
        if isinstance(self._walk, RollingWalk | NestedWalk) and not self._walk.whole:
            return Mode.incremental
        return Mode.incremental if self.query.since else Mode.full

    @property
    def cover(self) -> Cover | None:
        """Return since when each id is known after a reading; None if it does not show that."""
        if isinstance(self._walk, WalkByParent):
            return None
        if isinstance(self._walk, NestedWalk):
            return self._walk.cover
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
        if isinstance(self._walk, NestedWalk) and self.report.verdict.proven:
            return self._walk.known_since
        return self.report.began if self.report.verdict.proven else None

    @property
    def missing(self) -> list[str]:
        """Return the known ids that an incremental reading found missing in the list."""
        found = self._walk
        return found.missing if isinstance(found, CountedWalk | RollingWalk) else []

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
