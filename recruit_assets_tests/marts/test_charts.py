"""What is drawn of labels and values that nobody would choose."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.marts.build import Row
from recruit_assets.marts.charts import ChartData, as_svg, number, query_chart
from recruit_assets.marts.mart import MARTS, Picture
from recruit_assets.text import label
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)

BARS, MONTHS = Picture("Things", False, ""), Picture("Things by month", True, "")
INFINITE = [float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 10**30, None]
labels = st.text(st.characters(exclude_categories=())) | st.builds(
    str.__mul__,
    st.sampled_from(["😀", "👩\u200d💻", "a\u0301", "\u0489", "ﷺ", "مرحبا", "x", "𠀀"]),
    st.integers(1, 99),
)
values = st.integers(-1000, 1000) | st.sampled_from(INFINITE)


def bars(*names: str) -> ChartData:
    """A picture of rows of these names."""
    return ChartData(
        BARS, [{"label": name, "value": 7 + place} for place, name in enumerate(names)]
    )


def test_bars_are_as_long_as_their_values() -> None:
    svg = as_svg(ChartData(BARS, [Row(label=f"{n}", value=n) for n in (40, 10, 0, -5, None)]))
    long, short = map(float, re.findall(r'<rect [^>]* width="([\d.]+)"', svg))
    assert long == pytest.approx(4 * short, abs=0.2)


def test_points_are_as_high_as_their_values_and_as_far_apart_as_their_months() -> None:
    values = {1: 0, 4: 50, 5: None, 7: 100}
    rows = [Row(label=date(2023, month, 1), value=value) for month, value in values.items()]
    svg = as_svg(ChartData(MONTHS, rows))
    points = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    (x1, y1), (x2, y2), (x3, y3) = ((float(x), float(y)) for x, y in points)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert y1 > y2
    assert (x2 - x1) / (x3 - x1) == pytest.approx(90 / 181, abs=0.01)
    assert svg.count("stroke-linecap") == 0  # none over a month that has no value


def test_a_line_joins_neighbouring_months_only_and_few_are_hollow() -> None:
    months = [(date(2023, 11, 1), 9), (date(2023, 12, 1), 4), (date(2024, 1, 1), 5)]
    rows = [Row(label=day, value=7, n=n) for day, n in [*months, (date(2024, 3, 1), 40)]]
    chart = ChartData(MONTHS, rows)
    svg = as_svg(chart)
    assert svg.count("stroke-linecap") == 2
    points = re.findall(r'<circle [^>]*fill="var\(--(\w+)\)"', svg)
    assert points == ["accent", "card", "accent", "accent"]
    assert ">n = 40<" in svg
    assert "Dec 2023 7 (n = 4), Jan 2024 7 (n = 5)" in chart.words


def test_a_month_of_fewer_than_three_is_left_out() -> None:
    sql = (
        "SELECT (DATE '2023-01-01' + INTERVAL 1 MONTH * i)::DATE AS label, 5 AS value, i AS n "
        "FROM range(6) t(i)"
    )
    (mart,) = [each for each in MARTS if each.name == "time_to_hire"]
    with duckdb.connect() as database:
        chart = query_chart(database, replace(mart, picture=Picture("Things", True, sql)))
    assert [row["n"] for row in chart.rows] == [3, 4, 5]


def test_a_bar_says_how_many_it_is_of() -> None:
    svg = as_svg(ChartData(BARS, [Row(label="Inbox", value=3.5, n=1234)]))
    assert ">3.5 (n = 1,234)<" in svg


@settings(max_examples=sized(5, 10, 1000))
@given(
    st.lists(
        st.builds(lambda name, value: Row(label=name, value=value), labels, values),
        min_size=1,
        max_size=8,
    )
)
def test_any_labels_and_values_can_be_drawn(rows: list[Row]) -> None:
    ElementTree.fromstring(as_svg(ChartData(BARS, rows)))
    assert len(ChartData(BARS, rows).words) < 100 * (len(rows) + 1)


@settings(max_examples=sized(5, 10, 300))
@given(
    st.lists(
        st.tuples(st.dates().map(lambda day: day.replace(day=1)), values), min_size=1, max_size=24
    )
)
def test_any_months_can_be_drawn(months: list[tuple[date, Any]]) -> None:
    rows: list[Row] = [
        {"label": day, "value": value} for day, value in sorted(dict(months).items())
    ]
    svg = as_svg(ChartData(MONTHS, rows))
    ElementTree.fromstring(svg)
    assert svg.count("<text") < 60  # no tick for each month of centuries


@pytest.mark.parametrize(
    ("months", "marks"),
    [
        ((5,), ["Jun 23"]),
        ((5, 6), ["Jun 23", "Jul 23"]),
        ((0, 12), ["Jan 23", "Jul 23", "Jan 24"]),
        ((0, 30), ["Jan 23", "Jan 24", "Jan 25"]),
        ((0, 3, 26), ["Jan 23", "Jan 24", "Jan 25"]),
        (range(24), ["Jan 23", "Jul 23", "Jan 24", "Jul 24"]),
        (range(3, 58, 5), ["Jan 24", "Jan 26"]),
    ],
)
def test_few_months_are_marked_however_far_apart_they_are(
    months: Iterable[int], marks: list[str]
) -> None:
    rows = [Row(label=date(2023 + month // 12, month % 12 + 1, 1), value=month) for month in months]
    assert re.findall(r">(\w{3} \d\d)<", as_svg(ChartData(MONTHS, rows))) == marks


def test_names_that_become_the_same_stay_two_bars() -> None:
    svg = as_svg(bars("x" * 99 + "a", "x" * 99 + "b", "🚀" * 99 + "a", "🚀" * 99 + "b"))
    assert [svg.count(f">{value}<") for value in (7, 8, 9, 10)] == [1, 1, 1, 1]
    assert svg.count(">xxxxx") == svg.count(">🚀") == 2


def test_of_a_long_name_its_beginning_is_drawn_and_nothing_else() -> None:
    names = ["x" * 100_000, "Talent & 'Co' " * 8000, "<b>" * 30_000]
    assert as_svg(bars(*names)) == as_svg(bars(*map(label, names)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
        (float("-inf"), "\N{EN DASH}"),
        (1e300, "1.0e+300"),
        (7.25, "7.2"),
        (10**30, "1.0e+30"),
    ],
)
def test_numbers_beyond_all_bounds_can_be_read(value: Any, shown: str) -> None:
    assert number(value) == shown
