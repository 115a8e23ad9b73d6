"""One type of record, and the notation of the table in `schema`.

- attributes: `name`, or `name:kind` when it is not text (flag, whole, number, time, date, list,
  object);
- one: `name>type`, `name>type|type` when polymorphic;
- many: `name` of the same type, `name>type`, `name@other` when it is not stored, but derived from
  the relationship `other` of the records at the far end;
- sorts: attributes, or `*` for any. `id` is always allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Relationship:
    """Describe one relationship: its types, and the far relationship it is derived from, if any."""

    types: tuple[str, ...]
    many: bool
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Describe one type of record."""

    type: str
    attributes: Mapping[str, str]
    relationships: Mapping[str, Relationship]
    filters: frozenset[str]
    ranges: frozenset[str]
    sorts: frozenset[str]
    scope: str

    def blank(self) -> dict[str, Any]:
        """Return every attribute with an empty value of its kind."""
        return {name: _EMPTY.get(kind) for name, kind in self.attributes.items()}

    def unrelated(self) -> dict[str, Any]:
        """Return every stored relationship with an empty value."""
        stored = ((name, found) for name, found in self.relationships.items() if not found.follows)
        return {name: [] if found.many else None for name, found in stored}

    def sortable(self, key: str) -> bool:
        """Return whether a list of this type can be sorted by that key."""
        return key == "id" or key in self.sorts or ("*" in self.sorts and key in self.attributes)


_EMPTY: dict[str, Any] = {"flag": False, "list": []}


def _relationships(one: str, many: str) -> dict[str, Relationship]:
    found = {}
    for word in one.split():
        name, _, types = word.partition(">")
        found[name] = Relationship(tuple(types.split("|")), many=False)
    for word in many.split():
        path, _, follows = word.partition("@")
        name, _, type_ = path.partition(">")
        found[name] = Relationship((type_ or name,), many=True, follows=follows or None)
    return dict(sorted(found.items()))


def resource(
    type_: str,
    *,
    attributes: str = "",
    one: str = "",
    many: str = "",
    filters: str = "",
    ranges: str = "",
    sorts: str = "",
    scope: str = "admin",
) -> Resource:
    """Build one entry of the table from its notation."""
    kinds = (word.partition(":") for word in attributes.split())
    return Resource(
        type=type_,
        attributes={name: kind or "text" for name, _, kind in kinds},
        relationships=_relationships(one, many),
        filters=frozenset(filters.split()),
        ranges=frozenset(ranges.split()),
        sorts=frozenset(sorts.split()),
        scope=scope,
    )
