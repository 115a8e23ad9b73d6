"""The pages of a list, by number or by opaque cursor: their ids, links and counts."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from recruit_assets.sandbox.problems import bad_page
from recruit_assets.sandbox.query import Query
from recruit_assets.sandbox.world import numeric


@dataclass(frozen=True, slots=True)
class Slice:
    """Select one page of a list of ids."""

    ids: list[str]
    query: Query
    cursors: bool

    @property
    def start(self) -> int:
        """Return the position of the page's first id in the list."""
        if self.query.after is not None:
            return _position_after(self.ids, _id_of(self.query.after))
        return (self.query.number - 1) * self.query.size

    @property
    def shown(self) -> list[str]:
        """Return the ids on the page."""
        return self.ids[self.start : self.start + self.query.size]

    @property
    def pages(self) -> int:
        """Return the number of pages of the list."""
        return -(-len(self.ids) // self.query.size)

    def counts(self) -> dict[str, int]:
        """Return the counts for `meta`; paging by cursor has no number of pages."""
        counts = {"record-count": len(self.ids)}
        return counts if self.cursors else counts | {"page-count": self.pages}

    def links(self, url: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return absolute links that repeat the request's parameters, brackets percent-encoded."""
        kept = {name: value for name, value in parameters.items() if not name.startswith("page[")}
        number, size = self.query.number, str(self.query.size)

        def link(place: str, value: str) -> str:
            return f"{url}?{urlencode(kept | {place: value, 'page[size]': size})}"

        links = {"first": link("page[number]", "1")}
        more = self.start + self.query.size < len(self.ids)
        if self.cursors:
            if more:
                links["next"] = link("page[after]", _cursor_for(self.shown[-1]))
            return links
        if number > 1:
            links["prev"] = link("page[number]", str(number - 1))
        if more:
            links["next"] = link("page[number]", str(number + 1))
        return links | {"last": link("page[number]", str(max(1, self.pages)))}


def _cursor_for(id_: str) -> str:
    """Return the opaque cursor of the position after a record."""
    return base64.urlsafe_b64encode(f"after:{id_}".encode()).decode()


def _id_of(cursor: str) -> str:
    """Return the id of the record before a cursor's position, if the cursor is one of ours."""
    try:
        kind, _, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
    except (binascii.Error, UnicodeError):
        kind, id_ = "", ""
    if kind != "after":
        raise bad_page("page[after]", cursor)
    return id_


def _position_after(ids: list[str], last: str) -> int:
    """Return the position after the record `last`, by its number if it was removed."""
    try:
        return ids.index(last) + 1
    except ValueError:
        return bisect_right(ids, numeric(last), key=numeric)
