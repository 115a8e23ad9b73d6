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
from recruit_assets_tests.person.persons import PERSON, crowd, forget, pending_in

pytestmark = pytest.mark.ring(2)


def texts_of(file: Path) -> str:
    """All values of a Parquet file, and what its statistics say of them."""
    with pq.ParquetFile(file) as parquet:
        groups = (parquet.metadata.row_group(n) for n in range(parquet.metadata.num_row_groups))
        columns = [group.column(n) for group in groups for n in range(group.num_columns)]
        bounds = [(each.statistics.min, each.statistics.max) for each in columns if each.statistics]
        return f"{parquet.read().to_pylist()} {bounds} {parquet.metadata.metadata}"


def planted_in(project: Project, folder: Path) -> tuple[set[str], set[str]]:
    """The planted words in Parquet files, and those in the catalogue."""
    files = [texts_of(each) for each in folder.rglob("*.parquet")]
    assert files
    catalogue = lakes.cluster().dump(lakes.schema_of(folder / "lake"))
    assert "ducklake" in catalogue
    parquet, rows = (set(re.findall("Zyx[a-z]+", text)) for text in ("".join(files), catalogue))
    return parquet, rows


def plant(world: World) -> str:
    """Add a person with planted words, among so many that they are in a file; return the id."""
    return crowd(world, first_name="Zyxada", last_name="Zyxlove", email="Zyxmail")


def change(world: World, id_: str) -> None:
    """Change one value of the person, which alone is few enough to be in the catalogue."""
    world.change(PERSON, id_, {"pitch": "Zyxpitch"})


def forgotten(project: Project, id_: str) -> None:
    assert "forgotten" in forget(project, id_) or True


def deleted(project: Project, id_: str) -> None:
    for path in ("job-applications", "notes", "todos", "referrals", "nps-responses", "job-offers"):
        world = project.sandbox.world
        for each, record in list(world.table(path).items()):
            if "Zyx" in str(record):
                world.remove(path, each)
    project.sandbox.world.remove(PERSON, id_)
    assert project.materialize(mode=Mode.full).success


def replaced(project: Project, id_: str) -> None:
    blank = dict.fromkeys(("first-name", "last-name", "email", "pitch"), "Anonymous")
    for path in ("job-applications", "notes", "todos", "referrals", "nps-responses", "job-offers"):
        for each, record in project.sandbox.world.table(path).items():
            if "Zyx" in str(record):
                texts = {
                    name: None for name, text in record["attributes"].items() if "Zyx" in str(text)
                }
                project.sandbox.world.change(path, each, texts)
    project.sandbox.world.change(PERSON, id_, blank)
    assert project.materialize(mode=Mode.full).success


@pytest.mark.parametrize("erase", [forgotten, deleted, replaced])
def test_nothing_of_a_person_is_left(
    project: Project, tmp_path: Path, erase: Callable[[Project, str], None]
) -> None:
    id_ = plant(project.sandbox.world)
    project.sync_all()
    change(project.sandbox.world, id_)
    project.sync(PERSON)
    parquet, catalogue = planted_in(project, tmp_path)
    assert parquet >= {"Zyxada", "Zyxlove", "Zyxmail"}
    assert catalogue >= {"Zyxpitch", "Zyxnote"}
    before = project.counts()
    erase(project, id_)
    assert planted_in(project, tmp_path) == (set(), set())
    assert pending_in(project) is None
    assert project.counts() == before
    assert project.materialize().success
    assert planted_in(project, tmp_path)[1] == (set() if erase is not None else set())
