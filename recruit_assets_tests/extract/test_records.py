import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.catalogue import (
    MAX_UNKNOWN,
    Attribute,
    Endpoint,
    Kind,
    Relationship,
    snake_case,
)
from recruit_assets.extract.arrow import as_json
from recruit_assets.extract.columns import MAX_NAME_LENGTH
from recruit_assets.extract.jsonapi import Linkage, Record
from recruit_assets.extract.records import RecordTable

THINGS = Endpoint(
    "things",
    group="tests",
    description="One attribute of each kind.",
    attributes=tuple(Attribute(f"a-{kind.value}", "", kind) for kind in Kind),
    relationships=(
        Relationship("owner", ("people",)),
        Relationship("place", ("teams", "jobs")),
        Relationship("parts", ("parts",), many=True),
    ),
)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)


def rows(record_table: RecordTable, *records: Record) -> list[dict[str, Any]]:
    """The rows of records, without what is null in them."""
    return [
        {column: value for column, value in row.items() if value is not None}
        for row in record_table.table(records).to_pylist()
    ]


def row(attributes: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    record = msgspec.convert({"id": "1", "attributes": attributes, **rest}, Record)
    return rows(RecordTable(THINGS), record)[0]


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("text", "a\x00b", "a\x00b"),
        ("text", "", ""),
        ("key", 17, "17"),
        ("key", "17", "17"),
        ("integer", -(2**63), -(2**63)),
        ("integer", 41000.0, 41000),
        ("integer", float(2**53), 2**53),
        ("integer", "52000", 52000),
        ("integer", "-7", -7),
        ("integer", "52000.0", 52000),
        ("number", 3, 3.0),
        ("number", 0.1, 0.1),
        ("number", "0.5", 0.5),
        ("number", "7", 7.0),
        ("number", "1e+16", 1e16),
        ("boolean", False, False),
        ("timestamp", "2025-07-01T12:00:00.500+02:00", datetime(2025, 7, 1, 10, 0, 0, 500000, UTC)),
        ("timestamp", "2025-01-01T12:00:00Z", datetime(2025, 1, 1, 12, tzinfo=UTC)),
        ("timestamp", "2025-01-01T12:00:00.0000000Z", datetime(2025, 1, 1, 12, tzinfo=UTC)),
        ("date", "2025-02-28", date(2025, 2, 28)),
        ("texts", ["a", ""], ["a", ""]),
        ("keys", [1, "2"], ["1", "2"]),
        ("json", {"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
        ("json", 2**80, str(2**80)),
    ],
)
def test_a_value_that_fits_its_column_is_stored_there(kind: str, value: Any, stored: Any) -> None:
    found = row({f"a-{kind}": value})
    assert found == {"id": "1", f"a_{kind}": stored}
    assert type(found[f"a_{kind}"]) is type(stored)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 5),
        ("key", True),
        ("key", 1.5),
        ("integer", 2**63),
        ("integer", 1.5),
        ("integer", -0.0),
        ("integer", 2.0**53 + 2),
        ("integer", True),
        ("integer", "0052"),
        ("integer", " 5"),
        ("integer", "+5"),
        ("integer", "5_0"),
        ("integer", "-0"),
        ("integer", "\uff15"),
        ("integer", "1.5"),
        ("integer", "9223372036854775808"),
        ("integer", "9" * 5000),
        ("number", 2**53 + 1),
        ("number", 10**400),
        ("number", "0.50"),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "1e400"),
        ("number", "9007199254740993"),
        ("number", Decimal("0.12345678901234567890123")),
        ("number", Decimal("1e-400")),
        ("integer", Decimal("9007199254740993.0")),
        ("boolean", 0),
        ("boolean", "true"),
        ("timestamp", "2025-02-30T00:00:00+00:00"),
        ("timestamp", "2025-01-02T03:04:05"),
        ("timestamp", "2025-01-02"),
        ("timestamp", "2025-01-02T03:04:05.123456789+01:00"),
        ("timestamp", "2025-01-02T03:04:05.1234567Z"),
        ("timestamp", "0001-01-01T00:00:00+02:00"),
        ("timestamp", 1735787045),
        ("date", "2025-02-30"),
        ("date", "2025-01-02T03:04:05Z"),
        ("texts", "abc"),
        ("texts", ["a", 1]),
        ("keys", [None]),
    ],
)
def test_a_value_that_does_not_fit_is_kept_as_it_came(kind: str, value: Any) -> None:
    record_table = RecordTable(THINGS)
    (found,) = rows(record_table, Record(id="1", attributes={f"a-{kind}": value}))
    assert found == {"id": "1", "_unparsed": as_json({f"a_{kind}": value})}
    assert record_table.unparsed == {f"a_{kind}": 1}


