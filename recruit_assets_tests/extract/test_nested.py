"""A list that exists only below the records of another one: which are read, and what they prove."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import time_machine

from recruit_assets.errors import RequestFailed
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.nested import NestedWalk
from recruit_assets.extract.probe import ProbeState, probe
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.extract.retries import ONCE, RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.options import Mode
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import BY_NAME, Project, settings_for

LIMITS = RetryLimits(first_wait=0, default_wait=0)
MADE_UP = "SELECT id, job_id FROM recruit_now.activities"


@pytest.fixture
def source(sandbox: Sandbox) -> Iterator[Callable[[RetryLimits], Source]]:
    client = Client(ApiSettings(**settings_for(sandbox)))
    log = logging.getLogger("activities")
    yield lambda limits: Source(client, BY_NAME["activities"], limits, log)
    client.close()


def ids(walk: NestedWalk) -> set[str]:
    return {str(record.id) for page in walk for record in page.records}


def of_jobs(sandbox: Sandbox) -> dict[str, str]:
    """The job of each activity in the list of one."""
    jobs = sandbox.world.table("jobs")
    owners = {
        id_: each["relationships"]["job"] for id_, each in sandbox.world.table("activities").items()
    }
    return {id_: job["id"] for id_, job in owners.items() if job and job["id"] in jobs}


def lists(sandbox: Sandbox) -> list[str]:
    """The jobs whose lists were requested since the last call, in the order of the requests."""
    found = [each.path.split("/") for each in sandbox.requests if each.path.count("/") == 2]
    sandbox.clear_requests()
    return list(dict.fromkeys(job for _, job, _ in found))


def stored(project: Project) -> dict[str, str]:
    return dict(project.query(MADE_UP))


def busy(sandbox: Sandbox) -> list[str]:
    """Jobs that have activities, those with most first."""
    owners = list(of_jobs(sandbox).values())
    return sorted(set(owners), key=lambda job: (-owners.count(job), job))


def test_all_nested_lists_are_complete(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    world = sandbox.world
    first = min(world.table("jobs"), key=int)
    for _ in range(70):  # so that one has several pages
        world.add("activities", {"code": "note"}, {"job": first})
    walk = NestedWalk(source(LIMITS))
    assert ids(walk) == set(of_jobs(sandbox))
    report = walk.report
    assert (report.verdict, report.proof, report.reason) == (Verdict.COMPLETE, Proof.READ, "")
    assert report.record_count == len(of_jobs(sandbox))
    assert set(lists(sandbox)) == set(world.table("jobs"))  # those that are not public too
    assert walk.known_since == report.began


def test_a_list_says_whose_it_is_though_the_key_is_not_included(project: Project) -> None:
    project.sandbox.rules.refuse = {"activities": {"include=job", "include=candidate"}}
    result = project.sync("activities")
    assert result.report.verdict is Verdict.COMPLETE
    assert stored(project) == of_jobs(project.sandbox)


def test_only_lists_that_may_have_changed_are_read_again(project: Project) -> None:
    sandbox, world = project.sandbox, project.sandbox.world
    project.sync("activities")
    project.sync("activities")  # what was changed shortly before the first one counts as changed
    lists(sandbox)
    result = project.sync("activities")
    assert (result.report.verdict, result.mode) == (Verdict.WINDOW, Mode.incremental)
    assert lists(sandbox) == []
    one, other, *_ = busy(sandbox)
    application = next(
        id_
        for id_, each in world.table("job-applications").items()
        if each["relationships"]["job"]["id"] == one
    )
    world.change("job-applications", application, {"rejected-at": None})
    world.change("job-applications", application, {"rejected-at": world.clock()})
    world.change("jobs", other, {"title": "Another"})
    new = world.add("jobs", {})
    world.add("activities", {"code": "note"}, {"job": new})
    world.remove("jobs", min(set(world.table("jobs")) - {*busy(sandbox), one, other, new}))
    result = project.sync("activities")
    assert result.report.verdict is Verdict.WINDOW
    known = project.query("SELECT high::VARCHAR FROM recruit_meta.cover")
    assert {high for (high,) in known} == set(world.table("jobs"))
    assert set(lists(sandbox)) == {one, other, new}
    assert stored(project) == of_jobs(sandbox)
    assert result.values_as_of is not None
    assert result.values_as_of <= result.report.began


def test_another_key_reads_all_lists(project: Project) -> None:
    project.sync("activities")
    project.sandbox.rules.key = "rotated"
    project.settings = {"key": "rotated"}
    lists(project.sandbox)
    assert project.sync("activities").report.verdict is Verdict.COMPLETE
    assert set(lists(project.sandbox)) == set(project.sandbox.world.table("jobs"))


def test_what_shows_no_change_is_found_when_all_are_read(project: Project) -> None:
    sandbox, world = project.sandbox, project.sandbox.world
    first = project.sync("activities")
    assert first.values_as_of is not None
    assert first.report.began - first.values_as_of < timedelta(minutes=1)
    note = world.add("activities", {"code": "note"}, {"job": busy(sandbox)[0]})
    gone = next(iter(of_jobs(sandbox)))
    world.remove("activities", gone)
    assert project.sync("activities").report.verdict is Verdict.WINDOW
    assert (note in stored(project), gone in stored(project)) == (False, True)
    result = project.sync("activities", mode=Mode.audit)
    assert (result.report.verdict, result.gone) == (Verdict.COMPLETE, [gone])
    assert stored(project) == of_jobs(sandbox)
    again = project.sync("activities", full_after_hours=0)
    assert (again.report.verdict, again.mode) == (Verdict.COMPLETE, Mode.full)


def test_the_activities_of_a_deleted_job_are_gone_and_stay_as_deleted_rows(
    project: Project,
) -> None:
    sandbox = project.sandbox
    project.sync("activities")
    job = busy(sandbox)[-1]
    theirs = [id_ for id_, owner in of_jobs(sandbox).items() if owner == job]
    sandbox.world.remove("jobs", job)
    result = project.sync("activities", mode=Mode.full)
    assert (result.report.verdict, sorted(result.gone)) == (Verdict.COMPLETE, sorted(theirs))
    assert stored(project) == of_jobs(sandbox)
    kept = project.query(f"SELECT code FROM recruit.activities WHERE job_id = '{job}'")
    assert len(kept) == len(theirs) > 0
    assert all(code for (code,) in kept)


def test_a_list_that_fails_is_read_by_the_next_sync_and_the_others_are_not(
    project: Project,
) -> None:
    sandbox = project.sandbox
    failing = sorted(sandbox.world.table("jobs"), key=int)[3]
    sandbox.fail(f"jobs/{failing}/activities", status=500, times=20)
    result = project.sync("activities")
    assert (result.report.verdict, result.deleted) == (Verdict.INCOMPLETE, 0)
    assert result.report.reason.startswith(f"the list of job {failing}: the API returned HTTP 500")
    assert result.values_as_of is result.read_as_of is None
    sandbox.clear_faults()
    lists(sandbox)
    result = project.sync("activities")
    assert failing in lists(sandbox)
    assert result.report.verdict is Verdict.WINDOW
    assert stored(project) == of_jobs(sandbox)
    project.sync("activities")
    assert failing not in lists(sandbox)[1:]


def test_lists_that_were_read_a_day_ago_are_read_again(project: Project) -> None:
    sandbox = project.sandbox
    failing = busy(sandbox)[0]
    sandbox.fail(f"jobs/{failing}/activities", status=500, times=20)
    assert project.sync("activities").report.verdict is Verdict.INCOMPLETE
    sandbox.clear_faults()
    lists(sandbox)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True):
        assert project.sync("activities", mode=Mode.incremental).report.verdict is Verdict.WINDOW
        assert lists(sandbox) == [failing]
        assert project.sync("activities").report.verdict is Verdict.WINDOW
    assert set(lists(sandbox)) == set(sandbox.world.table("jobs")) - {failing}


def test_all_lists_are_read_once_the_api_shows_more_of_them(project: Project) -> None:
    sandbox = project.sandbox
    job, *_ = busy(sandbox)
    sandbox.rules.refuse = {"activities": {"include=candidate"}}
    project.sync("activities")
    persons = "SELECT count(*) FROM recruit.activities WHERE candidate_id IS NULL"
    assert project.query(persons) == [(len(of_jobs(sandbox)),)]
    sandbox.rules.refuse = {}
    sandbox.world.change("jobs", job, {"title": "Another"})
    lists(sandbox)
    assert project.sync("activities").report.verdict is Verdict.COMPLETE
    assert set(lists(sandbox)) == set(sandbox.world.table("jobs"))
    assert project.query(persons) == [(0,)]


def test_after_three_failures_the_rest_is_left_to_the_next_sync(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    served = count()

    def fail(document: dict[str, Any]) -> dict[str, Any]:
        own = any(each["type"] == "jobs" for each in document["data"])
        return document if own or next(served) < 5 else {"data": None}

    sandbox.alter("jobs", fail)
    walk = NestedWalk(source(ONCE))
    ids(walk)
    assert walk.report.verdict is Verdict.INCOMPLETE
    assert "after 3 failures" in walk.report.reason
    assert walk.cover is not None
    assert 0 < len(walk.cover.ranges) == len(lists(sandbox)) - 3


def test_a_failure_of_the_first_fails_the_reading(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    for job in sandbox.world.table("jobs"):
        sandbox.fail(f"jobs/{job}/activities", status=500, times=None)
    with pytest.raises(RequestFailed, match=r"activities of jobs/\d+, page 1: .*500"):
        ids(NestedWalk(source(ONCE)))


def test_a_list_without_a_count_proves_nothing(project: Project) -> None:
    sandbox = project.sandbox
    sandbox.rules.no_counts = {"activities"}
    result = project.sync("activities")
    assert result.report.verdict is Verdict.INCOMPLETE
    assert "the API does not say how many records there are" in result.report.reason
    assert result.report.record_count is None


def test_a_job_that_is_deleted_in_the_meantime_is_no_doubt(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    job = sorted(sandbox.world.table("jobs"), key=int)[4]
    sandbox.before(f"jobs/{job}/activities", lambda world: world.remove("jobs", job))
    walk = NestedWalk(source(LIMITS))
    assert ids(walk) == set(of_jobs(sandbox))
    assert walk.report.verdict is Verdict.COMPLETE


def test_a_job_that_is_new_in_the_meantime_is_read_too(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    job = sorted(sandbox.world.table("jobs"), key=int)[4]

    def post(world: Any) -> None:
        world.add("activities", {"code": "created"}, {"job": world.add("jobs", {})})

    sandbox.before(f"jobs/{job}/activities", post)
    walk = NestedWalk(source(LIMITS))
    assert ids(walk) == set(of_jobs(sandbox))
    assert walk.report.verdict is Verdict.COMPLETE


def test_jobs_that_are_not_proven_prove_nothing(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.no_counts = {"jobs"}
    walk = NestedWalk(source(LIMITS))
    ids(walk)
    assert walk.report.verdict is Verdict.INCOMPLETE
    assert walk.report.reason.startswith("jobs, which have the lists: the API does not say")


def test_an_api_that_shows_the_same_list_below_each_job_is_noticed(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    everything = [
        {
            "id": id_,
            "type": "activities",
            "attributes": {"code": "note"},
            "relationships": {"job": {"data": each["relationships"]["job"]}},
        }
        for id_, each in list(sandbox.world.table("activities").items())[-20:]
    ]
    sandbox.alter("jobs", lambda document: _nested_only(document, everything))
    walk = NestedWalk(source(LIMITS))
    ids(walk)
    assert walk.report.verdict is Verdict.INCOMPLETE
    assert "it has records of job" in walk.report.reason


def _nested_only(document: dict[str, Any], everything: list[Any]) -> dict[str, Any]:
    records = document["data"]
    own = isinstance(records, dict) or any(each["type"] == "jobs" for each in records)
    meta = {"record-count": len(everything), "page-count": 1}
    return document if own else document | {"data": everything, "meta": meta, "links": {}}


@pytest.mark.parametrize("refused", ["filter[updated-at]", "include=job"])
def test_all_lists_are_read_if_nobody_can_say_which_changed(project: Project, refused: str) -> None:
    sandbox = project.sandbox
    project.sync("activities")
    lists(sandbox)
    sandbox.rules.refuse = {"job-applications": {refused}}
    if refused.startswith("include"):
        with pytest.raises(RequestFailed):
            project.sync("activities")
        return
    result = project.sync("activities")
    assert (result.report.verdict, result.mode) == (Verdict.COMPLETE, Mode.full)
    assert set(lists(sandbox)) == set(sandbox.world.table("jobs"))


def test_only_members_of_moves_that_are_numbers_are_stored(project: Project) -> None:
    world, job = project.sandbox.world, busy(project.sandbox)[0]
    secret = {"from": "zyx@mail.example", "to": ["zyx@mail.example"], "body": "Zyx", "a": {"b": 1}}
    data: dict[str, Any] = {
        "message": json.dumps(secret | {"from_trigger": True}),
        "stage": json.dumps({"from": 481, "to": "482", "from_trigger": False}),
        "rejected": json.dumps({"from": 1, "to": 2, "stage_id": 3}),
        "note": "Zyx, which is not JSON",
        "sourced": ["Zyx"],
        "connected": None,
    }
    made = {
        code: world.add("activities", {"code": code, "data": text, "zyx": "Zyx"}, {"job": job})
        for code, text in data.items()
    }
    odd = json.dumps({"from": "zyx@mail.example", "to": -5, "from_trigger": "Zyx"})
    made["odd"] = world.add("activities", {"code": "stage", "data": odd}, {"job": job})
    project.sync("activities")
    found = {
        id_: rest
        for id_, *rest in project.query(
            "SELECT id, from_stage_id, to_stage_id, from_trigger FROM recruit.activities"
        )
    }
    assert {code: found[id_] for code, id_ in made.items()} == {
        "message": [None, None, True],
        "stage": ["481", "482", False],
        "rejected": [None, None, None],
        "note": [None, None, None],
        "sourced": [None, None, None],
        "connected": [None, None, None],
        "odd": [None, None, None],
    }
    columns = [name for name, *_ in project.query("DESCRIBE recruit.activities")]
    assert [name for name in columns if not name.startswith("_")] == [
        "id", "code", "created_at", "from_stage_id", "to_stage_id", "from_trigger",
        "candidate_id", "job_id",
    ]  # fmt: skip
    assert "zyx" not in str(project.query("FROM recruit.activities")).lower()


@pytest.mark.parametrize("status", [403, 404])
def test_an_account_without_them_is_quiet(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source], status: int
) -> None:
    sandbox.rules.without = {"activities": status}
    walk = NestedWalk(source(LIMITS))
    assert ids(walk) == set()
    assert walk.report.verdict is Verdict.UNAVAILABLE
    assert len(lists(sandbox)) == 2
    assert probe(source(ONCE)).state is ProbeState.UNAVAILABLE


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("place", [0, -1])
def test_one_list_that_is_refused_costs_no_other(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source], status: int, place: int
) -> None:
    refused = list(sandbox.world.table("jobs"))[place]
    sandbox.fail(f"jobs/{refused}/activities", status=status, times=None)
    walk = NestedWalk(source(LIMITS))
    assert ids(walk) == {id_ for id_, job in of_jobs(sandbox).items() if job != refused}
    assert walk.report.verdict is Verdict.INCOMPLETE
    assert f"the list of job {refused}: " in walk.report.reason


def test_without_jobs_there_is_nothing(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    for job in list(sandbox.world.table("jobs")):
        sandbox.world.remove("jobs", job)
    walk = NestedWalk(source(LIMITS))
    assert ids(walk) == set()
    assert walk.report.verdict is Verdict.COMPLETE


def test_the_probe_takes_two_requests_and_tells_the_least(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    found = probe(source(ONCE))
    assert (found.state, found.at_least, len(sandbox.requests)) == (ProbeState.READABLE, True, 2)
    sandbox.clear_requests()
    ids(NestedWalk(source(LIMITS)))
    assert found.requests is not None
    assert found.requests <= len(sandbox.requests)
    assert found.at_rest == 2  # one page of jobs, and what applications have changed
