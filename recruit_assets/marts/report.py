"""The report: one self-contained HTML page, built from the marts.

Gathers the data and renders the page. `report.toml` and `glossary.toml` define the content,
`report.html` the layout, and the scripts in `page` what the filters do.
"""

import os
import stat
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import duckdb
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.destination import destination
from recruit_assets.load.disk import disk_problem
from recruit_assets.load.syncs import latest
from recruit_assets.marts.build import Row, ask
from recruit_assets.marts.carried import carry
from recruit_assets.marts.charts import ChartData, as_svg, cell, query_chart
from recruit_assets.marts.freshness import as_of, freshness
from recruit_assets.marts.gaps import STAGES, Gaps
from recruit_assets.marts.headlines import Headlines, gather_headlines
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.views import known_columns
from recruit_assets.text import one_line

HERE = Path(__file__).parent
SCRIPTS = [  # in this order
    "unpack", "numbers", "rows", "counting", "answers_of_applications", "other_answers",
    "headlines", "draw", "show", "filters", "page",
]  # fmt: skip
_MARTS = {mart.name: mart for mart in MARTS}
_AS_OF = "SELECT max(as_of) AS as_of FROM recruit_marts.applications"
_STAGES = (
    "SELECT count(*) AS applications, count(*) FILTER (stage_type IS NULL) AS without_stage "
    "FROM recruit_marts.applications"
)


@dataclass(frozen=True)
class Answer:
    """Hold a section of the page; without a sentence, `nothing` says why there is none.

    `note` says what to know of the table, if anything. `is_unknown` says whether tables that it
    needs could not be read.
    """

    section: Mapping[str, Any]
    sentence: str | None
    nothing: str
    chart: ChartData
    table: list[Row]
    note: str
    is_unknown: bool


@dataclass(frozen=True)
class Contents:
    """Hold the contents of the page; `tables` says how fresh and complete each table is.

    `warnings` say which figures may be out of date, and why. `rows` are packed for the filters.
    """

    as_of: datetime | None
    warnings: list[str]
    headlines: Headlines
    answers: list[Answer]
    tables: list[Row]
    rows: str
    has_names: bool


def gather(database: duckdb.DuckDBPyConnection, *, names: bool = False) -> Contents:
    """Query the marts, and the record of the syncs; `names` adds the names of employees."""
    headlines, sections = read_content()
    define_words(database)
    name_users(database, names=names)
    tables = {row["endpoint"]: row for row in ask(database, f"FROM {latest(database)}")}
    gaps = Gaps(tables, **_first(ask(database, _STAGES)))
    numbers = gather_headlines(database, headlines, gaps)
    return Contents(
        as_of=as_of(_first(ask(database, _AS_OF))["as_of"], tables.values()),
        warnings=gaps.warnings({name for each in headlines + sections for name in each["needs"]}),
        headlines=numbers,
        answers=[answer(database, section, gaps) for section in sections],
        tables=freshness(tables),
        rows=carry(database, {"comparable": numbers.comparable}),
        has_names=names,
    )


def read_content() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the definitions of the numbers at the top, and of the sections."""
    content = tomllib.loads((HERE / "report.toml").read_text())
    return content["headlines"], content["sections"]


def define_words(database: duckdb.DuckDBPyConnection) -> None:
    """Let the content use `counted`, which says how many there are of a thing."""
    database.execute(
        "CREATE OR REPLACE TEMP MACRO counted(number, noun) AS "
        "format('{:,} {}{}', number::BIGINT, noun, if(number = 1, '', 's'))"
    )


def name_users(database: duckdb.DuckDBPyConnection, *, names: bool) -> None:
    """Let the content use `user_name`, which says who a user is: by id, or by name and id."""
    with known_columns(database):
        database.execute(
            "CREATE OR REPLACE TEMP TABLE page_users AS SELECT id, trim(name) AS name "
            "FROM recruit.users WHERE $names AND trim(name) <> ''",
            {"names": names},
        )
    database.execute(
        "CREATE OR REPLACE TEMP MACRO user_name(user_id) AS coalesce("
        "(SELECT format('{} ({})', name, id) FROM page_users WHERE id = user_id), user_id)"
    )


def answer(database: duckdb.DuckDBPyConnection, section: Mapping[str, Any], gaps: Gaps) -> Answer:
    """Return what the marts say in a section, or why they cannot."""
    unknown, mart = gaps.reason(section["needs"]), _MARTS[section["mart"]]
    picture = replace(mart.picture, sql=section.get("bars", mart.picture.sql))
    said = _sentence(database, section["say"]) if not unknown else ""
    return Answer(
        {"wide": False, **section},
        said or None,
        unknown or section["nothing"],
        query_chart(database, replace(mart, picture=picture)),
        ask(database, section["table"]),
        _sentence(database, section["note"]) if "note" in section else "",
        bool(unknown),
    )


def _sentence(database: duckdb.DuckDBPyConnection, sql: str) -> str:
    return one_line(_first(ask(database, sql)).get("sentence") or "")


def render(contents: Contents) -> str:
    """Return the page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"cell": cell, "drawn": _drawn, "filtered": _filtered}
    environment.filters["text_columns"] = _text_columns
    template = environment.from_string((HERE / "report.html").read_text())
    script = "\n".join((HERE / "page" / f"{name}.js").read_text() for name in SCRIPTS)
    return template.render(
        contents=contents,
        words=tomllib.loads((HERE / "glossary.toml").read_text()),
        script=Markup(script),  # noqa: S704 - our own script
        digest=b64encode(sha256(script.encode()).digest()).decode(),
    )


def report_path(database: str) -> Path:
    """Return the path of a database's report, in the same folder."""
    file = destination(database).beside
    return file.with_name(f"{file.stem}-report.html")


def write(page: str, path: Path) -> Path:
    """Replace the page atomically, so that no reader sees half of it.

    A new page is readable by its owner only; a replaced page keeps its mode.

    Raises:
        DatabaseProblem: the page cannot be written; the old page stays, the message says what to
            do.
    """
    try:
        handle, fresh = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(page)
            with suppress(FileNotFoundError):
                os.chmod(fresh, stat.S_IMODE(path.stat().st_mode))
            os.replace(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as error:
        problem = disk_problem(str(error), str(path.parent), committed=True)
        raise problem or DatabaseProblem(f"{path} cannot be written: {error}.") from error
    return path


def _first(rows: list[Row]) -> Row:
    return rows[0] if rows else {}


def _text_columns(rows: list[Row]) -> set[str]:
    """Return the columns with text to read, not only numbers to compare such as `+3` or `80%`."""
    return {
        name
        for row in rows
        for name, value in row.items()
        if isinstance(value, str) and any(letter.isalpha() for letter in value)
    }


def _drawn(chart: ChartData) -> Markup:
    """Return a drawing."""
    return Markup(as_svg(chart))  # noqa: S704 - our own drawing, which escapes its texts


def _filtered(answer: Answer) -> Markup:
    """Return what the filters need to know of a section as attributes; nothing if they leave it."""
    section = answer.section
    if "none" not in section or answer.is_unknown:
        return Markup("")
    found = Markup(' data-answer="{}" data-none="{}" data-chart="{}"').format(
        section["mart"], section["none"], answer.chart.picture.title
    )
    if STAGES not in section["needs"]:
        return found
    return found + Markup(' data-stages="{}"').format("cohort" if section.get("cohort") else "all")
