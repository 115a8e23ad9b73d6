"""What an answer looks like: the shapes that a list and its records must have.

What lives here: structures that msgspec decodes an answer into and checks it by. What a record
means is up to `records`, which page comes next up to `pages`.
"""

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

MOST_DIGITS = 4000  # of a whole number that Python reads from text
MAX_COUNT = 1 << 53  # of records; up to here a float holds every whole number
WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,30})(?:\.0*)?\s*")


class Linkage(msgspec.Struct, frozen=True, gc=False):
    """What a relationship points at; null also where it was not included. Its links are skipped."""

    data: Any = None
    meta: Any = None


if TYPE_CHECKING:
    Members = dict[str, Any]
    Relationships = dict[str, Linkage | list[Any] | str | int | float | bool | None]
else:  # PHP writes an object without members as an empty list
    Empty = Annotated[list[Any], msgspec.Meta(max_length=0)]
    Members = dict[str, Any] | Empty
    Relationships = dict[str, Linkage | list[Any] | str | int | float | bool | None] | Empty


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it came. A relationship that is no object is read as its keys.

    Records hold no cycles, so the collector of garbage need not look at them.
    """

    id: Annotated[str, msgspec.Meta(min_length=1)] | int
    attributes: Members | None = None
    relationships: Relationships | None = None
    links: Members | None = None
    type: Any = None
    meta: Any = None


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
    """The document that an answer is, of the shape that was asked for.

    Values that nothing can hold (half a surrogate pair, numbers beyond all bounds, NaN, which is no
    JSON) do not spoil the page: such a number comes as its text, and what becomes of such a text is
    up to `records`.

    Raises:
        msgspec.MsgspecError: it is no document, in words without its values.
        UnicodeError: it is not UTF-8.
    """
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
        records = document.data if isinstance(document, Document) else [document.data]
        if not all(str(record.id).isascii() for record in records):
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
