"""The parameters of a request, parsed and refused as the API does.

Turns the query string into a `Query`, or raises the first `Problem`. `schema` lists the parameters
that exist, `rules` those that this account refuses; `selection` and `render` apply the result.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from recruit_assets.sandbox import problems
from recruit_assets.sandbox.resource import Resource
from recruit_assets.sandbox.rules import Rules
from recruit_assets.sandbox.schema import RESOURCES, may_list
from recruit_assets.sandbox.times import instant

DEFAULT_SIZE = 10
LARGEST_SIZE = 30

_FILTER = re.compile(r"filter\[([^\]]+)\](?:\[(from|to)\])?")
_FIELDS = re.compile(r"fields\[([^\]]+)\]")
_CHOICES = {
    "status": {"published", "unlisted", "archived", "draft", "scheduled", "all"},
    "feed": {"public", "internal"},
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Hold one filter: a required value of an attribute or relationship, or a bound of a time."""

    name: str
    bound: str | None
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """Hold the parsed parameters of a request."""

    include: Mapping[str, frozenset[str]]
    fields: Mapping[str, frozenset[str]]
    filters: frozenset[Filter]
    sort: tuple[str, ...]
    size: int
    number: int
    after: str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Parse the parameters of requests for one type."""

    resource: Resource
    rules: Rules
    # Attributes outside the schema, by type.
    extra: Mapping[str, Collection[str]]

    def read(self, parameters: Mapping[str, str]) -> Query:
        """Return the query that the parameters define.

        Raises:
            Problem: for the first parameter that the API would refuse.
        """
        return Query(
            include=self._include(parameters.get("include", "")),
            fields=self._fields(parameters),
            filters=frozenset(self._filters(parameters)),
            sort=self._sort(parameters.get("sort", "")),
            size=self._page(parameters, "size", DEFAULT_SIZE, LARGEST_SIZE),
            number=self._page(parameters, "number", 1, None),
            after=self._after(parameters),
        )

    def _refuses(self, parameter: str, value: str) -> bool:
        return self.rules.refuses(self.resource.type, parameter, value)

    def _include(self, value: str) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for path in filter(None, value.split(",")):
            first, _, second = path.partition(".")
            if self._refuses("include", path) or not self._known_path(first, second):
                raise problems.refused_include(self.resource.type, path)
            found.setdefault(first, set()).update({second} if second else ())
        return {first: frozenset(seconds) for first, seconds in found.items()}

    def _known_path(self, first: str, second: str) -> bool:
        relationship = self.resource.relationships.get(first)
        if relationship is None:
            return False
        if not all(may_list(self.rules.scope, type_) for type_ in relationship.types):
            return False
        return not second or any(second in RESOURCES[it].relationships for it in relationship.types)

    def _fields(self, parameters: Mapping[str, str]) -> dict[str, frozenset[str]]:
        found = {}
        for parameter, value in parameters.items():
            if match := _FIELDS.fullmatch(parameter):
                type_, names = match[1], [name for name in value.split(",") if name]
                if type_ not in RESOURCES:
                    raise problems.unknown_type(type_)
                resource = RESOURCES[type_]
                valid = {"id", *resource.attributes, *resource.relationships, *self.extra[type_]}
                for name in names:
                    if name not in valid or self._refuses(parameter, name):
                        raise problems.refused_field(type_, name)
                found[type_] = frozenset(names)
        return found

    def _filters(self, parameters: Mapping[str, str]) -> list[Filter]:
        found = []
        for parameter, value in parameters.items():
            if not parameter.startswith("filter"):
                continue
            match = _FILTER.fullmatch(parameter)
            name, bound = (match[1], match[2]) if match else (parameter, None)
            allowed = self.resource.ranges if bound else self.resource.filters
            if name not in allowed or self._refuses(parameter, value):
                raise problems.refused_filter(name)
            _check_value(name, bound, value)
            if name not in self.rules.ignored.get(self.resource.type, ()):
                found.append(Filter(name, bound, value))
        return found

    def _sort(self, value: str) -> tuple[str, ...]:
        keys = tuple(key for key in value.split(",") if key)
        for key in keys:
            name = key.removeprefix("-")
            refused = self._refuses("sort", key) or self._refuses("sort", name)
            if refused or not self.resource.sortable(name):
                raise problems.refused_sort(self.resource.type, key)
        return keys or (("-id",) if self.resource.type in self.rules.newest_first else ())

    def _page(
        self, parameters: Mapping[str, str], name: str, default: int, largest: int | None
    ) -> int:
        parameter = f"page[{name}]"
        if parameter not in parameters:
            return default
        value = parameters[parameter]
        number = int(value) if value.isascii() and value.isdigit() else 0
        too_large = largest is not None and number > largest
        if number < 1 or too_large or self._refuses(parameter, value):
            raise problems.bad_page(parameter, value)
        return number

    def _after(self, parameters: Mapping[str, str]) -> str | None:
        allowed = {"page[size]", "page[number]"}
        if self.resource.type in self.rules.cursor_paging:
            allowed.add("page[after]")
        for parameter in parameters:
            if parameter.startswith("page[") and parameter not in allowed:
                raise problems.refused_parameter(parameter)
        return parameters.get("page[after]")


def _check_value(name: str, bound: str | None, value: str) -> None:
    if bound:
        try:
            instant(value)
        except ValueError:
            raise problems.bad_filter_value(name, value) from None
    elif name in _CHOICES and not set(value.split(",")) <= _CHOICES[name]:
        raise problems.bad_filter_value(name, value)
