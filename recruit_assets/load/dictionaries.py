"""Dictionaries as an Arrow table: the type of each column follows from its Python values.

Scope: the rule for a column. Values of one simple type get the Arrow type of it; whole numbers and
fractions together are floats if that is exact, decimals have at least ten digits after the point,
and a UUID is text. Any other column (of dictionaries, of lists, of different types, of numbers that
are too large) becomes JSON.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from recruit_assets.errors import BadRows

JSON = {b"ARROW:extension:name": b"arrow.json"}  # metadata of a field whose texts are JSON
MAX_DIGITS, MAX_PLACES = 38, 10  # of a decimal: altogether, and by default after the point
# A subclass comes before its base: a bool is an int as well.
_SIMPLE = (bool, int, float, str, bytes, datetime, date, time, Decimal, UUID)


def as_table(rows: Sequence[Mapping[Any, Any]]) -> pa.Table:
    """Return dictionaries as a table; a key that a dictionary lacks is null in its row.

    Raises:
        BadRows: a value cannot be stored; the message names its column and type.
    """
    columns, fields = [], []
    for name in dict.fromkeys(name for row in rows for name in row):
        if not isinstance(name, str) or _plain_text(name) != name:
            kind = type(name).__name__
            raise BadRows(f"A column is called {name!r}, a {kind}: use texts as column names.")
        values = [row.get(name) for row in rows]
        column = _simple(values)
        if column is not None:
            fields.append(pa.field(name, column.type))
        else:
            column = pa.array([_as_json(name, value) for value in values], pa.string())
            fields.append(pa.field(name, pa.string(), metadata=JSON))
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _simple(values: list[Any]) -> pa.Array | None:
    """Return values of one simple type as an Arrow array, or None if they have no such type."""
    types = {_simple_type(each) for each in set(map(type, values)) - {type(None)}}
    try:
        if types == {Decimal}:
            return _decimals(values)
        if types == {UUID}:
            return pa.array([None if value is None else str(value) for value in values])
        if types in ({datetime}, {time}):
            return _times(values, types == {datetime})
        if types == {int, float} or len(types - {object}) == len(types) <= 1:
            return pa.array(values)
    except (ValueError, OverflowError):  # also those of pyarrow: some values do not fit
        pass
    return None


def _simple_type(kind: type) -> type:
    return next((each for each in _SIMPLE if issubclass(kind, each)), object)


def _decimals(values: list[Any]) -> pa.Array:
    found = pa.array(values)
    return found.cast(pa.decimal128(MAX_DIGITS, max(found.type.scale, MAX_PLACES)))


def _times(values: list[Any], with_date: bool) -> pa.Array:
    """Return times that all have an offset, or all have none, as a time of the day always has.

    Raises:
        ValueError: they are not.
    """
    naive = {value.tzinfo is None for value in values if value is not None}
    if naive == {True}:
        return pa.array(values, pa.timestamp("us") if with_date else pa.time64("us"))
    if naive == {False} and with_date:
        return pa.array(values, pa.timestamp("us", "UTC"))
    raise ValueError("times with an offset")


def _as_json(name: object, value: Any) -> str | None:
    """Return a value as JSON text with sorted keys; None remains None.

    Raises:
        BadRows: JSON has no form for it.
    """
    if value is None:
        return None
    try:
        return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)
    except (TypeError, RecursionError):
        raise BadRows(
            f"The column {name} holds a {type(value).__name__}, which cannot be stored in a "
            "table, or contains such a value: convert it to a number, a text or a time first."
        ) from None


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent.

    Raises:
        TypeError: there is none.
    """
    match value:
        case Mapping():
            return {_plain_text(str(key)): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case str():
            return _plain_text(value)
        case Decimal() | UUID() | date() | time():
            return str(value)
        case bytes():
            return value.hex()
        case None | bool() | int() | float():
            return value
    raise TypeError(type(value).__name__)


def _plain_text(text: str) -> str:
    """Return a text, or its JSON text if half of a surrogate pair keeps it from being stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return text
