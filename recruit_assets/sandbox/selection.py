"""The records of a list, and their order.

Turns a `Query` and the world into ids. The last selections are cached until the world changes, so
that a walk over many pages filters and sorts once.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from recruit_assets.sandbox.draft import Record
from recruit_assets.sandbox.query import Filter, Query
from recruit_assets.sandbox.schema import RESOURCES
from recruit_assets.sandbox.times import instant, instant_or_none
from recruit_assets.sandbox.world import World, numeric, refs_of

Test = Callable[[Record], bool]

_KEPT = 32
_INTERNAL_SEES = {"published", "unlisted", "archived"}
_STATUS, _FEED = Filter("status", None, "published"), Filter("feed", None, "public")
_JOB_ORDER = ("-pinned", "date")


class Selections:
    """Cache the ids of lists until the world changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept = lru_cache(_KEPT)(self._select)

    def ids(self, type_: str, query: Query, scope: str) -> list[str]:
        """Return all ids that the query selects, in its order."""
        return self._kept(self._world.revision, type_, query.filters, query.sort, scope)

    def _select(
        self,
        _revision: int,  # part of the cache's key, so that a change clears the cache
        type_: str,
        filters: frozenset[Filter],
        sort: tuple[str, ...],
        scope: str,
    ) -> list[str]:
        if type_ == "jobs":
            named = {each.name for each in filters}
            filters |= {each for each in (_STATUS, _FEED) if each.name not in named}
        tests = [_test(self._world, type_, each) for each in filters]
        found = [
            record
            for record in self._world.table(type_).values()
            if visible(type_, record, scope) and all(test(record) for test in tests)
        ]
        # Sort by the last key first, as each sort is stable.
        for key in reversed(sort or (_JOB_ORDER if type_ == "jobs" else ())):
            name = key.removeprefix("-")
            found.sort(key=_sort_key(self._world, type_, name), reverse=key.startswith("-"))
        return [record["id"] for record in found]


def visible(type_: str, record: Record, scope: str) -> bool:
    """Return whether a key of this scope sees the record at all."""
    if type_ != "jobs" or scope == "admin":
        return True
    attributes = record["attributes"]
    if scope == "internal":
        return attributes["human-status"] in _INTERNAL_SEES
    return attributes["human-status"] == "published" and not attributes["internal"]


def _test(world: World, type_: str, each: Filter) -> Test:
    if each.bound:
        return _bound_test(each)
    wanted = set(each.value.split(","))
    if type_ == "jobs" and each.name == "status":
        return lambda record: "all" in wanted or record["attributes"]["human-status"] in wanted
    if type_ == "jobs" and each.name == "feed":
        feeds = {feed == "internal" for feed in wanted}
        return lambda record: bool(record["attributes"]["internal"]) in feeds
    if each.name == "stage-type":
        return _stage_type_test(world, type_, wanted)
    name = each.name.removesuffix("-id")
    if name in RESOURCES[type_].relationships:
        return lambda record: not wanted.isdisjoint(_ids(world, type_, record, name))
    return lambda record: _spelled(record["attributes"][each.name]) == each.value


def _bound_test(each: Filter) -> Test:
    limit = instant(each.value)

    def test(record: Record) -> bool:
        at = instant_or_none(record["attributes"][each.name])
        return at is not None and (at >= limit if each.bound == "from" else at <= limit)

    return test


def _stage_type_test(world: World, type_: str, wanted: set[str]) -> Test:
    """Test stages by the id or name of their type, applications by their stage's type name."""
    stages = world.table("stages")

    def test(record: Record) -> bool:
        if type_ == "stages":
            ids = _ids(world, type_, record, "stage-type")
            return not wanted.isdisjoint([*ids, record["attributes"]["legacy-stage-type-name"]])
        found = [stages[id_] for id_ in _ids(world, type_, record, "stage") if id_ in stages]
        return any(each["attributes"]["legacy-stage-type-name"] in wanted for each in found)

    return test


def _ids(world: World, type_: str, record: Record, name: str) -> list[str]:
    return [ref["id"] for ref in refs_of(world.related(type_, record, name))]


def _spelled(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _sort_key(world: World, type_: str, name: str) -> Callable[[Record], Any]:
    name = name.replace("_", "-")
    kind = RESOURCES[type_].attributes.get(name)

    def key(record: Record) -> tuple[bool, int, Any]:
        if name == "id":
            return (False, 0, numeric(record["id"]))
        attributes = world.attributes(type_, record)
        value = attributes["start-date"] or attributes["created-at"] if name == "date" else None
        value = value or attributes.get(name)
        if kind == "time" or name == "date":
            value = instant_or_none(value)
            return (value is None, 0, value and value.timestamp())
        if isinstance(value, int | float):
            return (False, 0, value)
        # As in PostgreSQL: nulls sort last, and first when descending.
        return (value is None, 1, "" if value is None else str(value))

    return key
