"""What the UI is given to show: of an asset before its first sync, and of each sync."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.build import build_defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.settings import Settings
from recruit_assets_tests.conftest import BY_NAME, Project, metadata, settings_for
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.syncing import ACCOUNT, ASSETS, resources

SPECS = {spec.key.path[-1]: spec for asset in ASSETS for spec in asset.specs}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_an_asset_tells_what_it_is_before_its_first_sync(endpoint: Any) -> None:
    spec = SPECS[endpoint.name]
    assert spec.description == endpoint.description
    assert spec.group_name == endpoint.group
    assert spec.kinds == {"duckdb"}
    late, stale = timedelta(hours=3), timedelta(hours=26)
    assert spec.freshness_policy == dg.FreshnessPolicy.time_window(
        warn_window=late, fail_window=stale
    )
    assert ("personal_data" in spec.tags) == any(each.personal for each in endpoint.columns())
    assert spec.metadata["dagster/table_name"] == f"recruit.{endpoint.name}"
    columns = {each.name: each for each in spec.metadata["dagster/column_schema"].columns}
    assert columns["id"].constraints == dg.TableColumnConstraints(nullable=False, unique=True)
    assert all(each.description for each in columns.values())
    for column in endpoint.columns():
        assert columns[column.name].type == column.kind.sql
        assert ("personal" in columns[column.name].tags) == column.personal


def test_a_sync_tells_its_numbers(project: Project) -> None:
    found = metadata(project.materialize("candidates"), "candidates")
    count = project.sandbox.world.count("candidates")
    assert found["read"] >= found["inserted"] == found["dagster/row_count"] == count
    assert found["seconds"] > 0
    assert found["records_per_second"] > 0
    assert found["bytes"] > 1000 * found["pages"]
    assert found["seconds_since_newest_change"] >= 0
    assert (found["verdict"], found["mode"]) == ("complete", "full")
    ((cursor, received, current_rows),) = project.query(
        "SELECT epoch(cursor), bytes, current_rows FROM recruit_meta.syncs"
    )
    assert found["cursor"] == pytest.approx(cursor)
    assert (found["bytes"], found["dagster/row_count"]) == (received, current_rows)
    numbers = {name for name, value in found.items() if isinstance(value, int | float)}
    assert numbers >= {"updated", "unchanged", "deleted", "requests", "retries", "unparsed"}


def test_a_look_at_the_rows_leads_to_their_run_and_shows_nobody(project: Project) -> None:
    world = project.sandbox.world
    for record in world.records("candidates"):
        world.change("candidates", record["id"], {"hobby": "Planted", "country": "A|B *x* <b>"})
    result = project.materialize("candidates")
    preview = metadata(result, "candidates")["preview"]
    head, rule, *rows = preview.splitlines()
    assert len(rows) == 5
    assert head.startswith("| \\_run\\_id | id |")
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in (head, rule, *rows)} == {7}
    assert all(row.startswith(f"| [{result.run_id[:8]}](/runs/{result.run_id}) |") for row in rows)
    assert r"A\|B \*x\* \<b\>" in preview
    assert "Planted" not in preview
    personal = [each.name for each in BY_NAME["candidates"].columns() if each.personal]
    assert not {name.replace("_", r"\_") for name in personal} & set(head.split(" | "))
    for record in world.records("candidates"):
        attributes = record["attributes"]
        for name in ("email", "first-name", "last-name", "phone", "pitch"):
            assert not attributes[name] or f" {attributes[name]} " not in preview


@pytest.mark.ring(2)
def test_a_sync_is_described_in_the_connection_that_merges(project: Project) -> None:
    opened: list[str] = []

    class CountedDatabase(RecruitDatabase):
        @contextmanager
        def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
            opened.append(self.database)
            with super().get_connection() as database:
                yield database

    # The step has a database of its own, for the state and the checks.
    path = str(project.path)
    merging = resources(CountedDatabase(database=path), RecruitApi(**settings_for(project.sandbox)))
    result = dg.materialize(
        [asset for asset in ASSETS if asset.key.path[-1] == "regions"],
        resources=merging | {ACCOUNT.database: RecruitDatabase(database=path)},
        instance=project.instance,
    )
    assert metadata(result, "regions")["preview"].startswith("|")
    assert opened == [path]


def test_an_empty_table_has_nothing_to_look_at(project: Project) -> None:
    project.sandbox.rules.without = {"job-offers": 403}
    found = metadata(project.materialize("job_offers"), "job_offers")
    assert found["preview"] == "There are no rows."
    assert "HTTP 403" in found["reason"]


def test_owners_are_those_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.from_environment().owners == []
    monkeypatch.setenv("RECRUIT_OWNERS", " team:data, data@example.com ,")
    settings = Settings.from_environment()
    assert settings.owners == ["team:data", "data@example.com"]
    (spec,) = build_defs(settings, endpoints=["jobs"], marts=False).resolve_all_asset_specs()
    assert list(spec.owners) == ["team:data", "data@example.com"]


@pytest.mark.ring(2)
@FULL
def test_columns_that_somebody_altered_are_told_as_ever(project: Project) -> None:
    project.materialize("stages", "users", "teams")
    with duckdb.connect(str(project.path)) as database:
        database.execute("ALTER TABLE recruit.stages ALTER updated_at TYPE VARCHAR")
        database.execute("ALTER TABLE recruit.teams ALTER users_ids TYPE VARCHAR")
    result = project.materialize("stages", "teams")
    assert metadata(result, "stages")["seconds_since_newest_change"] >= 0
    assert [metadata(result, each)["updated"] for each in ("stages", "teams")] == [0, 0]
    (keys,) = [
        each.metadata
        for each in result.get_asset_check_evaluations()
        if (each.asset_key.path[-1], each.check_name) == ("teams", "data_is_consistent")
    ]
    assert keys["users_ids to users"].value == 0
