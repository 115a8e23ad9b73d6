"""A company with a past: deleted people, a renamed job, and stages that applications have left."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.catalogue import Kind
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.mart_assets import MART_ASSETS
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import KEY, Project

PLANTED = "planted-text"
# The texts that marts may show; every other one is planted.
SHOWN = {
    "jobs": {"title", "status"},
    "departments": {"name"},
    "locations": {"name", "city"},
    "stages": {"name", "legacy-stage-type-name", "stage-type"},
    "candidates": {"referring-site"},
    "job-applications": {"referring-site"},
    "job-offers": {"status", "response"},
}

Record = dict[str, Any]


@dataclass
class Past:
    """What was there: records as last seen, which of them are gone, and earlier stages."""

    project: Project
    records: dict[str, dict[str, Record]]
    gone: set[str]  # ids of applications
    versions: dict[str, list[tuple[str, datetime, datetime]]]  # stage, from, to; by application
    result: dg.ExecuteInProcessResult

    def mart(self, name: str) -> list[Record]:
        """The rows of a mart."""
        with duckdb.connect(str(self.project.path), read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            found = database.execute(f"SELECT * FROM recruit_marts.{name}")
            columns = [column[0] for column in found.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def answer(project: Project, *, raises: bool = True) -> dg.ExecuteInProcessResult:
    """Make the marts and the report from the tables as they are, in a real run."""
    return dg.materialize(
        MART_ASSETS,
        resources={"duckdb": project.resources()["duckdb"]},
        instance=project.instance,
        raise_on_error=raises,
    )


@pytest.fixture(scope="package")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A company synced, changed, synced again, and asked."""
    with (
        Sandbox(candidates=250, rules=Rules(key=KEY)).serve() as sandbox,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        project = Project(sandbox, tmp_path_factory.mktemp("past") / "past.duckdb", instance)
        plant(sandbox)
        project.materialize()
        rename(sandbox)
        records = snapshot(sandbox)
        gone = forget(sandbox, records)
        project.materialize(allow_mass_delete=True)
        versions = earlier(records)
        write_history(project, versions)
        yield Past(project, records, gone, versions, answer(project))


def plant(sandbox: Sandbox) -> None:
    """Put a text that must not be shown wherever a text can be, and ids can not."""
    for endpoint in ENDPOINTS:
        texts = {
            each.name: PLANTED
            for each in endpoint.attributes
            if each.kind is Kind.TEXT and each.name not in SHOWN.get(endpoint.path, ())
        }
        for record in sandbox.world.records(endpoint.path):
            known = {name: text for name, text in texts.items() if name in record["attributes"]}
            kept = {"updated-at": record["attributes"].get("updated-at")}
            stamped = {name: value for name, value in kept.items() if value}
            sandbox.world.change(endpoint.path, record["id"], known | stamped)


def rename(sandbox: Sandbox) -> None:
    """Give a job another name, and take a department's away."""
    world = sandbox.world
    world.change("jobs", world.records("jobs")[0]["id"], {"title": "Renamed"})
    world.change("jobs", world.records("jobs")[1]["id"], relationships={"department": None})


def snapshot(sandbox: Sandbox) -> dict[str, dict[str, Record]]:
    """All records by path and id."""
    paths = [endpoint.path for endpoint in ENDPOINTS]
    return {path: {each["id"]: each for each in sandbox.world.records(path)} for path in paths}


def forget(sandbox: Sandbox, records: dict[str, dict[str, Record]]) -> set[str]:
    """Delete every ninth application, with its candidate, offers and answers."""
    gone = set(list(records["job-applications"])[::9])
    for id_ in gone:
        sandbox.world.remove("job-applications", id_)
    return gone


def earlier(
    records: dict[str, dict[str, Record]],
) -> dict[str, list[tuple[str, datetime, datetime]]]:
    """Stages that some applications have come through, as a history would have seen them."""
    dice = Random(7)
    stages: dict[str, list[str]] = {}
    for stage in records["stages"].values():
        stages.setdefault(stage["relationships"]["job"]["id"], []).append(stage["id"])
    versions = {}
    for id_, application in records["job-applications"].items():
        process = stages[application["relationships"]["job"]["id"]]
        current = process.index(application["relationships"]["stage"]["id"])
        seen = process[: current + 1] if dice.random() < 0.6 else []
        if seen and dice.random() < 0.2:
            seen = process[: current + 2]  # it was moved back since
        moved = application["attributes"]["changed-stage-at"]
        end = datetime.fromisoformat(moved).astimezone(UTC)
        times = [end - timedelta(hours=dice.randrange(1, 200)) for _ in seen]
        versions[id_] = [
            (stage, start, end)
            for stage, start in zip(seen, sorted(times), strict=True)
            if stage != process[current]
        ]
    return versions


def write_history(
    project: Project, versions: dict[str, list[tuple[str, datetime, datetime]]]
) -> None:
    """Put the versions beside those that the syncs have written."""
    rows = [
        (id_, stage, start, end) for id_, each in versions.items() for stage, start, end in each
    ]
    with duckdb.connect(str(project.path)) as database:
        database.executemany(
            "INSERT INTO recruit_history.job_applications "
            "(id, stage_id, valid_from, valid_to, seen_at) VALUES (?, ?, ?, ?, now())",
            rows,
        )
