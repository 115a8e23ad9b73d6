"""Storing a long reading in parts, so that an interruption costs little of it.

Contains when a part is stored. `store` writes it, and `extract.unfinished` says why a reading can
go on after it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from time import monotonic

import duckdb

from recruit_assets.errors import DatabaseBusy, RequestFailed
from recruit_assets.extract.unfinished import Part, Stretch, Unfinished
from recruit_assets.gone import Deletions
from recruit_assets.load.stage import Stage
from recruit_assets.reading import Batch, Reading
from recruit_assets.result import SyncResult
from recruit_assets.store import Store

PART_ROWS, PART_SECONDS = 100_000, 60.0  # a part is stored when either is reached


class Parts:
    """Store parts of a reading while it is iterated; `stored` has their counts.

    Args:
        reading: the reading.
        stage: the rows that were read and not stored yet.
        opened: opens the database for writing.
        store: writes a part.
    """

    def __init__(
        self,
        reading: Reading,
        stage: Stage,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        store: Store,
    ) -> None:
        self._reading, self._stage, self._opened, self._store = reading, stage, opened, store
        self._since, self._tried = monotonic(), 0  # when the last part was due, and its rows left
        self._left: Unfinished | None = None  # after the last part
        self._stretches: list[Stretch] = []  # read, but in no part yet
        self.stored = SyncResult(reading)

    def before_more(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield batches, which the caller stages; store a part of them whenever it is due.

        Raises:
            RequestFailed: a batch cannot be read; those before it are stored.
        """
        try:
            for batch in batches:
                yield batch
                if self._is_due():
                    self._write()
        except RequestFailed:
            self._write()
            if self._left:
                self._log(f"the next sync goes on from here: {self._left.so_far()}")
            raise

    def part(self) -> Part | None:
        """Return what was read since the last part; None if the reading cannot be divided."""
        found = self._reading.part()
        if found:
            found = replace(found, stretches=[*self._stretches, *found.stretches])
            self._stretches = found.stretches
        return found

    def _is_due(self) -> bool:
        waited = monotonic() - self._since
        return self._stage.rows - self._tried >= PART_ROWS or waited >= PART_SECONDS

    def _write(self) -> None:
        """Store what is staged, if the reading is long, and can be divided here.

        If another process holds the file for too long, the rows become part of the next one.
        """
        reading, rows = self._reading, self._stage.rows
        if not rows or reading.options.dry_run or not reading.is_long:
            return
        if part := self.part():
            try:
                self._store_part(part)
            except DatabaseBusy:
                self._log(f"the file is in use elsewhere: {rows:,} rows wait for the next part")
            self._since, self._tried = monotonic(), self._stage.rows

    def _store_part(self, part: Part) -> None:
        """Store what is staged, and unstage it."""
        reading, stage = self._reading, self._stage
        begins = self._left is None and not reading.report.resumed
        if begins and reading.state.columns:  # refuses values that are lost
            Deletions(reading, self._opened, stage, part).missing()
        result, rows = SyncResult(reading, unparsed=reading.unparsed), stage.rows
        self._store.write(stage, result, part)
        self.stored.add(result)
        stage.clear()
        self._stretches, self._left = [], part.unfinished
        self._log(f"stored {rows:,} rows; covered {self._left.so_far()}")

    def _log(self, message: str) -> None:
        self._reading.source.log.info(f"{self._reading.endpoint.name}: {message}")
