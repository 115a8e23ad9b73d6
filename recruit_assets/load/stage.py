"""Staging of rows for the merge, outside the database so that reading the API does not lock it.

Rows arrive page by page for as long as the API takes; here they become Parquet files in a folder of
their own, so that memory stays flat and DuckDB reads them at its own speed.
"""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from recruit_assets.catalogue import Kind
from recruit_assets.load.scratch import Folder, explained
from recruit_assets.load.sql import literal, quoted, unused

ROWS_PER_FILE, BYTES_PER_FILE = 10_000, 8 << 20  # whichever is reached first
FILES_PER_PART = 4  # merged at a time
_PLACE = unused("place")
POSITION = quoted(_PLACE)  # order of the answers: of two rows with one id, the later wins
NOTHING = f"(SELECT NULL::VARCHAR AS id, NULL::BIGINT AS {POSITION} WHERE false)"


class Stage:
    """Stage rows until they are merged; remove them on leaving the `with` block.

    `columns` are those of the rows added so far, `first_id` is the id of the first row. `files`
    hold the rows, all of them after `flush`. `rows` counts them, `size` their bytes.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Kind] = {}
        self.files: list[str] = []
        self._columns_of: dict[str, set[str]] = {}
        self.rows = self.size = 0
        self._tables: list[pa.Table] = []
        self._waiting = 0  # rows in `_tables`
        self._bytes = 0  # bytes in `_tables`
        self.first_id: str | None = None
        self._folder = Folder()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    @property
    def sql(self) -> str:
        """Return the flushed rows, as SQL to read from."""
        return self._sql(self.files) if self.files else NOTHING

    def parts(self) -> Iterator[str]:
        """Yield the rows in parts, as SQL to read from, so that the work on one is bounded."""
        for first in range(0, len(self.files), FILES_PER_PART):
            yield self._sql(self.files[first : first + FILES_PER_PART])

    def _sql(self, files: Sequence[str]) -> str:
        # A single file is read faster without a comparison to others.
        union = ", union_by_name = true" if len(files) > 1 else ""
        found = f"read_parquet([{', '.join(map(literal, files))}]{union})"
        # A column that appeared later is not in the early files.
        late = set(self.columns) - self._columns_of[files[-1]]
        nulls = [f"NULL::{self.columns[name].sql} AS {quoted(name)}" for name in sorted(late)]
        return f"(SELECT {', '.join(['*', *nulls])} FROM {found})"

    def add(self, rows: pa.Table, columns: Mapping[str, Kind], positions: Sequence[int]) -> None:
        """Add rows; a column that they lack is null.

        Args:
            rows: their columns, of the Arrow types of the kinds.
            columns: the kinds of all columns; each call may add more of them.
            positions: the position of each row in the order of the API's answers.
        """
        self.columns = dict(columns)
        if not rows.num_rows:
            return
        self.first_id = self.first_id or rows["id"][0].as_py()
        self._tables.append(rows.append_column(_PLACE, pa.array(positions, pa.int64())))
        self._waiting += rows.num_rows
        self._bytes += rows.nbytes
        self.rows += rows.num_rows
        self.size += rows.nbytes
        if self._waiting >= ROWS_PER_FILE or self._bytes >= BYTES_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are still in memory."""
        if not self._tables:
            return
        file = self._folder.path / f"{len(self.files)}.parquet"
        with explained():
            pq.write_table(pa.concat_tables(self._tables, promote_options="default"), file)
        self.files.append(str(file))
        self._columns_of[str(file)] = set(self.columns)
        self._tables, self._waiting, self._bytes = [], 0, 0
