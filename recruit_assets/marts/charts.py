"""The charts of the marts, drawn as SVG from Vega-Lite, without a browser or a network.

Colours are CSS variables of the page (`var(--ink)` and so on), so that one drawing works in light
and dark mode; outside the page, they are replaced by colours that work in both.
"""

import base64
import json
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import isfinite
from typing import Any

import duckdb
import vl_convert

from recruit_assets.marts.build import Row, ask
from recruit_assets.marts.mart import Mart, Picture
from recruit_assets.text import MAX_LABEL, markdown, one_line
from recruit_assets.text import label as one_label

WIDTH, STEP, TALL, MAX_NAME_WIDTH = (
    440,
    30,
    210,
    160,
)  # pixels: width, bar height, line chart height, name
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
INK, QUIET, LINE, ACCENT = "var(--ink)", "var(--quiet)", "var(--line)", "var(--accent)"
EVERYWHERE = {INK: "#7b8794", QUIET: "#7b8794", LINE: "#9aa5b144", ACCENT: "#3f83d8"}
MAX_MONTHS = 24  # months shown
STEPS = (1, 2, 3, 6, 12, 24)  # months between two marks of an axis
MANY_DAYS = 5 * 366  # from the first to the last month; a longer axis has ticks for years
SHORT = 18  # characters of a name that is cut here, not by the library
PLACE = 2  # digits of a row's position
MAX_VALUE = 1e15  # well within what a chart's scale can hold
# A screen reader would read these parts one by one, while `words` describes the chart. The font is
# set once.
_NEEDLESS = re.compile(r' (?:role|aria-[a-z]+|class|pointer-events|opacity|font-family)="[^"]*"')

Spec = dict[str, Any]


@dataclass(frozen=True)
class ChartData:
    """Hold a picture and its current rows."""

    picture: Picture
    rows: list[Row]

    @property
    def words(self) -> str:
        """Return the picture as text, for those who do not see it."""
        shown = [f"{label(row)} {number(row['value'])}" for row in self.rows]
        return f"{self.picture.title}: {', '.join(shown)}." if shown else "There is nothing yet."


def query_chart(database: duckdb.DuckDBPyConnection, mart: Mart) -> ChartData:
    """Return the current data of a mart's picture; only the last 24 rows if they are months."""
    rows = ask(database, mart.picture.sql)
    if mart.picture.months:
        return ChartData(
            mart.picture, [row for row in rows if isinstance(row["label"], date)][-MAX_MONTHS:]
        )
    return ChartData(mart.picture, rows)


def label(row: Row) -> str:
    """Return the name of a row; months as in `Mar 2026`."""
    value = row["label"]
    return f"{value:%b} {value.year:04}" if isinstance(value, date) else one_label(str(value))


def number(value: float | None) -> str:
    """Return a number for reading; one decimal below ten, if it has one."""
    if value is None or not isfinite(value):
        return "-"
    if abs(value) >= MAX_VALUE:
        return f"{value:.1e}"
    return f"{value:,.1f}" if abs(value) < 10 and value != int(value) else f"{value:,.0f}"


class NotDrawn(Exception):
    """Report why the library cannot draw a picture."""


def as_svg(chart: ChartData) -> str:
    """Draw a picture for a page that defines the colours.

    Raises:
        NotDrawn: the library cannot draw it.
    """
    spec = (_months if chart.picture.months else _bars)(chart.rows)
    try:
        svg = _drawn(json.dumps(spec))
    except ValueError as error:
        raise NotDrawn(one_line(f"The picture could not be drawn: {error}", 200)) from error
    svg = _NEEDLESS.sub("", re.sub(r"(\d\.\d\d)\d+", r"\1", svg))
    return svg.replace("<svg ", f'<svg aria-hidden="true" font-family="{FONT}" ', 1)


@lru_cache(maxsize=32)
def _drawn(spec: str) -> str:
    """Return the drawing of a specification; a run needs each twice, for the UI and the report."""
    return str(vl_convert.vegalite_to_svg(spec))


def as_markdown(chart: ChartData) -> str:
    """Return the drawing and its text for Dagster's UI, whose colours are unknown."""
    if not chart.rows:
        return chart.words
    try:
        svg = as_svg(chart)
    except NotDrawn as error:
        return markdown(f"{chart.words} {error}")
    svg = re.sub(r"var\(--\w+\)", lambda found: EVERYWHERE[found[0]], svg)
    encoded = base64.b64encode(svg.encode()).decode()
    return f"![{markdown(chart.words)}](data:image/svg+xml;base64,{encoded})"


