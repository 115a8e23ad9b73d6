"""Identity of a record: its type and its id, of which the table keeps only the id.

What lives here: which types a list may contain, and whether two of its records share an id.
`jsonapi` validates the ids.
"""

from array import array
from collections.abc import Iterable
from typing import Any

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.jsonapi import Record


class Types:
    """Track the types of one endpoint's records. Thread-safe.

    JSON:API leaves the spelling of a type to the API; Teamtailor uses the path of the list. So
    another spelling of the path is accepted, and so is an unknown type if the list has no record of
    the endpoint's own type. The type of another endpoint is rejected, because its record would be
    merged over the one with the same id here.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._own = _plain(endpoint.path)
        self._shown: set[str] = set()

    def wrong(self, records: Iterable[Record]) -> str | None:
        """Note the types of a page; return one that the list must not contain, or None."""
        self._shown |= {each.type for each in records if isinstance(each.type, str)}
        others = sorted(each for each in self._shown if _plain(each) != self._own)
        mixed = len(others) < len(self._shown)
        return next((each for each in others if mixed or _plain(each) in _KNOWN), None)

    def fits(self, type_: Any) -> bool:
        """Return whether an answer by id may have this type: none, its own, or one of the list."""
        return not isinstance(type_, str) or type_ in self._shown or _plain(type_) == self._own


class Identities:
    """Find two records of one reading that share an id, and so a row, but are not the same record.

    They differ in type, or one id is a number and the other a text.
    """

    def __init__(self) -> None:
        self._usual: str | None = None  # the form of the first record, and of nearly all
        self._ids = array("q")  # hashes of the ids of that form
        self._odd: dict[str, str] = {}  # the forms of other records, by id
        self._clash: tuple[str, str, str] | None = None

    def add(self, records: Iterable[Record]) -> None:
        """Note records, including those noted before."""
        for record in records:
            form, id_ = _form(record), str(record.id)
            if self._usual is None:
                self._usual = form
            if form == self._usual:
                self._ids.append(hash(id_))
            elif (before := self._odd.setdefault(id_, form)) != form:
                self._clash = id_, before, form

    @property
    def clash(self) -> tuple[str, str, str] | None:
        """Return an id that two records share and the form of each, or None."""
        if self._clash or not self._odd or self._usual is None:
            return self._clash
        usual = set(self._ids)
        shared = (id_ for id_ in self._odd if hash(id_) in usual)
        return next(((id_, self._usual, self._odd[id_]) for id_ in shared), None)


def _form(record: Record) -> str:
    """Describe what distinguishes a record from another one with the same id."""
    type_ = record.type if isinstance(record.type, str) else "a record without a type"
    return f"{type_} with a number" if isinstance(record.id, int) else f"{type_} with a text"


def _plain(type_: str) -> str:
    """Normalize a type: drop case, separators and plural (`JobApplication`: `jobapplication`)."""
    return "".join(filter(str.isalnum, type_.casefold())).removesuffix("s")


_KNOWN = {_plain(endpoint.path) for endpoint in ENDPOINTS}