def test_null_missing_and_absent_attributes_are_null() -> None:
    assert row({"a-text": None}) == row({}) == row(None) == {"id": "1"}


def test_a_number_that_no_float_holds_stays_a_number_in_json() -> None:
    exact = Decimal("0.12345678901234567890123")
    assert row({"new": {"x": [exact, 0.1]}})["new"] == f'{{"x":[{exact},0.1]}}'
    assert row({"a-number": exact})["_unparsed"] == f'{{"a_number":{exact}}}'
    assert json.loads(row({"new": ["\ud800", exact]})["new"]) == f'["\\ud800", "{exact}"]'


def test_an_id_that_is_a_number_becomes_text() -> None:
    assert rows(RecordTable(THINGS), Record(id=7)) == [{"id": "7"}]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], Kind.BOOLEAN),
        ([1], Kind.NUMBER),
        ([1, 1.5], Kind.NUMBER),
        ([2**53 + 1, 1.0], Kind.INTEGER),
        ([2**53 + 1, 1.5], Kind.JSON),
        ([2**63], Kind.NUMBER),
        ([2**63 + 1], Kind.JSON),
        (["x", "5"], Kind.TEXT),
        ([5, "five"], Kind.JSON),
        ([True, 1], Kind.JSON),
        ([[1]], Kind.JSON),
        ([{}], Kind.JSON),
        ([Decimal("1e-400"), 0.5], Kind.JSON),
    ],
)
def test_an_unknown_attribute_gets_a_column_that_its_first_values_fit(
    values: list[Any], kind: Kind
) -> None:
    for ordered in (values, values[::-1]):
        record_table = RecordTable(THINGS)
        assert rows(record_table, Record(id="0", attributes={"new-one": None})) == [{"id": "0"}]
        found = rows(record_table, *(Record("1", {"new-one": each}) for each in [None, *ordered]))
        assert all("new_one" in each for each in found[1:])
        assert record_table.columns["new_one"] is kind
        assert not record_table.unparsed


def test_a_column_that_the_table_has_keeps_its_kind() -> None:
    record_table = RecordTable(THINGS, {"new_one": Kind.TEXT, "a_integer": Kind.NUMBER})
    (found,) = rows(record_table, Record(id="1", attributes={"new-one": 1, "a-integer": 1}))
    assert found == {"id": "1", "a_integer": 1.0, "_unparsed": '{"new_one":1}'}


def test_both_spellings_of_a_known_attribute_are_one_column() -> None:
    assert row({"a_text": "x"}) == row({"a-text": "x"})


def test_two_spellings_in_one_record_are_both_kept() -> None:
    for names in (("a-text", "a_text"), ("a_text", "a-text")):
        found = row({name: name for name in names})
        assert found.pop("a_text") == "a-text"
        assert sorted(found.values()) == ["1", "a_text"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "id",
        "ID",
        "_loaded_at",
        "_unparsed",
        "owner-id",
        "place_type",
        "A-Text",
        "a text",
        'quo"ted',
        "x" * 500,
        "a\x00b",
        "-",
        "名-Ö",
    ],
)
def test_a_name_that_cannot_be_its_own_column_gets_one_all_the_same(name: str) -> None:
    found = row({name: "kept"})
    (column,) = set(found) - {"id"}
    assert found[column] == "kept"
    assert found["id"] == "1"
    assert not column.startswith("_")
    assert len(column) <= MAX_NAME_LENGTH + 9
    assert column not in {each.name for each in THINGS.columns()}


