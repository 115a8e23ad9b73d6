"""What the marts are made of, what their checks catch, and what they do without."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from recruit_assets.load.connection import connection
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS, Mart
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.marts.conftest import PLANTED, Past, answer

NAMES = [mart.name for mart in MARTS]
Copy = duckdb.DuckDBPyConnection


@pytest.fixture
def copy(past: Past, tmp_path: Path) -> Iterator[Copy]:
    """The past in a file that may be spoilt."""
    path = shutil.copy(past.project.path, tmp_path / "copy.duckdb")
    with connection(str(path), {}, 0.1) as database:
        yield database


def rows(database: Copy, mart: Mart) -> int:
    ((found,),) = database.execute(f"SELECT count(*) FROM recruit_marts.{mart.name}").fetchall()
    return int(found)


def test_every_column_is_explained(past: Past) -> None:
    found = past.project.query(
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE schema_name = 'recruit_marts' ORDER BY table_name, column_index"
    )
    assert found == [
        (mart.name, name, meaning)
        for mart in sorted(MARTS, key=lambda each: each.name)
        for name, meaning in mart.columns.items()
    ]


def test_dagster_shows_rows_columns_and_a_picture(past: Past) -> None:
    for mart in MARTS:
        shown = metadata(past.result, mart.name)
        assert shown["dagster/row_count"] == len(past.mart(mart.name))
        assert [each.name for each in shown["dagster/column_schema"].columns] == list(mart.columns)
        assert shown["picture"].startswith(f"![{mart.picture.title}: ")


def test_the_checks_pass(past: Past) -> None:
    found = past.result.get_asset_check_evaluations()
    assert {each.asset_key.to_user_string() for each in found} == set(NAMES)
    assert len(found) == 3 * len(NAMES)
    assert all(each.passed for each in found)


@pytest.mark.parametrize("mart", MARTS, ids=NAMES)
def test_a_wrong_mart_is_caught_and_not_kept(copy: Copy, mart: Mart) -> None:
    def faults(sql: str) -> set[str]:
        before = rows(copy, mart)
        (built,) = build(copy, [replace(mart, sql=sql)])
        assert rows(copy, mart) == before
        return {check for check, found in built.faults.items() if found}

    fans_out = f"SELECT * FROM ({mart.sql}), range(2) AS twice (n)"
    names = ", ".join(mart.columns)
    assert "grain_is_unique" in faults(f"SELECT {names} FROM ({fans_out})")
    assert "totals_agree" in faults(f"SELECT * FROM ({mart.sql}) LIMIT 1")
    if mart.rates:
        too_much = ", ".join(f"{name} + 1.5 AS {name}" for name in mart.rates)
        assert "rates_are_rates" in faults(f"SELECT * REPLACE ({too_much}) FROM ({mart.sql})")


def test_a_join_that_fans_out_fails_the_run_and_keeps_the_tables(
    past: Past, tmp_path: Path
) -> None:
    path = Path(shutil.copy(past.project.path, tmp_path / "spoilt.duckdb"))
    with duckdb.connect(str(path)) as database:
        database.execute("INSERT INTO recruit.departments FROM recruit.departments LIMIT 1")
    with dg.DagsterInstance.ephemeral() as instance:
        spoilt = Project(past.project.sandbox, path, instance)
        result = answer(spoilt, raises=False)
    assert not result.success
    failed = {
        each.asset_key.path[-1] for each in result.get_asset_check_evaluations() if not each.passed
    }
    assert "applications" in failed
    (data,) = [each.step_failure_data for each in result.all_node_events if each.is_step_failure]
    assert data.user_failure_data is not None
    assert "No mart was replaced" in str(data.user_failure_data.description)
    assert spoilt.query("SELECT count(*) FROM recruit_marts.applications") == past.project.query(
        "SELECT count(*) FROM recruit_marts.applications"
    )
    assert not list(tmp_path.glob("*.html"))


def test_without_any_table_all_is_empty_and_the_report_says_so(
    project: Project, tmp_path: Path
) -> None:
    assert answer(project).success
    for mart in MARTS:
        (found,) = project.query(f"SELECT count(*) FROM recruit_marts.{mart.name}")
        assert found[0] <= 1  # the company itself, with nothing to count
    page = (tmp_path / "test-report.html").read_text()
    assert "There are no applications yet." in page
    assert "Never synced" in page
    assert "<svg" not in page


def test_columns_of_another_version_may_be_missing(copy: Copy) -> None:
    before = copy.execute(
        "SELECT stage_type, count(*) FROM recruit_marts.applications GROUP BY 1 ORDER BY 1"
    ).fetchall()
    copy.execute("ALTER TABLE recruit.stages DROP COLUMN stage_type")
    copy.execute("ALTER TABLE recruit.jobs DROP COLUMN start_date")
    copy.execute("DROP TABLE recruit.nps_responses")
    assert not [each for each in build(copy, MARTS) if each.wrong]
    after = copy.execute(
        "SELECT stage_type, count(*) FROM recruit_marts.applications GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert after == before


def test_older_stages_name_their_type_elsewhere(copy: Copy) -> None:
    query = "SELECT stage_type, count(*) FROM recruit_marts.applications GROUP BY 1 ORDER BY 1"
    before = copy.execute(query).fetchall()
    copy.execute("UPDATE recruit.stages SET stage_type = legacy_stage_type_name")
    copy.execute("ALTER TABLE recruit.stages DROP COLUMN legacy_stage_type_name")
    assert not [each for each in build(copy, MARTS) if each.wrong]
    assert copy.execute(query).fetchall() == before


def test_nothing_personal_and_no_free_text(past: Past) -> None:
    (planted,) = past.project.query(
        f"SELECT count(*) FROM recruit.candidates WHERE first_name = '{PLANTED}'"
    )
    assert planted[0] > 100
    for mart in MARTS:
        assert PLANTED not in str(past.mart(mart.name))
    for each in past.result.get_asset_materialization_events():
        assert PLANTED not in str(each.materialization.metadata)
    page = past.project.path.with_name("past-report.html").read_text()
    assert "Renamed" in str(past.mart("applications"))
    assert PLANTED not in page
