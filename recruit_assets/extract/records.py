"""From records as they came to columns of their table, losing nothing.

What lives here: which column a value goes to. Whether it fits there is up to `values`; if it does
not, it is kept as it came in the `_unparsed` column. An attribute that the catalogue does not know
gets a column of its own, of a kind decided by its first value. Records of one list look alike, so
where their values go is decided once for all that have the same names.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind, snake_case
from recruit_assets.extract.document import Linkage, Record
from recruit_assets.extract.values import ARROW_TYPES, Values, as_column, as_json, kind_of

LONGEST_NAME = 80  # characters of a column name that comes from the API
SHAPES = 64  # that records of one list may have before their places are looked for again


class Shape(NamedTuple):
    """The names that records have in common."""

    attributes: tuple[str, ...]
    links: tuple[str, ...]
    relationships: tuple[str, ...]


class Flattener:
    """Makes columns of one endpoint's records.

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
        self._places = lru_cache(SHAPES)(self._find_places)

    def table(self, records: Sequence[Record]) -> pa.Table:
        """One row a record, with all columns known so far; what is missing is null."""
        found: dict[str, Values] = {}
        done = 0
        for shape, alike in groupby(records, _shape):
            group = list(alike)
            for column, kind, values in self._values(shape, group):
                if values.count(None) < len(values):
                    self.columns.setdefault(column, kind or kind_of(_first(values)))
                    before = found.setdefault(column, [])
                    before += [None] * (done - len(before)) + values
            done += len(group)
        return self._table(found, done)

    def _table(self, found: dict[str, Values], rows: int) -> pa.Table:
        misfits: dict[int, dict[str, Any]] = {}
        arrays = {}
        for name, kind in self.columns.items():
            if (values := found.get(name)) is None:
                arrays[name] = pa.nulls(rows, ARROW_TYPES[kind])
            else:
                values += [None] * (rows - len(values))
                arrays[name] = self._array(name, kind, values, misfits)
        if misfits:
            told = [as_json(misfits[row]) if row in misfits else None for row in range(rows)]
            arrays[UNPARSED] = pa.array(told, pa.string())
        return pa.table(arrays)

    def _array(
        self, column: str, kind: Kind, values: Values, misfits: dict[int, dict[str, Any]]
    ) -> pa.Array:
        """The values as Arrow; those that do not fit are put among the misfits of their row."""
        array, rest = as_column(kind, values)
        for row, value in rest.items():
            misfits.setdefault(row, {})[column] = value
            self.unparsed[column] += 1
        return array

    def _values(
        self, shape: Shape, records: list[Record]
    ) -> Iterator[tuple[str, Kind | None, Values]]:
        """Each column of records of one shape: name, kind if it must have one, values."""
        places = self._places(shape)
        yield "id", Kind.KEY, [str(record.id) for record in records]
        attributes = [record.attributes or {} for record in records]
        for name in shape.attributes:
            yield places[f"attributes/{name}"], None, [each[name] for each in attributes]
        links = [record.links or {} for record in records]
        for name in shape.links:
            if name != "self":
                yield places[f"links/{name}"], None, [each[name] for each in links]
        related = [record.relationships or {} for record in records]
        for name in shape.relationships:
            data = [_data(each[name]) for each in related]
            if data.count(None) == len(data):
                continue  # as with all that were not included, which are most
            for suffix, kind, values in _linked(data):
                # Where a key can point at one type only, that need not be told.
                if suffix != "type" or self._relationships.get(name, True):
                    yield places[f"relationships/{name}/{suffix}"], kind, values

    def _find_places(self, shape: Shape) -> dict[str, str]:
        """By source, its column; no two share one."""
        places = {
            f"attributes/{name}": self._attributes.get(name) or self._column(name, shape.attributes)
            for name in shape.attributes
        }
        wanted = {
            f"links/{name}": self._attributes.get(name) or self._column(name)
            for name in shape.links
        }
        for name in shape.relationships:
            for suffix in ("ids", "id", "type"):
                wanted[f"relationships/{name}/{suffix}"] = (
                    f"{snake_case(name)}_{suffix}"
                    if name in self._relationships
                    else self._column(f"{name}-{suffix}")
                )
        taken = set(places.values())
        for source, column in wanted.items():
            places[source] = _with_digest(column, source) if column in taken else column
            taken.add(column)
        return places

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


def _shape(record: Record) -> Shape:
    return Shape(
        tuple(record.attributes or ()), tuple(record.links or ()), tuple(record.relationships or ())
    )


def _data(relationship: Any) -> Any:
    return relationship.data if isinstance(relationship, Linkage) else None


def _linked(data: Values) -> Iterator[tuple[str, Kind, Values]]:
    """What keys of one relationship become: `ids` of several, `id` and `type` of one."""
    if set(map(type, data)) <= {type(None), list}:
        several, single = data, []
    else:
        several = [each if isinstance(each, list) else None for each in data]
        single = [None if isinstance(each, list) else each for each in data]
    yield "ids", Kind.KEYS, [each and [_member(key, "id", key) for key in each] for each in several]
    yield "id", Kind.KEY, [_member(each, "id", each) for each in single]
    yield "type", Kind.TEXT, [_member(each, "type") for each in single]


def _member(value: Any, name: str, otherwise: Any = None) -> Any:
    return value.get(name, otherwise) if isinstance(value, dict) else otherwise


def _first(values: Values) -> Any:
    return next(value for value in values if value is not None)
