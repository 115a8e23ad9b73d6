"""The store that tests change: adding, changing, removing, and what follows."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from recruit_assets.sandbox import Sandbox, World
from recruit_assets.sandbox.draft import number_of
from recruit_assets.sandbox.schema import ENDPOINTS

CLOCK = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    return Sandbox(candidates=20, clock=lambda: CLOCK).world


def one(world: World, type_: str, id_: str) -> dict[str, Any]:
    [record] = [each for each in world.records(type_) if each["id"] == id_]
    return record


@pytest.mark.parametrize("type_", ENDPOINTS)
def test_a_bare_add_works_for_every_type(world: World, type_: str) -> None:
    before = [each["id"] for each in world.records(type_)]
    id_ = world.add(type_)
    assert [each["id"] for each in world.records(type_)] == [*before, id_]
    assert number_of(id_) > (number_of(before[-1]) if before else 0)


def test_an_added_record_keeps_its_place_in_the_order(world: World) -> None:
    world.add("candidates", id="5")
    world.add("candidates", id="12345678")
    ids = [each["id"] for each in world.records("candidates")]
    assert (ids[0], ids[-1]) == ("5", "12345678")
    world.add("candidates", id="opaque")
    assert world.add("candidates") == "12345679"
    assert [each["id"] for each in world.records("candidates")][-2:] == ["12345679", "opaque"]
    with pytest.raises(ValueError, match="candidates 5 is there already"):
        world.add("candidates", id="5")


def test_ids_are_not_given_twice(world: World) -> None:
    id_ = world.add("roles")
    world.remove("roles", id_)
    assert int(world.add("roles")) == int(id_) + 1


def test_a_change_moves_updated_at_by_the_clock(world: World) -> None:
    id_ = world.records("candidates")[3]["id"]
    world.change("candidates", id_, {"city": "Fogberg"})
    attributes = one(world, "candidates", id_)["attributes"]
    assert attributes["city"] == "Fogberg"
    assert attributes["updated-at"] == "2026-12-01T13:00:00.000+01:00"
    world.change("candidates", id_, {"updated-at": CLOCK + timedelta(days=200)})
    changed = one(world, "candidates", id_)["attributes"]["updated-at"]
    assert changed == "2027-06-19T14:00:00.000+02:00"


def test_moving_an_application_moves_the_counters_too(world: World) -> None:
    application = world.records("job-applications")[0]
    stages = [
        each
        for each in world.records("stages")
        if each["relationships"]["job"] == application["relationships"]["job"]
        and each["id"] != application["relationships"]["stage"]["id"]
    ]
    id_ = stages[0]["id"]
    world.change("job-applications", application["id"], {"rejected-at": None}, {"stage": id_})
    counter = "active-job-applications-count"
    before = stages[0]["attributes"][counter]
    assert one(world, "stages", id_)["attributes"][counter] == before + 1
    moved = one(world, "job-applications", application["id"])["attributes"]
    assert moved["changed-stage-at"] == moved["updated-at"] == "2026-12-01T13:00:00.000+01:00"


def test_relationships_are_given_as_ids_or_references(world: World) -> None:
    user, job = world.records("users")[0]["id"], world.records("jobs")[0]["id"]
    membership = world.add(
        "team-memberships", relationships={"user": user, "team": {"type": "jobs", "id": job}}
    )
    related = one(world, "team-memberships", membership)["relationships"]
    assert related["user"] == {"type": "users", "id": user}
    assert {"type": "team-memberships", "id": membership} in (
        one(world, "jobs", job)["relationships"]["team-memberships"]
    )


def test_a_note_repeats_its_keys(world: World) -> None:
    candidate = world.records("candidates")[0]["id"]
    note = world.add("notes", relationships={"candidate": candidate})
    assert one(world, "notes", note)["attributes"]["candidate-id"] == int(candidate)
    world.change("notes", note, relationships={"candidate": None})
    assert one(world, "notes", note)["attributes"]["candidate-id"] is None


def test_removing_leaves_orphans(world: World) -> None:
    application = world.records("job-applications")[0]
    candidate = application["relationships"]["candidate"]
    world.remove("candidates", candidate["id"])
    assert one(world, "job-applications", application["id"])["relationships"]["candidate"] == (
        candidate
    )
    world.remove("job-applications", application["id"])
    job = one(world, "jobs", application["relationships"]["job"]["id"])
    assert candidate not in job["relationships"]["candidates"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda world: world.change("candidates", "0"), "there is no record 0"),
        (lambda world: world.remove("roles", "0"), "there is no record 0"),
        (lambda world: world.add("pigeons"), "there is no type pigeons"),
        (lambda world: world.add("roles", relationships={"cat": None}), "no relationship cat"),
        (lambda world: world.add("jobs", relationships={"stages": []}), "follows from stages"),
    ],
)
def test_what_cannot_be_done_is_said(world: World, wrong: Any, says: str) -> None:
    before = world.counts()
    with pytest.raises((KeyError, ValueError), match=says):
        wrong(world)
    assert world.counts() == before


def test_records_are_copies(world: World) -> None:
    world.records("roles")[0]["attributes"]["name"] = "edited"
    assert world.records("roles")[0]["attributes"]["name"] != "edited"


def test_threads_may_add_at_once(world: World) -> None:
    before = world.count("todos")
    threads = [Thread(target=lambda: [world.add("todos") for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.count("todos") == before + 200
