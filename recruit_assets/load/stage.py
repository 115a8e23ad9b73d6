"""Staging of rows for the merge, outside the database so that reading the API does not lock it.

Rows arrive page by page for as long as the API takes; here they become Parquet files in a folder of
their own, so that memory stays flat and DuckDB reads them at its own speed.
"""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from recruit_assets.catalogue import Kind
from recruit_assets.load.parquet_files import ParquetFiles
from recruit_assets.load.scratch import Folder
from recruit_assets.load.sql import literal, quoted, unused

ROWS_PER_FILE = 10_000
FILES_PER_PART = 4  # merged at a time
PLACE = unused("place")
POSITION = quoted(PLACE)  # order of the responses: of two rows with one id, the later wins
NOTHING = f"(SELECT NULL::VARCHAR AS id, NULL::BIGINT AS {POSITION} WHERE false)"


class Stage:
    """Stage rows until they are merged; remove them on leaving the `with` block.

    `columns` are those of the rows added so far, `first_id` is the id of the first row. `files`
    hold the rows, all of them after `flush`.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Kind] = {}
        self._columns_of: dict[str, set[str]] = {}
        self.first_id: str | None = None
        self._folder = Folder()
        self._files = ParquetFiles(self._folder.path, ROWS_PER_FILE)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    @property
    def files(self) -> list[str]:
        """Return the paths of the files written so far."""
        return self._files.paths

    @property
    def rows(self) -> int:
        """Return the number of rows added."""
        return self._files.rows

    @property
    def size(self) -> int:
        """Return the bytes of the rows added."""
        return self._files.size

    @property
    def sql(self) -> str:
        """Return the flushed rows, as SQL to read from."""
        return self._sql(self.files) if self.files else NOTHING

    def clear(self) -> None:
        """Remove the rows, which have been merged."""
        self._files.clear()
        self._columns_of.clear()

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
            positions: the position of each row in the order of the API's responses.
        """
        self.columns = dict(columns)
        if not rows.num_rows:
            return
        self.first_id = self.first_id or rows["id"][0].as_py()
        self._files.add(rows.append_column(PLACE, pa.array(positions, pa.int64())))
        if self._files.is_full:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are still in memory."""
        if path := self._files.write():
            self._columns_of[path] = set(self.columns)
