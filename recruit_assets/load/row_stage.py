"""Staging of rows of any columns and types, until they are merged.

Scope: names of columns, and files with the rows as they were delivered, each with its own types.
`upsert` converts them to the types of the table. `stage` stages the records of the API.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from recruit_assets.catalogue import Kind
from recruit_assets.errors import BadRows
from recruit_assets.load.arrow_types import is_json, storable
from recruit_assets.load.parquet_files import BYTES_PER_FILE, ParquetFiles
from recruit_assets.load.schema import BOOKKEEPING
from recruit_assets.load.scratch import Folder
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.stage import FILES_PER_PART, PLACE

ROWS_PER_FILE = 100_000
# Older versions of pyarrow write a time of the day as one in UTC, which is another type.
_READ_AS = {"TIME WITH TIME ZONE": "TIME"}


@dataclass(frozen=True)
class Part:
    """Hold staged rows whose columns have one type each.

    Args:
        sql: the rows, as SQL to read from, with names of columns in lower case.
        types: SQL type of each column, by name in lower case.
    """

    sql: str
    types: dict[str, str]


@dataclass
class _Types:
    """Hold the Arrow types of columns, by name in lower case, and which of them are JSON."""

    arrow: dict[str, pa.DataType] = field(default_factory=dict)
    json: set[str] = field(default_factory=set)

    def fit(self, other: "_Types") -> bool:
        """Return whether no column has another type there."""
        shared = self.arrow.keys() & other.arrow.keys()
        same = all(self.arrow[name].equals(other.arrow[name]) for name in shared)
        return same and self.json & shared == other.json & shared

    def add(self, other: "_Types") -> None:
        """Add the columns of another one that fits."""
        self.arrow |= other.arrow
        self.json |= other.json


class RowStage:
    """Stage rows until they are merged; remove them on leaving the `with` block.

    `columns` are the names of the columns delivered so far, as they were first spelled, by name in
    lower case, in their order.
    """

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        self._folder = Folder()
        self._files = ParquetFiles(self._folder.path, ROWS_PER_FILE)
        self._types: list[_Types] = []  # of each file
        self._waiting = _Types()  # of the rows that are still in memory

    def __enter__(self) -> "RowStage":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    @property
    def rows(self) -> int:
        """Return the number of rows added."""
        return self._files.rows

    @property
    def size(self) -> int:
        """Return the bytes of the rows added."""
        return self._files.size

    def add(self, rows: pa.Table) -> None:
        """Add rows, after those that were added before.

        Raises:
            BadRows: a column has a name or a type that no table can have.
        """
        names = self._names(rows.column_names)
        types, columns = _Types(), dict[str, pa.ChunkedArray]()
        for name, each, column in zip(names, rows.schema, rows.columns, strict=True):
            stored = storable(each.name, column)
            if not pa.types.is_null(stored.type):  # such a column has no type yet
                columns[name], types.arrow[name] = stored, stored.type
                types.json |= {name} if is_json(each) else set()
        if not self._waiting.fit(types):
            self.flush()
        positions = pa.array(range(self.rows, self.rows + rows.num_rows), pa.int64())
        for piece in _pieces(pa.table({**columns, PLACE: positions})):
            self._waiting.add(types)
            self._files.add(piece)
            if self._files.is_full:
                self.flush()

    def flush(self) -> None:
        """Write the rows that are still in memory."""
        if self._files.write():
            self._types.append(self._waiting)
            self._waiting = _Types()

    def parts(self, database: duckdb.DuckDBPyConnection) -> Iterator[Part]:
        """Yield the flushed rows in parts, so that the work on one is bounded."""
        first = 0
        while first < len(self._files.paths):
            last, types = first, _Types()
            while last < min(first + FILES_PER_PART, len(self._types)) and types.fit(
                self._types[last]
            ):
                types.add(self._types[last])
                last += 1
            yield _part(database, self._files.paths[first:last], types.json)
            first = last

    def _names(self, delivered: Sequence[str]) -> list[str]:
        """Return the names of columns in lower case, as DuckDB compares them without case.

        Raises:
            BadRows: one is empty, is one of ours, or is there twice.
        """
        names: dict[str, str] = {}
        for name in delivered:
            lower = name.lower()
            if not name.strip() or "\0" in name:
                raise BadRows(f"A column is called {name!r}: give it a name.")
            if lower.startswith(tuple(BOOKKEEPING)):
                raise BadRows(
                    f"A column is called {name}, but names that begin with {', '.join(BOOKKEEPING)}"
                    " belong to columns that each merge fills: rename or drop it."
                )
            if lower in names:
                again = "twice" if name == names[lower] else f"as {name} too"
                raise BadRows(
                    f"The column {names[lower]} occurs {again}, and DuckDB ignores case in "
                    "names: rename or drop one."
                )
            names[lower] = name
        for lower, name in names.items():
            self.columns.setdefault(lower, name)
        return list(names)


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield rows in pieces that fill at most one file each."""
    fitting = BYTES_PER_FILE * rows.num_rows // max(rows.nbytes, 1)
    size = max(min(ROWS_PER_FILE, fitting), 1)
    for first in range(0, max(rows.num_rows, 1), size):
        yield rows.slice(first, size)


def _part(database: duckdb.DuckDBPyConnection, files: Sequence[str], json: set[str]) -> Part:
    union = ", union_by_name = true" if len(files) > 1 else ""
    found = f"read_parquet([{', '.join(map(literal, files))}]{union})"
    relation = database.sql(f"FROM {found}")
    read = dict(zip(relation.columns, map(str, relation.dtypes), strict=True))
    types = {
        name: Kind.JSON.sql if name in json else _READ_AS.get(sql_type, sql_type)
        for name, sql_type in read.items()
        if name != PLACE
    }
    casts = [
        f"{_cast(name, sql_type)} AS {quoted(name)}"
        for name, sql_type in types.items()
        if sql_type != read[name]
    ]
    replaced = f" REPLACE ({', '.join(casts)})" if casts else ""
    return Part(f"(SELECT *{replaced} FROM {found})", types)


def _cast(name: str, sql_type: str) -> str:
    """Return SQL for a column as another type; a text that is no JSON is a text in JSON."""
    cast = f"TRY_CAST({quoted(name)} AS {sql_type})"
    return f"coalesce({cast}, to_json({quoted(name)}))" if sql_type == Kind.JSON.sql else cast
