"""Lakes for tests: a PostgreSQL, and what tests do with a database wherever it is.

With `DESTINATION=lake` the databases of the tests that use this module are lakes, as in `make
test-lake`; otherwise they are files. A lake's address stands in for the path. What only a file has
is tested with files alone: such a test is marked `only_files` with the reason.
"""

import os
import shutil
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import pytest

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.destination import destination
from recruit_assets.load.engine import ALIAS
from recruit_assets.load.extensions import extension
from recruit_assets.load.lake import Lake
from recruit_assets.load.sql import quoted
from recruit_assets.text import LAKE as PREFIX
from recruit_assets_tests.postgres import Cluster, programs

LAKE = os.environ.get("DESTINATION", "file") == "lake"
SHARED = "TEST_POSTGRES"  # environment variable with the folder of a PostgreSQL
COPY_SCHEMA = """
DO $$ DECLARE each text; BEGIN
  CREATE SCHEMA {new};
  FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = '{old}' LOOP
    EXECUTE format('CREATE TABLE {new}.%I (LIKE {old}.%I INCLUDING ALL)', each, each);
    EXECUTE format('INSERT INTO {new}.%I SELECT * FROM {old}.%I', each, each);
  END LOOP;
  UPDATE {new}.ducklake_metadata SET value = replace(value, '{source}', '{folder}')
    WHERE key = 'data_path';
END $$
"""


def missing() -> str:
    """Return what is missing for a lake with its catalogue in PostgreSQL; empty if nothing is."""
    try:
        extension("ducklake"), extension("postgres_scanner")
    except DatabaseProblem as error:
        return str(error)
    return "" if programs() else "PostgreSQL is not installed."


@cache
def cluster() -> Cluster:
    """Return the PostgreSQL of all tests of a run, or else of this process."""
    return Cluster(os.environ.get(SHARED, ""))


def start_cluster() -> None:
    """Start the PostgreSQL that this process and its children share, if lakes stand in for files.

    Raises:
        pytest.UsageError: there can be no lake.
    """
    if LAKE and SHARED not in os.environ:
        if problem := missing():
            raise pytest.UsageError(problem)
        os.environ[SHARED] = str(cluster().folder)


def stop_cluster() -> None:
    """Stop the PostgreSQL of this process, if one was started."""
    if cluster.cache_info().currsize:
        cluster().remove()
        cluster.cache_clear()


def lake_at(path: Path, of: Cluster | None = None) -> Path:
    """Return the address of a lake of its own, whose files are beside a path."""
    return Path(
        f"{PREFIX}postgres:{(of or cluster()).address} "
        f"(DATA_PATH '{path}.files', METADATA_SCHEMA '{schema_of(path)}')"
    )


def schema_of(path: Path) -> str:
    """Return the schema in PostgreSQL of the lake at a path."""
    return f"lake_{sha256(str(path).encode()).hexdigest()[:16]}"


def database_at(path: Path) -> Path:
    """Return where a database of the tests is: the path, or a lake's address in its stead."""
    return lake_at(path) if LAKE else path


def beside(path: Path) -> Path:
    """Return the path that names files beside a database."""
    return destination(str(path)).beside


def connect(
    path: Path | str, *, read_only: bool = False, config: Mapping[str, str | int] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a database without the product, as another tool would; `:memory:` is a new one."""
    if path == ":memory:" and LAKE:
        # Made three times as fast as one in PostgreSQL.
        path = f"{PREFIX}{mkdtemp(dir=cluster().folder)}/catalogue"
    place = destination(str(path))
    if not isinstance(place, Lake):
        return duckdb.connect(str(path), read_only=read_only, config=dict(config or {}))
    database = duckdb.connect(config=dict(config or {}))
    (place.attach_read_only if read_only else place.attach)(database, ALIAS)
    database.execute(f"USE {quoted(ALIAS)}")
    return database


def cursor(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return another connection to what a connection of `connect` uses."""
    found = database.cursor()
    if LAKE:
        found.execute(f"USE {quoted(ALIAS)}")
    return found


def copied(path: Path, to: Path) -> Path:
    """Copy a database that no one is writing; return where the copy is."""
    place = destination(str(path))
    if not isinstance(place, Lake):
        return Path(shutil.copy(path, to))
    to = to / place.beside.name if to.is_dir() else to
    shutil.copytree(place.data_path, f"{to}.files")
    old = place.options["METADATA_SCHEMA"]
    names = {"old": old, "new": schema_of(to), "source": place.data_path, "folder": f"{to}.files"}
    cluster().sql(COPY_SCHEMA.format(**names))
    return lake_at(to)
