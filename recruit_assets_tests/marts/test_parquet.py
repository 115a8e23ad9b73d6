"""The marts are Parquet files too, if they have a folder: all of them, and only ours."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recruit_assets import Settings, build_defs
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.marts import parquet
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.parquet import write_files
from recruit_assets_tests.rings import FULL

ONE, TWO = MARTS[:2]
TABLE = pa.table({"one": [1]})
Database = duckdb.DuckDBPyConnection


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with connection(str(tmp_path / "marts.duckdb"), {}, 0.1) as database:
        database.execute("CREATE SCHEMA recruit_marts")
        for number, mart in enumerate((ONE, TWO)):
            database.execute(
                f"CREATE TABLE recruit_marts.{mart.name} AS SELECT {number} AS number, "
                "TIMESTAMPTZ '2026-10-01 08:00:00+00' AS at, 'Ä' AS text, NULL::DATE AS day"
            )
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "it's a {folder}"
    found.mkdir()
    return found


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def grow(database: Database) -> None:
    database.execute(f"INSERT INTO recruit_marts.{ONE.name} FROM recruit_marts.{ONE.name}")


def test_each_mart_is_a_private_file_with_its_rows(database: Database, folder: Path) -> None:
    assert write_files(database, [ONE, TWO], folder, "")
    assert names(folder) == {f"{ONE.name}.parquet", f"{TWO.name}.parquet"}
    for number, mart in enumerate((ONE, TWO)):
        path = folder / f"{mart.name}.parquet"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        (row,) = pq.read_table(path).to_pylist()
        at = datetime(2026, 10, 1, 8, tzinfo=UTC)
        assert row == {"number": number, "at": at, "text": "Ä", "day": None}


def test_files_with_the_same_rows_are_left_as_they_are(database: Database, folder: Path) -> None:
    write_files(database, [ONE, TWO], folder, "")
    path = folder / f"{ONE.name}.parquet"
    path.chmod(0o644)
    before = path.stat().st_ino
    assert not write_files(database, [ONE, TWO], folder, "")
    assert path.stat().st_ino == before
    grow(database)
    assert write_files(database, [ONE, TWO], folder, "")
    assert pq.read_metadata(path).num_rows == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_that_was_removed_comes_back_and_one_of_a_dropped_mart_goes(
    database: Database, folder: Path
) -> None:
    write_files(database, [ONE, TWO], folder, "")
    (folder / f"{ONE.name}.parquet").unlink()
    pq.write_table(TABLE, folder / "mine.parquet")
    assert write_files(database, [ONE], folder, "")
    assert names(folder) == {f"{ONE.name}.parquet", "mine.parquet"}


def test_all_or_none_are_replaced(database: Database, folder: Path) -> None:
    write_files(database, [ONE, TWO], folder, "")
    before = files(folder)
    grow(database)
    database.execute(f"DROP TABLE recruit_marts.{TWO.name}")
    with pytest.raises(DatabaseProblem, match=f"no table recruit_marts.{TWO.name} yet"):
        write_files(database, [ONE, TWO], folder, "")
    assert files(folder) == before


def test_what_a_killed_run_left_is_removed(database: Database, folder: Path) -> None:
    left = folder / f"{parquet.NEW}left"
    left.mkdir()
    (left / f"{TWO.name}.parquet").write_text("half")
    (folder / f"{parquet.NEW}empty").mkdir()
    write_files(database, [ONE], folder, "")
    assert names(folder) == {f"{ONE.name}.parquet"}


def test_what_a_user_adds_is_never_removed(database: Database, folder: Path) -> None:
    write_files(database, [ONE, TWO], folder, "")
    archive = folder / f"{TWO.name}-2026-10.parquet"
    copy(folder / f"{TWO.name}.parquet", archive)
    notes, left = folder / ".recruit-assets-notes", folder / f"{parquet.NEW}left"
    for each in (notes, left):
        each.mkdir()
        (each / f"{ONE.name}.parquet").write_text("half")
        (each / "mine.parquet").write_text("mine")
    link = folder / f"{parquet.NEW}link"
    link.symlink_to(notes)
    grow(database)
    assert write_files(database, [ONE], folder, "")
    added = {archive.name, notes.name, left.name, link.name}
    assert names(folder) == {f"{ONE.name}.parquet", *added}
    assert names(notes) == names(left) == {f"{ONE.name}.parquet", "mine.parquet"}


def test_the_files_of_another_account_are_never_replaced(database: Database, folder: Path) -> None:
    write_files(database, [ONE, TWO], folder, "acme")
    before = files(folder)
    grow(database)
    for account in ("", "globex"):
        with pytest.raises(DatabaseProblem, match="is of another account: move or remove it"):
            write_files(database, [ONE, TWO], folder, account)
    assert files(folder) == before


@pytest.mark.parametrize("made", ["text", "parquet", "folder", "link"])
def test_a_file_of_the_user_is_never_replaced(database: Database, folder: Path, made: str) -> None:
    path = folder / f"{TWO.name}.parquet"
    if made == "text":
        path.write_text("mine")
    elif made == "parquet":
        pq.write_table(TABLE, path)
    elif made == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(DatabaseProblem, match="is none that recruit-assets wrote: move or remove"):
        write_files(database, [ONE, TWO], folder, "")
    assert names(folder) == {path.name}


@pytest.mark.parametrize("made", [False, True])
def test_without_a_folder_it_says_what_to_do(
    database: Database, tmp_path: Path, made: bool
) -> None:
    place = tmp_path / "none"
    if made:
        place.write_text("a file")
    with pytest.raises(DatabaseProblem, match=r"There is no folder .*: create it, or set RECR"):
        write_files(database, [ONE], place, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(database: Database, folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(DatabaseProblem, match="is not writable"):
        write_files(database, [ONE], folder, "")


@pytest.mark.ring(2)
@FULL
def test_the_job_writes_the_marts_of_an_account(
    instance: dg.DagsterInstance, tmp_path: Path, folder: Path
) -> None:
    settings = Settings(database=str(tmp_path / "acme.duckdb"), parquet_folder=str(folder))
    defs = build_defs(settings, key_prefix="acme", sensors=False, schedules=False)
    job = defs.resolve_job_def("acme_build_marts")
    folder.rmdir()
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    (failed,) = [each for each in result.all_node_events if each.is_step_failure]
    assert failed.step_key == "acme__parquet"
    assert failed.step_failure_data.user_failure_data is not None
    said = failed.step_failure_data.user_failure_data.description or ""
    assert said.endswith("create it, or set parquet_folder to another one.")
    folder.mkdir()
    result = job.execute_in_process(instance=instance)
    (found,) = [
        each.materialization.metadata
        for each in result.get_asset_materialization_events()
        if each.asset_key == dg.AssetKey(["acme", "parquet"])
    ]
    assert (found["files"].value, found["written"].value) == (len(MARTS), True)
    assert names(folder) == {f"{mart.name}.parquet" for mart in MARTS}
    for mart in MARTS:
        assert pq.read_schema(folder / f"{mart.name}.parquet").names == list(mart.columns)


def test_without_the_setting_there_is_no_asset() -> None:
    keys = build_defs(Settings()).resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey("report") in keys
    assert dg.AssetKey("parquet") not in keys
