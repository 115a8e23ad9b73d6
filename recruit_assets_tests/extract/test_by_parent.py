"""A list that is read by a filtered list for each record of another one: what these prove."""

import logging
from collections.abc import Callable, Iterator
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


def test_filtered_lists_are_the_whole_list_where_that_cannot_be_read(
    sandbox: Sandbox, source: Callable[[RetryLimits], Source]
) -> None:
    sandbox.rules.too_long = {"answers"}
    world = sandbox.world
    first = min(world.table("questions"), key=int)
    for _ in range(70):  # so that one has several pages
        world.add("answers", {}, {"question": first})
    walk = WalkByParent(source(LIMITS))
    assert ids(walk) == set(world.table("answers"))
    report = walk.report
    assert (report.verdict, report.proof, report.reason) == (Verdict.COMPLETE, Proof.READ, "")
    assert report.record_count == world.count("answers")
    filtered = {question for path, question in asked(sandbox) if path == "answers"}
    assert filtered == set(world.table("questions"))


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
