"""Values whose type another attribute names: none is lost, and each is in one column."""

import json
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from recruit_assets.catalogue import Kind
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets_tests.conftest import BY_NAME

ENDPOINT = BY_NAME["custom_field_values"]
(VALUE,) = [each for each in ENDPOINT.attributes if each.kinds]
TYPES = [*VALUE.kinds, "CustomField::Text", "CustomField::New", None, 7, ["x"]]
VALUES = st.one_of(
    st.sampled_from(["true", "false", "True", "2026-11-02", "2026-02-30", "", "12", "1.5", "012"]),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=3),
    st.none() | st.booleans() | st.integers(-(10**6), 10**6),
)


@given(st.lists(st.tuples(st.sampled_from(TYPES), VALUES), min_size=1, max_size=6))
def test_each_value_is_in_the_column_of_its_type_or_kept_as_a_misfit(
    given_values: list[tuple[Any, Any]],
) -> None:
    table = RecordTable(ENDPOINT)
    records = [
        Record(str(number), {"field-type": type_, "value": value}, type=ENDPOINT.path)
        for number, (type_, value) in enumerate(given_values)
    ]
    for (type_, value), row in zip(given_values, table.table(records).to_pylist(), strict=True):
        kind = VALUE.kinds.get(str(type_), VALUE.kind)
        (column,) = [name for name, each in VALUE.columns().items() if each is kind]
        misfits = json.loads(row["_unparsed"] or "{}")
        filled = [name for name in VALUE.columns() if row[name] is not None or name in misfits]
        assert filled == ([] if value is None else [column])
        if value is not None and column not in misfits:
            text = value if isinstance(value, str | list) else json.dumps(value)
            assert spelled(kind, row[column]) == text
        elif value is not None:
            assert misfits[column] == value


def spelled(kind: Kind, value: Any) -> Any:
    """A stored value as the API spells it."""
    if kind is Kind.BOOLEAN:
        return json.dumps(value)
    if kind is Kind.NUMBER:
        return str(int(value)) if value == int(value) else str(value)
    return value.isoformat() if kind is Kind.DATE else value