@pytest.mark.parametrize("name", ["select", "имя", "2fa", "straße"])
def test_reserved_words_and_other_scripts_stay_plain(name: str) -> None:
    assert row({name: "kept"}) == {"id": "1", name: "kept"}


def test_keys_of_included_relationships() -> None:
    found = row(
        relationships={
            "owner": {"data": {"type": "people", "id": "5"}},
            "place": {"data": {"type": "jobs", "id": "6"}},
            "parts": {"data": [{"type": "parts", "id": "7"}, {"type": "parts", "id": "8"}]},
        }
    )
    assert found == {
        "id": "1",
        "owner_id": "5",
        "place_id": "6",
        "place_type": "jobs",
        "parts_ids": ["7", "8"],
    }


def test_relationships_without_data_or_with_null_leave_no_key() -> None:
    assert row(relationships={"owner": {"links": {}}, "place": {"data": None}}) == {"id": "1"}


def test_a_relationship_nobody_knew_is_kept_with_its_type() -> None:
    found = row(
        relationships={
            "mentor": {"data": {"type": "people", "id": "5"}},
            "pets": {"data": [{"type": "dogs", "id": "3"}]},
        }
    )
    assert found == {
        "id": "1",
        "mentor_id": "5",
        "mentor_type": "people",
        "pets_ids": ["3"],
        "pets_types": ["dogs"],
    }


def test_types_of_keys_are_told_where_the_catalogue_does_not_name_them() -> None:
    found = row(
        relationships={
            "owner": {"data": {"type": "robots", "id": "5"}},
            "parts": {"data": [{"type": "parts", "id": "7"}, {"type": "wheels", "id": "7"}]},
        }
    )
    assert found == {
        "id": "1",
        "owner_id": "5",
        "owner_type": "robots",
        "parts_ids": ["7", "7"],
        "parts_types": ["parts", "wheels"],
    }


def test_what_else_a_record_and_its_relationships_say_is_kept() -> None:
    lead = {"type": "people", "id": "5", "meta": {"lead": True}}
    found = row(
        {"meta": "m", "type": "t", "id": "i", "_more": 1, "_meta": 2},
        type="other-things",
        meta={"score": 5},
        relationships={"owner": {"data": lead}, "pets": {"meta": {"count": 3}}, "place": 7},
    )
    assert {name: value for name, value in found.items() if "_" not in name[1:]} == {
        "id": "1",
        "meta": "m",
        "type": "t",
        "_type": "other-things",
        "_meta": '{"score":5}',
    }
    assert found["owner_id"] == "5"
    assert found["owner_data"] == '{"id":"5","meta":{"lead":true},"type":"people"}'
    assert found["pets_meta"] == '{"count":3}'
    assert found["place_id"] == "7"


def test_an_ordinary_record_says_nothing_besides_its_attributes() -> None:
    parts = {"data": [{"type": "parts", "id": "7"}]}
    found = row({"a-text": "x"}, type="things", relationships={"parts": parts, "place": {}})
    assert found == {"id": "1", "a_text": "x", "parts_ids": ["7"]}


def test_keys_that_are_numbers_fit_a_column_of_texts_that_the_table_has() -> None:
    """In the table a key cannot be told from a text."""
    relationships = {"pet": Linkage({"id": 5, "type": "dogs"}), "pets": Linkage([{"id": 5}])}
    records = [Record("1", None, dict[str, Any](relationships))]
    first = RecordTable(THINGS)
    before = rows(first, *records)
    kinds = {Kind.KEY: Kind.TEXT, Kind.KEYS: Kind.TEXTS}
    found = {name: kinds.get(kind, kind) for name, kind in first.columns.items()}
    assert rows(RecordTable(THINGS, found), *records) == before
    assert before == [{"id": "1", "pet_id": "5", "pet_type": "dogs", "pets_ids": ["5"]}]


