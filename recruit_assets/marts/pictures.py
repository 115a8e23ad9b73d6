"""The pictures of the marts, drawn as SVG from Vega-Lite, without a browser or a network.

Colours are variables of the page (`var(--ink)` and so on), so that one drawing does for light and
dark; where there is no page, they are replaced by colours that do for both.
"""

import base64
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import vl_convert

from recruit_assets.marts.build import Row, ask
from recruit_assets.marts.mart import Mart, Picture

WIDTH, STEP, TALL, WIDEST = 440, 30, 210, 160  # pixels: of all, a bar, a line's, a name's
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
INK, QUIET, LINE, ACCENT = "var(--ink)", "var(--quiet)", "var(--line)", "var(--accent)"
EVERYWHERE = {INK: "#7b8794", QUIET: "#7b8794", LINE: "#9aa5b144", ACCENT: "#3f83d8"}
LONGEST = 24  # months
# Words say what it shows, its parts would be read out one by one; the font is set once.
_NEEDLESS = re.compile(r' (?:role|aria-[a-z]+|class|pointer-events|opacity|font-family)="[^"]*"')

Spec = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A picture with its rows, as they are now."""

    picture: Picture
    rows: list[Row]

    @property
    def words(self) -> str:
        """What it shows, for those who do not see it."""
        shown = [f"{label(row)} {number(row['value'])}" for row in self.rows]
        return f"{self.picture.title}: {', '.join(shown)}." if shown else "There is nothing yet."


def look(database: duckdb.DuckDBPyConnection, mart: Mart) -> Seen:
    """The picture of a mart, as it is now; of months the last two years."""
    rows = ask(database, mart.picture.sql)
    return Seen(mart.picture, rows[-LONGEST:] if mart.picture.months else rows)


def label(row: Row) -> str:
    """What a row is called; months as in `Mar 2026`."""
    value = row["label"]
    return f"{value:%b %Y}" if isinstance(value, date) else str(value)


def number(value: float | None) -> str:
    """A number for reading; one decimal below ten, if it has one."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if abs(value) < 10 and value != int(value) else f"{value:,.0f}"


def as_svg(seen: Seen) -> str:
    """The drawing, for a page that defines the colours."""
    spec = (_months if seen.picture.months else _bars)(seen.rows)
    svg = str(vl_convert.vegalite_to_svg(spec))
    svg = _NEEDLESS.sub("", re.sub(r"(\d\.\d\d)\d+", r"\1", svg))
    return svg.replace("<svg ", f'<svg aria-hidden="true" font-family="{FONT}" ', 1)


def as_markdown(seen: Seen) -> str:
    """The drawing and its words for Dagster's UI, whose own colours are not known."""
    if not seen.rows:
        return seen.words
    svg = re.sub(r"var\(--\w+\)", lambda found: EVERYWHERE[found[0]], as_svg(seen))
    return f"![{seen.words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _bars(rows: list[Row]) -> Spec:
    """A bar for each row, in their order, with its number at its end."""
    shown = [{**row, "label": label(row), "text": number(row["value"])} for row in rows]
    most = max((row["value"] for row in rows), default=1) or 1
    axis = _axis(INK) | {
        # The page's font may be wider than the one that it is laid out with.
        "minExtent": min(WIDEST, max((9 * len(each["label"]) for each in shown), default=0)) + 8,
        "labelLimit": WIDEST - 20,
    }
    scale = {"domain": [0, most * 1.18]}
    x = {"field": "value", "type": "quantitative", "axis": None, "scale": scale}
    y = {"field": "label", "type": "nominal", "sort": None, "axis": axis}
    bar = {"type": "bar", "color": ACCENT, "cornerRadiusEnd": 3, "height": 18}
    layers = [{"mark": bar}, _texts(dx=6)]
    return _chart(shown, {"x": x, "y": y}, layers, max(len(rows), 1) * STEP + 10)


def _months(rows: list[Row]) -> Spec:
    """A line over months with a point for each, and the last one's number."""
    shown = [{**row, "label": row["label"].isoformat(), "text": ""} for row in rows]
    shown[-1]["text"] = number(shown[-1]["value"])
    ticks = {"interval": "month", "step": 6 if len(rows) > LONGEST / 2 else 3}
    time = _axis(QUIET) | {"format": "%b %y", "grid": False, "tickCount": ticks}
    x = {"field": "label", "type": "temporal", "axis": time}
    numbers = _axis(QUIET) | {"tickCount": 4}
    y = {"field": "value", "type": "quantitative", "axis": numbers, "scale": {"nice": 4}}
    line = {
        "type": "line", "color": ACCENT, "strokeWidth": 2.5, "point": {"color": ACCENT, "size": 34}
    }  # fmt: skip
    return _chart(shown, {"x": x, "y": y}, [{"mark": line}, _texts(dx=8)], TALL, beside=40)


def _axis(color: str) -> Spec:
    return {
        "title": None, "domain": False, "ticks": False, "gridColor": LINE, "labelColor": color,
        "labelFontSize": 13, "labelPadding": 8,
    }  # fmt: skip


def _texts(dx: int) -> Spec:
    mark = {"type": "text", "align": "left", "dx": dx, "fontSize": 13, "color": INK}
    return {"mark": mark, "encoding": {"text": {"field": "text"}}}


def _chart(
    rows: list[Row], encoding: Spec, layers: list[Spec], height: int, beside: int = 4
) -> Spec:
    """All layers over the same rows, in a fixed width; `beside` is room for what stands out."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "encoding": encoding,
        "layer": layers,
        "width": WIDTH,
        "height": height,
        "padding": {"left": 4, "top": 4, "bottom": 4, "right": beside},
        "autosize": {"type": "fit", "contains": "padding"},
        "config": {"background": "transparent", "view": {"stroke": None}},
    }
