"""Conversion of JSON:API records to the columns of their table, without losing anything.

Scope: the values of a record and the column of each. `columns` chooses the names. `arrow` decides
whether a value fits; a misfit is kept unchanged in the `_unparsed` column. An attribute that the
catalogue does not know gets its own column, of the kind of its first values; those beyond
`MAX_UNKNOWN` share the column `_more`.

Not kept are a record's `self` link and the links of its relationships, which follow from the ids;
the `type` of a record or a key if it is the one that the catalogue names; the order of names, and
all but the last of equal names in an object; and members that JSON:API does not define.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from recruit_assets.catalogue import MAX_UNKNOWN, META, MORE, TYPE, UNPARSED, Endpoint, Kind
from recruit_assets.extract.arrow import ARROW_TYPES, Values, as_column, as_json, kind_of, storable
from recruit_assets.extract.columns import Places, Shape, shape_of
from recruit_assets.extract.jsonapi import Linkage, Record, members
from recruit_assets.extract.privacy import Privacy
from recruit_assets.extract.typed import Typed

_MEMBERS = {"id", "type"}  # members of a key
_OBJECTS = ("attributes", "relationships", "links")  # members of a record that must be objects
SOURCES = ("attributes/", "links/", "relationships/")


class RecordTable:
    """Build columns from one endpoint's records.

    Args:
        endpoint: the endpoint, for its catalogue entry.
        table: the columns that the table has by now, by name. Their types take precedence over the
            catalogue's, so that existing columns keep their type.
        salt: the key with which the endpoint's policy hashes values; empty if it hashes none.

    `columns` are the columns of the rows so far; it grows when an unknown attribute appears.
    `unparsed` counts, by column, the values that did not fit, and, by `attributes`, `relationships`
    or `links`, members that are not objects; `more` counts the values put into `_more`.
    """

    def __init__(
        self, endpoint: Endpoint, table: dict[str, Kind] | None = None, salt: bytes = b""
    ) -> None:
        known = {column.name: column.kind for column in endpoint.columns()}
        self.columns = known | (table or {}) | {UNPARSED: Kind.JSON}
        self.unparsed: Counter[str] = Counter()
        self.more = 0
        self._type = endpoint.path
        # The type of each relationship's keys, if it is always the same.
        self._targets = {
            each.name: None if each.polymorphic else each.targets[0]
            for each in endpoint.relationships
        }
        self._places, self._typed = Places(endpoint), Typed(endpoint)
        self._privacy = Privacy(endpoint, salt)
        self._known = self._places.known | {TYPE, META, MORE, UNPARSED}
        self._room = MAX_UNKNOWN - len(self.columns.keys() - self._known)

    def table(self, records: Sequence[Record]) -> pa.Table:
        """Return one row per record, with all columns known so far; missing values are null."""
        found: dict[str, Values] = {}
        more: dict[int, dict[str, Any]] = {}
        undecided: set[str] = set()
        done = 0
        for shape, alike in groupby(records, shape_of):
            group = list(alike)
            for source, column, kind, found_values in self._values(shape, group):
                values = self._privacy.limited(column, found_values)
                if values.count(None) == len(values):
                    continue
                if self._claim(column, kind, undecided):
                    before = found.setdefault(column, [])
                    before += [None] * (done - len(before)) + values
                else:
                    self._put_into_more(more, source, values, done)
            done += len(group)
        if more:
            self.columns.setdefault(MORE, Kind.JSON)
            found[MORE] = [more.get(row) for row in range(done)]
        for column in undecided:
            self.columns[column] = kind_of(found[column])
        return self._table(found, done, self._misplaced(records))

    def _misplaced(self, records: Sequence[Record]) -> dict[int, dict[str, Any]]:
        """Return, by row, the values other than objects that are in place of an object of members.

        PHP writes an object without members as an empty list, which carries no information.
        """
        found: dict[int, dict[str, Any]] = {}
        for row, record in enumerate(records):
            for name in _OBJECTS:
                value = getattr(record, name)
                if isinstance(value, dict) or value is None or value == []:
                    continue
                label = f"record/{name}" if name in self.columns else name
                found.setdefault(row, {})[label] = self._privacy.misplaced(value)
                self.unparsed[label] += 1
        return found

    def _claim(self, column: str, kind: Kind | None, undecided: set[str]) -> bool:
        """Return whether there is such a column; add it if there is room for one."""
        present = self.columns.get(column)
        if present is None and column not in self._known:
            if self._room <= 0:
                return False
            self._room -= 1
        if present is None:
            self.columns[column] = kind or Kind.JSON
            if kind is None:
                undecided.add(column)
        elif kind and kind.sql == present.sql:
            self.columns[column] = kind  # the table stores keys and texts as the same type
        return True

    def _put_into_more(
        self, more: dict[int, dict[str, Any]], source: str, values: Values, first: int
    ) -> None:
        """Keep values by the name of their attribute, and other values by their source."""
        name = source.removeprefix(SOURCES[0])
        label = storable(source if name.startswith(SOURCES) else name)
        for row, value in enumerate(values, first):
            if value is not None:
                more.setdefault(row, {})[label] = storable(value)
                self.more += 1

    def _table(
        self, found: dict[str, Values], rows: int, misfits: dict[int, dict[str, Any]]
    ) -> pa.Table:
        arrays = {}
        for name, kind in self.columns.items():
            if (values := found.get(name)) is None:
                arrays[name] = pa.nulls(rows, ARROW_TYPES[kind])
            else:
                values += [None] * (rows - len(values))
                arrays[name] = self._array(name, kind, values, misfits)
        if misfits:
            texts = [as_json(misfits[row]) if row in misfits else None for row in range(rows)]
            arrays[UNPARSED] = pa.array(texts, pa.string())
        return pa.table(arrays)

    def _array(
        self, column: str, kind: Kind, values: Values, misfits: dict[int, dict[str, Any]]
    ) -> pa.Array:
        """Return the values as Arrow; add those that do not fit to the misfits of their row."""
        array, rest = as_column(kind, values)
        for row, value in rest.items():
            misfits.setdefault(row, {})[column] = value
            self.unparsed[column] += 1
        return array

    def _values(
        self, shape: Shape, records: list[Record]
    ) -> Iterator[tuple[str, str, Kind | None, Values]]:
        """Yield each column of records of one shape: source, name, required kind if any, values."""
        places = self._places.of(shape)
        yield "id", "id", Kind.KEY, [str(record.id) for record in records]
        types = [None if each.type == self._type else each.type for each in records]
        yield "type", TYPE, Kind.TEXT, types
        yield "meta", META, Kind.JSON, [each.meta for each in records]
        attributes = [members(record.attributes) for record in records]
        for name in shape.attributes:
            source = f"attributes/{name}"
            values = [each[name] for each in attributes]
            for column, kept in self._typed.columns(name, places[source], values, attributes):
                yield source, column, None, kept
        links = [members(record.links) for record in records]
        for name in shape.links:
            if name != "self":
                source = f"links/{name}"
                yield source, places[source], None, [each[name] for each in links]
        related = [members(record.relationships) for record in records]
        for name in shape.relationships:
            for part, kind, values in _linked(
                [each[name] for each in related], self._targets.get(name)
            ):
                source = f"relationships/{name}/{part}"
                yield source, places[source], kind, values


def _linked(relationships: Values, target: str | None) -> Iterator[tuple[str, Kind, Values]]:
    """Yield the columns of one relationship: `ids` of several keys, `id` of one, and the rest.

    Types are kept if they are not the target, and whole keys if they have other members.
    """
    yield "meta", Kind.JSON, [getattr(each, "meta", None) for each in relationships]
    data = [each.data if isinstance(each, Linkage) else each for each in relationships]
    kinds = set(map(type, data)) - {type(None)}
    if not kinds:
        return  # true of most relationships, which were not included
    single = data
    if list in kinds:
        several = [each if isinstance(each, list) else None for each in data]
        single = [None if isinstance(each, list) else each for each in data]
        ids = [each and [_member(key, "id", key) for key in each] for each in several]
        yield "ids", Kind.KEYS, ids
        yield "types", Kind.TEXTS, [_types(each, target) if each else None for each in several]
    yield "id", Kind.KEY, [_member(each, "id", each) for each in single]
    types = [_member(each, "type") for each in single]
    yield "type", Kind.TEXT, [None if each == target else each for each in types]
    yield "data", Kind.JSON, [each if _says_more(each) else None for each in data]


def _types(keys: list[Any], target: str | None) -> list[Any] | None:
    types = [_member(key, "type") for key in keys]
    return None if all(each is None or each == target for each in types) else types


def _says_more(data: Any) -> bool:
    """Return whether a key has other members than an id and a type."""
    keys = data if isinstance(data, list) else [data]
    return any(isinstance(key, dict) and "id" in key and key.keys() - _MEMBERS for key in keys)


def _member(value: Any, name: str, otherwise: Any = None) -> Any:
    return value.get(name, otherwise) if isinstance(value, dict) else otherwise
