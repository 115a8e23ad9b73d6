"""What the upkeep of a lake removes, and what it leaves."""

import os
from datetime import timedelta
from pathlib import Path
from time import time

import pytest

from recruit_assets.errors import DatabaseChanged
from recruit_assets.load.compact import compact, make_erasure_final
from recruit_assets.load.connection import connection, transaction
from recruit_assets_tests import lakes
from recruit_assets_tests.lake.test_writers import merge, merge_and, names

pytestmark = pytest.mark.ring(2)
ROWS = 500


def old(folder: Path, age: timedelta) -> set[Path]:
    """Let all files of a folder be of that age; return them."""
    files = {each for each in folder.rglob("*") if each.is_file()}
    for each in files:
        os.utime(each, (time() - age.total_seconds(),) * 2)
    return files


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two lakes in one folder, with rows in both."""
    if problem := lakes.missing():
        pytest.skip(problem)
    found = []
    for name in ("acme", "globex"):
        address = str(lakes.lake_at(tmp_path / name)).replace(f"{name}.files", "shared")
        found.append(Path(address))
        with connection(address, {}, 10) as database, transaction(database):
            merge(database, name, range(ROWS))
    return found


def test_it_leaves_what_another_lake_has_in_the_same_folder(
    two: list[Path], tmp_path: Path
) -> None:
    mine = tmp_path / "shared" / "mine.parquet"
    mine.write_bytes(b"somebody's")
    files = old(tmp_path / "shared", timedelta(days=3))
    assert len(files) > 2
    make_erasure_final(str(two[1]), 10, {})
    compact(str(two[1]), 10)
    assert mine.exists()
    assert names(two[0]) == [("acme", ROWS)]
    assert names(two[1]) == [("globex", ROWS)]


def test_what_a_killed_writer_left_goes_after_an_erasure(two: list[Path], tmp_path: Path) -> None:
    lake, _ = two
    with lakes.connect(lake, read_only=True) as database:
        ((folder,),) = database.execute(
            "SELECT value FROM ducklake_options('recruit_assets') WHERE option_name = 'data_path'"
        ).fetchall()
    assert Path(folder).parent == tmp_path / "shared"
    left, young = (Path(folder) / f"ducklake-{name}.parquet" for name in ("left", "young"))
    left.write_bytes(b"Zyx")
    young.write_bytes(b"Zyx")
    os.utime(left, (time() - 7_200,) * 2)
    compact(str(lake), 10)
    assert not left.exists()
    assert young.exists()  # it may be of a transaction of another tool


def test_a_writer_that_has_lost_its_turn_writes_nothing(two: list[Path]) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    with pytest.raises(DatabaseChanged, match="was lost"):
        merge_and(lambda: lakes.cluster().sql(end), two[0], range(ROWS, 2 * ROWS))
    assert names(two[0]) == [("acme", ROWS)]
