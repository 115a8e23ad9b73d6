"""A project that has read a list of old candidates, for syncs that find what was deleted from it.

Records are months old, as most records of an account are: those of the last minutes are all read.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.options import Mode
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import Project

NAME = "candidates"
SIZE = 30
OLD = {each: datetime(2026, 1, 1, tzinfo=UTC) for each in ("created-at", "updated-at")}


def ids(world: World) -> list[str]:
    return list(world.table(NAME))


def remove(world: World, gone: Sequence[str]) -> None:
    for id_ in gone:
        world.remove(NAME, id_)


def known(project: Project, records: int) -> Project:
    """Let the project read a list of old records."""
    world = project.sandbox.world
    for id_ in ids(world):
        world.change(NAME, id_, OLD)
    while world.count(NAME) < records:
        world.add(NAME, OLD)
    project.sync(NAME)
    return project


def rows(project: Project) -> dict[str, int]:
    """A hash of each row, with all its columns."""
    return dict(project.query(f"SELECT id, hash(row) FROM recruit.{NAME} AS row"))


def current(project: Project) -> dict[str, str]:
    """The first name of each current row."""
    found = f"SELECT id, first_name FROM recruit.{NAME} WHERE _deleted_at IS NULL"
    return dict(project.query(found))


def listed(project: Project) -> dict[str, str]:
    """The first name of each record."""
    table = project.sandbox.world.table(NAME)
    return {id_: record["attributes"]["first-name"] for id_, record in table.items()}


def counted(project: Project, mode: Mode = Mode.auto) -> SyncResult:
    """Sync; it must be complete, by ranks, and the table must then equal the list."""
    project.sandbox.clear_requests()
    result = project.sync(NAME, mode=mode)
    assert result.report.verdict is Verdict.COMPLETE
    assert (result.mode, result.report.proof) == (Mode.incremental, Proof.COUNTED)
    assert current(project) == listed(project)
    return result


def requests(project: Project) -> tuple[int, list[str]]:
    """How many pages were requested, and the records that were requested by id."""
    paths = [each.path for each in project.sandbox.requests]
    return paths.count(NAME), [each.partition("/")[2] for each in paths if each != NAME]
