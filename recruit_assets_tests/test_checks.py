from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.checks import CHECKS
from recruit_assets.definitions import defs
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.syncing import ASSETS

REGIONS = [each for each in ASSETS if each.key == dg.AssetKey("regions")]
ALL = {check.name for check in CHECKS} - {"read_copy_is_published"}  # only if there is a copy


def found(
    result: dg.ExecuteInProcessResult, check: str, asset: str = "regions"
) -> tuple[bool, dict[str, Any]]:
    """Whether a check of a run passed, and what it found."""
    evaluation = evaluated(result, asset)[check]
    return evaluation.passed, {name: each.value for name, each in evaluation.metadata.items()}


def evaluated(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of an asset found in a run."""
    return {
        each.check_name: each
        for each in result.get_asset_check_evaluations()
        if each.asset_key == dg.AssetKey(asset)
    }


def says(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, str | None]:
    """The checks of an asset that did not pass, and what they say; all of them warn."""
    failed = {name: each for name, each in evaluated(result, asset).items() if not each.passed}
    assert {each.severity for each in failed.values()} <= {dg.AssetCheckSeverity.WARN}
    return {name: each.description for name, each in failed.items()}


def test_each_asset_has_every_check_and_one_of_them_blocks() -> None:
    for asset in ASSETS:
        name = asset.key.path[-1]
        without = {"erasure_is_done"} if name != "candidates" else set()
        assert {spec.name for spec in asset.check_specs} == ALL - without
        assert {spec.name for spec in asset.check_specs if spec.blocking} == {"ids_are_unique"}
        assert {spec.asset_key for spec in asset.check_specs} == {asset.key}


@pytest.mark.parametrize("job", ["sync", "full_sync", "sync_company"])
def test_jobs_run_the_checks(job: str) -> None:
    checks = defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys
    assert dg.AssetCheckKey(dg.AssetKey("regions"), "ids_are_unique") in checks


def must_be_well(result: dg.ExecuteInProcessResult) -> None:
    """Every check of every asset passed, and looked at the keys."""
    evaluations = list(result.get_asset_check_evaluations())
    of_one_asset = len(ASSETS) - 1  # erasure_is_done, of the whole file
    assert len(evaluations) == len(ASSETS) * len(ALL) - of_one_asset
    assert {
        name: said for asset in ASSETS for name, said in says(result, asset.key.path[-1]).items()
    } == {}
    _, keys = found(result, "data_is_consistent", "job_applications")
    assert keys == {
        "unparsed": 0,
        "candidate_id to candidates": 0,
        "job_id to jobs": 0,
        "stage_id to stages": 0,
        "reject_reason_id to reject_reasons": 0,
    }


def test_all_is_well_after_an_incremental_sync(project: Project) -> None:
    project.sync("candidates")
    result = project.materialize("candidates", mode="incremental")
    assert metadata(result, "candidates")["proof"] == "counted"
    assert len(evaluated(result, "candidates")) == len(ALL)
    assert says(result, "candidates") == {}


def test_ids_that_repeat_or_are_missing_stop_what_lies_downstream(project: Project) -> None:
    sound = {"repeated_ids": 0, "missing_ids": 0}
    assert found(project.materialize("regions"), "ids_are_unique") == (True, sound)
    with duckdb.connect(str(project.path)) as database:
        database.execute("INSERT INTO recruit.regions SELECT * FROM recruit.regions LIMIT 2")
        database.execute("INSERT INTO recruit.regions (name) VALUES ('nobody')")
    result = project.materialize("regions", raises=False)
    flawed = {"repeated_ids": 2, "missing_ids": 1}
    assert found(result, "ids_are_unique") == (False, flawed)
    assert not result.success


def test_an_endpoint_that_the_key_may_not_read_is_not_complete(project: Project) -> None:
    project.sandbox.rules.without = {"regions": 403}
    result = project.materialize("regions")
    said = says(result, "regions")
    assert set(said) == {"sync_is_complete"}
    assert "HTTP 403" in (said["sync_is_complete"] or "")
    assert found(result, "sync_is_complete")[1] == {
        "verdict": "unavailable", "available": 0, "proven": 0, "rows": 0, "rows_before": 0
    }  # fmt: skip


def test_what_is_not_proven_is_not_complete(project: Project) -> None:
    project.sandbox.rules.no_counts = {"regions"}
    result = project.materialize("regions")
    reason = "the API does not say how many records there are"
    assert says(result, "regions") == {"sync_is_complete": reason}
    assert found(result, "sync_is_complete")[1] == {
        "verdict": "incomplete", "available": 1, "proven": 0, "rows": 4, "rows_before": 4
    }  # fmt: skip


def test_values_that_do_not_fit_are_told_by_column_and_type(project: Project) -> None:
    first, *_ = (record["id"] for record in project.sandbox.world.records("regions"))
    project.sandbox.world.change("regions", first, {"name": {"planted": "Zaphod"}})
    result = project.materialize("regions")
    assert says(result, "regions") == {
        "data_is_consistent": "1 values did not fit and are kept in _unparsed: name is object"
    }
    numbers = found(result, "data_is_consistent")[1]
    assert numbers.pop("unparsed_by_column") == {"name": {"object": 1}}
    assert numbers == {"unparsed": 1}


def test_rows_that_became_fewer_are_told(project: Project) -> None:
    project.materialize("regions")
    world = project.sandbox.world
    for record in world.records("regions")[:2]:
        world.remove("regions", record["id"])
    result = project.materialize("regions", allow_mass_delete=True)
    assert says(result, "regions") == {
        "sync_is_complete": "4 rows were current before, and 2 are now: is that right?"
    }
    assert found(result, "sync_is_complete")[1] == {
        "verdict": "complete", "available": 1, "proven": 1, "rows": 2, "rows_before": 4
    }  # fmt: skip


@pytest.mark.ring(2)
def test_all_reasons_of_one_check_are_told(project: Project) -> None:
    project.materialize("regions")
    with duckdb.connect(str(project.path)) as database:
        database.execute("UPDATE recruit_meta.syncs SET current_rows = 40")
    project.sandbox.rules.without = {"regions": 403}
    (said,) = says(project.materialize("regions"), "regions").values()
    assert said is not None
    assert "HTTP 403" in said
    assert said.endswith("out. 40 rows were current before, and 4 are now: is that right?")


@pytest.mark.ring(2)
def test_orphans_are_told_once_what_they_lead_to_was_read(project: Project) -> None:
    world = project.sandbox.world
    location = world.records("locations")[0]["id"]
    user = world.records("users")[0]["id"]
    world.change("users", user, {}, {"location": location})
    world.remove("locations", location)
    assert "data_is_consistent" not in says(project.materialize("users", "locations"), "users")
    world.change("users", user, {"name": {"planted": "Zaphod"}})
    said = says(project.materialize("users", "locations"), "users")["data_is_consistent"] or ""
    misfits, orphans = said.split(". ")
    assert misfits == "1 values did not fit and are kept in _unparsed: name is object"
    assert orphans.startswith("Foreign keys match no row: ")
    assert f"of location_id to locations, such as {location}" in orphans


@pytest.mark.ring(2)
@FULL
def test_keys_that_are_plain_attributes_are_looked_at_as_well(project: Project) -> None:
    world = project.sandbox.world
    note = world.records("notes")[0]["id"]
    lost = {"candidate-id": 404404, "user-id": 404405, "mentioned-user-ids": [404406]}
    world.change("notes", note, lost)
    names = ("notes", "candidates", "users")
    project.materialize(*names)
    said = says(project.materialize(*names), "notes")["data_is_consistent"] or ""
    assert "1 of candidate_id to candidates, such as 404404" in said
    assert "1 of user_id to users, such as 404405" in said
    assert "1 of mentioned_user_ids to users, such as 404406" in said


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
    result = check_alone(project, "sync_is_complete")
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.check_name == "sync_is_complete"
    assert not result.get_asset_materialization_events()