def _bars(rows: list[Row]) -> Spec:
    """Return a bar for each row, in their order, with its number at its end."""
    names, limit = _names(rows)
    # Cut names may be equal, so each has the row's position as a prefix.
    shown = [
        {"label": f"{place:0{PLACE}}{name}", "value": value, "text": number(row["value"])}
        for place, (name, value, row) in enumerate(zip(names, _values(rows), rows, strict=True))
    ]
    axis = _axis(INK) | {
        # The page's font may be wider than the one used for the layout.
        "minExtent": min(MAX_NAME_WIDTH, max((9 * len(name) for name in names), default=0)) + 8,
        "labelLimit": limit,
        "labelExpr": f"slice(datum.label, {PLACE})",
    }
    most = max((value or 0.0 for value in _values(rows)), default=0.0) or 1
    scale = {"domain": [0, most * 1.18]}
    x = {"field": "value", "type": "quantitative", "axis": None, "scale": scale}
    y = {"field": "label", "type": "nominal", "sort": None, "axis": axis}
    bar = {"type": "bar", "color": ACCENT, "cornerRadiusEnd": 3, "height": 18}
    layers = [{"mark": bar}, _texts(dx=6)]
    return _chart(shown, {"x": x, "y": y}, layers, max(len(rows), 1) * STEP + 10)


def _months(rows: list[Row]) -> Spec:
    """Return a line over months with a point for each, and the number of the last one."""
    shown = [
        {"label": row["label"].isoformat(), "value": value, "text": ""}
        for row, value in zip(rows, _values(rows), strict=True)
    ]
    shown[-1]["text"] = number(rows[-1]["value"])
    time = _axis(QUIET) | {"grid": False} | _ticks(rows[0]["label"], rows[-1]["label"])
    x = {"field": "label", "type": "temporal", "axis": time, "scale": {"type": "utc"}}
    numbers = _axis(QUIET) | {"tickCount": 4}
    y = {"field": "value", "type": "quantitative", "axis": numbers, "scale": {"nice": 4}}
    line = {
        "type": "line", "color": ACCENT, "strokeWidth": 2.5, "point": {"color": ACCENT, "size": 34}
    }  # fmt: skip
    return _chart(shown, {"x": x, "y": y}, [{"mark": line}, _texts(dx=8)], TALL, right=40)


def _ticks(first: date, last: date) -> Spec:
    """Return the marks of an axis of months: at most four, or some years if it is very long."""
    if (last - first).days > MANY_DAYS:
        return {"format": "%Y", "tickCount": 4}
    months = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    step = next(each for each in STEPS if len(months) <= 4 * each)
    marked = [month for month in months if month % step == 0] or [months[0]]
    return {"format": "%b %y", "values": [f"{m // 12:04}-{m % 12 + 1:02}-01" for m in marked]}


def _names(rows: list[Row]) -> tuple[list[str], int]:
    """Return the names of the bars, and how many pixels of a name are drawn, 0 for all.

    The library fits a name by measuring many prefixes of it, and fails if one ends inside a
    surrogate pair. So names are cut here, by length, if they are very long, or if any has a
    character that takes a pair, such as an emoji.
    """
    names = [label(row) for row in rows]
    has_pairs = max(map(max, names), default="") > "\uffff"
    return [
        one_line(name, SHORT) if has_pairs or len(name) == MAX_LABEL else name for name in names
    ], 0 if has_pairs else MAX_NAME_WIDTH - 20


def _values(rows: list[Row]) -> list[float | None]:
    """Return the values that a scale can hold, and None for the others."""
    values = [row["value"] for row in rows]
    return [
        None if value is None or not abs(value) < MAX_VALUE else float(value) for value in values
    ]


def _axis(color: str) -> Spec:
    return {
        "title": None, "domain": False, "ticks": False, "gridColor": LINE, "labelColor": color,
        "labelFontSize": 13, "labelPadding": 8,
    }  # fmt: skip


def _texts(dx: int) -> Spec:
    mark = {"type": "text", "align": "left", "dx": dx, "fontSize": 13, "color": INK}
    return {"mark": mark, "encoding": {"text": {"field": "text"}}}


def _chart(
    rows: list[Row], encoding: Spec, layers: list[Spec], height: int, right: int = 4
) -> Spec:
    """Return a chart of layers over the same rows, with `right` as padding on the right."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "encoding": encoding,
        "layer": layers,
        "width": WIDTH,
        "height": height,
        "padding": {"left": 4, "top": 4, "bottom": 4, "right": right},
        "autosize": {"type": "fit", "contains": "padding"},
        "config": {"background": "transparent", "view": {"stroke": None}},
    }
