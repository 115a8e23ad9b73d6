"""What an answer looks like: the shapes that a list and its records must have.

What lives here: structures that msgspec decodes an answer into and checks it by. What a record
means is up to `records`, which page comes next up to `walk`.
"""

import json
import re
from math import isfinite
from typing import Any, TypeVar

import msgspec
from msgspec.structs import force_setattr

MOST_DIGITS = 4000  # of a whole number that Python reads from text
MAX_COUNT = 1 << 53  # of records; up to here a float holds every whole number
WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,30})(?:\.0*)?\s*")


class Linkage(msgspec.Struct, frozen=True, gc=False):
    """What a relationship points at; null also where it was not included. Its links are skipped."""

    data: Any = None
    meta: Any = None


Other = list[Any] | str | int | float | bool | None  # where an object belongs
Members = dict[str, Any] | Other
Relationships = dict[str, Linkage | Other] | Other


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record of an answer. A relationship that is no object is read as its keys.

    The id is a text that is not empty, or a whole number. Records hold no cycles, so the garbage
    collector need not look at them.
    """

    id: Any
    attributes: Members = None
    relationships: Relationships = None
    links: Members = None
    type: Any = None
    meta: Any = None


class BadId(ValueError):
    """An id that is neither a text nor a whole number; the message says where and what it is."""


class Document(msgspec.Struct, frozen=True):
    """A list as the API answers it. `included` is not read: all it adds are stubs.

    Only the records have to be what JSON:API promises. Counts and links prove that a list was read
    whole; where they make no sense they count as not said, so nothing is proven and nothing lost.
    """

    data: list[Record]
    meta: Any = None
    links: Any = None

    @property
    def next(self) -> str | None:
        """Return the link to the next page: a text, or an object that holds it as `href`."""
        link = _member(self.links, "next")
        link = _member(link, "href") if isinstance(link, dict) else link
        return link if isinstance(link, str) and link.strip() else None

    @property
    def record_count(self) -> int | None:
        """Return how many records the whole list has, if the API says so."""
        return count_in(_member(self.meta, "record-count"))

    @property
    def page_count(self) -> int | None:
        """Return how many pages the whole list has, if the API says so."""
        return count_in(_member(self.meta, "page-count"))


class Single(msgspec.Struct, frozen=True):
    """One record as the API answers it by its id."""

    data: Record


Shape = TypeVar("Shape", Document, Single)


def read(body: bytes, shape: type[Shape]) -> Shape:
    """Return the document that an answer is, of the shape that was asked for.

    Values that nothing can hold (half a surrogate pair, numbers beyond all bounds, NaN, which is no
    JSON) do not spoil the page: such a number comes as its text, and what becomes of such a text is
    up to `records`.

    Raises:
        msgspec.MsgspecError: it is no document, in words without its values.
        UnicodeError: it is not UTF-8.
        BadId: a record has an id that cannot be one.
    """
    document = _decoded(body, shape)
    for number, record in enumerate(records_of(document), 1):
        if type(record.id) is not str or not record.id:
            force_setattr(record, "id", _id(record.id, number))
    return document


def records_of(document: Document | Single) -> list[Record]:
    """Return the records of a document."""
    return document.data if isinstance(document, Document) else [document.data]


def members(value: Members | Relationships) -> dict[str, Any]:
    """Return the members of an object; anything else in its place has none."""
    return value if isinstance(value, dict) else {}


def _id(value: Any, number: int) -> int:
    """Return an id that is a whole number, also where it is written as 5.0.

    Raises:
        msgspec.ValidationError: there is none.
        BadId: it is something else.
    """
    if type(value) is int or (type(value) is float and count_in(abs(value)) is not None):
        return int(value)
    if value is None or value == "":
        raise msgspec.ValidationError(f"Expected an id, got `{value!r}` - at record {number}")
    shown = str(value) if isinstance(value, float | bool) else f"a {type(value).__name__}"
    raise BadId(f"record {number} has the id {shown}, and an id is a text or a whole number")


def _decoded(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        try:
            loose = json.loads(
                body, parse_float=_number, parse_int=_whole_number, parse_constant=str
            )
        except (ValueError, RecursionError):
            raise error from None
        document = msgspec.convert(loose, shape)
        if not all(str(record.id).isascii() for record in records_of(document)):
            raise  # an id must be whole
        return document


def count_in(value: Any) -> int | None:
    """Return the count that a value of `meta` is, also a text or a float that is whole; else None.

    Numbers below 0 or above `MAX_COUNT` are no count of records.
    """
    if isinstance(value, str):
        whole = WHOLE_NUMBER.fullmatch(value)
        value = int(whole[1]) if whole else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_COUNT and value == int(value) else None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _number(text: str) -> float | str:
    value = float(text)
    return value if isfinite(value) else text


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= MOST_DIGITS else text
