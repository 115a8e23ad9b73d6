"""Arrow columns that Parquet and DuckDB store exactly.

Scope: which types are decoded or made plain, and which are refused. All others go to DuckDB as they
are, and get DuckDB's own type.
"""

import pyarrow as pa
from pyarrow import types

from recruit_assets.errors import BadRows
from recruit_assets.load.dictionaries import JSON

MAX_DIGITS = 38  # of a decimal in DuckDB
# The name of an extension type, where a column has lost it, as in older versions of pyarrow.
_EXTENSION = b"ARROW:extension:name"

_STORED_AS = (
    (types.is_null, pa.string()),
    (types.is_string_view, pa.string()),
    (types.is_binary_view, pa.binary()),
    (types.is_time, pa.time64("us")),
)


def storable(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of a type that can be stored; null columns stay null.

    Raises:
        BadRows: there is no such type; the message names the column and its own type.
    """
    if types.is_null(column.type):
        return column
    try:
        wanted = _storable_type(column.type)
        return column if wanted.equals(column.type) else _cast(column, wanted)
    except (pa.ArrowInvalid, TypeError) as error:
        raise BadRows(
            f"The column {name} is a {column.type}, which a table cannot hold exactly ({error}): "
            "convert it to a number, a text or a time in microseconds first."
        ) from error


def is_json(field: pa.Field) -> bool:
    """Return whether the texts of a column are JSON."""
    if isinstance(field.type, pa.BaseExtensionType):
        return bool(field.type.extension_name == "arrow.json")
    return (field.metadata or {}).get(_EXTENSION) == JSON[_EXTENSION]


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    try:
        return column.cast(wanted)
    except pa.ArrowNotImplementedError:  # views in older versions of pyarrow, and encoded runs
        return pa.chunked_array([pa.array(column.to_pylist(), wanted)])


def _storable_type(kind: pa.DataType) -> pa.DataType:
    """Return the type itself, or the one that its values are stored as.

    Raises:
        TypeError: there is none.
    """
    if isinstance(kind, pa.BaseExtensionType):
        return kind if kind.extension_name == "arrow.uuid" else _storable_type(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _storable_type(kind.value_type)
    if types.is_nested(kind):
        return _storable_nested(kind)
    if types.is_timestamp(kind) and kind.tz and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if types.is_decimal(kind) and kind.precision > MAX_DIGITS:
        return pa.decimal128(MAX_DIGITS, min(kind.scale, MAX_DIGITS))
    if types.is_duration(kind) or types.is_interval(kind):
        raise TypeError("Parquet has no durations")
    return next((stored for is_kind, stored in _STORED_AS if is_kind(kind)), kind)


def _storable_nested(kind: pa.DataType) -> pa.DataType:
    if types.is_map(kind):
        return pa.map_(_storable_type(kind.key_type), _storable_type(kind.item_type))
    if types.is_struct(kind) and kind.num_fields:
        return pa.struct([field.with_type(_storable_type(field.type)) for field in kind])
    if types.is_fixed_size_list(kind):
        return pa.list_(_storable_type(kind.value_type), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.large_list(_storable_type(kind.value_type))
    raise TypeError("Parquet has no unions, list views, or structures without fields")
