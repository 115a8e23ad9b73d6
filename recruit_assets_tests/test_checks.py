from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.assets import ASSETS
from recruit_assets.checks import CHECKS
from recruit_assets.definitions import defs
from recruit_assets_tests.conftest import Project

REGIONS = [each for each in ASSETS if each.key == dg.AssetKey("regions")]
CHECK = [each for each in CHECKS if each.keys_by_input_name == {"regions": dg.AssetKey("regions")}]


def evaluations(result: dg.ExecuteInProcessResult) -> list[tuple[bool, Any]]:
    """What the checks of a run found."""
    return [
        (each.passed, each.metadata["repeated_ids"].value)
        for each in result.get_asset_check_evaluations()
    ]


def test_each_asset_has_its_check() -> None:
    assert {key.asset_key for check in CHECKS for key in check.check_keys} == {
        each.key for each in ASSETS
    }
    assert all(spec.blocking for check in CHECKS for spec in check.check_specs)


@pytest.mark.parametrize("job", ["sync", "full_sync", "sync_company"])
def test_jobs_run_the_checks(job: str) -> None:
    nodes = {node.name for node in defs.resolve_job_def(job).nodes}
    assert "regions_ids_are_unique" in nodes


def test_ids_that_repeat_are_found_and_stop_what_lies_downstream(project: Project) -> None:
    def run() -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*REGIONS, *CHECK],
            resources=project.resources(),
            instance=project.instance,
            raise_on_error=False,
        )

    assert evaluations(run()) == [(True, 0)]
    with duckdb.connect(str(project.path)) as database:
        database.execute("INSERT INTO recruit.regions SELECT * FROM recruit.regions LIMIT 2")
    result = run()
    assert evaluations(result) == [(False, 2)]
    assert not result.success
