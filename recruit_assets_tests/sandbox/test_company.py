"""The invented company: the same for the same seed, consistent, plausible, clearly invented."""

import hashlib
import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest

from recruit_assets.sandbox import Sandbox, World
from recruit_assets.sandbox.invent import build
from recruit_assets.sandbox.resource import Relationship
from recruit_assets.sandbox.schema import ENDPOINTS, RESOURCES
from recruit_assets.sandbox.times import NOW, instant
from recruit_assets.sandbox.words import STAGES

DIGEST = """
import hashlib, msgspec
from recruit_assets.sandbox.invent import build
print(hashlib.sha256(msgspec.json.encode(build(60, 7))).hexdigest())
"""


@pytest.fixture(scope="module")
def world() -> World:
    return Sandbox(candidates=2000).world


def by_id(world: World, type_: str) -> dict[str, Any]:
    return {record["id"]: record for record in world.records(type_)}


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    here = hashlib.sha256(msgspec.json.encode(build(60, 7))).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_another_seed_gives_another_company() -> None:
    assert build(40, 7) != build(40, 8)


def test_about_fourteen_thousand_records(world: World) -> None:
    counts = world.counts()
    assert list(counts) == list(ENDPOINTS)
    assert counts["candidates"] == 2000
    assert 2400 <= counts["job-applications"] <= 2800
    assert 13_000 <= sum(counts.values()) <= 16_000
    assert all(counts.values())


@pytest.mark.parametrize("candidates", [0, 1, 5])
def test_small_companies_have_all_that_does_not_need_candidates(candidates: int) -> None:
    world = Sandbox(candidates=candidates).world
    assert world.count("candidates") == candidates
    assert world.count("jobs") >= 24


@pytest.mark.parametrize("type_", RESOURCES)
def test_every_key_resolves_to_a_type_it_may_have(world: World, type_: str) -> None:
    def check(relationship: Relationship, related: Any) -> None:
        refs = related if relationship.many else [related] if related else []
        for ref in refs:
            assert ref["type"] in relationship.types
            assert ref["id"] in world.table(ref["type"])

    for record in world.records(type_):
        assert record["attributes"].keys() == RESOURCES[type_].attributes.keys()
        for name, relationship in RESOURCES[type_].relationships.items():
            check(relationship, record["relationships"][name])


def test_ids_are_numeric_and_in_order(world: World) -> None:
    ids = [int(record["id"]) for record in world.records("candidates")]
    assert ids == sorted(set(ids))
    assert len(str(ids[0])) < len(str(ids[-1]))


def test_a_stage_belongs_to_the_applications_job(world: World) -> None:
    stages = by_id(world, "stages")
    for application in world.records("job-applications"):
        related = application["relationships"]
        assert stages[related["stage"]["id"]]["relationships"]["job"] == related["job"]


def test_most_are_rejected_early_and_few_are_hired(world: World) -> None:
    stages = by_id(world, "stages")
    applications = world.records("job-applications")
    where = Counter(
        stages[each["relationships"]["stage"]["id"]]["attributes"]["name"] for each in applications
    )
    assert [name for name, _ in where.most_common(4)] == [name for name, _ in STAGES[:4]]
    assert 0.01 < where["Hired"] / len(applications) < 0.08
    rejected = [each for each in applications if each["attributes"]["rejected-at"]]
    assert 0.8 < len(rejected) / len(applications) < 0.9
    assert all(each["relationships"]["reject-reason"] for each in rejected)


def test_offers_only_for_late_stages(world: World) -> None:
    applications, stages = by_id(world, "job-applications"), by_id(world, "stages")
    for offer in world.records("job-offers"):
        application = applications[offer["relationships"]["job-application"]["id"]]
        stage = stages[application["relationships"]["stage"]["id"]]
        assert stage["attributes"]["name"] in ("Offer", "Hired")


def test_stages_change_after_creation_but_for_some_milliseconds(world: World) -> None:
    gaps = []
    for application in world.records("job-applications"):
        attributes = application["attributes"]
        gap = instant(attributes["changed-stage-at"]) - instant(attributes["created-at"])
        gaps.append(gap.total_seconds())
        assert instant(attributes["updated-at"]) <= NOW
    assert -0.01 < min(gaps) < 0
    assert sum(gap >= 0 for gap in gaps) / len(gaps) > 0.95


def test_jobs_of_every_status_and_feed() -> None:
    jobs = [each["attributes"] for each in Sandbox(candidates=40).world.records("jobs")]
    assert {each["status"] for each in jobs} == {"open", "draft", "archived", "unlisted", "temp"}
    assert {each["human-status"] for each in jobs} == {
        "archived", "unlisted", "expired", "draft", "published", "scheduled", "unsaved",
    }  # fmt: skip
    published = [each for each in jobs if each["human-status"] == "published"]
    assert {each["internal"] for each in published} == {True, False}


def test_nobody_real_can_be_meant(world: World) -> None:
    for candidate in world.records("candidates"):
        attributes = candidate["attributes"]
        assert (attributes["email"] or "x.example").endswith(".example")
        phone = attributes["phone"] or "+447700900000"
        assert phone.startswith("+447700900") or phone[5:10] == "55501"


def test_stage_counters_are_counted(world: World) -> None:
    applications = by_id(world, "job-applications")
    for stage in world.records("stages"):
        ids = [ref["id"] for ref in stage["relationships"]["job-applications"]]
        gone = [id_ for id_ in ids if applications[id_]["attributes"]["rejected-at"]]
        assert stage["attributes"]["rejected-job-applications-count"] == len(gone)
        assert stage["attributes"]["active-job-applications-count"] == len(ids) - len(gone)
