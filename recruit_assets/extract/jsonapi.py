"""JSON:API documents: the structure that a response and its records must have.

Scope: the structures that msgspec decodes a response into and validates it against. `records`
interprets a record; `walk` chooses the next page.
"""

import json
import re
from decimal import Context, Decimal
from itertools import islice
from math import isfinite
from typing import Any, TypeVar

import msgspec
from msgspec.structs import force_setattr

from recruit_assets.text import one_line

MAX_DIGITS = 4000  # digits; a longer integer is kept as text
MAX_COUNT = 1 << 53  # records; floats hold every integer up to here
MAX_VALUES = 250_000  # in a response; each takes up to 400 bytes of memory
COUNT_VALUES_ABOVE = 1 << 21  # bytes; values are counted only in larger responses
STRING_OR_VALUE = re.compile(rb'"[^"]*"?|([,\[{])')  # of JSON without escapes
NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # what bytes that are not UTF-8 are decoded to
WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,30})(?:\.0*)?\s*")


class Linkage(msgspec.Struct, frozen=True, gc=False):
    """Hold the keys of a relationship; null also if it was not included. Its links are skipped."""

    data: Any = None
    meta: Any = None


Other = list[Any] | str | int | float | bool | None  # in place of an object
Members = dict[str, Any] | Other
Relationships = dict[str, Linkage | Other] | Other


class Record(msgspec.Struct, frozen=True, gc=False):
    """Hold one record of a response. A relationship that is not an object is read as its keys.

    The id is a non-empty text or an integer. Records hold no cycles, so the garbage collector need
    not track them.
    """

    id: Any
    attributes: Members = None
    relationships: Relationships = None
    links: Members = None
    type: Any = None
    meta: Any = None


class BadId(ValueError):
    """Report an id that is neither a text nor an integer; the message says where and what it is."""


class Document(msgspec.Struct, frozen=True):
    """Hold a list as the API returned it. `included` is not read, because it adds only stubs.

    Only the records must conform to JSON:API. Counts and links prove that a list was read
    completely; invalid ones count as absent, so nothing is proven and nothing is lost.
    """

    data: list[Record]
    meta: Any = None
    links: Any = None

    @property
    def next(self) -> str | None:
        """Return the link to the next page, whether it is a text or an object with `href`."""
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
    """Hold one record as the API returned it by id."""

    data: Record


AnyDocument = TypeVar("AnyDocument", Document, Single)


def read(body: bytes, document_type: type[AnyDocument]) -> AnyDocument:
    """Decode a response into a document of the requested type.

    Values that cannot be stored do not spoil the page. Numbers out of range and NaN, which is not
    JSON, are kept as their text. Texts with unpaired surrogates, or with bytes that are not UTF-8,
    are left to `records`; only in an id they are an error.

    Raises:
        msgspec.MsgspecError: it is not a document; the message shows none of its values.
        UnicodeError: it is not a document, and not UTF-8.
        BadId: a record has an invalid id.
    """
    document = _decoded(body, document_type)
    for number, record in enumerate(records_of(document), 1):
        force_setattr(record, "id", _id(record.id, number))
    return document


def has_too_many_values(body: bytes) -> bool:
    """Return whether the values of a response would take too much memory.

    Each value but the first follows a comma or a bracket. Those in texts are told apart only if
    there are too many in all, because that is slow.
    """
    if len(body) <= COUNT_VALUES_ABOVE or sum(map(body.count, (b",", b"[", b"{"))) <= MAX_VALUES:
        return False
    found = STRING_OR_VALUE.finditer(body.replace(rb"\\", b"").replace(rb"\"", b""))
    values = (match for match in found if match.lastindex)
    return next(islice(values, MAX_VALUES, None), None) is not None


def records_of(document: Document | Single) -> list[Record]:
    """Return the records of a document."""
    return document.data if isinstance(document, Document) else [document.data]


def members(value: Members | Relationships) -> dict[str, Any]:
    """Return the members of an object; any other value has none."""
    return value if isinstance(value, dict) else {}


def is_unicode(text: str) -> bool:
    """Return whether a text is free of unpaired surrogates, which no database stores."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _id(value: Any, number: int) -> int | str:
    """Return an id: a text, or a whole number, also where it is written as 5.0 or 1e17.

    Raises:
        msgspec.ValidationError: the id is missing, or damaged on its way, so a retry can help. It
            is not repaired, because the repaired id could be another record's.
        BadId: the id is something else, or has half of a surrogate pair.
    """
    if value is None or value == "":
        raise msgspec.ValidationError(f"Expected an id, got `{value!r}` - at record {number}")
    if type(value) is int or (isinstance(value, str) and is_unicode(value)):
        return value
    if isinstance(value, str) and NOT_UTF_8.search(value):
        raise msgspec.ValidationError(f"Expected an id in UTF-8 - at record {number}")
    if isinstance(value, str):
        shown = one_line(json.dumps(value), 60)
        raise BadId(f"record {number} has the id {shown}, which is not valid Unicode")
    shown = json.dumps(value) if isinstance(value, bool) else f"a {type(value).__name__}"
    if isinstance(value, float | Decimal):
        exact = Decimal(str(value))
        if exact.adjusted() < MAX_DIGITS and exact == int(exact):
            return int(exact)
        shown = one_line(str(value), 60)
    raise BadId(f"record {number} has the id {shown}, but an id must be a text or a whole number")


def _decoded(body: bytes, document_type: type[AnyDocument]) -> AnyDocument:
    try:
        document: AnyDocument = _DECODERS[document_type].decode(body)
        return document
    except (msgspec.MsgspecError, UnicodeError) as error:
        try:
            # A byte that is not UTF-8 becomes an unpaired surrogate: the text is known as damaged.
            loose = json.loads(
                body.decode("utf-8-sig", "surrogateescape"),
                parse_float=_number,
                parse_int=_whole_number,
                parse_constant=str,
            )
        except (ValueError, RecursionError):
            raise error from None
        return msgspec.convert(loose, document_type)


def count_in(value: Any) -> int | None:
    """Return the count in a value of `meta`, also from a text or an integral float; else None.

    Numbers below 0 or above `MAX_COUNT` are not record counts.
    """
    if isinstance(value, str):
        whole = WHOLE_NUMBER.fullmatch(value)
        value = int(whole[1]) if whole else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_COUNT and value == int(value) else None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _number(text: str) -> float | Decimal | str:
    """Return a number as a float, or exactly if a float would lose digits of it.

    A number that is too large for a float is returned as its text, and so is an absurd exponent.
    """
    value = float(text)
    if repr(value) == text:
        return value  # most are written as briefly as possible, and a Decimal takes longer
    exact = Decimal(text, _ANY_EXPONENT)
    if not isfinite(value) or exact.is_nan():
        return text
    return value if exact == Decimal(repr(value)) else exact


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


_ANY_EXPONENT = Context(traps=[])  # an exponent beyond all bounds gives NaN instead of an error
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {
    each: msgspec.json.Decoder(each, float_hook=_number) for each in (Document, Single)
}
