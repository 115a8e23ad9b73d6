"""What fits a column of each kind, and that what is stored tells the value, for all of JSON."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import Kind
from recruit_assets.extract.arrow import as_column, as_json, kind_of, storable
from recruit_assets.extract.jsonapi import Single, members, read
from recruit_assets_tests.rings import sized

NUMBERS = (
    st.integers(-(2**70), 2**70)
    | st.integers(-300, 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 1e308, 5e-324, 2.0**53, 2.0**53 + 2, 2**53 + 1, 2**63, 10**400])
)
TIMES = st.builds(
    lambda moment, spelled: spelled(moment),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])),
    st.sampled_from(
        [
            datetime.isoformat,
            lambda moment: moment.isoformat(" "),
            lambda moment: moment.isoformat(timespec="minutes"),
            lambda moment: moment.isoformat().replace("+00:00", "z").replace("T", "t"),
            lambda moment: moment.isoformat().replace("+00:00", "789Z"),
            lambda moment: moment.isoformat().replace("-05:30", "-0530"),
            lambda moment: moment.strftime("%Y%m%dT%H%M%SZ"),
            lambda moment: moment.strftime("%G-W%V-%u"),
            lambda moment: moment.strftime("%Y-%jT%H:%M:%SZ"),
            lambda moment: moment.date().isoformat(),
            lambda moment: moment.strftime("%Y%m%d"),
            lambda moment: moment.strftime("%d.%m.%Y"),
            lambda moment: moment.replace(tzinfo=None).isoformat(),
        ]
    ),
)
ODD = """|true|null|nan|inf|-0|0052| 5|5 |1_0|+1|1e5|1e400|0x10|2025-02-30|24:00|[]|{}|-0001-01-01
0000-01-01T00:00:00Z|0001-01-01T00:00:00+02:00|9999-12-31T23:59:59-12:00|2016-12-31T23:59:60Z
2025-01-01T24:00:00Z|12025-01-01T00:00:00Z|2025-01-01T00:00:00+24:00|2025-01-01T00:00:00+00:00:01
"""
ODD_TEXTS = st.sampled_from(
    [*ODD.replace("\n", "|").split("|"), "\u0665", "a\x00b", "\ud800", "x\udfffy", "\U0001f600"]
)
TEXTS = st.text(max_size=8) | ODD_TEXTS | TIMES | NUMBERS.map(repr) | NUMBERS.map(json.dumps)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | ODD_TEXTS, inner)
    ),
    max_leaves=8,
)


def instant(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    assert moment.tzinfo
    return moment


def number(value: Any) -> Fraction:
    assert not isinstance(value, bool)
    return Fraction(value) if not isinstance(value, str) else Fraction(json.loads(value))


def key(value: Any) -> str:
    assert not isinstance(value, bool | float)
    return str(value) if isinstance(value, int) else text(value)


def text(value: Any) -> str:
    assert isinstance(value, str)
    return value


# By kind: the value that a JSON value means in such a column.
MEANT: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: text,
    Kind.KEY: key,
    Kind.INTEGER: number,
    Kind.NUMBER: number,
    Kind.BOOLEAN: lambda value: value,
    Kind.TIMESTAMP: instant,
    Kind.DATE: date.fromisoformat,
    Kind.TEXTS: lambda value: [text(each) for each in value],
    Kind.KEYS: lambda value: [key(each) for each in value],
    Kind.JSON: as_json,
}


def must_tell(kind: Kind, value: Any, stored: Any, unparsed: Any) -> None:
    """Assert that what is stored, in the column or else as it came, is the value."""
    if value is None:
        assert stored is unparsed is None
    elif stored is None:
        assert as_json(unparsed) == as_json(value)
    else:
        assert unparsed is None
        assert stored == MEANT[kind](value)
        assert isinstance(stored, bool) is (kind is Kind.BOOLEAN)
        assert str(stored) != "0.0" or not str(value).startswith("-")


@settings(max_examples=sized(40, 100, 3000))
@given(st.lists(JSON, max_size=5))
def test_a_value_is_told_by_its_column_or_kept_whatever_the_kind(values: list[Any]) -> None:
    for kind in Kind:
        array, misfits = as_column(kind, values)
        assert len(array) == len(values)
        for row, (value, stored) in enumerate(zip(values, array.to_pylist(), strict=True)):
            must_tell(kind, value, stored, misfits.get(row))


@settings(max_examples=sized(40, 100, 3000))
@given(JSON)
def test_a_value_fits_alone_as_it_fits_beside_one_that_does_not(value: Any) -> None:
    """A column without a misfit is converted whole, and any other value by value."""
    for kind in Kind:
        if kind is not Kind.JSON:
            alone, misfits = as_column(kind, [value, None])
            beside, others = as_column(kind, [value, {"no": 1}])
            assert alone.equals(beside)
            assert as_json(misfits.get(0)) == as_json(others.get(0))


@given(st.lists(JSON, min_size=1, max_size=4))
def test_an_unknown_column_fits_what_decides_its_kind(values: list[Any]) -> None:
    kind = kind_of(values)
    assert kind is kind_of(values[::-1]) is kind_of([None, *values])
    misfits = as_column(kind, values)[1]
    # Only what no column of any type can store is kept elsewhere.
    assert all(storable(each) != each for each in values if each in misfits.values()) or not misfits


@given(JSON.filter(lambda value: value is not None))
def test_a_value_that_is_spelled_otherwise_is_the_same_json(value: Any) -> None:
    body = json.dumps({"data": {"id": "1", "attributes": {"x": value}}})
    attributes = members(read(body.encode(), Single).data.attributes)
    turned = json.loads(json.dumps(value, indent=1), object_pairs_hook=lambda d: dict(reversed(d)))
    assert as_json(attributes["x"]) == as_json(turned)


def test_what_was_decoded_is_stored_however_deep_it_is() -> None:
    def sink(calls: int) -> str:
        return sink(calls - 1) if calls else as_json(value)

    depth = sys.getrecursionlimit() - 200
    value: Any = []
    for _ in range(depth):
        value = [value]
    assert sink(150) == "[" * (depth + 1) + "]" * (depth + 1)


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, ["x", {"\udfff": 1}]])
def test_half_a_surrogate_pair_becomes_its_json_text(value: Any) -> None:
    assert json.loads(storable(value)) == value
    for kind in Kind:
        array, misfits = as_column(kind, [value])
        stored = json.loads(array[0].as_py()) if kind is Kind.JSON else misfits[0]
        assert json.loads(stored) == value
