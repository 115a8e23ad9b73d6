"""Values whose type another attribute of the record names, each in the column of its kind.

Scope: the column of a value. Whether the value fits is decided in `arrow`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.extract.arrow import Values

_CHECKED = {"true": True, "false": False}  # how the API writes the values of checkboxes


class Typed:
    """Divide the values of an endpoint's attributes among the columns of their kinds."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._attributes = {each.name: each for each in endpoint.attributes if each.kinds}

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
        kinds = [attribute.kinds.get(type_, attribute.kind) for type_ in types]
        for label, kind in attribute.columns().items():
            pairs = zip(values, kinds, strict=True)
            yield label, [_spelled(kind, value) if own is kind else None for value, own in pairs]


def _spelled(kind: Kind, value: Any) -> Any:
    """Return a value as its column takes it: the API sends all but lists as texts."""
    is_checked = kind is Kind.BOOLEAN and isinstance(value, str)
    return _CHECKED.get(value, value) if is_checked else value
