"""A reading of a list that cannot be asked for its changes: a part of it each time.

A search by ranks shows which records are new and which are gone (see `rank`). Besides, each sync
reads again those that were read longest ago, so that `SYNCS` of them read the whole list. So after
each sync the table has every record, in a version that is at most `SYNCS` syncs old.

Ranges of ids are read from the newest to the oldest, after the search. A record that is deleted in
the meantime moves others to pages that are still to be read. If one that was hidden returns, it
moves others past the reader: then they are missing, and are requested by id as all that are.

Scope: the ids to read again, and the verdict. `cover` says what is known since when; whether a
missing record is gone is decided elsewhere, by its id.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from recruit_assets.extract.clocks import Clocks
from recruit_assets.extract.cover import ABOVE, Cover
from recruit_assets.extract.query import Query
from recruit_assets.extract.rank import Found, Listed, Rank, TooManyGone
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.search import ListSearch
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk

SYNCS = 24  # in which each record is read once
AUDITS = 30  # the same where a sync asks for changes, and reads a part to audit what that showed
SAMPLES = 10  # every tenth page is read to check that a list is still the one we know


@dataclass(frozen=True)
class Covered:
    """Hold what is known of a list: the ids of current rows, ascending, and since when.

    `settled` is the greatest id that was certainly listed when the newest records were last read,
    see `Rank`. `listed` are the parameters with which the list was read.
    """

    ids: Sequence[int]
    settled: int
    cover: Cover
    listed: str = ""


class Rolling:
    """Search a list by ranks, and read a part of it again.

    Args:
        known: what is known of the list.
        size: the number of records on a full page.
        syncs: how many syncs read the whole list; None if only the search is wanted.
        sample: whether to read single pages all over the list instead, which prove its ranges no
            newer.
    """

    def __init__(
        self, known: Covered, size: int, syncs: int | None = SYNCS, *, sample: bool = False
    ) -> None:
        self.parts: list[tuple[int, int, float]] = []  # that were read again: low, high, and when
        self._ids, self._known, self._syncs, self._size = known.ids, known, syncs, size
        self._sample = sample
        self._rank = Rank(known.ids, size, known.settled)

    def search(self) -> Generator[int, Listed, Found]:
        """Yield the number of each page to request; see `Rank.search`.

        Raises:
            TooManyGone: reading the whole list takes fewer requests.
        """
        yield from self._rank.search()
        for low, high in self._samples() if self._sample else ():
            yield from self._rank.read(low, high)
        for low, high in () if self._sample else self._parts():
            moment = monotonic()
            yield from self._rank.read(low, high)
            self.parts.append((low, high, moment))
        return self._rank.found

    def cover(self, began: datetime, overlap: timedelta, clocks: Clocks) -> Cover:
        """Return since when each id is known after the search.

        Args:
            began: when the search began.
            overlap: how long after its creation a record may become visible.
            clocks: tells the time of a moment.
        """
        cover = self._known.cover.read(self._known.settled, ABOVE, began - overlap)
        for low, high, moment in self.parts:
            cover = cover.read(low, high, clocks.earliest(moment))
        return cover

    def _samples(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of known ids that fill every tenth page."""
        pages = range(0, bisect_right(self._ids, self._known.settled), self._size)
        for start in pages[::-SAMPLES] or pages:
            ids = self._ids[max(0, start - 1) : start + self._size]
            yield ids[0] if start else -1, min(ids[-1], self._known.settled)

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of ids to read, those that were read longest ago first."""
        left = -(-len(self._ids) // self._syncs) if self._syncs else 0
        old = self._known.cover.up_to(self._known.settled)
        while left > 0 and old:
            low, high, _ = old.pop()
            rows = self._ids[bisect_right(self._ids, low) : bisect_right(self._ids, high)]
            if len(rows) > left:
                low = rows[-left - 1]
            yield low, high
            left -= len(rows)


def requests_at_rest(known: Covered, size: int, syncs: int | None = SYNCS) -> int:
    """Return how many requests a search makes, see `Rolling`, if the list is as it is known."""
    search, requests = Rolling(known, size, syncs).search(), 1
    try:
        number = next(search)
        while True:
            ids = known.ids[(number - 1) * size : number * size]
            number = search.send(Listed(number, ids, len(known.ids)))
            requests += 1
    except StopIteration:
        return requests


class RollingWalk:
    """Search an endpoint for what is new and gone, and read a part of it again; once.

    Iteration yields pages as `Walk` does. The report is `complete` if every record that is listed
    was known, or is new and was read; then `cover` has the ranges as they are now. If that cannot
    be proven in fewer requests than it takes to read the whole list, that is read.

    Args:
        source: the endpoint.
        known: what is known of the list.
        overlap: how long after its creation a record may become visible.
        syncs: how many syncs read the whole list.
        sample: whether to read single pages all over the list instead.
    """

    def __init__(
        self,
        source: Source,
        known: Covered,
        overlap: timedelta,
        syncs: int = SYNCS,
        *,
        sample: bool = False,
    ) -> None:
        self.missing: list[str] = []  # known ids that the list did not show
        self.cover: Cover | None = None
        self.report = WalkReport(datetime.now(UTC))
        self._source, self._known, self._overlap = source, known, overlap
        self._rolling = Rolling(known, source.page_size, syncs, sample=sample)
        self._search = ListSearch(source, self.report)
        self._whole: Walk | None = None

    @property
    def query(self) -> Query:
        """Return the query, without the parameters that the account refused."""
        return (self._whole or self._search).query

    @property
    def whole(self) -> bool:
        """Return whether the whole list was read."""
        return self._whole is not None

    def __iter__(self) -> Iterator[Page]:
        begun, name = monotonic(), self._source.endpoint.name
        try:
            found = yield from self._search.run(self._rolling.search())
            why = "" if found else "it could not be searched"
            if found and self.query.listed != self._known.listed:
                why = "it was requested with other parameters before"
        except TooManyGone:
            found, why = None, "that takes fewer requests than searching it"
        if found and not why:
            self._conclude(found, begun)
            return
        self._source.log.info(f"{name}: its whole list is read, as {why}")
        yield from self._read_whole()

    def _conclude(self, found: Found, begun: float) -> None:
        """Set the verdict, what is missing, and the cover."""
        report = self.report
        report.began = self._source.clocks.earliest(begun)
        if found.unseen:
            report.reason = (
                f"{len(found.unseen):,} older records became visible: there may be more of them"
            )
            return
        report.reason, report.verdict, report.proof = "", Verdict.COMPLETE, Proof.COUNTED
        self.missing = list(map(str, sorted(found.missing)))
        self.cover = self._rolling.cover(report.began, self._overlap, self._source.clocks)

    def _read_whole(self) -> Iterator[Page]:
        """Yield the pages of the whole list."""
        searched, self._whole = self.report, Walk(self._source)
        self.report = self._whole.report
        yield from self._whole
        self.report.pages += searched.pages
        self.report.records += searched.records