def test_malformed_keys_are_kept_as_they_came() -> None:
    found = row(relationships={"owner": {"data": [1.5]}, "parts": {"data": {"id": {}}}})
    assert found["_unparsed"] == '{"owner_ids":[1.5],"parts_id":{}}'


def test_a_key_without_an_id_is_kept_as_it_came() -> None:
    found = row(relationships={"owner": {"data": {"lid": "x"}}})
    assert found == {"id": "1", "_unparsed": '{"owner_id":{"lid":"x"}}'}


def test_links_of_a_record_are_columns_but_for_self() -> None:
    assert row(links={"self": "x", "apply-url": "y"}) == {"id": "1", "apply_url": "y"}


@given(st.text(), st.text())
def test_two_attributes_never_share_a_column(one: str, other: str) -> None:
    found = row({one: "first", other: "second"})
    assert sorted(found.values()) == sorted(["1", *{one: "first", other: "second"}.values()])


NAMES = st.sampled_from(["a-text", "a_text", "owner", "owner-id", "owner_id", "x", "x-id", "x_id"])


@given(st.sets(NAMES), st.sets(NAMES), st.sets(NAMES))
def test_attributes_links_and_relationships_never_share_a_column(
    attributes: set[str], links: set[str], relationships: set[str]
) -> None:
    found = row(
        {name: f"attribute {name}" for name in attributes},
        links={name: f"link {name}" for name in links},
        relationships={name: {"data": {"id": f"key {name}"}} for name in relationships},
    )
    sent = [f"attribute {name}" for name in attributes] + [f"link {name}" for name in links]
    sent += [f"key {name}" for name in relationships]
    assert sorted(found.values()) == sorted(["1", *sent])


@given(st.text())
def test_the_column_of_a_name_depends_on_nothing_that_came_before(name: str) -> None:
    used = RecordTable(THINGS)
    rows(used, Record(id="0", attributes={snake_case(name): 1, name.upper(): 2, "other": 3}))
    fresh = RecordTable(THINGS)
    record = Record(id="1", attributes={name: [1]})
    assert set(rows(used, record)[0]) - {"_unparsed"} <= set(rows(fresh, record)[0])


@given(st.dictionaries(st.sampled_from([*THINGS.attributes]), JSON_VALUES, max_size=4))
def test_every_value_is_in_its_column_or_kept_as_it_came(
    values: dict[Attribute, Any],
) -> None:
    attributes = {attribute.name: value for attribute, value in values.items()}
    found = row(attributes)
    unparsed = found.get("_unparsed", "{}")
    for name, value in attributes.items():
        column = snake_case(name)
        kept = f'"{column}":' in unparsed
        assert (value is None) == (column not in found and not kept)
        assert not (column in found and kept)


def one_record(draw: Any, id_: int) -> Record:
    names = st.sampled_from([each.name for each in THINGS.attributes] + ["new", "a_text"])
    attributes = draw(st.dictionaries(names, JSON_VALUES | LIKELY, max_size=4))
    keys = st.none() | st.fixed_dictionaries({"id": st.sampled_from(["5", 6, None]) | JSON_VALUES})
    data = keys | st.lists(keys, max_size=2) | JSON_VALUES
    names = st.sampled_from(["owner", "place", "parts", "mentor"])
    relationships = draw(st.dictionaries(names, data, max_size=2))
    return Record(id_, attributes, {name: Linkage(data) for name, data in relationships.items()})


