"""Rows of any source as Arrow tables: what an asset may return to have it merged.

Scope: which objects are rows. They are read in parts, so that a reader of any length takes little
memory. Neither polars nor pandas is imported: both offer Arrow's C stream.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from recruit_assets.errors import BadRows
from recruit_assets.load.dictionaries import as_table

DICTIONARIES_AT_ONCE = 1000
RETURN_ROWS = (
    "return an Arrow table or reader, a DataFrame of polars (collected) or of pandas 2.2 or later, "
    "or an iterable of dictionaries or of Arrow batches"
)


def batches(rows: object) -> Iterator[pa.Table]:
    """Yield the rows of an object as Arrow tables, in their order.

    The columns of a delivery are those of all its tables; where one lacks a column, its rows have a
    null there. A source of Arrow data yields at least one table, so that its columns are known if
    it has no rows.

    Args:
        rows: an Arrow table, batch or reader; any object with `__arrow_c_stream__`; an iterable of
            dictionaries or of Arrow data; or None, which has no rows.

    Raises:
        BadRows: it is none of these; the message names its type.
    """
    if rows is None:
        return
    if _is_arrow(rows):
        yield from _of_arrow(rows)
    elif isinstance(rows, Iterable) and not isinstance(rows, Mapping | str | bytes | bytearray):
        yield from _of_parts(iter(rows), type(rows).__name__)
    else:
        raise _bad(rows)


def _is_arrow(rows: object) -> bool:
    return hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__arrow_c_array__")


def _of_arrow(rows: Any) -> Iterator[pa.Table]:
    """Yield the batches of Arrow data; the first table has no rows, only columns.

    Raises:
        BadRows: it is a single column, or one of its columns holds Python objects.
    """
    if objects := _object_columns(rows):
        raise BadRows(
            f"The column {objects[0]} holds Python objects, of which Arrow gets only the "
            "addresses: convert it to another type first."
        )
    try:
        if hasattr(rows, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(rows)
        else:
            batch = pa.record_batch(rows)
            reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    except (pa.ArrowInvalid, TypeError) as error:
        raise _bad(rows) from error
    yield reader.schema.empty_table()
    for batch in reader:
        yield pa.Table.from_batches([batch])


def _object_columns(rows: Any) -> list[str]:
    """Return the names of the columns of a polars DataFrame whose values have no Arrow type."""
    polars = sys.modules.get("polars")
    if not polars or not isinstance(rows, polars.DataFrame):
        return []
    return [name for name, kind in rows.schema.items() if kind == polars.Object]


def _of_parts(parts: Iterator[Any], source: str) -> Iterator[pa.Table]:
    """Yield the tables of an iterable of Arrow data and dictionaries.

    Raises:
        BadRows: a part is neither.
    """
    for part in parts:
        if _is_arrow(part):
            yield from _of_arrow(part)
        elif isinstance(part, Mapping):
            yield from _of_dictionaries(chain([part], parts), source)
        else:
            raise _bad(part, source)


def _of_dictionaries(rows: Iterator[Any], source: str) -> Iterator[pa.Table]:
    while chunk := list(islice(rows, DICTIONARIES_AT_ONCE)):
        for row in chunk:
            if not isinstance(row, Mapping):
                raise _bad(row, source)
        yield as_table(chunk)


def _bad(rows: object, source: str = "") -> BadRows:
    within = f" (in a {source})" if source else ""
    return BadRows(
        f"An object of type {type(rows).__name__}{within} has no rows to merge: {RETURN_ROWS}."
    )
