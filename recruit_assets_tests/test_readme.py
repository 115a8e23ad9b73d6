"""The README, `docs` and `.env.example` say what the code does."""

import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli

from recruit_assets.assets import SyncConfig
from recruit_assets.catalogue import Endpoint
from recruit_assets.checks import CHECKS, ERRORS
from recruit_assets.cli.main import parser
from recruit_assets.definitions import defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import connection
from recruit_assets.load.read_copy import publish
from recruit_assets.marts.build import build, published_columns
from recruit_assets.marts.level_views import level_views
from recruit_assets.marts.mart import MARTS
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS, MORE_ENDPOINTS
from recruit_assets.variables import Variable, variables
from recruit_assets_tests import reference

ROOT = Path(__file__).parents[1]
README, CHANGELOG = "README.md", "CHANGELOG.md"
PAGES = {  # by path from the root
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / README, ROOT / CHANGELOG, *sorted((ROOT / "docs").glob("*.md")))
}
NOW = {path: text for path, text in PAGES.items() if path != CHANGELOG}  # not about the past
ALL = "\n".join(NOW.values())


def rows(page: str, *header: str) -> list[list[str]]:
    """The cells of the table with this header."""
    _, _, table = PAGES[page].partition(f"| {' | '.join(header)} |\n")
    lines = table.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_settings() -> None:
    def shown(setting: Variable) -> str:
        if setting.needed:
            return "needed"
        return f"`{setting.default}`" if setting.default else "empty"

    assert rows("docs/settings.md", "variable", "field", "default", "meaning") == [
        [f"`{each.name}`", f"`{each.field}`", shown(each), each.meaning] for each in variables()
    ]


def test_the_example_environment() -> None:
    found = re.findall(r"# (.+)\n(# )?(RECRUIT_\w+)=(.*)", (ROOT / ".env.example").read_text())
    assert [(name, value, not optional) for _, optional, name, value in found] == [
        (each.name, each.default, each.needed) for each in variables()
    ]
    for (meaning, *_), each in zip(found, variables(), strict=True):
        assert meaning.partition(";")[0] == each.meaning.partition(";")[0]


def test_the_endpoints() -> None:
    assert rows("docs/tables.md", "table", "group", "what it holds") == [
        [f"`{each.name}`", each.group, each.description] for each in ENDPOINTS
    ]
    assert rows("docs/tables.md", "table, if named", "group", "what it holds") == [
        [f"`{each.name}`", each.group, each.description] for each in MORE_ENDPOINTS
    ]


def test_the_sync_modes_and_keys() -> None:
    known = {each.name for each in KNOWN_ENDPOINTS}

    def keys(endpoint: Endpoint) -> str:
        targets: dict[str, list[str]] = {}
        for key in endpoint.foreign_keys():
            if key.table in known:
                targets.setdefault(key.column, []).append(key.table)
        shown = (f"`{column}` → {' or '.join(tables)}" for column, tables in targets.items())
        return ", ".join(shown) or "none"

    assert rows("docs/tables.md", "table", "incremental", "foreign keys") == [
        [f"`{each.name}`", "yes" if each.dated else "no", keys(each)] for each in KNOWN_ENDPOINTS
    ]


def test_the_diagram_has_every_table_and_foreign_key() -> None:
    known = {each.name for each in KNOWN_ENDPOINTS}
    lines = {f"    {name}" for name in known}
    for endpoint in KNOWN_ENDPOINTS:
        columns: dict[str, list[str]] = {}
        for key in endpoint.foreign_keys():
            ends = f"    {endpoint.name} {'}o--o{' if key.many else '}o--o|'} {key.table}"
            if key.table in known:
                columns.setdefault(ends, []).append(key.column)
                lines -= {f"    {endpoint.name}", f"    {key.table}"}
        lines |= {f'{ends} : "{", ".join(names)}"' for ends, names in columns.items()}
    _, _, diagram = PAGES["docs/tables.md"].partition("```mermaid\nerDiagram\n    direction LR\n")
    diagram = diagram.partition("\n```")[0]
    assert sorted(diagram.splitlines()) == sorted(lines)


def test_the_marts() -> None:
    page = "docs/marts.md"
    found = rows(page, "mart", "one row for each")
    assert found == [
        [f"`{each.name}`", ", ".join(f"`{name}`" for name in each.grain)]
        for each in sorted(MARTS, key=lambda each: PAGES[page].index(f"| `{each.name}` |"))
    ]
    assert len(found) == len(MARTS)
    assert dict(rows(page, "mart", "views")) == {
        f"`{mart.name}`": ", ".join(f"`{name}`" for name in level_views(mart))
        for mart in MARTS
        if mart.levels
    }


def test_the_columns_of_the_marts() -> None:
    assert PAGES["docs/mart-columns.md"] == reference.page(), (
        "run python -m recruit_assets_tests.reference"
    )


