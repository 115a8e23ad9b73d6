"""A database that a released version made is opened, migrated and synced by this one."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.marts.conftest import answer
from recruit_assets_tests.released import Company, unpack

TABLES = " UNION ALL ".join(
    f"SELECT '{each.name}' AS name, id, _row_hash, _unparsed::VARCHAR, _run_id "
    f"FROM recruit.{each.name}"
    for each in ENDPOINTS
)
HISTORIES = " UNION ALL ".join(
    f"SELECT '{each.name}', id, valid_from, valid_to, seen_at FROM recruit_history.{each.name}"
    for each in ENDPOINTS
    if each.history
)


@pytest.fixture(params=["0.1.0"])
def released(
    request: pytest.FixtureRequest, tmp_path: Path, instance: dg.DagsterInstance
) -> Iterator[Project]:
    company = Company()
    company.live()
    with company.sandbox.serve() as sandbox:
        yield Project(sandbox, unpack(request.param, tmp_path / "released.duckdb"), instance)


def rows(project: Project) -> list[tuple[object, ...]]:
    return sorted(project.query(TABLES), key=str)


@pytest.mark.ring(2)
def test_a_sync_of_a_released_database_changes_nothing(released: Project) -> None:
    before, versions = rows(released), sorted(released.query(HISTORIES), key=str)
    assert len({name for name, *_ in before}) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        result = released.sync(endpoint.name, mode=Mode.full)
        assert (result.merged.inserted, result.merged.updated, result.deleted) == (0, 0, 0)
        result = released.sync(endpoint.name, mode=Mode.incremental)
        assert (result.merged.inserted, result.merged.updated, result.deleted) == (0, 0, 0)
    assert rows(released) == before
    assert sorted(released.query(HISTORIES), key=str) == versions


@pytest.mark.ring(2)
def test_a_released_database_takes_changes_and_deletions(released: Project) -> None:
    world = released.sandbox.world
    (gone, *_) = [id_ for (id_,) in released.query(
        "SELECT id FROM recruit.notes WHERE _deleted_at IS NULL ORDER BY id"
    )]  # fmt: skip
    world.remove("notes", gone)
    applications = released.query(
        "SELECT id FROM recruit.job_applications WHERE _deleted_at IS NULL ORDER BY id"
    )
    world.change("job-applications", applications[0][0], {"rejected-at": "2026-11-01T00:00:00Z"})
    assert released.sync("notes", mode=Mode.full).deleted == 1
    assert released.sync("job_applications", mode=Mode.full).merged.updated == 1
    ((ended,),) = released.query(
        "SELECT count(*) FROM recruit_history.job_applications "
        f"WHERE id = '{applications[0][0]}' AND valid_to IS NULL AND rejected_at IS NOT NULL"
    )
    assert ended == 1


@pytest.mark.ring(2)
def test_marts_of_a_released_database_are_built_again(
    released: Project, instance: dg.DagsterInstance
) -> None:
    answers = answer(released.path, instance)
    assert answers.result.success
    assert "Hiring report" in answers.page
