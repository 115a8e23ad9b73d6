"""What is asked of a list, and what is left of it when an account refuses a parameter.

Every parameter but the page is fixed for a walk. Accounts and API versions differ in what they
take, and say so with HTTP 400 and a code: then that parameter alone goes, unless the endpoint is
worth nothing without it.
"""

import re
from dataclasses import dataclass, replace

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused

PAGE_SIZE = 30  # the most that the API takes; its default is 10

# Codes of the framework that the API is built on (jsonapi-resources); 102 was seen, the others
# are inferred from it.
FIELDS_REFUSED, INCLUDE_REFUSED, SORT_REFUSED, PAGE_REFUSED = "104", "112", "114", "118"


@dataclass(frozen=True)
class Query:
    """The parameters of a walk over one endpoint."""

    endpoint: Endpoint
    include: tuple[str, ...]
    sort: str | None = "id"  # new records then come last, where they shift nothing
    sparse: bool = True  # whether included stubs are cut down to their id
    sized: bool = True

    @classmethod
    def everything(cls, endpoint: Endpoint) -> "Query":
        """What shows all records of an endpoint with their keys."""
        return cls(endpoint, tuple(each.name for each in endpoint.relationships))

    def params(self, page: int) -> dict[str, str]:
        """The query string of one page, unencoded."""
        params = {"page[number]": str(page), **self.endpoint.filters}
        if self.sized:
            params["page[size]"] = str(PAGE_SIZE)
        if self.sort:
            params["sort"] = self.sort
        if self.include:
            params["include"] = ",".join(self.include)
        if self.sparse:
            params.update({f"fields[{target}]": "id" for target in self._stubs()})
        return params

    def without(self, refused: ParameterRefused) -> tuple["Query", list[str]]:
        """The query without what was refused, and a sentence for each parameter dropped.

        Raises:
            ParameterRefused: the same, if the endpoint cannot do without it.
        """
        query, dropped = self, []
        for code, detail in refused.refusals:
            if code == SORT_REFUSED and query.sort:
                query = replace(query, sort=None)
                dropped.append("sort=id: rows come in the API's own order")
            elif code == FIELDS_REFUSED and query.sparse:
                query = replace(query, sparse=False)
                dropped.append("fields: answers are larger than needed")
            elif code == PAGE_REFUSED and query.sized:
                query = replace(query, sized=False)
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

    def _stubs(self) -> set[str]:
        """Types that are only included; the endpoint's own records must stay whole."""
        targets = {
            target
            for each in self.endpoint.relationships
            if each.name in self.include
            for target in each.targets
        }
        return targets - {self.endpoint.path}
