"""`recruit_now`: the current rows of each table, without bookkeeping columns."""

from pathlib import Path

import pytest

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.load.current import NOW
from recruit_assets.load.schema import BOOKKEEPING
from recruit_assets.options import Mode
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import BY_NAME, Project

pytestmark = pytest.mark.ring(2)

DEPARTMENTS = [column.name for column in BY_NAME["departments"].columns()]


def run(path: Path, sql: str) -> None:
    """Do what a user does in a shell."""
    with connection(str(path), {}, 1) as database:
        database.execute(sql)


def shown(project: Project) -> list[str]:
    """The columns of the view, as DuckDB lists them to a user."""
    return [name for name, *_ in project.query(f"DESCRIBE {NOW}.departments")]


def identity(project: Project) -> list[tuple[int, ...]]:
    """What changes when the view is made again."""
    return project.query(f"SELECT view_oid FROM duckdb_views() WHERE schema_name = '{NOW}'")


def test_it_shows_current_rows_and_is_renewed_only_when_columns_change(project: Project) -> None:
    world = project.sandbox.world
    project.sync("departments")
    assert shown(project) == DEPARTMENTS
    made = identity(project)
    first, *others = sorted(world.table("departments"))
    world.remove("departments", first)
    world.change("departments", others[0], {"name": "Renamed"})
    project.sync("departments", mode=Mode.full)
    assert project.query(f"SELECT count(*) FROM {NOW}.departments") == [(len(others),)]
    assert project.counts_of("departments") == len(others) + 1  # the deleted one
    assert identity(project) == made

    world.change("departments", others[0], {"floor": 3})
    project.sync("departments", mode=Mode.full)
    assert shown(project) == [*DEPARTMENTS, "floor"]
    assert not BOOKKEEPING.keys() & set(shown(project))


@pytest.mark.parametrize(
    "altered",
    [
        f"DROP SCHEMA {NOW} CASCADE",  # as in a file of an earlier version
        "ALTER TABLE recruit.departments DROP COLUMN name",
        pytest.param(
            "ALTER TABLE recruit.departments ALTER name TYPE VARCHAR[] USING [name]",
            marks=pytest.mark.only_files("a lake cannot change this type"),
        ),
        "DROP TABLE recruit.departments",
    ],
)
def test_the_next_sync_makes_it_again(project: Project, altered: str) -> None:
    project.sync("departments")
    run(project.path, altered)
    project.sync("departments")
    ids = project.query(f"SELECT id FROM {NOW}.departments WHERE name IS NOT NULL ORDER BY id")
    assert ids == [(each,) for each in sorted(project.sandbox.world.table("departments"))]
    assert sorted(shown(project)) == sorted(DEPARTMENTS)


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_what_a_user_has_put_there_is_kept(project: Project, kind: str) -> None:
    run(project.path, f"CREATE SCHEMA {NOW}; CREATE {kind} {NOW}.departments AS SELECT 5 AS five")
    with pytest.raises(DatabaseProblem, match=f"{NOW}.departments is a {kind.lower()} that some"):
        project.sync("departments")
    assert project.sandbox.requests == []
    assert project.query(f"FROM {NOW}.departments") == [(5,)]
    run(project.path, f"DROP {kind} {NOW}.departments")
    project.sync("departments")
    assert shown(project) == DEPARTMENTS


@pytest.mark.only_files("a lake has no file name")
def test_it_can_be_read_whatever_the_file_is_called(project: Project, tmp_path: Path) -> None:
    project.sync("departments")
    for name in ("acme", "recruit_now", "recruit_assets", "x y"):
        path = project.path.rename(tmp_path / f"{name}.duckdb")
        with lakes.connect(path, read_only=True) as database:
            found = database.sql(f'FROM "{name}".{NOW}.departments').fetchall()
        assert len(found) == len(project.sandbox.world.table("departments"))
        project.path = path
