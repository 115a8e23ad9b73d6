"""What `constraints-lowest.txt` pins is what `pyproject.toml` declares as lowest."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def lowest(requirement: Requirement) -> list[Version]:
    return [Version(each.version) for each in requirement.specifier if each.operator == ">="]


def test_the_lowest_versions_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [Requirement(each) for each in project["dependencies"]]
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {canonicalize_name(name): Version(version) for name, version in pins.items()}
    assert {each.name: lowest(each) for each in declared} == {
        each.name: [pinned[canonicalize_name(each.name)]] for each in declared
    }
