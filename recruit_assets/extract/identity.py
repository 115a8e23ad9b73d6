"""Identity of a record: its type and its id, of which the table keeps only the id.

Scope: which types a response may show, and whether two of its records share an id. What an id may
be is checked in `jsonapi`.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from recruit_assets.catalogue import Endpoint
from recruit_assets.extract.jsonapi import Record
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS


def type_of_another(endpoint: Endpoint, types: Iterable[Any]) -> str | None:
    """Return one of these types that is another endpoint's; None if there is none.

    JSON:API leaves it to an API how it spells a type, and Teamtailor's is the path of the list.
    Other spellings of it are accepted, and so are unknown types. A record of another
    endpoint is not: it would be merged over the record that has its id here.
    """
    others = _KNOWN - {_plain(endpoint.path)}
    texts = (each for each in types if isinstance(each, str))
    return next((each for each in texts if _plain(each) in others), None)


def one_id_twice(records: Sequence[Record]) -> tuple[str, str, str] | None:
    """Return an id that two records of one response share though they are not the same record.

    They differ in type, or the id of one is a number, that of the other a text, and their content
    differs as well. A type that is missing or spelled otherwise is no difference.

    Returns:
        The id and what each of the two is, in words; None if there are no such records.
    """
    if len({str(record.id) for record in records}) == len(records):
        return None
    before: dict[str, Record] = {}
    for record in records:
        first = before.setdefault(str(record.id), record)
        if not _same(first, record):
            return str(record.id), _form(first), _form(record)
        if _type(record):
            before[str(record.id)] = record
    return None


def _same(one: Record, other: Record) -> bool:
    """Return whether two records of one id can be the same one."""
    if len({_type(one), _type(other)} - {""}) == 2:
        return False
    alike = isinstance(one.id, int) == isinstance(other.id, int)
    return alike or (one.attributes, one.relationships) == (other.attributes, other.relationships)


def _type(record: Record) -> str:
    """Return the type of a record, however it is spelled; empty if it says none."""
    return _plain(record.type) if isinstance(record.type, str) else ""


def _form(record: Record) -> str:
    """Describe a record in contrast to another one with the same id."""
    type_ = record.type if _type(record) else "a record without a type"
    return f"{type_} with a number" if isinstance(record.id, int) else f"{type_} with a text"


@lru_cache(1024)
def _plain(type_: str) -> str:
    """Normalize a type: drop case, separators and plural (`JobApplication`: `jobapplication`)."""
    return "".join(filter(str.isalnum, type_.casefold())).removesuffix("s")


_KNOWN = frozenset(_plain(endpoint.path) for endpoint in KNOWN_ENDPOINTS)
