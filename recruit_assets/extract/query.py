"""Parameters of a request for a list, and what remains after an account refuses one.

Every parameter but the page number is fixed for a walk. Accounts and API versions accept different
parameters, and refuse one with HTTP 400 and a code: then only that parameter is dropped, unless the
endpoint is useless without it.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlencode

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused

PAGE_SIZE = 30  # maximum of the API; its default is 10

# Error codes of jsonapi-resources, the framework of the API; 102 was observed, the others are
# inferred from it.
FILTER_REFUSED, FIELDS_REFUSED, INCLUDE_REFUSED = "102", "104", "112"
SORT_REFUSED, PAGE_REFUSED = "114", "118"
WINDOW = "filter[updated-at]"
BY_CHANGE = "updated-at,id"  # sorts new records last, and changed ones


@dataclass(frozen=True)
class Query:
    """Hold the parameters of a walk over one endpoint.

    With `since`, only the records changed then or later are to be read. The API selects them, or if
    `filtered` is false, it sorts the whole list by the last change, so that they are at its end.
    """

    endpoint: Endpoint
    include: tuple[str, ...]
    size: int | None  # records per page; None is the API's default
    since: datetime | None = None
    filtered: bool = True
    rows: int | None = None  # known rows of the list; None if its changes must not be read by sort
    sorted: bool = True
    sparse: bool = True  # whether included stubs are reduced to their id

    @classmethod
    def everything(
        cls,
        endpoint: Endpoint,
        size: int = PAGE_SIZE,
        since: datetime | None = None,
        *,
        filtered: bool = True,
        rows: int | None = None,
    ) -> "Query":
        """Build the query for all records of an endpoint with their keys."""
        include = tuple(each.name for each in endpoint.relationships)
        return cls(endpoint, include, size, since, filtered, rows)

    @property
    def identity(self) -> str:
        """Return the parameters that decide which records are on a page, and what they show."""
        return self._list

    @property
    def by_change(self) -> bool:
        """Return whether changes are read from the end of the whole list."""
        return self.since is not None and not self.filtered

    @property
    def listed(self) -> str:
        """Return which records a whole list has, and with which keys, as text to compare."""
        return urlencode({**self.endpoint.filters, "include": ",".join(self.include)})

    def page(self, number: int) -> str:
        """Return the query string of one page of the list."""
        return f"{self._list}&{urlencode({'page[number]': number})}"

    def record(self) -> str:
        """Return the query string of one record."""
        return urlencode(self._keys())

    @cached_property
    def _list(self) -> str:
        """Return the parameters that all pages share; encoding is expensive, so it is done once."""
        params = {**self.endpoint.filters, **self._keys()}
        if self.size:
            params["page[size]"] = str(self.size)
        if self.since and self.filtered:
            params[f"{WINDOW}[from]"] = self.since.astimezone(UTC).isoformat()
        if self.sorted:
            params["sort"] = BY_CHANGE if self.since else "id"
        return urlencode(params)

    def _keys(self) -> dict[str, str]:
        """Return the parameters that include the keys of records."""
        params = {f"fields[{target}]": "id" for target in self._stubs()} if self.sparse else {}
        return params | ({"include": ",".join(self.include)} if self.include else {})

    def without(self, refused: ParameterRefused) -> tuple["Query", list[str]]:
        """Return the query without what was refused, and a sentence for each parameter dropped.

        Raises:
            ParameterRefused: `refused` itself, if the endpoint is useless without the parameter.
        """
        query, dropped = self, []
        for code, detail in refused.refusals:
            if code == FILTER_REFUSED and query.since and query.filtered:
                query, instead = query._without_filter()
                dropped.append(f"{WINDOW}: {instead}")
            elif code == SORT_REFUSED and query.by_change:
                query = replace(query, since=None)
                dropped.append(f"sort={BY_CHANGE}: every sync reads the whole list")
            elif code == SORT_REFUSED and query.sorted:
                query = replace(query, sorted=False)
                dropped.append("sort: records are in the API's own order")
            elif code == FIELDS_REFUSED and query.sparse:
                query = replace(query, sparse=False)
                dropped.append("fields: responses are larger than needed")
            elif code == PAGE_REFUSED and query.size:
                query = replace(query, size=None)
                dropped.append(
                    "page[size]: pages have the API's default size, so there are more of them"
                )
            elif code == INCLUDE_REFUSED and (name := query._droppable(detail)):
                query = replace(query, include=tuple(x for x in query.include if x != name))
                dropped.append(f"include={name}: its key stays empty")
                break  # drop one at a time and ask again, so that no more is lost than necessary
        if not dropped:
            raise refused
        return query, dropped

    def _without_filter(self) -> tuple["Query", str]:
        """Return the query without the filter for changes, and how they are read instead."""
        if self.rows is None or not self.sorted:
            return replace(self, since=None), "every sync reads the whole list"
        query = replace(self, filtered=False)
        return query, "changes are read from the end of the list, sorted by updated-at"

    def _droppable(self, detail: str) -> str | None:
        """Return the include to drop after a refusal: the first optional one that it names.

        If it names none, that is the last optional one; if it names only required ones, None.
        """
        needed = {each.name for each in self.endpoint.relationships if each.needed}
        named = [word for word in re.findall(r"[\w-]+", detail) if word in self.include]
        chosen = [name for name in named or self.include[::-1] if name not in needed]
        return chosen[0] if chosen else None

    def _stubs(self) -> list[str]:
        """Return types that are only included; the endpoint's own records must stay complete."""
        targets = {
            target
            for each in self.endpoint.relationships
            if each.name in self.include
            for target in each.targets
        }
        return sorted(targets - {self.endpoint.path})  # the same order in every process
