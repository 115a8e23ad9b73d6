"""From a record as it came to a row of its table, losing nothing.

What lives here: which column a value goes to, and whether it fits there. A value that does not fit
is kept as it came in the `_unparsed` column; an attribute that the catalogue does not know gets a
column of its own, of a kind decided by its first value.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind, snake_case
from recruit_assets.extract.document import Record

Row = dict[str, Any]
Value = tuple[str, Any, Kind | None]  # column, value, kind of the column if it is a new one
_BEYOND_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")
LONGEST_NAME = 80  # characters of a column name that comes from the API


class Flattener:
    """Makes rows of one endpoint's records.

    Args:
        endpoint: the endpoint, for what the catalogue knows.
        table: the columns that the table has by now, by name. Their kinds win over the
            catalogue's, so that what is there keeps its type.

    `columns` are the columns of the rows so far; it grows when an unknown attribute appears.
    `unparsed` counts, by column, the values that did not fit.
    """

    def __init__(self, endpoint: Endpoint, table: dict[str, Kind] | None = None) -> None:
        known = {column.name: column.kind for column in endpoint.columns()}
        self.columns = known | (table or {}) | {UNPARSED: Kind.JSON}
        self.unparsed: Counter[str] = Counter()
        self._reserved = set(known)
        self._attributes = {each.name: snake_case(each.name) for each in endpoint.attributes}
        self._catalogued = set(self._attributes.values())
        # By relationship: whether its keys need their type told beside them.
        self._relationships = {each.name: each.polymorphic for each in endpoint.relationships}

    def rows(self, records: Iterable[Record]) -> list[Row]:
        """One row a record: column names to values; what is null or missing is left out."""
        return [self._row(record) for record in records]

    def _row(self, record: Record) -> Row:
        row: Row = {"id": str(record.id)}
        unparsed: dict[str, Any] = {}
        for column, value, new_kind in self._values(record):
            if value is None:
                continue
            kind = self.columns.setdefault(column, new_kind or kind_of(value))
            try:
                row[column] = _FIT[kind](value)
            except (ValueError, OverflowError):
                unparsed[column] = _storable(value)
        if unparsed:
            row[UNPARSED] = as_json(unparsed)
            self.unparsed.update(unparsed.keys())
        return row

    def _values(self, record: Record) -> Iterator[Value]:
        """Each value with its column; no two of a record share one."""
        attributes = record.attributes or {}
        taken = set()
        for name, value in attributes.items():
            column = self._attributes.get(name) or self._column(name, attributes)
            taken.add(column)
            yield column, value, None
        for source, column, value, kind in (*self._links(record), *self._keys(record)):
            free = column not in taken
            taken.add(column)
            yield column if free else _with_digest(column, source), value, kind

    def _links(self, record: Record) -> Iterator[tuple[str, *Value]]:
        """What a record links to, but for itself: a source and a value for each."""
        for name, link in (record.links or {}).items():
            if name != "self":
                yield f"links/{name}", self._attributes.get(name) or self._column(name), link, None

    def _keys(self, record: Record) -> Iterator[tuple[str, *Value]]:
        """The keys of included relationships; those of an unknown one with the type."""
        for name, relationship in (record.relationships or {}).items():
            if not isinstance(relationship, dict) or "data" not in relationship:
                continue
            known, data = name in self._relationships, relationship["data"]
            stem, source = snake_case(name), f"relationships/{name}"
            parts: list[tuple[str, Any, Kind]]
            if isinstance(data, list):
                ids = [each.get("id", each) if isinstance(each, dict) else each for each in data]
                parts = [("ids", ids, Kind.KEYS)]
            elif isinstance(data, dict):
                parts = [("id", data.get("id", data), Kind.KEY)]
                if self._relationships.get(name, True):
                    parts.append(("type", data.get("type"), Kind.TEXT))
            else:
                parts = [("id", data, Kind.KEY)]
            for suffix, value, kind in parts:
                column = f"{stem}_{suffix}" if known else self._column(f"{name}-{suffix}")
                yield f"{source}/{suffix}", column, value, kind

    def _column(self, name: str, beside: Container[str] = ()) -> str:
        """The column of an attribute that the catalogue does not know by this spelling.

        Plain names stay plain, and `resume_summary` is `resume-summary` spelled otherwise. Any
        other name, and one that is taken, carries a part of its digest: so the column depends on
        the name, and not on what came first, today or last year. `beside` are the names of the
        same record: where both spellings come at once, each gets a column.
        """
        plain = snake_case(name)
        kebab = plain.replace("_", "-")
        if name == kebab:
            free = plain not in self._reserved
        elif name == plain:
            free = kebab not in beside and (
                plain in self._catalogued or plain not in self._reserved
            )
        else:
            free = False
        if free and 0 < len(plain) <= LONGEST_NAME:
            return plain
        return _with_digest(plain, name)


def _with_digest(plain: str, source: str) -> str:
    """A column name that no other source has."""
    digest = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain[:LONGEST_NAME] or 'attribute'}_{digest}"


def kind_of(value: Any) -> Kind:
    """The kind of a column whose first value this is."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    return Kind.TEXT if isinstance(value, str) else Kind.JSON


def as_json(value: Any) -> str:
    """A value as JSON text, the same for the same value: keys sorted, whole numbers exact."""
    return msgspec.json.encode(_storable(value), order="sorted").decode()


def _storable(value: Any) -> Any:
    """The value, or, if it holds half a surrogate pair, the JSON text that it came as."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    if not value.isascii():
        value.encode()  # raises for half a surrogate pair, which no database stores
    return value


def _key(value: Any) -> str:
    return str(value) if type(value) is int else _text(value)


def _integer(value: Any) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise ValueError


def _number(value: Any) -> float:
    if type(value) is float or (type(value) is int and float(value) == value):
        return float(value)
    raise ValueError


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _timestamp(value: Any) -> datetime:
    # Without an offset it is no instant; with more digits than microseconds it would be cut.
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
