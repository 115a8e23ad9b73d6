"""The charts of the marts, drawn as SVG: bars, and lines over months.

Colours are CSS variables of the page (`var(--ink)` and so on), so that one drawing works in light
and dark mode; outside the page, they are replaced by colours that work in both.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import Any, NamedTuple

import duckdb

from recruit_assets.marts.build import Row, ask
from recruit_assets.marts.mart import Mart, Picture
from recruit_assets.text import label as one_label
from recruit_assets.text import markdown, one_line

WIDTH, STEP, TALL = 440, 30, 210  # pixels: width, height of a bar with its space, and of a line
GAP, RIGHT, BOTTOM = 8, 72, 180  # pixels: beside text, for numbers on the right, to the months
LETTER = 8  # pixels that a letter takes at most, on average; the page's font is unknown
MAX_CELL = 200  # characters of a text in a table
NO_BREAK = "\N{NO-BREAK SPACE}"
MAX_NAME = 22  # characters of the name of a bar
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
INK, QUIET, LINE, ACCENT = "var(--ink)", "var(--quiet)", "var(--line)", "var(--accent)"
CARD = "var(--card)"  # behind a drawing
EVERYWHERE = {
    INK: "#7b8794", QUIET: "#7b8794", LINE: "#9aa5b144", ACCENT: "#3f83d8", CARD: "#7b8794",
}  # fmt: skip
MAX_MONTHS = 24  # months shown
STEPS = (1, 2, 3, 6, 12, 24, *(12 * years for years in (5, 10, 20, 50, 100, 200, 500, 1000, 2500)))
FEW, TOO_FEW = 5, 3  # a month of fewer is drawn hollow, or is left out
MAX_VALUE = 1e15  # well within what a chart's scale can hold


@dataclass(frozen=True)
class ChartData:
    """Hold a picture and its current rows."""

    picture: Picture
    rows: list[Row]

    @property
    def words(self) -> str:
        """Return the picture as text, for those who do not see it."""
        shown = [f"{label(row)} {number(row['value'])}{_of(row)}" for row in self.rows]
        return f"{self.picture.title}: {', '.join(shown)}." if shown else "There is nothing yet."


def query_chart(database: duckdb.DuckDBPyConnection, mart: Mart) -> ChartData:
    """Return the current data of a mart's picture.

    Months are the last 24, without those whose value is of too few.
    """
    rows = ask(database, mart.picture.sql)
    if mart.picture.months:
        months = [row for row in rows if isinstance(row["label"], date)]
        rows = [row for row in months if row.get("n", FEW) >= TOO_FEW][-MAX_MONTHS:]
    return ChartData(mart.picture, rows)


def label(row: Row) -> str:
    """Return the name of a row; months as in `Mar 2026`."""
    value = row["label"]
    return f"{value:%b} {value.year:04}" if isinstance(value, date) else one_label(str(value))


def number(value: float | None) -> str:
    """Return a number for reading; one decimal below ten, if it has one."""
    if value is None or not isfinite(value):
        return "\N{EN DASH}"
    if abs(value) >= MAX_VALUE:
        return f"{value:.1e}"
    return f"{value:,.1f}" if abs(value) < 10 and value != int(value) else f"{value:,.0f}"


def cell(value: Any) -> str:
    """Return a value for reading."""
    if isinstance(value, datetime):
        return f"{value.day}{NO_BREAK}{value:%b %H:%M}"
    return one_line(value, MAX_CELL) if isinstance(value, str) else number(value)


def _of(row: Row) -> str:
    """Return how many a value is of, if the picture says so."""
    return f" (n = {row['n']:,})" if "n" in row else ""


def as_svg(chart: ChartData) -> str:
    """Draw a picture for a page that defines the colours."""
    if chart.picture.months:
        height, parts = TALL, _months(chart.rows)
    else:
        height, parts = max(len(chart.rows), 1) * STEP, _bars(chart.rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" font-family="{FONT}" '
        f'font-size="13" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
        f"{''.join(parts)}</svg>"
    )


def as_markdown(chart: ChartData) -> str:
    """Return the drawing and its text for Dagster's UI, whose colours are unknown."""
    if not chart.rows:
        return chart.words
    svg = re.sub(r"var\(--\w+\)", lambda found: EVERYWHERE[found[0]], as_svg(chart))
    encoded = base64.b64encode(svg.encode()).decode()
    return f"![{markdown(chart.words)}](data:image/svg+xml;base64,{encoded})"


