"""The column policy of an endpoint, applied to the values of its records.

Scope: what becomes of a value before anything is stored. A dropped value is gone from here on: it
is neither staged nor counted. A hashed one becomes the HMAC-SHA-256 of its text, with the salt of
the account as key: a text as it is, anything else as canonical JSON, and of a list of texts each
text. Null and the empty text stay. `load.salt` hashes stored values in the same way.
"""

import hmac
from typing import Any

from recruit_assets.catalogue import UNKNOWN_COLUMNS, WITHHELD, ColumnPolicy, Endpoint, Kind
from recruit_assets.extract.arrow import Values, as_json, storable


class Privacy:
    """Apply the policy of an endpoint.

    Args:
        endpoint: the endpoint, with its policy.
        salt: the key of the hashes; empty if nothing is hashed.
    """

    def __init__(self, endpoint: Endpoint, salt: bytes) -> None:
        self._policy, self._salt = endpoint.policy, salt
        self._kinds = {column.name: column.kind for column in endpoint.columns()}

    def limited(self, column: str, values: Values) -> Values:
        """Return what may be stored of the values of a column."""
        if not self._policy:
            return values
        group = column if column in self._kinds else UNKNOWN_COLUMNS
        policy = self._policy.get(column, self._policy.get(group, ColumnPolicy.keep))
        if policy is ColumnPolicy.drop:
            return [None] * len(values)
        if policy is ColumnPolicy.hash:
            by_element = self._kinds[column] is Kind.TEXTS
            return [self._hashed(value, by_element=by_element) for value in values]
        return values

    def misplaced(self, value: Any) -> Any:
        """Return what may be stored of a value that is in the place of all attributes."""
        return WITHHELD if self._policy else storable(value)

    def _hashed(self, value: Any, *, by_element: bool) -> Any:
        if by_element and isinstance(value, list) and all(type(each) is str for each in value):
            return [self._hashed(each, by_element=False) for each in value]
        return value if value is None or value == "" else pseudonym(self._salt, value)


def pseudonym(salt: bytes, value: Any) -> str:
    """Return the salted hash of a value, 64 hexadecimal digits."""
    stored = storable(value)
    text = stored if isinstance(stored, str) else as_json(stored)
    return hmac.digest(salt, text.encode(), "sha256").hex()
