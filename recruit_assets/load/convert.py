"""Conversion of a stored column to another type without losing a value.

Scope: SQL for one column. A value fits if it can be cast to the new type and back unchanged; a
misfit is kept as JSON. A whole number becomes text without a fraction. `extract.arrow` converts the
values of records.
"""

from recruit_assets.catalogue import Kind
from recruit_assets.load.sql import quoted

# A time with an offset and at most microseconds; nothing else is an exact instant.
_INSTANT = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)"
_NUMBERS = "'BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT'"
_TEXTS = (Kind.TEXT.sql, Kind.TEXTS.sql)
_WRITTEN_OUT = "'VARCHAR', 'BIGINT', 'UBIGINT'"  # JSON types whose text is the API's own
_WHOLE_NUMBERS = ("INT", "INTEGER", "BIGNUM")
_OTHER_TEXTS = ("VARCHAR", "UUID", "ENUM")
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
_AS_THEY_ARE = ("INT", *_FRACTIONS, "BOOLEAN")  # types that are numbers and booleans in JSON too
_EXACT = {"FLOAT": 1 << 24, "DOUBLE": 1 << 53}  # beyond this, different whole numbers become equal


def converted(name: str, old: str, new: str) -> str:
    """Return SQL for a column's values as another type; null if one does not fit.

    Args:
        name: the column.
        old: its SQL type.
        new: the SQL type to convert to: one of a `Kind`.
    """
    value = quoted(name)
    if old == Kind.JSON.sql:
        return _from_json(value, new)
    if new == Kind.JSON.sql:
        parsed = f"TRY_CAST({value} AS JSON)" if old == Kind.TEXT.sql else "NULL"
        return f"coalesce({parsed}, {as_json(name, old)})"
    if is_nested(old) and not (old.endswith("]") and new.endswith("]")):
        return f"NULL::{new}"
    if (old, new) == (Kind.TEXT.sql, Kind.TIMESTAMP.sql):
        return _instant(value)
    cast = f"TRY_CAST({value} AS {new})"
    if new == Kind.TEXT.sql and old.startswith(_FRACTIONS):
        cast = f"coalesce({_whole(value)}, {cast})"
    return f"CASE WHEN TRY_CAST({cast} AS {old}) = {value} THEN {cast} END"


def as_id(name: str, old: str) -> str:
    """Return SQL for a column's values as ids; null if the API's own id is not certain.

    Args:
        name: the column.
        old: its SQL type.
    """
    value = quoted(name)
    if old == Kind.JSON.sql:
        return f"CASE WHEN json_type({value}) IN ({_WRITTEN_OUT}) THEN {value}->>'$' END"
    if old.startswith(_FRACTIONS):
        exact = f"abs({value}) < {_EXACT[old]}" if old in _EXACT else "true"
        return f"CASE WHEN {exact} THEN {_whole(value)} END"
    if not is_nested(old) and (old.endswith(_WHOLE_NUMBERS) or old.startswith(_OTHER_TEXTS)):
        return f"{value}::VARCHAR"
    return f"NULL::{Kind.KEY.sql}"


def _whole(value: str) -> str:
    """Return SQL for a number as text without a fraction; null if it has one."""
    return f"CASE WHEN trunc({value}) = {value} THEN TRY_CAST({value} AS HUGEINT)::VARCHAR END"


def as_json(name: str, old: str) -> str:
    """Return SQL for a column's values as JSON, whatever its type is."""
    plain = is_nested(old) or old in (Kind.JSON.sql, *_TEXTS)
    plain = plain or any(each in old for each in _AS_THEY_ARE)
    return f"to_json({quoted(name)}{'' if plain else '::VARCHAR'})"


def _from_json(value: str, new: str) -> str:
    """Return SQL for a JSON value as another type, as a sync would store it."""
    text = f"{value}->>'$'"
    if new == Kind.TIMESTAMP.sql:
        return f"CASE json_type({value}) WHEN 'VARCHAR' THEN {_instant(f'({text})')} END"
    if new in (Kind.TEXT.sql, Kind.DATE.sql):
        return f"CASE json_type({value}) WHEN 'VARCHAR' THEN TRY_CAST({text} AS {new}) END"
    cast = f"TRY_CAST({value} AS {new})"
    if new == Kind.NUMBER.sql:
        return f"CASE WHEN json_type({value}) IN ({_NUMBERS}) THEN {cast} END"
    return f"CASE WHEN to_json({cast}) = {value} THEN {cast} END"


def _instant(text: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({text}, '{_INSTANT}') "
        f"THEN TRY_CAST({text} AS {Kind.TIMESTAMP.sql}) END"
    )


def is_nested(sql_type: str) -> bool:
    """Return whether the values of an SQL type consist of others."""
    return sql_type.endswith("]") or sql_type.startswith(("STRUCT", "MAP", "UNION"))
