"""The examples of `docs/embedding.md` work as they stand there."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster.components.resolved.errors import ResolutionException

from recruit_assets import RecruitComponent
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import KEY

DOCUMENT = Path(__file__).parents[1] / "docs" / "embedding.md"
TEXT = DOCUMENT.read_text()
EXAMPLES = dict(re.findall(r"```(?:python|yaml) (\w+)\n(.+?)```", TEXT, re.DOTALL))


def example(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """What the code of an example defines."""
    exec(compile(EXAMPLES[name], str(DOCUMENT), "exec"), known)
    return known


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")  # called by Dagster
def test_the_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", KEY)
    kind, _, attributes = EXAMPLES["component"].partition("\n\nattributes:\n")
    assert kind == "type: recruit_assets.RecruitComponent"
    component = RecruitComponent.resolve_from_yaml(dedent(attributes))
    context = dg.ComponentTree.for_test().load_context
    names = {job.name for job in component.build_defs(context).jobs or []}
    assert {"acme_sync", "acme_compact"} <= names
    assert component.settings is not None
    assert component.settings.model_dump(exclude_defaults=True) == {
        "base_url": "https://api.teamtailor.com/v1/",
        "key_variable": "ACME_API_KEY",
        "auth_header": "Authorization",
        "auth_prefix": "Token token=",
        "database": "acme.duckdb",
    }


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")  # called by Dagster
def test_settings_in_yaml_can_be_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_URL", "https://acme.example.com/v1/")
    monkeypatch.setenv("ACME_BUDGET", "7")
    component = RecruitComponent.resolve_from_yaml(
        """
        settings:
          base_url: "{{ env.ACME_URL }}"
          requests_per_10s: "{{ env.ACME_BUDGET | int }}"
          owners: ["team:{{ env.ACME_BUDGET }}"]
        """
    )
    assert component.settings is not None
    assert component.settings.model_dump(exclude_defaults=True) == {
        "base_url": "https://acme.example.com/v1/",
        "requests_per_10s": 7,
        "owners": ["team:7"],
    }


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")  # called by Dagster
def test_a_mistake_in_yaml_is_a_sentence_without_values() -> None:
    wrong = "settings: {databse: s3cret, key: s3cret, concurrency: s3cret}"
    with pytest.raises(ResolutionException) as raised:
        RecruitComponent.resolve_from_yaml(wrong)
    told = str(raised.value)
    assert "There is no setting databse: do you mean database?" in told
    assert "There is no setting key: do you mean key_variable?" in told
    assert "s3cret" not in told


def test_the_attributes_are_those_of_the_component() -> None:
    table = TEXT.partition("| attribute | default | meaning |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    fields = RecruitComponent.model_fields
    assert [row[0].strip("`") for row in rows[1:]] == list(fields)


@pytest.mark.ring(2)
def test_the_python(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACME_API_KEY", KEY)
    known = example("account", {})
    assert {asset.key.to_user_string() for asset in known["defs"].resolve_all_asset_specs()} > {
        "acme/jobs",
        "acme/job_applications",
    }
    translation = example("translation", known)["translation"]
    assert translation(dg.AssetSpec("jobs")).group_name == "raw"

    # The same account, in front of the sandbox.
    settings = {"auth_header": "api", "auth_prefix": "", "base_url": sandbox.base_url}
    known["settings"] = known["settings"].model_copy(update=settings)
    account = known["build_defs"](known["settings"], key_prefix="acme", translation=translation)
    own = [example(name, known)[asset] for name, asset in OWN.items()]
    defs = dg.Definitions.merge(account, dg.Definitions(own))
    keys = dg.AssetSelection.assets(["acme", "jobs"], *(each.key for each in own))
    job = dg.define_asset_job("some", keys, executor_def=dg.in_process_executor)
    merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
    assert merged.resolve_job_def("some").execute_in_process().success
    with duckdb.connect("acme.duckdb", read_only=True) as database:
        counts = "SELECT (FROM hr.employees SELECT count(*)), (FROM open_jobs SELECT count(*))"
        ((employees, open_jobs),) = database.execute(counts).fetchall()
    jobs = sandbox.world.records("jobs")
    assert employees == 1
    assert open_jobs == sum(each["attributes"]["status"] == "open" for each in jobs) > 0


OWN = {"merged": "employees", "downstream": "open_jobs"}
