"""Dates and times at the ends of what can be held, and beyond, from the API to the report."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recruit_assets.catalogue import Kind, snake_case
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.options import Mode
from recruit_assets_tests.conftest import BY_NAME, Project, metadata
from recruit_assets_tests.extract.test_arrow import must_tell
from recruit_assets_tests.syncing import ASSETS, MART_ASSETS

pytestmark = pytest.mark.ring(3)

TIMES = (
    """
0001-01-01T00:00:00Z|0001-01-01T00:00:00-12:00|0001-01-01T00:00:00+14:00|0000-01-01T00:00:00Z
9999-12-31T23:59:59.999999Z|9999-12-31T23:59:59+23:59|9999-12-31T23:59:59-14:00|-0044-03-15T12:00Z
10000-01-01T00:00:00Z|294247-01-10T04:00:54.775807Z|+292277-01-10T04:00:54Z|infinity|-infinity
2026-01-01T00:00:00+05:30:15|2026-01-01T00:00:00-23:59|2026-01-01T00:00:00+24:00|2026-W01-1
1883-11-18T12:00:00Z|2026-01-01T23:59:60Z|2026-01-01T24:00:00Z|0001-01-01T00:00:00|epoch
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
DATES = """
0001-01-01|9999-12-31|0000-12-31|10000-01-01|-0001-01-01|5881580-07-10|2026-02-30|infinity|20260101
""".strip().split("|")
FAR = {Kind.TIMESTAMP: TIMES, Kind.DATE: DATES}


def send(project: Project, turn: int) -> None:
    """Have every endpoint send such times in three of four places, others each turn."""
    project.sandbox.clear_faults()
    for endpoint in ENDPOINTS:
        kinds = {each.name: each.kind for each in endpoint.attributes if each.kind in FAR}

        def alter(document: dict[str, Any], kinds: dict[str, Kind] = kinds) -> None:
            data = document["data"]
            for record in data if isinstance(data, list) else [data]:
                number = int(record["id"]) + turn
                for place, (name, kind) in enumerate(kinds.items()):
                    if name in record["attributes"] and (number + place) % 4:
                        far = FAR[kind]
                        record["attributes"][name] = far[(5 * number + 11 * place) % len(far)]

        project.sandbox.alter(endpoint.path, alter)


def must_be_stored(project: Project, name: str) -> None:
    """Assert that each time of an endpoint is in its column, or unchanged in `_unparsed`."""
    endpoint = BY_NAME[name]
    kinds = {each.name: each.kind for each in endpoint.attributes if each.kind in FAR}
    columns = [snake_case(each) for each in kinds]
    rows = {
        id_: values
        for id_, *values in project.query(
            f"SELECT id, _unparsed, {', '.join(columns)} FROM recruit.{name}"
        )
    }
    sent: list[dict[str, Any]] = []
    project.sandbox.alter(endpoint.path, lambda document: sent.extend(document["data"]))
    project.sync(name, mode=Mode.full)
    for record in sent:
        unparsed, *values = rows[record["id"]]
        kept = json.loads(unparsed or "{}")
        for (attribute, kind), column, stored in zip(kinds.items(), columns, values, strict=True):
            must_tell(kind, record["attributes"].get(attribute), stored, kept.get(column))


def test_times_at_the_ends_of_the_world_go_all_the_way(project: Project) -> None:
    send(project, 0)
    for endpoint in ENDPOINTS:
        if endpoint.history:
            project.sync(endpoint.name)
    send(project, 3)
    result = dg.materialize(
        [*ASSETS, *MART_ASSETS],
        resources=project.resources(),
        instance=project.instance,
        run_config={"ops": {each.node_def.name: {"config": {"mode": "full"}} for each in ASSETS}},
    )
    for check in result.get_asset_check_evaluations():
        assert check.passed or check.check_name == "data_is_consistent", check
        assert "Foreign keys match no row" not in (check.description or ""), check
    for name in ("candidates", "job_applications", "jobs", "todos", "nps_responses"):
        assert metadata(result, name)["unparsed"] > 0
        must_be_stored(project, name)
    for endpoint in ENDPOINTS:
        if endpoint.history:
            history = f"recruit_history.{endpoint.name}"
            ((open_, backwards),) = project.query(
                "SELECT count(*) FILTER (valid_to IS NULL), count(*) FILTER (valid_to < valid_from)"
                f" FROM {history}"
            )
            assert (open_, backwards) == (project.counts_of(endpoint.name), 0)
    ((earliest, latest),) = project.query(
        "SELECT min(applied_at), max(stage_since) FROM recruit_marts.applications"
    )
    assert (earliest.year, latest.year) == (1, 9999)
    shown = [metadata(result, mart.name)["picture"] for mart in MARTS]
    assert all("could not be drawn" not in each for each in shown)
    page = Path(project.path.with_name("test-report.html")).read_text()
    assert "could not be drawn" not in page
    assert not re.search(r"-\d+ days|\bnan\b|\binf\b", page)
