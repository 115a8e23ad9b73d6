"""Parquet files of rows on their way to a merge.

Scope: when a file is full, and writing it. Stages say what the rows are.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recruit_assets.load.scratch import translate_disk_errors

BYTES_PER_FILE = 8 << 20


class ParquetFiles:
    """Collect tables and write them to files, so that memory stays flat.

    Args:
        folder: where the files are written.
        rows_per_file: how many rows make a file full; BYTES_PER_FILE do, too.

    `paths` are the files written so far. `rows` and `size` count all rows added, and their bytes.
    """

    def __init__(self, folder: Path, rows_per_file: int) -> None:
        self._folder, self._rows_per_file = folder, rows_per_file
        self.paths: list[str] = []
        self.rows = self.size = 0
        self._written = 0
        self._tables: list[pa.Table] = []
        self._waiting = 0  # rows in `_tables`
        self._bytes = 0  # bytes in `_tables`

    @property
    def is_full(self) -> bool:
        """Return whether the tables that are in memory should be written."""
        return self._waiting >= self._rows_per_file or self._bytes >= BYTES_PER_FILE

    def add(self, rows: pa.Table) -> None:
        """Add rows, which stay in memory until `write`."""
        self._tables.append(rows)
        self._waiting += rows.num_rows
        self._bytes += rows.nbytes
        self.rows += rows.num_rows
        self.size += rows.nbytes

    def write(self) -> str | None:
        """Write the tables that are in memory to one file, and return its path, if there are any.

        Raises:
            DatabaseProblem: there is no room for it; the message says where.
        """
        if not self._tables:
            return None
        path = self._folder / f"{self._written}.parquet"
        self._written += 1
        with translate_disk_errors():
            pq.write_table(pa.concat_tables(self._tables, promote_options="default"), path)
        self.paths.append(str(path))
        self._tables, self._waiting, self._bytes = [], 0, 0
        return str(path)

    def clear(self) -> None:
        """Remove all rows, written or not."""
        for path in self.paths:
            Path(path).unlink()
        self.paths, self.rows, self.size = [], 0, 0
        self._tables, self._waiting, self._bytes = [], 0, 0
