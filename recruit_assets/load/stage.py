"""Rows on their way to the merge, kept outside the database so that it is not locked meanwhile.

Rows come page by page for as long as the API takes; here they become Parquet files in a folder of
their own, so that memory stays flat and DuckDB reads them at its own speed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recruit_assets.catalogue import Kind

ROWS_PER_FILE = 10_000
POSITION = "_position"  # the order in which rows came: of two with one id, the later answer wins

_ARROW_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.KEY: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Kind.DATE: pa.date32(),
    Kind.TEXTS: pa.list_(pa.string()),
    Kind.KEYS: pa.list_(pa.string()),
    Kind.JSON: pa.string(),
}


class Stage:
    """A place for rows until they are merged; gone on leaving its `with` block.

    `columns` are those of the rows added so far and `files` hold them, after `flush`.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Kind] = {}
        self.files: list[str] = []
        self._folder = TemporaryDirectory(prefix="recruit-assets-")
        self._rows: list[Mapping[str, Any]] = []
        self._written = 0

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def add(self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Kind]) -> None:
        """Add rows; a column that a row lacks is null.

        Args:
            rows: column names to values of the Python type that the column's kind has.
            columns: the kinds of all columns; each call may bring more of them.
        """
        self.columns = dict(columns)
        self._rows += rows
        if len(self._rows) >= ROWS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write what is still in memory."""
        if not self._rows:
            return
        arrays = {
            name: pa.array([row.get(name) for row in self._rows], _ARROW_TYPES[kind])
            for name, kind in self.columns.items()
        }
        arrays[POSITION] = pa.array(range(self._written, self._written + len(self._rows)))
        file = Path(self._folder.name) / f"{len(self.files)}.parquet"
        pq.write_table(pa.table(arrays), file)
        self.files.append(str(file))
        self._written += len(self._rows)
        self._rows = []
