"""Rows on their way to the merge, kept outside the database so that it is not locked meanwhile.

Rows come page by page for as long as the API takes; here they become Parquet files in a folder of
their own, so that memory stays flat and DuckDB reads them at its own speed.
"""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from recruit_assets.catalogue import Kind
from recruit_assets.load.scratch import Folder, explained
from recruit_assets.load.sql import literal, quoted, unused

ROWS_PER_FILE, BYTES_PER_FILE = 10_000, 8 << 20  # whichever is reached first
FILES_PER_PART = 4  # that are merged at a time
_PLACE = unused("place")
POSITION = quoted(_PLACE)  # the order in which rows came: of two with one id, the later answer wins
NOTHING = f"(SELECT NULL::VARCHAR AS id, NULL::BIGINT AS {POSITION} WHERE false)"


class Stage:
    """A place for rows until they are merged; gone on leaving its `with` block.

    `columns` are those of the rows added so far, `first_id` is the id of the first of them;
    `files` hold them, after `flush` all. `rows` counts them, `size` their bytes.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Kind] = {}
        self.files: list[str] = []
        self._columns_of: dict[str, set[str]] = {}
        self.rows = self.size = 0
        self._tables: list[pa.Table] = []
        self._waiting = 0  # rows of these
        self._bytes = 0  # of these
        self.first_id: str | None = None
        self._folder = Folder()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    @property
    def sql(self) -> str:
        """The rows as SQL to read from; those flushed."""
        return self._sql(self.files) if self.files else NOTHING

    def parts(self) -> Iterator[str]:
        """The rows in parts, each as SQL to read from, so that what is done with one is bounded."""
        for first in range(0, len(self.files), FILES_PER_PART):
            yield self._sql(self.files[first : first + FILES_PER_PART])

    def _sql(self, files: Sequence[str]) -> str:
        # One file alone is read faster without being compared to others.
        union = ", union_by_name = true" if len(files) > 1 else ""
        found = f"read_parquet([{', '.join(map(literal, files))}]{union})"
        # A column that came up later is not in the early files.
        late = set(self.columns) - self._columns_of[files[-1]]
        nulls = [f"NULL::{self.columns[name].sql} AS {quoted(name)}" for name in sorted(late)]
        return f"(SELECT {', '.join(['*', *nulls])} FROM {found})"

    def add(self, rows: pa.Table, columns: Mapping[str, Kind], positions: Sequence[int]) -> None:
        """Add rows; a column that they lack is null.

        Args:
            rows: their columns, of the Arrow types that the kinds have.
            columns: the kinds of all columns; each call may bring more of them.
            positions: of each row, in the order in which the API answered.
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
        """Write what is still in memory."""
        if not self._tables:
            return
        file = self._folder.path / f"{len(self.files)}.parquet"
        with explained():
            pq.write_table(pa.concat_tables(self._tables, promote_options="default"), file)
        self.files.append(str(file))
        self._columns_of[str(file)] = set(self.columns)
        self._tables, self._waiting, self._bytes = [], 0, 0