@pytest.mark.ring(2)
def test_the_cell_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = re.findall(r"```python\n(.+?)```", PAGES["docs/readers.md"], re.DOTALL)
    file, columns = str(tmp_path / "made.duckdb"), published_columns(ENDPOINTS)
    with connection(file, {}, 0.1) as database:
        build(database, MARTS)
        ((as_of,),) = database.execute("SELECT TIMESTAMPTZ '2026-09-01 00:00:00+00'").fetchall()
        database.execute(
            "INSERT INTO recruit_marts.time_to_hire BY NAME SELECT 'month' AS level, "
            "?::DATE AS month, true AS is_whole_month, 3 AS hires, 20 AS median_days_to_hire",
            [as_of],
        )
    publish(file, str(tmp_path / "hiring.duckdb"), 0.1, {}, columns)
    monkeypatch.chdir(tmp_path)
    *before, shown = cell.strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(before), names)
    found = eval(shown, names)
    names["hiring"].close()
    assert found.rows() == [(as_of.date(), 3, 20.0, None, None)]


def test_the_query_of_the_marts() -> None:
    (query,) = re.findall(r"```sql\n(.+?)```", PAGES["docs/marts.md"], re.DOTALL)
    with duckdb.connect() as database:
        database.execute("CREATE SCHEMA recruit_marts")
        for mart in MARTS:
            columns = ", ".join(f'"{name}" VARCHAR' for name in mart.columns)
            database.execute(f"CREATE TABLE recruit_marts.{mart.name} ({columns})")
        assert len(database.execute(query).description or ()) == 4


def test_the_history() -> None:
    assert dict(rows("docs/history.md", "history of", "what is kept")) == {
        f"`{each.name}`": ", ".join(f"`{name}`" for name in each.history)
        for each in ENDPOINTS
        if each.history
    }


def test_the_run_options() -> None:
    found = rows("docs/running.md", "option", "default", "meaning")
    assert [(name, default) for name, default, _ in found] == [
        (f"`{name}`", f"`{getattr(field.default, 'value', field.default)}`")
        for name, field in SyncConfig.model_fields.items()
    ]


CHECK_COLUMNS = ("check", "what it asks", "if not")
COMMANDS = re.findall(r"\| `((?:asset|job|definitions) [^`]+)` \|", ALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_exist(command: str) -> None:
    words = shlex.split(command)
    dagster = create_dagster_cli()  # type: ignore[no-untyped-call]
    known = CliRunner().invoke(dagster, [*words[:2], "--help"]).output
    assert all(word in known for word in words if word.startswith("-"))


def test_the_commands_of_our_own_exist() -> None:
    names = "sync|doctor|status|person|dbt-sources"
    typed = rf"(?:bin/recruit-assets |\| `)((?:{names})\b(?!\.)[^`\n|>]*)"
    commands = re.findall(typed, ALL)
    assert len(commands) > 8
    for command in commands:
        parser().parse_args(shlex.split(command))


def test_jobs_schedules_and_sensor_are_named() -> None:
    assert len(COMMANDS) == 5
    repository = defs.get_repository_def()
    names = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    names |= {schedule.name for schedule in repository.schedule_defs}
    names |= {sensor.name for sensor in repository.sensor_defs}
    assert len(names) == 16
    assert not [name for name in names if f"`{name}`" not in PAGES["docs/running.md"]]


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", "\n".join(PAGES.values()))) <= targets


def test_the_files_to_read_exist() -> None:
    found = re.findall(r"`([a-z_/]+\.py)`", ALL)
    assert "extract/walk.py" in found
    for path in found:
        assert (ROOT / "recruit_assets" / path.removeprefix("recruit_assets/")).is_file()


def test_the_checks() -> None:
    found = [
        (name, asks, says.split(",")[0])
        for name, asks, says in rows("docs/running.md", *CHECK_COLUMNS)
    ]
    other = {True: "fails", False: "warns"}
    assert found == [
        (
            f"`{check.name}`",
            check.promise,
            "fails the run" if check.blocking else other[check.name in ERRORS],
        )
        for check in CHECKS
    ]


def test_the_numbers_are_those_that_were_measured() -> None:
    _, _, listed = PAGES[README].partition("Dagster's start included:\n\n")
    numbers = re.findall(r"\d[\d,.]*\d", listed.partition("\n\n[How")[0])
    _, _, measured = PAGES["docs/performance.md"].partition("<!-- make bench -->")
    assert len(numbers) == 14
    for number in numbers:
        assert re.search(
            rf"(?<![\d,.]){number}(?![\d,.]\d)", measured.partition("<!-- made -->")[0]
        )


def test_the_readme_is_short() -> None:
    assert len(PAGES[README].splitlines()) <= 150
    assert "Teamtailor" in PAGES[README].split("\n\n")[1].partition(". ")[0]


LINKS = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(page: str) -> set[str]:
    """What a link into the page can name, as GitHub derives it from the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = [link or image for link, image in LINKS.findall(FENCED.sub("", PAGES[page]))]
    for link in links:
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_is_linked_from_the_readme() -> None:
    links = {link for link, _ in LINKS.findall(PAGES[README])}
    assert links >= PAGES.keys() - {README}
