"""A person who was forgotten is erased, and stays so."""

from pathlib import Path
from shutil import copy

import pytest

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.checks import CheckContext, complete
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.load.past_syncs import last_syncs
from recruit_assets.load.reading import reading
from recruit_assets.options import Mode
from recruit_assets.person import File, find, only
from recruit_assets_tests.conftest import BY_NAME, Project
from recruit_assets_tests.person.persons import (
    NAMES,
    PERSON,
    PLAIN,
    asked_by_id,
    crowd,
    current,
    forget,
    pending_in,
    planted_in,
)
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)


def test_forgotten_for_good(project: Project, tmp_path: Path) -> None:
    world, project.config = project.sandbox.world, PLAIN
    project.deleted_rows = DeletionPolicy.keep
    id_ = crowd(world, email="Zyxada@example.com", phone={"odd": "Zyxphone"}, odd="Zyxodd")
    gone = world.add("notes", {"note": "Zyxgone"}, {"candidate": id_, "user": None})
    for name in NAMES:
        project.sync(name)
    world.remove("notes", gone)
    project.sync("notes", mode=Mode.full)
    assert f"notes/{gone}" in asked_by_id(project)
    assert planted_in(tmp_path) == {project.path.name}  # the positive control
    before = {name: current(project, name) for name in NAMES}
    for endpoints in (ENDPOINTS, ENDPOINTS[::-1]):
        assert only(find(File(str(project.path)), endpoints, id_)).records == 9

    said = forget(project, id_)
    assert said.startswith("9 rows of 8 tables were erased")
    assert planted_in(tmp_path) == set()
    assert pending_in(project) is None
    ended = "SELECT count(*) FROM recruit_history.job_offers WHERE valid_to IS NULL"
    assert project.query(ended) == [(len(before["job_offers"]) - 1,)]
    mine = {name: before[name] - current(project, name) for name in NAMES}
    assert {name: len(ids) for name, ids in mine.items()} == dict.fromkeys(NAMES, 1)

    world.add("notes", {"note": "Zyxmore"}, {"candidate": id_, "user": None})
    later = world.add("job-applications", {"cover-letter": "Zyxlater"}, {"candidate": id_})
    world.add("job-offers", {"details": {"a": "Zyxlater"}}, {"job-application": later})
    for mode in [*[Mode.full, *[Mode.auto] * 8] * sized(0, 0, 1), Mode.auto, Mode.full]:
        project.sandbox.clear_requests()
        for name in NAMES:
            result = project.sync(name, mode=mode)
            assert result.report.verdict.proven
            assert (result.deleted, result.kept, result.gone) == (0, 0, [])
            assert current(project, name) == before[name] - mine[name]
            (changed,) = mine[name]  # so that an incremental sync reads it
            world.change(name.replace("_", "-"), changed)
        assert not asked_by_id(project)
        assert planted_in(tmp_path) == set()
    assert result.merged.inserted == 0


@pytest.mark.ring(3)
def test_a_check_that_compares_rows_does_not_warn_of_the_forgotten(project: Project) -> None:
    for id_ in list(project.sandbox.world.table("todos")):
        project.sandbox.world.remove("todos", id_)
    for _ in range(2):
        project.sandbox.world.add("todos")
    person = crowd(project.sandbox.world)
    project.sync("candidates")
    project.sync("todos")
    newer = crowd(project.sandbox.world)  # of whom the first sync has no row
    project.sync("todos")
    for id_ in (person, newer):
        forget(project, id_)
    for before, now in ((3, 2), (4, 2), (2, 2)):
        with reading(str(project.path), 1) as database:
            table = CheckContext(
                database, BY_NAME["todos"], last_syncs(database, BY_NAME["todos"], 2)
            )
            found = complete(table)
        assert found.passed, found.message
        assert (found.numbers["rows_before"], found.numbers["rows"]) == (before, now)
        assert found.numbers["forgotten"] == 2
        project.sync("todos", mode=Mode.full)


def test_a_sync_that_began_before_does_not_bring_the_person_back(project: Project) -> None:
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.sync(PERSON)
    project.sandbox.world.change(PERSON, id_, {"pitch": "Zyxpitch"})
    project.sandbox.before(PERSON, lambda _: forget(project, id_) and None)
    result = project.sync(PERSON, mode=Mode.full)
    assert result.report.verdict.value == "complete"
    assert id_ not in current(project, PERSON)
    assert project.query(f"SELECT email, pitch FROM recruit.candidates WHERE id = '{id_}'") == [
        (None, None)
    ]


@pytest.mark.ring(3)
def test_a_record_that_comes_to_lead_to_a_forgotten_person_is_erased(project: Project) -> None:
    world = project.sandbox.world
    person, other = crowd(world), crowd(world)
    cursor = "SELECT cursor FROM recruit_meta.latest WHERE endpoint = 'nps_responses'"
    for name in NAMES:
        project.sync(name)
    forget(project, person)
    (application,) = [
        each["id"]
        for each in world.records("job-applications")
        if each["relationships"]["candidate"]["id"] == other
    ]
    (offer,) = [
        each["id"]
        for each in world.records("job-offers")
        if each["relationships"]["job-application"]["id"] == application
    ]
    world.change("job-applications", application, None, {"candidate": person})
    project.sandbox.clear_requests()
    result = project.sync("job_applications", mode=Mode.full)
    assert result.report.verdict.value == "complete"
    assert not asked_by_id(project)
    assert application not in current(project, "job_applications")
    assert offer not in current(project, "job_offers")  # in the same transaction
    row = f"SELECT details, _row_hash FROM recruit.job_offers WHERE id = '{offer}'"
    assert project.query(row) == [(None, None)]
    for name in NAMES:
        project.sync(name, mode=Mode.full)
    assert project.query(cursor) != [(None,)]
    assert offer not in current(project, "job_offers")

    # It was a mistake: the application returns, and what leads to it.
    world.change("job-applications", application, None, {"candidate": other})
    project.sync("job_applications")
    assert project.query(cursor) == [(None,)]  # the next sync reads the whole list
    for name in NAMES:
        project.sync(name)
    assert application in current(project, "job_applications")
    assert offer in current(project, "job_offers")
    assert project.query(row) != [(None, None)]
    assert person not in current(project, PERSON)


@pytest.mark.ring(3)
def test_a_backup_from_before_has_no_list(project: Project, tmp_path: Path) -> None:
    """As documented: nothing in the file can say what a newer one had."""
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.sync(PERSON)
    backup = copy(project.path, tmp_path / "backup")
    forget(project, id_)
    project.sync(PERSON)
    copy(backup, project.path)
    project.sync(PERSON, mode=Mode.full)
    assert id_ in current(project, PERSON)
    forget(project, id_)
    project.sync(PERSON, mode=Mode.full)
    assert id_ not in current(project, PERSON)


@pytest.mark.ring(3)
def test_a_list_that_can_no_longer_be_compared_stops_syncs(
    project: Project,
) -> None:
    id_ = crowd(project.sandbox.world)
    project.sync(PERSON)
    forget(project, id_)
    project.sync("users")  # the list has nothing that its records lead to
    for spoilt, match in (
        ("UPDATE recruit_meta.salt SET salt = reverse(salt)", "made with another salt"),
        ("DROP TABLE recruit_meta.salt", "made with another salt"),
        ("ALTER TABLE recruit_meta.forgotten DROP COLUMN person_hash", "lacks person_hash"),
    ):
        with connection(str(project.path), {}, 1) as database:
            database.execute(spoilt)
        with pytest.raises(DatabaseProblem, match=match):
            project.sync(PERSON)
        assert id_ not in current(project, PERSON)
