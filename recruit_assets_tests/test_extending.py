"""The examples of `docs/extending.md` work as they stand there."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster_duckdb import DuckDBResource

from recruit_assets import endpoints
from recruit_assets.assets import build_asset
from recruit_assets_tests.conftest import Project

pytestmark = pytest.mark.ring(2)

DOCUMENT = Path(__file__).parents[1] / "docs" / "extending.md"
EXAMPLES = dict(re.findall(r"```python (\w+)\n(.+?)```", DOCUMENT.read_text(), re.DOTALL))


def example(which: str, name: str) -> Any:
    """What an example defines."""
    known = {**vars(endpoints), "dg": dg, "DuckDBResource": DuckDBResource}
    exec(compile(EXAMPLES[which], str(DOCUMENT), "exec"), known)
    return known[name]


def run(project: Project, asset: dg.AssetsDefinition) -> None:
    dg.materialize([asset], resources=project.resources(), instance=project.instance)


def test_an_endpoint(project: Project) -> None:
    asset = build_asset(example("endpoint", "divisions"))
    (spec,) = asset.specs
    columns = [column.name for column in spec.metadata["dagster/column_schema"].columns]
    assert columns[:3] == ["id", "name", "created_at"]
    run(project, asset)  # this company has none: unavailable, and no error
    assert project.query("SELECT verdict FROM recruit_meta.syncs") == [("unavailable",)]


def test_an_asset_downstream(project: Project) -> None:
    project.materialize("job_applications", "jobs")
    run(project, example("downstream", "applications_by_job"))
    ((jobs, applications),) = project.query(
        "SELECT count(*), sum(applications) FROM applications_by_job"
    )
    world = project.sandbox.world
    assert (jobs, applications) == (world.count("jobs"), world.count("job-applications"))


def test_another_destination(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.materialize("candidates")
    monkeypatch.chdir(tmp_path)
    run(project, example("destination", "candidates_parquet"))
    with duckdb.connect() as reader:
        ((rows,),) = reader.execute("SELECT count(*) FROM 'candidates.parquet'").fetchall()
    assert rows == project.sandbox.world.count("candidates")
