"""The README and `.env.example` say what the code does."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli

from recruit_assets.checks import CHECKS, ERRORS
from recruit_assets.definitions import defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.settings import SETTINGS, Setting

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def rows(*header: str) -> list[list[str]]:
    """The cells of the table with this header."""
    _, _, table = README.partition(f"| {' | '.join(header)} |\n")
    lines = table.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_settings() -> None:
    def shown(setting: Setting) -> str:
        if setting.needed:
            return "needed"
        return f"`{setting.default}`" if setting.default else "empty"

    assert rows("variable", "default", "meaning") == [
        [f"`{each.name}`", shown(each), each.meaning] for each in SETTINGS
    ]


def test_the_example_environment() -> None:
    found = re.findall(r"# (.+)\n(# )?(RECRUIT_\w+)=(.*)", (ROOT / ".env.example").read_text())
    assert [(name, value, not optional) for _, optional, name, value in found] == [
        (each.name, each.default, each.needed) for each in SETTINGS
    ]
    for (meaning, *_), each in zip(found, SETTINGS, strict=True):
        assert meaning.partition(";")[0] == each.meaning.partition(";")[0]


def test_the_endpoints() -> None:
    assert rows("table", "group", "what it holds") == [
        [f"`{each.name}`", each.group, each.description] for each in ENDPOINTS
    ]


def test_the_marts() -> None:
    assert rows("mart", "one row for each") == [
        [f"`{each.name}`", ", ".join(f"`{name}`" for name in each.grain)]
        for each in sorted(MARTS, key=lambda each: README.index(f"| `{each.name}` |"))
    ]
    assert len(rows("mart", "one row for each")) == len(MARTS)


def test_the_history() -> None:
    assert dict(rows("history of", "what is kept")) == {
        f"`{each.name}`": ", ".join(f"`{name}`" for name in each.history)
        for each in ENDPOINTS
        if each.history
    }


CHECK_COLUMNS = ("check", "what it asks", "if not")
COMMANDS = re.findall(r"\| `((?:asset|job|definitions) [^`]+)` \|", README)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_exist(command: str) -> None:
    words = shlex.split(command)
    dagster = create_dagster_cli()  # type: ignore[no-untyped-call]
    known = CliRunner().invoke(dagster, [*words[:2], "--help"]).output
    assert all(word in known for word in words if word.startswith("-"))


def test_jobs_schedules_and_sensor_are_named() -> None:
    assert len(COMMANDS) == 5
    repository = defs.get_repository_def()
    names = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    names |= {schedule.name for schedule in repository.schedule_defs}
    names |= {sensor.name for sensor in repository.sensor_defs}
    assert len(names) == 12
    assert not [name for name in names if f"`{name}`" not in README]


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


def test_the_files_to_read_exist() -> None:
    for path in re.findall(r"`([a-z_/]+\.py)`", README):
        assert (ROOT / "recruit_assets" / path).is_file()


def test_the_checks() -> None:
    found = [(name, asks, says.split(",")[0]) for name, asks, says in rows(*CHECK_COLUMNS)]
    other = {True: "fails", False: "warns"}
    assert found == [
        (
            f"`{check.name}`",
            check.promise,
            "fails the run" if check.blocking else other[check.name in ERRORS],
        )
        for check in CHECKS
    ]