def _bars(rows: list[Row]) -> Iterator[str]:
    """Draw a bar for each row, in their order, with its number at its end."""
    names, values = [one_line(label(row), MAX_NAME) for row in rows], _values(rows)
    left = LETTER * max(map(len, names), default=0) + GAP
    right = max((LETTER * len(_of(row)) for row in rows), default=0) + RIGHT
    most = max((value or 0.0 for value in values), default=0.0) or 1
    for place, (name, value, row) in enumerate(zip(names, values, rows, strict=True)):
        middle = place * STEP + STEP / 2
        width = (WIDTH - left - right) * max(value or 0.0, 0.0) / most
        yield _text(left - GAP, middle, name, "end")
        if width:
            yield (
                f'<rect x="{left}" y="{middle - 9:g}" width="{width:.1f}" height="18" rx="3" '
                f'fill="{ACCENT}"/>'
            )
        yield _text(left + width + 6, middle, number(row["value"]) + _of(row))


def _months(rows: list[Row]) -> Iterator[str]:
    """Draw a line over months with a point for each, and the number of the last one.

    A point of few is hollow, and no line leads over a month that is missing.
    """
    values = _values(rows)
    days: list[date] = [row["label"] for row in rows]
    marks, digits = _number_marks([value for value in values if value is not None])
    shown = [f"{mark:,.{digits}f}" for mark in marks]
    left = LETTER * max(map(len, shown)) + GAP
    first, span = days[0].toordinal(), (days[-1] - days[0]).days or 1

    def across(day: date) -> float:
        return left + (WIDTH - left - RIGHT) * (day.toordinal() - first) / span

    def down(value: float) -> float:
        return BOTTOM - (BOTTOM - GAP) * (value - marks[0]) / (marks[-1] - marks[0])

    for mark, text in zip(marks, shown, strict=True):
        y = f"{down(mark):.1f}"
        yield f'<line x1="{left}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{LINE}"/>'
        yield _text(left - GAP, down(mark), text, "end", QUIET)
    for day, text in _month_marks(days[0], days[-1]):
        yield _text(max(across(day), left + 20), TALL - 10, text, "middle", QUIET)
    points = [
        Point(day, across(day), down(value), row.get("n", FEW) < FEW)
        for day, value, row in zip(days, values, rows, strict=True)
        if value is not None
    ]
    yield from _line(points)
    if points and points[-1].day == days[-1]:
        last = points[-1]
        yield _text(last.x + GAP, last.y, number(rows[-1]["value"]))
        if "n" in rows[-1]:
            yield _text(last.x + GAP, last.y + 16, f"n = {rows[-1]['n']:,}", color=QUIET)


class Point(NamedTuple):
    """Hold a month, where it is drawn, and whether it is of few."""

    day: date
    x: float
    y: float
    hollow: bool

    @property
    def place(self) -> int:
        """Return the number of the month, so that those of neighbours differ by one."""
        return 12 * self.day.year + self.day.month


def _line(points: Sequence[Point]) -> Iterator[str]:
    """Draw a line through points, with a gap where a month has none."""
    for start, end in pairwise(points):
        if end.place == start.place + 1:
            yield (
                f'<line x1="{start.x:.1f}" y1="{start.y:.1f}" x2="{end.x:.1f}" '
                f'y2="{end.y:.1f}" stroke="{ACCENT}" stroke-width="2.5" stroke-linecap="round"/>'
            )
    for each in points:
        look = f'fill="{CARD if each.hollow else ACCENT}" stroke="{ACCENT}" stroke-width="2"'
        yield f'<circle cx="{each.x:.1f}" cy="{each.y:.1f}" r="3" {look}/>'


def _number_marks(values: list[float]) -> tuple[list[float], int]:
    """Return at least two marks of an axis from 0 that includes all values, and their decimals."""
    low, high = min([0.0, *values]), max([0.0, *values])
    least = (high - low) / 4 or 1.0
    unit = 10.0 ** floor(log10(least))
    step = next(each * unit for each in (1, 2, 5, 10) if each * unit >= least)
    marks = range(floor(low / step), max(ceil(high / step), floor(low / step) + 1) + 1)
    return [mark * step for mark in marks], max(0, -floor(log10(step)))


def _month_marks(first: date, last: date) -> list[tuple[date, str]]:
    """Return the marks of an axis of months: at most four, which are years if it is very long."""
    months = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    step = next(each for each in STEPS if len(months) <= 4 * each)
    marked = [month for month in months if month % step == 0] or [months[0]]
    days = [date(month // 12, month % 12 + 1, 1) for month in marked]
    return [(day, f"{day.year}" if step > 24 else f"{day:%b %y}") for day in days]


def _values(rows: list[Row]) -> list[float | None]:
    """Return the values that a scale can hold, and None for the others."""
    values = [row["value"] for row in rows]
    return [
        None if value is None or not abs(value) < MAX_VALUE else float(value) for value in values
    ]


def _text(x: float, y: float, text: str, anchor: str = "start", color: str = INK) -> str:
    """Draw a text whose middle is at `y`."""
    return (
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="{anchor}" fill="{color}">'
        f"{escape(text)}</text>"
    )
