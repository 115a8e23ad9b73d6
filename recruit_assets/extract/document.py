"""What an answer looks like: the shapes that a list and its records must have.

What lives here: structures that msgspec decodes an answer into and checks it by. What a record
means is up to `records`, which page comes next up to `pages`.
"""

import json
from math import isfinite
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec

MOST_DIGITS = 4000  # of a whole number that Python reads from text


class Linkage(msgspec.Struct, frozen=True, gc=False):
    """What a relationship points at; null also where it was not included. Its links are skipped."""

    data: Any = None
    meta: Any = None


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it came. A relationship that is no object is read as its keys.

    Records hold no cycles, so the collector of garbage need not look at them.
    """

    id: Annotated[str, msgspec.Meta(min_length=1)] | int
    attributes: dict[str, Any] | None = None
    relationships: dict[str, Linkage | list[Any] | str | int | float | bool | None] | None = None
    links: dict[str, Any] | None = None
    type: Any = None
    meta: Any = None


Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class Counts(msgspec.Struct, frozen=True, rename="kebab"):
    """`meta` of a list: how many records and pages there are, if the API says so."""

    record_count: Count | None = None
    page_count: Count | None = None


class Links(msgspec.Struct, frozen=True):
    """`links` of a list: where the next page is, absent on the last."""

    next: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A list as the API answers it. `included` is not read: all it adds are stubs."""

    data: list[Record]
    meta: Counts | None = None
    links: Links | None = None

    @property
    def next(self) -> str | None:
        """The link to the next page, if there is one."""
        return (self.links.next or None) if self.links else None

    @property
    def record_count(self) -> int | None:
        """How many records the whole list has, if the API says so."""
        return self.meta.record_count if self.meta else None

    @property
    def page_count(self) -> int | None:
        """How many pages the whole list has, if the API says so."""
        return self.meta.page_count if self.meta else None


class Single(msgspec.Struct, frozen=True):
    """One record as the API answers it by its id."""

    data: Record


Shape = TypeVar("Shape", Document, Single)


def read(body: bytes, shape: type[Shape]) -> Shape:
    """The document that an answer is, of the shape that was asked for.

    Values that JSON allows and nothing can hold (half a surrogate pair, numbers beyond all bounds)
    do not spoil the page: such a number comes as its text, and what becomes of such a text is up
    to `records`.

    Raises:
        msgspec.MsgspecError: it is no document, in words without its values.
        UnicodeError: it is not UTF-8.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        try:
            loose = json.loads(
                body, parse_float=_number, parse_int=_whole_number, parse_constant=_refuse
            )
        except (ValueError, RecursionError):
            raise error from None
        document = msgspec.convert(loose, shape)
        records = document.data if isinstance(document, Document) else [document.data]
        if not all(str(record.id).isascii() for record in records):
            raise  # an id must be whole
        return document


def _number(text: str) -> float | str:
    value = float(text)
    return value if isfinite(value) else text


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= MOST_DIGITS else text


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
