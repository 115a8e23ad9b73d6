"""What is asked of a list, and what is left of it when an account refuses a parameter.

Every parameter but the page is fixed for a walk. Accounts and API versions differ in what they
take, and say so with HTTP 400 and a code: then that parameter alone goes, unless the endpoint is
worth nothing without it.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlencode

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused

PAGE_SIZE = 30  # the most that the API takes; its default is 10

# Codes of the framework that the API is built on (jsonapi-resources); 102 was seen, the others
# are inferred from it.
FILTER_REFUSED, FIELDS_REFUSED, INCLUDE_REFUSED = "102", "104", "112"
SORT_REFUSED, PAGE_REFUSED = "114", "118"
WINDOW = "filter[updated-at]"


@dataclass(frozen=True)
class Query:
    """The parameters of a walk over one endpoint.

    With `since` it shows the records changed then or later, and nothing of the others.
    """

    endpoint: Endpoint
    include: tuple[str, ...]
    size: int | None  # of a page; None is the API's own
    since: datetime | None = None
    sorted: bool = True
    sparse: bool = True  # whether included stubs are cut down to their id

    @classmethod
    def everything(
        cls, endpoint: Endpoint, size: int = PAGE_SIZE, since: datetime | None = None
    ) -> "Query":
        """What shows all records of an endpoint with their keys."""
        return cls(endpoint, tuple(each.name for each in endpoint.relationships), size, since)

    def page(self, number: int) -> str:
        """The query string of one page of the list."""
        return f"{self._list}&{urlencode({'page[number]': number})}"

    def record(self) -> str:
        """The query string of one record."""
        return urlencode(self._keys())

    @cached_property
    def _list(self) -> str:
        """What all pages of the list are asked with; encoding it is dear, so it is done once."""
        params = {**self.endpoint.filters, **self._keys()}
        if self.size:
            params["page[size]"] = str(self.size)
        if self.since:
            params[f"{WINDOW}[from]"] = self.since.astimezone(UTC).isoformat()
        if self.sorted:
            # New records then come last; in a window, changed ones do.
            params["sort"] = "updated-at,id" if self.since else "id"
        return urlencode(params)

    def _keys(self) -> dict[str, str]:
        """What shows the keys of records."""
        params = {f"fields[{target}]": "id" for target in self._stubs()} if self.sparse else {}
        return params | ({"include": ",".join(self.include)} if self.include else {})

    def without(self, refused: ParameterRefused) -> tuple["Query", list[str]]:
        """The query without what was refused, and a sentence for each parameter dropped.

        Raises:
            ParameterRefused: the same, if the endpoint cannot do without it.
        """
        query, dropped = self, []
        for code, detail in refused.refusals:
            if code == FILTER_REFUSED and query.since:
                query = replace(query, since=None)
                dropped.append(f"{WINDOW}: every sync reads the whole list")
            elif code == SORT_REFUSED and query.sorted:
                query = replace(query, sorted=False)
                dropped.append("sort: rows come in the API's own order")
            elif code == FIELDS_REFUSED and query.sparse:
                query = replace(query, sparse=False)
                dropped.append("fields: answers are larger than needed")
            elif code == PAGE_REFUSED and query.size:
                query = replace(query, size=None)
                dropped.append("page[size]: pages are of the API's own size, so there are more")
            elif code == INCLUDE_REFUSED and (name := query._droppable(detail)):
                query = replace(query, include=tuple(x for x in query.include if x != name))
                dropped.append(f"include={name}: its key stays empty")
                break  # one at a time, and ask again: no more is lost than must be
        if not dropped:
            raise refused
        return query, dropped

    def _droppable(self, detail: str) -> str | None:
        """The include that a refusal is about: the first optional one that it names.

        If it names none it is the last optional one; if it names needed ones only, none.
        """
        needed = {each.name for each in self.endpoint.relationships if each.needed}
        named = [word for word in re.findall(r"[\w-]+", detail) if word in self.include]
        chosen = [name for name in named or self.include[::-1] if name not in needed]
        return chosen[0] if chosen else None

    def _stubs(self) -> list[str]:
        """Types that are only included; the endpoint's own records must stay whole."""
        targets = {
            target
            for each in self.endpoint.relationships
            if each.name in self.include
            for target in each.targets
        }
        return sorted(targets - {self.endpoint.path})  # the same request from every process
