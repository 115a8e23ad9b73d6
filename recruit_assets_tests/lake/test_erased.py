"""Erased means erased: from Parquet files, their statistics, and every table of the catalogue.

Each search finds the planted names in both before it may miss them.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recruit_assets.options import Mode
from recruit_assets.sandbox import World
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.person.persons import LEADS, NAMES, PERSON, crowd, forget, pending_in

pytestmark = pytest.mark.ring(2)


def texts_of(file: Path) -> str:
    """All values of a Parquet file, and what its statistics say of them."""
    with pq.ParquetFile(file) as parquet:
        groups = (parquet.metadata.row_group(n) for n in range(parquet.metadata.num_row_groups))
        columns = [group.column(n) for group in groups for n in range(group.num_columns)]
        bounds = [(each.statistics.min, each.statistics.max) for each in columns if each.statistics]
        return f"{parquet.read().to_pylist()} {bounds} {parquet.metadata.metadata}"


def planted_in(folder: Path) -> tuple[set[str], set[str]]:
    """The planted words in Parquet files, and those in the catalogue."""
    files = [texts_of(each) for each in folder.rglob("*.parquet")]
    assert files
    catalogue = lakes.cluster().dump(lakes.schema_of(folder / "lake"))
    assert "ducklake" in catalogue
    parquet, rows = (set(re.findall("Zyx[a-z]+", text)) for text in ("".join(files), catalogue))
    return parquet, rows


def plant(world: World) -> str:
    """Add a person with planted words to a crowd that fills a file; return the id."""
    return crowd(world, first_name="Zyxada", last_name="Zyxlove", email="Zyxmail")


def change(world: World, id_: str) -> None:
    """Change one value of the person, which alone is few enough to be in the catalogue."""
    world.change(PERSON, id_, {"pitch": "Zyxpitch"})


def theirs(world: World) -> list[tuple[str, str]]:
    """Paths and ids of the records with planted words."""
    paths = (PERSON, *(path for path in LEADS))
    return [
        (path, id_)
        for path in paths
        for id_, each in world.table(path).items()
        if "Zyx" in str(each)
    ]


def forgotten(project: Project, id_: str) -> None:
    assert "were erased" in forget(project, id_)


def deleted(project: Project, _: str) -> None:
    for path, each in theirs(project.sandbox.world):
        project.sandbox.world.remove(path, each)
    assert project.materialize(*NAMES, mode=Mode.full).success


def replaced(project: Project, _: str) -> None:
    world = project.sandbox.world
    for path, each in theirs(world):
        attributes = world.table(path)[each]["attributes"]
        planted = [name for name, value in attributes.items() if "Zyx" in str(value)]
        world.change(path, each, dict.fromkeys(planted, "Anonymous" if path == PERSON else None))
    assert project.materialize(*NAMES, mode=Mode.full).success


@pytest.mark.parametrize("erase", [forgotten, deleted, replaced])
def test_nothing_of_a_person_is_left(
    project: Project, tmp_path: Path, erase: Callable[[Project, str], None]
) -> None:
    id_ = plant(project.sandbox.world)
    for name in NAMES:
        project.sync(name)
    change(project.sandbox.world, id_)
    project.sync(PERSON)
    parquet, catalogue = planted_in(tmp_path)
    assert parquet >= {"Zyxada", "Zyxlove", "Zyxmail"}
    assert catalogue >= {"Zyxpitch", "Zyxfeedback"}
    erase(project, id_)
    assert planted_in(tmp_path) == (set(), set())
    assert pending_in(project) is None
    rows = "SELECT count(*), count(DISTINCT id) FROM recruit.candidates"
    ((all_, ids),) = project.query(rows)
    assert all_ == ids == project.sandbox.world.count(PERSON) + (erase is deleted)
