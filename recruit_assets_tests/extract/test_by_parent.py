"""A list that is read by a filtered list for each record of another one: what these prove."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from recruit_assets.errors import RequestFailed
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.by_parent import WalkByParent
from recruit_assets.extract.client import Client
from recruit_assets.extract.probe import ProbeState, probe
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.extract.retries import ONCE, RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.options import Mode
from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox.world import World
from recruit_assets_tests.conftest import BY_NAME, Project, settings_for

LIMITS = RetryLimits(first_wait=0, default_wait=0)
BY_QUESTION = "filter[question]"


@pytest.fixture
def source(sandbox: Sandbox) -> Iterator[Callable[[RetryLimits], Source]]:
    client = Client(ApiSettings(**settings_for(sandbox)))
    log = logging.getLogger("answers")
    yield lambda limits: Source(client, BY_NAME["answers"], limits, log)
    client.close()


def ids(walk: WalkByParent) -> set[str]:
    return {str(record.id) for page in walk for record in page.records}


def asked(sandbox: Sandbox) -> list[tuple[str, str | None]]:
    """The path of each request, and the question by which it was filtered."""
    return [(each.path, each.query.get(BY_QUESTION)) for each in sandbox.requests]


def test_filtered_lists_are_the_whole_list_if_the_api_counts_as_many(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    world = sandbox.world
    first = min(world.table("questions"), key=int)
    for _ in range(70):  # so that one has several pages
        world.add("answers", {}, {"question": first})
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(world.table("answers"))
    report = walk.report
    assert (report.verdict, report.proof, report.reason) == (Verdict.COMPLETE, Proof.READ, "")
    assert report.record_count == world.count("answers")
    filtered = [question for path, question in asked(sandbox) if path == "answers"]
    assert set(filtered) - {None} == set(world.table("questions"))
    assert filtered.count(None) == 1
    assert sandbox.requests[-1].query["page[size]"] == "1"


def with_orphans(sandbox: Sandbox) -> tuple[int, int]:
    """Delete a question that has an answer, and add one without any; count all, and the others."""
    world = sandbox.world
    question = min(world.table("questions"), key=int)
    world.add("answers", {}, {"question": question})
    world.remove("questions", question)
    world.add("answers", {}, {})
    owners = [each["relationships"].get("question") for each in world.table("answers").values()]
    return len(owners), len([each for each in owners if each and each["id"] != question])


def test_the_whole_list_is_read_if_the_api_counts_more(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source], caplog: pytest.LogCaptureFixture
) -> None:
    counted, listed = with_orphans(sandbox)
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert (walk.report.verdict, walk.report.record_count) == (Verdict.COMPLETE, counted)
    assert (
        f"answers: the API counts {counted} answers, and its lists for each question have "
        f"{listed}: those of a deleted question are in none. The whole list is read."
    ) in caplog.messages


def test_nothing_is_proven_if_the_whole_list_is_longer_and_cannot_be_read(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    for question in list(sandbox.world.table("questions"))[-2:]:
        for _ in range(20):  # so that only the whole list has two pages
            sandbox.world.add("answers", {}, {"question": question})
    counted, listed = with_orphans(sandbox)
    sandbox.fail("answers", page=2, status=502, times=None)
    walk = WalkByParent(source(replace(LIMITS, outage=1e9)))  # which would never end
    assert len(ids(walk)) >= listed
    assert (walk.report.verdict, walk.report.record_count) == (Verdict.INCOMPLETE, counted)
    assert walk.report.reason.startswith(f"the API counts {counted} answers, and its lists for ")
    assert "the whole list cannot be read: the API returned HTTP 502" in walk.report.reason


def test_nothing_is_proven_if_the_api_does_not_count_the_whole_list(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.too_long = {"answers"}
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert (walk.report.verdict, walk.report.record_count) == (Verdict.INCOMPLETE, None)
    assert walk.report.reason.startswith(
        "the whole list cannot be counted, so those of a deleted question may be missing: "
        "the API returned HTTP 502"
    )
    assert len([each for each in sandbox.requests if each.status == 502]) == 1


def test_an_answer_that_moves_to_a_new_question_is_read(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    moved = list(sandbox.world.table("answers"))[-1]

    def move(world: World) -> None:
        world.change("answers", moved, {}, {"question": world.add("questions", {})})

    sandbox.before("answers", move)
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert walk.report.verdict is Verdict.COMPLETE


def test_questions_that_are_new_each_time_prove_nothing(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.before("questions", lambda world: world.add("questions", {}), times=None)
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert walk.report.verdict is Verdict.INCOMPLETE
    assert walk.report.reason == "there were new questions each time that these were read"


@pytest.mark.parametrize("status", [None, 403])
def test_without_questions_the_whole_list_is_read(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source], status: int | None
) -> None:
    world = sandbox.world
    for question in list(world.table("questions")):
        world.remove("questions", question)
    sandbox.rules.without = {"answers": status} if status else {}
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == (set() if status else set(world.table("answers")))
    assert walk.report.verdict is (Verdict.UNAVAILABLE if status else Verdict.COMPLETE)


def test_one_that_is_not_proven_proves_nothing(
    project: Project, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox = project.sandbox
    project.sync("answers")
    before = project.query("SELECT id FROM recruit_now.answers ORDER BY id")
    number = iter(range(1000))

    def without_counts(document: dict[str, Any]) -> None:
        if next(number) == 20:
            document["meta"] = {}

    sandbox.alter("answers", without_counts)
    gone = next(iter(sandbox.world.table("answers")))
    sandbox.world.remove("answers", gone)
    result = project.sync("answers", mode=Mode.full)
    assert result.report.verdict is Verdict.INCOMPLETE
    assert result.report.reason.startswith("its list for question ")
    assert (result.deleted, result.report.record_count) == (0, None)
    assert project.query("SELECT id FROM recruit_now.answers ORDER BY id") == before


def test_the_other_list_must_be_complete_too(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.no_counts = {"questions"}
    walk = WalkByParent(source(LIMITS))
    ids(walk)
    assert walk.report.verdict is Verdict.INCOMPLETE
    assert walk.report.reason.startswith("questions, by which it is read: the API does not say")


@pytest.mark.parametrize("why", ["refused", "no questions"])
def test_without_a_filter_the_whole_list_is_read(
    sandbox: Sandbox,
    source: Callable[[RetryLimits], Source],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if why == "refused":
        sandbox.rules.refuse = {"answers": {BY_QUESTION}}
    else:
        sandbox.rules.without = {"questions": 403}
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert walk.report.verdict is Verdict.COMPLETE
    assert len([each for each in caplog.messages if "The whole list is read." in each]) == 1
    assert ("answers", None) in asked(sandbox)


def test_a_filter_that_is_ignored_is_noticed_in_the_first_answers(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.rules.ignored = {"answers": {"question"}}
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert walk.report.verdict is Verdict.COMPLETE
    assert "answers: the API ignores filter[question]. The whole list is read." in caplog.messages
    assert len([each for each in asked(sandbox) if each[0] == "answers"]) < 5


def test_a_parameter_that_is_refused_is_dropped_once(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.refuse = {"answers": {"include=picked-question", "sort"}}
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(sandbox.world.table("answers"))
    assert len([each for each in sandbox.requests if each.status == 400]) == 2
    assert len(walk.report.dropped) == 2
    assert walk.query.include == ("candidate", "question")


@pytest.mark.parametrize("status", [403, 404])
def test_an_account_without_answers_is_quiet(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source], status: int
) -> None:
    sandbox.rules.without = {"answers": status}
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set()
    assert walk.report.verdict is Verdict.UNAVAILABLE
    assert len([path for path, _ in asked(sandbox) if path == "answers"]) == 1


def test_a_failure_of_one_fails_the_reading(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.too_long = {"answers"}
    sandbox.rules.refuse = {"answers": {BY_QUESTION}}
    with pytest.raises(RequestFailed, match=r"answers, page 1: .*502"):
        ids(WalkByParent(source(LIMITS)))


def test_the_probe_takes_two_requests_and_tells_the_least(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.too_long = {"answers"}
    found = probe(source(ONCE))
    assert (found.state, found.at_least, len(sandbox.requests)) == (ProbeState.READABLE, True, 2)
    sandbox.clear_requests()
    ids(WalkByParent(source(LIMITS)))
    assert found.requests == len(sandbox.requests)
    sandbox.rules.without = {"answers": 403}
    assert probe(source(ONCE)).state is ProbeState.UNAVAILABLE


def test_an_answer_whose_question_was_deleted_stays(project: Project) -> None:
    world = project.sandbox.world
    question, other = list(world.table("questions"))[:2]
    stays = world.add("answers", {"text": "Stays"}, {"question": question})
    goes = world.add("answers", {"text": "Goes"}, {"question": other})
    project.sync("answers")
    world.remove("questions", question)
    world.remove("answers", goes)
    result = project.sync("answers")
    assert (result.report.verdict, result.gone) == (Verdict.COMPLETE, [goes])
    now = "SELECT id FROM recruit_now.answers"
    assert {id_ for (id_,) in project.query(now)} == set(world.table("answers")) >= {stays}
