"""What makes a record itself: its type and its id, of which the table keeps the id alone.

What lives here: which types a list may show, and whether two of its records share an id. What an
id may be is checked in `jsonapi`.
"""

from array import array
from collections.abc import Iterable
from typing import Any

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.jsonapi import Record


class Types:
    """The types that the records of one endpoint have; threads may share it.

    JSON:API leaves it to an API how it spells a type, and Teamtailor's is the path of the list.
    So another spelling of that is right, and so is a type that nobody knows, if the list shows no
    record of the endpoint's own type besides. A record of another endpoint is not: its id would be
    merged over the record that has it here.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._own = _plain(endpoint.path)
        self._shown: set[str] = set()

    def wrong(self, records: Iterable[Record]) -> str | None:
        """Note the types of a page; return one that the list may not show, if there is one."""
        self._shown |= {each.type for each in records if isinstance(each.type, str)}
        others = sorted(each for each in self._shown if _plain(each) != self._own)
        mixed = len(others) < len(self._shown)
        return next((each for each in others if mixed or _plain(each) in _KNOWN), None)

    def fits(self, type_: Any) -> bool:
        """Return whether an answer by id may have this type: none, the own, or one of the list."""
        return not isinstance(type_, str) or type_ in self._shown or _plain(type_) == self._own


class Identities:
    """Finds two records of one reading that would become one row: same id, but not the same record.

    They differ in type, or the id of one is a number and that of the other a text.
    """

    def __init__(self) -> None:
        self._usual: str | None = None  # the form that the first record has, and nearly all have
        self._ids = array("q")  # hashes of the ids of these
        self._odd: dict[str, str] = {}  # the forms of others, by id
        self._clash: tuple[str, str, str] | None = None

    def add(self, records: Iterable[Record]) -> None:
        """Note records, also some that were noted before."""
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
        """Return an id that two records share, and what each is; None if there is none."""
        if self._clash or not self._odd or self._usual is None:
            return self._clash
        usual = set(self._ids)
        shared = (id_ for id_ in self._odd if hash(id_) in usual)
        return next(((id_, self._usual, self._odd[id_]) for id_ in shared), None)


def _form(record: Record) -> str:
    """Return what tells a record from another one of the same id, in words."""
    type_ = record.type if isinstance(record.type, str) else "a record without a type"
    return f"{type_} with a number" if isinstance(record.id, int) else f"{type_} with a text"


def _plain(type_: str) -> str:
    """Return a type without case, separators and plural: `JobApplication` is `job-applications`."""
    return "".join(filter(str.isalnum, type_.casefold())).removesuffix("s")


_KNOWN = {_plain(endpoint.path) for endpoint in ENDPOINTS}
