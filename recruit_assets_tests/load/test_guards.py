"""The limits of the guards, on real DuckDB: what is refused, and what is an ordinary change."""

import itertools
from collections.abc import Mapping
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import Attribute, Endpoint, Kind, Relationship
from recruit_assets.extract.arrow import as_json
from recruit_assets.extract.jsonapi import Linkage, Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import transaction
from recruit_assets.load.erasure import is_filled
from recruit_assets.load.guards import Compared, Doubt, doubts, too_many
from recruit_assets.load.schema import columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.text import one_line
from recruit_assets_tests.extract.test_records import JSON_VALUES
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.rings import sized

API = "https://api.test/v1/ 20240404 abc123"
THINGS = Endpoint(
    "things",
    group="tests",
    description="Things.",
    attributes=tuple(Attribute(f"a-{kind.value}", "", kind) for kind in Kind),
    relationships=(Relationship("owner", ("users",)), Relationship("place", ("teams", "jobs"))),
)
Values = Mapping[str, Any]
SAYING: Mapping[Kind, Any] = {
    Kind.TEXT: "x",
    Kind.KEY: "1",
    Kind.INTEGER: 1,
    Kind.NUMBER: 1.5,
    Kind.BOOLEAN: False,
    Kind.TIMESTAMP: "2025-01-02T03:04:05Z",
    Kind.DATE: "2025-01-02",
    Kind.TEXTS: ["x"],
    Kind.KEYS: ["1"],
    Kind.JSON: {"a": None},
}


def staged(database: duckdb.DuckDBPyConnection, stage: Stage, records: list[Record]) -> None:
    record_table = RecordTable(THINGS, columns_of(database, THINGS))
    stage.add(record_table.table(records), record_table.columns, range(len(records)))
    stage.flush()


def doubted(
    before: list[Record], now: list[Record], missing: int = 0, api: tuple[str, str] = (API, API)
) -> list[Doubt]:
    """Merge the records of one sync, and return what is doubted of those of the next."""
    with duckdb.connect(":memory:") as database:
        with Stage() as stage, transaction(database):
            staged(database, stage, before)
            prepare_and_merge(database, THINGS, stage, "run")
        with Stage() as stage:
            staged(database, stage, now)
            compared = Compared(columns_of(database, THINGS), missing, *api)
            return list(doubts(database, THINGS, stage, compared))


def records(rows: int, attributes: Values, **relationships: Any) -> list[Record]:
    linked: dict[str, Any] = {name: Linkage(data) for name, data in relationships.items()}
    return [Record(str(number), dict(attributes), linked) for number in range(rows)]


@pytest.mark.parametrize(
    ("missing", "alive", "refused"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 1, False),
        (2, 2, True),
        (1, 2, False),
        (5, 6, False),
        (5, 5, True),
        (6, 7, True),
        (5, 24, False),
        (6, 30, False),
        (6, 29, True),
        (20, 100, False),
        (21, 100, True),
        (20_001, 100_000, True),
        (20_000, 100_000, False),
    ],
)
def test_how_many_rows_may_go(missing: int, alive: int, *, refused: bool) -> None:
    assert too_many(missing, alive) is refused


@pytest.mark.parametrize(("rows", "refused"), [(1, False), (2, False), (19, False), (20, True)])
def test_a_column_is_emptied_where_enough_rows_are_compared(rows: int, *, refused: bool) -> None:
    before, now = records(rows, {"a-text": "x", "new": 5}), records(rows, {"other": 1})
    found = doubted(before, now)
    assert [doubt.refuses for doubt in found] == [True] * refused
    for doubt in found:
        assert doubt.message == (
            "things: every row has a value in a_text, new, but no record that was read has one: "
            "the key may see less than before. New in these records: other."
        )


def test_records_that_are_new_or_come_twice_are_no_comparison() -> None:
    before = records(40, {"a-text": "x"})
    fresh = [Record(f"new {number}") for number in range(30)]
    empty = [Record(str(number)) for number in range(19)]
    assert not doubted(before, [*empty, *empty, *fresh])
    assert doubted(before, [*empty, Record("19")])


def test_columns_called_key_and_value_are_counted_like_others() -> None:
    (doubt,) = doubted(records(20, {"key": "x", "value": "y"}), records(20, {}))
    assert "has a value in key, value, but no record" in doubt.message


def test_a_column_that_one_row_lacks_or_one_record_has_is_no_doubt() -> None:
    full, empty = records(25, {"a-text": "x"}), records(25, {})
    assert not doubted([*full[1:], empty[0]], empty)
    assert not doubted(full, [*empty[1:], full[0]])


