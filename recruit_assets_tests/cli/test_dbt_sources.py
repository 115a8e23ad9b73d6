"""`recruit-assets dbt-sources` prints YAML that dbt reads, with every table, column and grain."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from recruit_assets.cli.dbt_sources import as_yaml
from recruit_assets.cli.main import main
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.released.schema import made
from recruit_assets_tests.rings import FULL

DBT = ("dbt-core>=1.10,<1.12", "dbt-duckdb>=1.10,<1.12")
PROJECT = "name: hiring\nversion: '1.0'\nprofile: hiring\nmodel-paths: [models]\n"
PROFILES = "hiring: {target: dev, outputs: {dev: {type: duckdb, path: %s}}}"
MODEL = "select id, title from {{ source('recruit_now', 'jobs') }}"


def sources(text: str) -> dict[str, dict[str, Any]]:
    """The tables of each source by name."""
    found = yaml.safe_load(text)
    assert found["version"] == 2
    return {
        source["name"]: {table["name"]: table for table in source["tables"]}
        for source in found["sources"]
    }


def columns(table: Mapping[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in table["columns"]}


@FULL
def test_it_has_every_column_of_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dbt-sources"]) == 0
    said = capsys.readouterr().out
    assert said == as_yaml("", ENDPOINTS)
    found = sources(said)
    assert list(found["recruit"]) == list(found["recruit_now"]) == [e.name for e in ENDPOINTS]
    listed = {
        f"{schema}.{table}.{name}": column.get("data_type")
        for schema, tables in sources(as_yaml("", KNOWN_ENDPOINTS)).items()
        for table, about in tables.items()
        for name, column in columns(about).items()
        if schema != "recruit_now"
    }
    stored = {
        name: sql_type
        for name, sql_type in made().items()
        if not name.startswith("recruit_meta.") or ".syncs." in name or ".latest." in name
    }
    assert listed.keys() == stored.keys()
    assert all(listed[name] in (None, sql_type) for name, sql_type in stored.items())
    assert "&" not in {line.strip()[:1] for line in said.splitlines()}


def test_marts_have_their_grain_and_personal_columns_are_marked() -> None:
    found = sources(as_yaml("", ENDPOINTS))
    for mart in MARTS:
        assert found["recruit_marts"][mart.name]["config"]["meta"] == {"grain": list(mart.grain)}
    email = columns(found["recruit"]["candidates"])["email"]
    assert email["config"] == {"meta": {"personal": True}}
    assert "_row_hash" in columns(found["recruit"]["jobs"])
    assert "_row_hash" not in columns(found["recruit_now"]["jobs"])


def test_endpoints_of_the_account_and_its_policy_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.toml").write_text('[candidates]\nemail = "drop"\n')
    monkeypatch.setenv("RECRUIT_ACCOUNTS", "acme, globex")
    monkeypatch.setenv("RECRUIT_ACME_MORE_ENDPOINTS", "uploads")
    monkeypatch.setenv("RECRUIT_ACME_COLUMN_POLICY", str(tmp_path / "policy.toml"))
    assert main(["dbt-sources", "--account", "acme"]) == 0
    found = sources(capsys.readouterr().out)
    assert "uploads" in found["acme_recruit"]
    assert "var('acme_recruit_database', " in str(found["acme_recruit"]["jobs"])
    assert "email" not in columns(found["acme_recruit"]["candidates"])
    (tmp_path / "policy.toml").write_text('[candidates]\nemail = "maybe"\n')
    assert main(["dbt-sources", "--account", "acme"]) == 1
    assert "maybe" in capsys.readouterr().out


def test_texts_are_shown_as_they_are() -> None:
    hostile = "a: 'b' \"c\" # {{ env_var('RECRUIT_API_KEY') }} {% raw %}\n- {# x #} ünïcode"
    endpoint = replace(ENDPOINTS[0], description=hostile)
    about = sources(as_yaml("", [endpoint]))["recruit"][endpoint.name]["description"]
    from jinja2 import Environment  # noqa: PLC0415 - as dbt does it

    assert Environment().from_string(about).render() == hostile


@pytest.mark.ring(3)
def test_dbt_reads_it_and_knows_how_fresh_the_tables_are(project: Project, tmp_path: Path) -> None:
    project.sync("jobs")
    bin_ = tmp_path / "dbt" / "bin"
    subprocess.run([sys.executable, "-m", "venv", bin_.parent], check=True)
    subprocess.run([bin_ / "pip", "install", "--quiet", *DBT], check=True, capture_output=True)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sources.yml").write_text(as_yaml("", ENDPOINTS))
    (tmp_path / "models" / "titles.sql").write_text(MODEL)
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "profiles.yml").write_text(PROFILES % project.path)

    def dbt(*words: str) -> str:
        typed = [str(bin_ / "dbt"), "--no-send-anonymous-usage-stats", *words]
        ended = subprocess.run(typed, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    assert "eprecat" not in dbt("parse", "--show-all-deprecations")
    dbt("source", "freshness", "--select", "source:recruit.*")
    results = json.loads((tmp_path / "target" / "sources.json").read_text())["results"]
    states = {each["unique_id"].split(".")[-1]: each["status"] for each in results}
    assert states == {e.name: "pass" if e.name == "jobs" else "warn" for e in ENDPOINTS}
    dbt("run")
    ((titles,),) = project.query("SELECT count(*) FROM main.titles")
    assert titles == project.counts_of("jobs") > 0