LIKELY = st.sampled_from(
    [
        "2025-01-01T12:00:00Z",
        "2025-01-01T12:00:00.123456+02:00",
        "2025-01-01T12:00:00.1234567Z",
        "0001-01-01T00:00:00+02:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "2025-01-01 12:00:00+0100",
        "2025-01-01",
        "0000-01-01",
        "\ud800",
        ["a"],
        [7],
        2**63,
        -(2**63),
        2**53 + 1,
    ]
)


@st.composite
def several_records(draw: Any) -> list[Record]:
    return [one_record(draw, number) for number in range(draw(st.integers(1, 6)))]


@given(several_records())
def test_records_together_become_what_each_becomes_alone(records: list[Record]) -> None:
    decided = RecordTable(THINGS, {"new": Kind.TEXT})
    rows(decided, *records)  # the batch decides the kinds of unknown columns
    columns = dict(decided.columns)
    together, apart = RecordTable(THINGS, columns), RecordTable(THINGS, columns)
    assert rows(together, *records) == [row for each in records for row in rows(apart, each)]
    assert together.columns == apart.columns
    assert together.unparsed == apart.unparsed


@given(several_records())
def test_a_whole_column_is_converted_as_value_by_value(records: list[Record]) -> None:
    """One misfit in each column has them all gone through one by one."""
    misfits = {f"a-{kind.value}": {"no": 1} for kind in Kind if kind is not Kind.JSON}
    kinds = {**RecordTable(THINGS).columns, "new": Kind.TEXT, "mentor_id": Kind.KEY}
    whole, single = RecordTable(THINGS, kinds), RecordTable(THINGS, kinds)
    spoilt = Record(id="spoilt", attributes=misfits)
    assert rows(single, *records, spoilt)[:-1] == rows(whole, *records)


def test_unknown_attributes_beyond_the_bound_share_a_column() -> None:
    names = [f"new-{number}" for number in range(MAX_UNKNOWN + 2)]
    record_table = RecordTable(THINGS, {"old": Kind.TEXT})
    record = {name: number for number, name in enumerate(names)} | {"old": "x", "a-text": "y"}
    links = {"apply": "z", "self": "s"}
    (found,) = rows(record_table, Record("1", record, None, links))
    last = MAX_UNKNOWN - 2
    more = {f"new-{number}": number for number in range(last + 1, MAX_UNKNOWN + 2)}
    assert found.pop("_more") == as_json({**more, "links/apply": "z"})
    assert (found["old"], found["a_text"], found[f"new_{last}"]) == ("x", "y", float(last))
    assert record_table.more == 4
    # The next sync finds the columns in the table, and puts each value where it was.
    again = RecordTable(THINGS, dict(record_table.columns))
    assert rows(again, Record("1", dict(reversed(record.items())), None, links)) == [
        {**found, "_more": as_json({**more, "links/apply": "z"})}
    ]


@given(
    st.dictionaries(
        st.sampled_from(["links/x", "attributes/links/x", "x", "\ud800"]) | st.text(),
        JSON_VALUES.filter(lambda value: value is not None),
    ),
    st.dictionaries(st.sampled_from(["x", "y"]), st.integers()),
)
def test_what_goes_beyond_the_bound_is_kept_by_its_own_name(
    attributes: dict[str, Any], links: dict[str, int]
) -> None:
    full = {f"c{number}": Kind.TEXT for number in range(MAX_UNKNOWN)}
    names = {each.name for each in THINGS.attributes} | {
        snake_case(each.name) for each in THINGS.attributes
    }
    record_table = RecordTable(THINGS, full)
    attributes = {
        name: value for name, value in attributes.items() if name not in names | set(full)
    }
    (found,) = rows(record_table, Record("1", attributes, None, links))
    kept = json.loads(found.get("_more", "{}"))
    assert set(found) <= {"id", "_more"}
    assert len(kept) == record_table.more == len(attributes) + len(links)
    assert sorted(map(as_json, kept.values())) == sorted(
        map(as_json, [*attributes.values(), *links.values()])
    )
