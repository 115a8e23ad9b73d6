"""The address of a lake: what it may say, and what it must not."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.database_file import DatabaseFile
from recruit_assets.load.destination import destination
from recruit_assets.load.lake import Lake
from recruit_assets.load.sql import literal
from recruit_assets_tests import lakes

NAMES = ("DATA_PATH", "METADATA_SCHEMA")
TEXTS = st.text(st.sampled_from("ab/._-'(), =1é "), min_size=1, max_size=12)
PLACES = st.from_regex(r"[a-z/._-][a-z/._ =-]{0,10}[a-z._-]", fullmatch=True)


def written(kind: str, catalogue: str, options: dict[str, str]) -> str:
    """An address as DuckDB's ATTACH has it."""
    shown = ", ".join(f"{name} {literal(text)}" for name, text in options.items())
    return f"ducklake:{kind}{':' * bool(kind)}{catalogue}" + f" ({shown})" * bool(shown)


@given(
    st.sampled_from(["", "postgres", "sqlite"]),
    PLACES,
    st.dictionaries(st.sampled_from(NAMES), TEXTS),
)
def test_what_is_written_is_read(kind: str, catalogue: str, options: dict[str, str]) -> None:
    found = destination(written(kind, catalogue, options))
    place = catalogue if kind == "postgres" else os.path.realpath(catalogue)
    assert found == Lake(kind, place, {name: text for name, text in options.items() if text})


@pytest.mark.parametrize(
    "address",
    [
        "ducklake:postgres:host=db password=hunter2 dbname=a (DATA_PATH '/a')",
        "ducklake:postgres:host=db PassWord = 'hunter2' (DATA_PATH '/a')",
        "ducklake:postgres:host=db sslpassword=hunter2 (DATA_PATH '/a')",
        "ducklake:postgres:host=db passwd=hunter2 (DATA_PATH '/a')",
        "ducklake:postgres:postgresql://me:hunter2@db/a (DATA_PATH '/a')",
        "ducklake:postgres:postgresql://me:hunter2/@db/a (DATA_PATH '/a')",
        "ducklake:postgres:postgresql://me@here:hunter2@db/a (DATA_PATH '/a')",
        "ducklake:postgres:postgresql://me: hunter2 @db/a (DATA_PATH '/a')",
        "ducklake:postgres:host=db oauth_client_secret=hunter2 (DATA_PATH '/a')",
        "ducklake:postgres:host=db (DATA_PATH 's3://a/b?s3_secret_access_key=hunter2')",
        "ducklake:postgres:postgresql://me@db/a?password=hunter2 (DATA_PATH '/a')",
        "ducklake:postgres:postgresql://me@db/a?pass%77ord=hunter2 (DATA_PATH '/a')",
        "ducklake:postgres:host=db (DATA_PATH 's3://key:hunter2@bucket/a')",
        "ducklake:postgres:host=db (DATA_PATH '/a', password=hunter2)",
    ],
)
def test_a_password_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(DatabaseProblem, match=r"contains a password.*PGPASSWORD") as raised:
        destination(address)
    assert "hunter2" not in str(raised.value)


@given(TEXTS, st.sampled_from(["password=", "PASSWORD =", "passWord= "]), TEXTS)
def test_a_password_is_refused_wherever_it_is(before: str, how: str, after: str) -> None:
    with pytest.raises(DatabaseProblem, match="contains a password"):
        destination(f"ducklake:postgres:host=db {before}{how}{after}")


@pytest.mark.parametrize(
    "options",
    ["ENCRYPTED", "DATA_PATH '/a' METADATA_SCHEMA 'b'", "DATA_PATH /a", "READ_ONLY, DATA_PATH '/a'",
     "DATA_PATH '/a', OVERRIDE_DATA_PATH true", "DATA_PATH '/a'; DROP TABLE a"],
)  # fmt: skip
def test_other_options_are_refused(options: str) -> None:
    with pytest.raises(DatabaseProblem, match="options of the lake cannot be read"):
        destination(f"ducklake:postgres:host=db ({options})")


@pytest.mark.parametrize(
    "address",
    [
        "ducklake:",
        "ducklake:postgres:",
        "ducklake: ",
        "ducklake:mysql:db=a",
        "ducklake:postgresql://db/a",
    ],
)
def test_an_address_without_a_catalogue_is_refused(address: str) -> None:
    with pytest.raises(DatabaseProblem, match="address of the lake cannot be read: write ducklake"):
        destination(address)


def test_another_way_to_the_same_files_is_the_same_lake(tmp_path: Path) -> None:
    one, other = (destination(f"ducklake:sqlite:{each}") for each in (tmp_path, f"{tmp_path}/../."))
    assert one.key == f"ducklake:sqlite:{tmp_path}"
    assert other.key == f"ducklake:sqlite:{tmp_path.parent}"
    both = [
        destination(f"ducklake:postgres:host=a (DATA_PATH '{path}', METADATA_SCHEMA 'b')").key
        for path in ("/a", "/b")
    ]
    assert both == ["ducklake:postgres:host=a b"] * 2


@pytest.mark.parametrize("address", [" ducklake:sqlite:a", "DUCKLAKE:sqlite:a", "DuckLake:a"])
def test_a_lake_is_one_however_it_is_written(address: str) -> None:
    assert isinstance(destination(address), Lake)


def test_a_file_is_no_lake() -> None:
    assert isinstance(destination("lakes/ducklake.duckdb"), DatabaseFile)


@pytest.mark.skipif(bool(lakes.missing()), reason=lakes.missing())
def test_files_need_a_place(tmp_path: Path) -> None:
    with pytest.raises(DatabaseProblem, match="does not say where its files are"):
        destination("ducklake:postgres:host=db").check()
    with pytest.raises(DatabaseProblem, match="does not say where its files are"):
        destination("ducklake:postgres:host=db (DATA_PATH '')").check()
    with pytest.raises(DatabaseProblem, match="another folder for a process elsewhere"):
        destination("ducklake:postgres:host=db (DATA_PATH 'data')").check()
    for address in (
        f"ducklake:postgres:host=db (DATA_PATH '{tmp_path}/none/a')",
        f"ducklake:sqlite:{tmp_path}/none/a",
        f"ducklake:{tmp_path}/none/a",
    ):
        with pytest.raises(DatabaseProblem, match=rf"There is no folder {tmp_path}/none: create"):
            destination(address).check()


@pytest.mark.skipif(not lakes.missing(), reason="the extensions are installed")
def test_without_the_extensions_it_is_said_what_to_install() -> None:
    with pytest.raises(DatabaseProblem, match=r"pip install 'recruit-assets\[lake\]'"):
        destination("ducklake:postgres:host=db").check()


@pytest.mark.parametrize("kind", ["postgres", "sqlite", ""])
def test_names_are_quoted(tmp_path: Path, kind: str) -> None:
    if problem := lakes.missing():
        pytest.skip(problem)
    folder = tmp_path / "it's (here)"
    folder.mkdir()
    catalogue = lakes.cluster().address if kind == "postgres" else str(folder / "cat'alogue")
    options = {"DATA_PATH": str(folder / "fi'les")}
    if kind == "postgres":
        options["METADATA_SCHEMA"] = f"it's_{os.getpid()}"
    address = written(kind, catalogue, options)
    with lakes.connect(address) as database:
        database.execute("CREATE TABLE numbers AS FROM range(100)")
    with lakes.connect(address, read_only=True) as database:
        assert database.execute("SELECT count(*) FROM numbers").fetchall() == [(100,)]
    assert list(folder.glob("fi'les/**/*.parquet"))
