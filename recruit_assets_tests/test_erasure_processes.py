"""Erasures in a run that has a process for each step, as in a project with another executor."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets_tests.conftest import Project, settings_for
from recruit_assets_tests.syncing import ASSETS, resources
from recruit_assets_tests.test_erasure import left

TOGETHER = ["candidates", "users", "notes"]  # more than there are processes at a time


def in_processes() -> dg.JobDefinition:
    """Return a job, set up by the environment, with a process for each step."""
    path = os.environ["RECRUIT_DATABASE"]
    database = RecruitDatabase(database=path, wait_seconds=60, read_copy=f"{path}.copy")
    api = json.loads(os.environ["API"])
    defs = dg.Definitions(
        ASSETS,
        jobs=[dg.define_asset_job("some", TOGETHER)],
        resources=resources(database, RecruitApi(first_wait=0, **api)),
        executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    )
    return defs.resolve_job_def("some")


@pytest.mark.ring(3)
def test_with_a_process_for_each_step_it_is_compacted_and_published_once_after_the_last(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TOGETHER:
        project.sync(name)
        project.sandbox.world.remove(name, min(project.sandbox.world.table(name)))
    monkeypatch.setenv("RECRUIT_DATABASE", str(project.path))
    monkeypatch.setenv("API", json.dumps(settings_for(project.sandbox)))
    config = {"ops": {name: {"config": {"mode": "full"}} for name in TOGETHER}}
    job = dg.reconstructable(in_processes)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = dg.execute_job(job, instance, run_config=config)
        assert run.success
        logs = instance.all_logs(run.run_id)
    (compacted,) = [n for n, each in enumerate(logs) if "was compacted" in each.user_message]
    (published,) = [n for n, each in enumerate(logs) if "was published" in each.user_message]
    events = [(n, each.dagster_event) for n, each in enumerate(logs) if each.dagster_event]
    ended = {event.pid: n for n, event in events if event.is_step_success}
    assert len(ended) == len(TOGETHER)
    assert max(ended.values()) < compacted < published
    assert left(project) is None
