"""Values whose type another attribute of the record names, each in the column of its kind.

Of an object of which only some members are stored, such as one with what people wrote, nothing
else leaves this module, and a key only if it is a number: under the same name, another record may
have an address.

Scope: the column of a value. Whether the value fits is decided in `arrow`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recruit_assets.catalogue import Endpoint, Kind, Member
from recruit_assets.extract.arrow import Values

_CHECKED = {"true": True, "false": False}  # how the API writes the values of checkboxes


class Typed:
    """Divide the values of an endpoint's attributes among the columns of their kinds."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._attributes = {
            each.name: each for each in endpoint.attributes if each.kinds or each.members
        }

    def columns(
        self, name: str, column: str, values: Values, attributes: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[str, Values]]:
        """Yield each column of an attribute with the values that belong there.

        Args:
            name: of the attribute.
            column: its own column.
            values: one for each record.
            attributes: all attributes of each record.
        """
        attribute = self._attributes.get(name)
        if attribute is None:
            yield column, values
            return
        types = [str(each.get(attribute.kinds_by)) for each in attributes]
        if attribute.members:
            objects = list(map(_object, values))
            for member in attribute.members:
                typed = zip(objects, types, strict=True)
                yield member.column, [_member(member, each, type_) for each, type_ in typed]
            return
        kinds = [attribute.kinds.get(type_, attribute.kind) for type_ in types]
        for label, kind in attribute.columns().items():
            pairs = zip(values, kinds, strict=True)
            yield label, [_spelled(kind, value) if own is kind else None for value, own in pairs]


def _spelled(kind: Kind, value: Any) -> Any:
    """Return a value as its column takes it: the API sends all but lists as texts."""
    is_checked = kind is Kind.BOOLEAN and isinstance(value, str)
    return _CHECKED.get(value, value) if is_checked else value


def _object(value: Any) -> Any:
    """Return an object that the API may send as text; what cannot be read has no members."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _member(member: Member, holder: Any, type_: str) -> Any:
    """Return a member of an object as its column takes it; None if it is to be left out."""
    if not isinstance(holder, dict) or member.of not in ("", type_):
        return None
    value = _spelled(member.kind, holder.get(member.name))
    if member.kind is Kind.KEY:
        text = str(value)
        return text if text.isascii() and text.isdigit() and not isinstance(value, bool) else None
    return value if isinstance(value, bool) else None
