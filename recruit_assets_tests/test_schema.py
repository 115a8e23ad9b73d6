"""Columns that users build on change only in a version that may change them."""

from pathlib import Path

import duckdb
import pytest

from recruit_assets_tests.released import unpack
from recruit_assets_tests.released.schema import (
    CHANGELOG,
    WRITE,
    Release,
    columns_in,
    files,
    last_released,
    objections,
    parsed,
    shown,
)

BEFORE = {"recruit.jobs.id": "VARCHAR", "recruit.jobs.title": "VARCHAR"}
REMOVED = {"recruit.jobs.id": "VARCHAR"}
RETYPED = {**BEFORE, "recruit.jobs.title": "JSON"}
ADDED = {**BEFORE, "recruit.jobs.pitch": "VARCHAR"}


@pytest.mark.ring(2)
def test_the_columns_are_those_of_the_version() -> None:
    changelog, now = CHANGELOG.read_text(), Release.current()
    to_do = objections(last_released(changelog), now, changelog)
    if files()[-1].columns != now.columns:
        to_do.append(f"run {WRITE} to write {shown(now.version)}.schema, and commit it")
    assert not to_do, "; ".join(to_do)


@pytest.mark.ring(2)
@pytest.mark.parametrize("version", ["0.1.0"])
def test_the_file_of_a_version_has_the_columns_of_its_database(
    version: str, tmp_path: Path
) -> None:
    path = unpack(version, tmp_path / "released.duckdb")
    with duckdb.connect(str(path), read_only=True) as database:
        found = columns_in(database)
    (release,) = [each for each in files() if each.version == parsed(version)]
    assert found == release.columns


def test_a_version_that_the_changelog_says_is_not_released_may_still_change() -> None:
    changelog = "## 0.2.0 (not released yet)\n\n## 0.1.0\n"
    assert last_released(changelog).version == parsed("0.1.0")


@pytest.mark.parametrize(
    ("before", "now", "columns", "changelog", "says"),
    [
        ("0.2.0", "0.2.0", BEFORE, "", []),
        ("0.2.0", "0.2.0", ADDED, "", ["recruit.jobs.pitch: added", "to 0.2.1"]),
        ("0.2.0", "0.2.1", ADDED, "", []),
        ("0.2.0", "0.2.9", REMOVED, "`title`", ["recruit.jobs.title: removed", "to 0.3.0"]),
        ("0.2.0", "0.2.9", RETYPED, "`title`", ["recruit.jobs.title: removed", "to 0.3.0"]),
        ("0.2.0", "0.3.0", REMOVED, "", ["recruit.jobs.title", "name it in CHANGELOG.md"]),
        ("0.2.0", "0.3.0", REMOVED, "`title`", []),
        ("0.2.0", "0.3.0", RETYPED, "`title`", []),
        ("1.4.2", "1.5.0", REMOVED, "`title`", ["to 2.0.0"]),
        ("1.4.2", "1.4.3", ADDED, "", ["to 1.5.0"]),
        ("1.4.2", "1.5.0", ADDED, "", []),
    ],
)
def test_which_version_may_change_columns(
    before: str, now: str, columns: dict[str, str], changelog: str, says: list[str]
) -> None:
    old, new = Release(parsed(before), BEFORE), Release(parsed(now), columns)
    said = "; ".join(objections(old, new, changelog))
    assert bool(said) == bool(says)
    assert all(each in said for each in says)