SPACES = " \n\t\u00a0\u2003\u200b\ufeff\x0b\x1f"
NOTHING: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, {}]) | st.text(SPACES, max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def says_something(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(says_something, value))
    return one_line(value) != "" if isinstance(value, str) else value not in (None, {})


LIKE_NOTHING = st.sampled_from(["NULL", "null", "[]", "{}", '""', ["NULL"], "'  '"])  # are texts
VALUES = st.fixed_dictionaries(
    {
        name: JSON_VALUES.filter(says_something) | LIKE_NOTHING
        for name in [*(each.name for each in THINGS.attributes), "new"]
    }
)


@settings(max_examples=sized(5, 10, 120))
@given(VALUES, VALUES)
def test_a_type_that_changes_in_all_records_is_no_doubt(before: Values, now: Values) -> None:
    """Whatever JSON value takes the place of another, in a column of each kind."""
    assert not doubted(records(20, before), records(20, now))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"owner": {"id": "5"}}, {"owner": [{"id": "5"}]}),
        ({"owner": [{"id": "5"}]}, {"owner": {"id": "5"}}),
        ({"owner": {"id": "5"}}, {"owner": {"id": {"a": 1}}}),
        ({"owner": {"id": "5"}}, {"owner": [{"id": {"a": 1}}]}),
        ({"place": {"id": "5", "type": "jobs"}}, {"place": {"id": "5"}}),
        ({"place": {"id": "5", "type": "jobs"}}, {"place": [{"id": "5", "type": "jobs"}]}),
        ({"pets": {"id": "5", "type": "dogs"}}, {"pets": [{"id": "5", "type": "dogs"}]}),
        ({"pets": [{"id": "5", "type": "dogs"}]}, {"pets": {"id": "5", "type": "dogs"}}),
    ],
)
def test_a_relationship_that_changes_its_shape_is_no_doubt(before: Values, now: Values) -> None:
    assert not doubted(records(20, {}, **before), records(20, {}, **now))


def test_keys_that_are_gone_are_emptied_whatever_is_left_of_them() -> None:
    before = records(20, {}, owner={"id": "5"}, place={"id": "5", "type": "jobs"})
    (doubt,) = doubted(before, records(20, {}, place={"id": None, "type": "jobs"}))
    assert "in owner_id, place_id, but no record" in doubt.message
    assert doubt.refuses


COLUMNS = {f"a-{kind.value}": value for kind, value in SAYING.items()} | {"new": "x"}
BLANKS = ["", "\n", [], {}, ["", ""], [None], "\u00a0\u200b"]


@settings(max_examples=sized(1, 10, 120))
@example(dict(zip(COLUMNS, itertools.cycle(BLANKS), strict=False)))
@given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, NOTHING)))
def test_values_that_say_nothing_empty_a_column_of_any_kind(now: Values) -> None:
    """An unknown attribute is `new`; a row that said nothing before makes it no doubt."""
    (doubt,) = doubted(records(20, COLUMNS), records(20, now))
    assert f" and {len(COLUMNS) - 5} more, but no record" in doubt.message
    assert not doubted([*records(20, COLUMNS), Record("x", dict(now))], records(20, now))


WORDS = st.text(f"nN-,.\\{SPACES}", max_size=3)


@given(NOTHING | st.lists(st.none() | WORDS) | WORDS | st.sampled_from([0, False, {"a": None}]))
def test_whether_a_value_says_something_is_known_in_sql(value: Any) -> None:
    """As JSON, and as the list of texts, or the text, that it may be."""
    texts = isinstance(value, list) and all(isinstance(each, str | None) for each in value)
    said = [("JSON", as_json(value))]
    said += [("VARCHAR[]", value)] * texts + [("VARCHAR", value)] * isinstance(value, str)
    for sql_type, each in said:
        query = f"SELECT {is_filled(f'$1::{sql_type}')}"
        assert duckdb.execute(query, [each]).fetchall() == [(says_something(value),)], sql_type


def test_a_relationship_that_leads_nowhere_any_more_is_emptied() -> None:
    before, now = records(20, {}, owner={"id": "5"}), records(20, {}, owner=[])
    (doubt,) = doubted(before, now)
    assert "in owner_id, but no record" in doubt.message


@pytest.mark.parametrize(
    ("now", "refuses", "says"),
    [
        ("https://api.test/v1/ 20240404 def456", True, "the key changed"),
        (
            "https://api.test/v2/ 20240404 def456",
            True,
            "the address changed from https://api.test/v1/ to https://api.test/v2/",
        ),
        (
            "https://api.test/v1/ 20240904 abc123",
            False,
            "the API version changed from 20240404 to 20240904",
        ),
        (
            "https://api.test/v2/ 20240904 def456",
            False,
            "the address changed from https://api.test/v1/ to https://api.test/v2/ and the API "
            "version changed from 20240404 to 20240904",
        ),
    ],
)
def test_what_differs_from_the_last_good_sync_is_named(
    now: str, says: str, *, refuses: bool
) -> None:
    before, after = records(30, {"a-text": "x"}), records(30, {})
    rows, column = doubted(before, after, missing=7, api=(API, now))
    assert rows.message.startswith("things: 7 of the 30 current rows are not in the API's list.")
    assert (rows.refuses, column.refuses) == (True, refuses)
    for doubt in (rows, column):
        assert doubt.message.endswith(f" Since the last good sync {says}.")


def test_an_unknown_past_is_no_excuse() -> None:
    (doubt,) = doubted(records(20, {"a-text": "x"}), records(20, {}), api=("", API))
    assert doubt.refuses
    assert "Since" not in doubt.message
