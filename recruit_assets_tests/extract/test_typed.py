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


ACTIVITIES = BY_NAME["activities"]
NAMES = st.sampled_from(["from", "to", "from_trigger", "body", "stage_id"])
OBJECTS = st.dictionaries(NAMES, st.recursive(VALUES, st.lists, max_leaves=3), max_size=5)
DATA = st.one_of(OBJECTS, OBJECTS.map(json.dumps), VALUES, st.text(max_size=9))
CODES = st.sampled_from(["stage", "message", "note", "rejected", None, 7])


@given(st.lists(st.tuples(CODES, DATA), min_size=1, max_size=6))
def test_of_an_object_only_numbers_of_moves_and_whether_a_trigger_did_it_are_stored(
    given_data: list[tuple[Any, Any]],
) -> None:
    table = RecordTable(ACTIVITIES)
    records = [
        Record(str(number), {"code": code, "data": data}, type=ACTIVITIES.path)
        for number, (code, data) in enumerate(given_data)
    ]
    rows = table.table(records).to_pylist()
    for (code, data), row in zip(given_data, rows, strict=True):
        places = {row["from_stage_id"], row["to_stage_id"]} - {None}
        assert all(each.isascii() and each.isdecimal() for each in places)
        assert not places or code == "stage"
        known = data if isinstance(data, dict) else {}
        if code == "stage" and type(known.get("from")) is int and known["from"] >= 0:
            assert row["from_stage_id"] == str(known["from"])
        assert row["from_trigger"] in (None, True, False)
        kept = {"id", "code", "from_stage_id", "to_stage_id", "from_trigger", "_unparsed"}
        assert {name for name, value in row.items() if value is not None} <= kept
        assert set(json.loads(row["_unparsed"] or "{}")) <= {"code"}
