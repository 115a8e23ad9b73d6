from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.assets import ASSETS
from recruit_assets.definitions import defs
from recruit_assets.schedules import compact
from recruit_assets_tests.conftest import Project

REGIONS = [each for each in ASSETS if each.key == dg.AssetKey("regions")]


def run(project: Project) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        REGIONS,
        resources=project.resources(),
        instance=project.instance,
        raise_on_error=False,
    )


def found(result: dg.ExecuteInProcessResult, check: str) -> tuple[bool, dict[str, Any]]:
    """Whether a check of a run passed, and what it found."""
    (evaluation,) = [
        each for each in result.get_asset_check_evaluations() if each.check_name == check
    ]
    return evaluation.passed, {name: each.value for name, each in evaluation.metadata.items()}


def test_each_asset_has_its_check() -> None:
    for asset in ASSETS:
        assert {spec.name: spec.blocking for spec in asset.check_specs} == {
            "ids_are_unique": True,
            "is_compact": False,
        }
        assert {spec.asset_key for spec in asset.check_specs} == {asset.key}


@pytest.mark.parametrize("job", ["sync", "full_sync", "sync_company"])
def test_jobs_run_the_checks(job: str) -> None:
    keys = defs.resolve_job_def(job).asset_layer.asset_graph.get_all_asset_keys()
    assert dg.AssetKey("regions") in keys
    checks = defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys
    assert dg.AssetCheckKey(dg.AssetKey("regions"), "ids_are_unique") in checks


def test_ids_that_repeat_are_found_and_stop_what_lies_downstream(project: Project) -> None:
    assert found(run(project), "ids_are_unique") == (True, {"repeated_ids": 0})
    with duckdb.connect(str(project.path)) as database:
        database.execute("INSERT INTO recruit.regions SELECT * FROM recruit.regions LIMIT 2")
    result = run(project)
    assert found(result, "ids_are_unique") == (False, {"repeated_ids": 2})
    assert not result.success


def test_a_file_full_of_replaced_rows_is_told_of_and_the_job_mends_it(project: Project) -> None:
    result = run(project)
    assert found(result, "is_compact") == (True, {"rows": 4, "rows_in_file": 4})
    with duckdb.connect(str(project.path)) as database:
        many = "SELECT r.* FROM range(50000) t(i) CROSS JOIN recruit.regions r"
        database.execute(f"INSERT INTO recruit.regions {many}")
        database.execute("CHECKPOINT")
        database.execute("DELETE FROM recruit.regions WHERE rowid % 3 > 0")
    passed, metadata = found(check_alone(project, "is_compact"), "is_compact")
    assert not passed
    assert metadata["rows_in_file"] > 2 * metadata["rows"]
    before = project.query("SELECT * FROM recruit.regions ORDER BY ALL")
    assert compact.execute_in_process(
        resources={"duckdb": project.resources()["duckdb"]}, instance=project.instance
    ).success
    assert project.query("SELECT * FROM recruit.regions ORDER BY ALL") == before
    assert found(check_alone(project, "is_compact"), "is_compact")[0]


def check_alone(project: Project, name: str) -> dg.ExecuteInProcessResult:
    """Run one check of the regions, and nothing else."""
    key = dg.AssetCheckKey(dg.AssetKey("regions"), name)
    job = dg.define_asset_job("alone", dg.AssetSelection.checks(key))
    return (
        dg.Definitions(REGIONS, resources=project.resources(), jobs=[job])
        .resolve_job_def("alone")
        .execute_in_process(instance=project.instance)
    )


def test_one_check_can_be_run_alone(project: Project) -> None:
    project.materialize("regions")
    result = check_alone(project, "is_compact")
    assert [each.check_name for each in result.get_asset_check_evaluations()] == ["is_compact"]
