"""Column names for the parts of a record; no two parts share one.

Scope: names only. `records` extracts the values, and `arrow` decides whether they fit.
"""

import hashlib
from collections.abc import Container
from functools import lru_cache
from typing import NamedTuple

from recruit_assets.catalogue import Endpoint, snake_case
from recruit_assets.extract.jsonapi import Record, members
from recruit_assets.text import one_line

MAX_NAME_LENGTH = 80  # characters of a column name taken from the API
CACHED_SHAPES = 64  # shapes of one list whose columns are cached
MAX_CACHED_NAMES = 1000  # names in a shape; wider shapes are not worth caching
PARTS = ("ids", "id", "type")  # columns of a relationship
MORE_PARTS = ("types", "data", "meta")  # more columns if it has more than the catalogue expects


class Shape(NamedTuple):
    """Hold the names that a group of records has in common."""

    attributes: tuple[str, ...]
    links: tuple[str, ...]
    relationships: tuple[str, ...]


def shape_of(record: Record) -> Shape:
    """Return the names of a record's attributes, links and relationships."""
    return Shape(
        tuple(members(record.attributes)),
        tuple(members(record.links)),
        tuple(members(record.relationships)),
    )


class Places:
    """Find the columns of one endpoint's records.

    `known` holds the columns that the catalogue provides for, whether or not the table has them.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._reserved = {column.name for column in endpoint.columns()}
        self._attributes = {each.name: snake_case(each.name) for each in endpoint.attributes}
        self._catalogued = set(self._attributes.values())
        self._relationships = {each.name: snake_case(each.name) for each in endpoint.relationships}
        self.known = self._reserved | {
            f"{stem}_{part}"
            for stem in self._relationships.values()
            for part in (*PARTS, *MORE_PARTS)
        }
        self._kept = lru_cache(CACHED_SHAPES)(self._find)

    def of(self, shape: Shape) -> dict[str, str]:
        """Return the column of each source: `attributes/x`, `links/x`, `relationships/x/id`."""
        wide = sum(map(len, shape)) > MAX_CACHED_NAMES
        return self._find(shape) if wide else self._kept(shape)

    def _find(self, shape: Shape) -> dict[str, str]:
        places = {
            f"attributes/{name}": self._attributes.get(name) or self._column(name, shape.attributes)
            for name in shape.attributes
        }
        wanted = {
            f"links/{name}": self._attributes.get(name) or self._column(name)
            for name in shape.links
        }
        for parts in (PARTS, MORE_PARTS):
            for name in shape.relationships:
                stem = self._relationships.get(name)
                for part in parts:
                    column = f"{stem}_{part}" if stem else self._column(f"{name}-{part}")
                    wanted[f"relationships/{name}/{part}"] = column
        taken = set(places.values())
        for source, column in wanted.items():
            places[source] = _with_digest(column, source) if column in taken else column
            taken.add(column)
        return places

    def _column(self, name: str, siblings: Container[str] = ()) -> str:
        """Return the column of an attribute that the catalogue does not know by this spelling.

        A plain name stays plain, and `resume_summary` is another spelling of `resume-summary`. Any
        other name, and one that is taken, gets part of its digest. So the column depends only on
        the name, not on which name arrived first. `siblings` holds the names of the same record: if
        both spellings occur together, each gets its own column.
        """
        plain = one_line(snake_case(name))  # without invisible characters
        kebab = plain.replace("_", "-")
        if name == kebab:
            free = plain not in self._reserved
        elif name == plain:
            free = kebab not in siblings and (
                plain in self._catalogued or plain not in self._reserved
            )
        else:
            free = False
        if free and 0 < len(plain) <= MAX_NAME_LENGTH:
            return plain
        return _with_digest(plain, name)


def _with_digest(plain: str, source: str) -> str:
    """Return a column name unique to the source."""
    digest = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain[:MAX_NAME_LENGTH] or 'attribute'}_{digest}"
