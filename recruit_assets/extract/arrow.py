"""Conversion of JSON values to Arrow columns, with the values that do not fit set apart.

Scope: the rule for each kind of column. A column is checked and converted as a whole; only a column
with a misfit is checked value by value.

A value fits if it can be recovered from what is stored, up to these forms:
- a number column accepts a number as its shortest decimal text, and an integer with a zero
  fraction: 52000 as "52000" or 52000.0; "0052", "52000.00" and " 5" do not fit;
- a key may arrive as a number;
- a timestamp is stored as an instant, without its offset; any ISO 8601 date or time fits;
- JSON is stored with sorted names, and null is equivalent to absent;
- a value with an unpaired surrogate, which no database stores, is replaced by its JSON text.
A number does not fit a text column, because the same text could be the next value; "true" does not
fit a boolean column.
"""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from recruit_assets.catalogue import Kind

Values = list[Any]  # one per record; None if the record has no value
MAX_EXACT = 2**53  # floats hold every integer up to this exactly
_BEYOND_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")
_ENCODER = msgspec.json.Encoder(order="sorted", decimal_format="number")

ARROW_TYPES = {
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
_BOUNDS = {
    kind: (pa.scalar(first, ARROW_TYPES[kind]).value, pa.scalar(last, ARROW_TYPES[kind]).value)
    for kind, first, last in (
        (Kind.TIMESTAMP, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
        (Kind.DATE, date.min, date.max),
    )
}


def as_column(kind: Kind, values: Values) -> tuple[pa.Array, dict[int, Any]]:
    """Convert values to Arrow; return the array and, by row, the misfits, which are null in it."""
    try:
        return _as_arrow(kind, values), {}
    except (ValueError, TypeError, OverflowError):  # some values do not fit
        fitting: Values = [None] * len(values)
    misfits = {}
    for row, value in enumerate(values):
        try:
            fitting[row] = None if value is None else _FIT[kind](value)
        except (ValueError, OverflowError):
            misfits[row] = storable(value)
    return pa.array(fitting, ARROW_TYPES[kind]), misfits


def kind_of(values: Values) -> Kind:
    """Return the kind of a new column: the simplest one that all its first values fit.

    Values of different JSON types make it JSON, in any order.
    """
    types = set(map(type, values)) - {type(None)}
    if types == {bool}:
        return Kind.BOOLEAN
    if types == {str}:
        return Kind.TEXT
    if types <= {int, float}:
        numbers = (Kind.NUMBER, Kind.INTEGER)
        return next((kind for kind in numbers if not as_column(kind, values)[1]), Kind.JSON)
    return Kind.JSON


def as_json(value: Any) -> str:
    """Return canonical JSON text: sorted keys, exact numbers."""
    return _encoded(storable(value)).decode()


def storable(value: Any) -> Any:
    """Return the value, or its JSON text if it contains an unpaired surrogate."""
    try:
        _encoded(value)
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True, default=str)  # only a Decimal is unknown to it
    return value


def _encoded(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value)
    except RecursionError:  # decoding had a shallower stack; a new thread starts empty
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_ENCODER.encode, value).result()


# Converters of one value; ValueError and OverflowError mean that it does not fit.


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    if not value.isascii():
        value.encode()  # raises for an unpaired surrogate, which no database stores
    return value


def _key(value: Any) -> str:
    return str(value) if type(value) is int else _text(value)


def _integer(value: Any) -> int:
    number = _spelled(value) if type(value) is str else value
    # Compare as text: -0.0 differs from 0, and beyond 2^53 a float is not written out.
    if type(number) is float and abs(number) <= MAX_EXACT and str(number) == f"{int(number)}.0":
        return int(number)
    if type(number) is int and -(2**63) <= number < 2**63:
        return number
    raise ValueError


def _number(value: Any) -> float:
    number = _spelled(value) if type(value) is str else value
    if type(number) is float or (type(number) is int and float(number) == number):
        return float(number)
    raise ValueError


def _spelled(text: str) -> int | float:
    """Parse a number; raise ValueError unless the text is its shortest decimal form."""
    number = float(text) if {".", "e"} & set(text) else int(text)
    if str(number) != text:
        raise ValueError
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _timestamp(value: Any) -> datetime:
    # Without an offset it is not an instant; beyond microseconds it would be truncated.
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None or _BEYOND_MICROSECONDS.search(value):
        raise ValueError
    return moment.astimezone(UTC)


def _date(value: Any) -> date:
    return date.fromisoformat(_text(value))


def _texts(value: Any) -> list[str]:
    return [_text(each) for each in _list(value)]


def _keys(value: Any) -> list[str]:
    return [_key(each) for each in _list(value)]


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError


_FIT: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.KEY: _key,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _timestamp,
    Kind.DATE: _date,
    Kind.TEXTS: _texts,
    Kind.KEYS: _keys,
    Kind.JSON: as_json,
}

# Converters of a whole column; ValueError, TypeError or OverflowError mean that it has a misfit.
# Arrow alone would accept 1.5 as an integer and a text as a list of letters.

_TYPES: dict[Kind, frozenset[type]] = {
    Kind.TEXT: frozenset({str}),
    Kind.KEY: frozenset({str}),
    Kind.INTEGER: frozenset({int}),
    Kind.NUMBER: frozenset({int, float}),
    Kind.BOOLEAN: frozenset({bool}),
    Kind.TIMESTAMP: frozenset({str}),
    Kind.DATE: frozenset({str}),
    Kind.TEXTS: frozenset({list}),
    Kind.KEYS: frozenset({list}),
}


def _as_arrow(kind: Kind, values: Values) -> pa.Array:
    if kind is Kind.JSON:
        return pa.array([None if each is None else as_json(each) for each in values], pa.string())
    if not set(map(type, values)) <= _TYPES[kind] | {type(None)}:
        raise TypeError
    if kind in (Kind.TEXTS, Kind.KEYS) and not _hold_texts(values):
        raise TypeError
    if kind in _BOUNDS:
        return _within_bounds(pa.array(values, pa.string()).cast(ARROW_TYPES[kind]), kind)
    return pa.array(values, ARROW_TYPES[kind])


def _hold_texts(lists: Values) -> bool:
    return set(map(type, chain.from_iterable(each for each in lists if each))) <= {str}


def _within_bounds(times: pa.Array, kind: Kind) -> pa.Array:
    """Return the times if Python can hold them too; Arrow accepts the years 0 and 10,000."""
    ends = pc.min_max(times)
    first, last = _BOUNDS[kind]
    if ends["min"].is_valid and not (first <= ends["min"].value and ends["max"].value <= last):
        raise OverflowError
    return times
