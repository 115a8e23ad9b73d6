"""Records asked for by id: what proves that one is gone, and what proves nothing."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.query import Query
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.sandbox import Sandbox
from recruit_assets.text import one_line
from recruit_assets_tests.conftest import BY_NAME, Project, settings_for
from recruit_assets_tests.rings import sized

LIMITS = RetryLimits(tries=3, first_wait=0, default_wait=0, max_total_wait=0)


@pytest.fixture
def source(sandbox: Sandbox) -> Iterator[Source]:
    """Regions, which are tried three times at most, and not at all after a 429."""
    client = Client(ApiSettings(**settings_for(sandbox)))
    yield Source(client, BY_NAME["regions"], LIMITS, logging.getLogger("find"))
    client.close()


def found(source: Source, ids: list[str]) -> dict[str, list[str] | None]:
    """The ids of the records that came for each id; None if it is gone."""
    pages = dict(source.find(ids, Query.everything(source.endpoint)))
    return {
        id_: None if page is None else [str(record.id) for record in page.records]
        for id_, page in pages.items()
    }


def ids(sandbox: Sandbox) -> list[str]:
    return [record["id"] for record in sandbox.world.records("regions")]


@pytest.mark.parametrize("after", ["", "0", "86400", "soon"])
@pytest.mark.parametrize("status", [404, 410])
def test_what_proves_that_a_record_is_gone(
    sandbox: Sandbox, source: Source, caplog: pytest.LogCaptureFixture, status: int, after: str
) -> None:
    first, second, *_ = ids(sandbox)
    sandbox.fail(f"regions/{first}", status=status, headers={"Retry-After": after})
    assert found(source, [first, second]) == {first: None, second: [second]}
    assert caplog.messages == []


@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status} for status in (301, 400, 401, 403, 406, 409, 422, 429, 451, 500, 503)),
        *({"kind": kind} for kind in ("html", "empty", "list", "null-data", "no-id", "truncated")),
        {"kind": "reset"},
        {"status": 200, "body": '{"data":[]}'},
        {"status": 429, "headers": {"Retry-After": "86400"}},
    ],
    ids=str,
)
def test_any_other_answer_leaves_the_row_and_warns_once(
    sandbox: Sandbox, source: Source, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    first, second, third, *_ = ids(sandbox)
    for id_ in (first, third):
        sandbox.fail(f"regions/{id_}", times=None, **fault)
    with caplog.at_level(logging.WARNING):
        assert found(source, [first, second, third]) == {first: [], second: [second], third: []}
    told = [record.getMessage() for record in caplog.records if record.name == "find"]
    (warned,) = [text for text in told if "retrying in" not in text]
    assert warned.startswith("regions: 2 of 3 records could not be looked up by id, so their rows")
    assert f"The first: regions {first}: " in warned or f"The first: regions {third}: " in warned
    assert "The table is unchanged" not in warned


def test_another_record_than_was_asked_for_proves_nothing(
    sandbox: Sandbox, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, *_ = ids(sandbox)
    sandbox.alter(f"regions/{first}", lambda answer: answer["data"].update(id=second))
    assert found(source, [first]) == {first: []}
    assert f"returned the record {second}" in caplog.messages[0]


def test_an_id_may_come_as_a_number(sandbox: Sandbox, source: Source) -> None:
    first, *_ = ids(sandbox)
    sandbox.alter(f"regions/{first}", lambda answer: answer["data"].update(id=int(first)))
    assert found(source, [first]) == {first: [first]}


def test_after_a_failure_the_others_are_asked_for_once(sandbox: Sandbox, source: Source) -> None:
    source.concurrency = 1
    for number in range(9):
        sandbox.fail(f"regions/{number + 1000}", status=500, times=None)
    found(source, [str(number + 1000) for number in range(9)])
    assert len(sandbox.requests) == LIMITS.tries + 8


@settings(
    max_examples=sized(20, 25, 300),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_no_id_leads_elsewhere_or_breaks_a_line(
    sandbox: Sandbox, source: Source, caplog: pytest.LogCaptureFixture, odd: list[str]
) -> None:
    sandbox.clear_requests()
    caplog.clear()
    pages = found(source, [*odd, ".", ".."])
    assert pages["."] == pages[".."] == []
    # The sandbox takes slashes off the end, so that an id of slashes becomes the list.
    assert all(f"{each.path}/".startswith("regions/") for each in sandbox.requests)
    assert all(text == one_line(text) for text in caplog.messages)


def test_a_sync_goes_on_without_what_could_not_be_looked_up(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.sync("candidates")
    first, second, *_ = [record["id"] for record in project.sandbox.world.records("candidates")]
    for id_ in (first, second):
        project.sandbox.world.remove("candidates", id_)
    project.sandbox.fail(f"candidates/{second}", status=500, times=None)
    result = project.sync("candidates", allow_mass_delete=True)
    assert (result.report.verdict.value, result.deleted, result.kept) == ("complete", 1, 1)
    assert len([text for text in caplog.messages if "could not be looked up" in text]) == 1
    project.sandbox.clear_faults()
    assert project.sync("candidates", allow_mass_delete=True).deleted == 1


OTHER_ANSWERS: list[dict[str, Any]] = [
    *({"status": status} for status in (301, 400, 403, 500)),
    *({"kind": kind} for kind in ("html", "empty", "reset")),
    {"status": 200, "body": '{"data":null}'},
    {"status": 200, "body": '{"data":{"id":"999","type":"regions"}}'},
    {"status": 200, "body": '{"data":{"id":"%s","type":"users"}}'},
    {"status": 200, "body": '{"data":{"id":1.5}}'},
    {"status": 503, "headers": {"Retry-After": "86400"}},
]


@pytest.mark.ring(2)
@pytest.mark.parametrize("fault", OTHER_ANSWERS, ids=str)
def test_a_row_stays_unless_its_own_record_is_gone(
    project: Project, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    project.sync("regions")
    vanished, *rest = ids(project.sandbox)
    project.sandbox.world.remove("regions", vanished)
    body = fault.get("body", "").replace("%s", vanished)
    for id_ in (vanished, *rest):
        project.sandbox.fail(f"regions/{id_}", times=None, **fault | {"body": body})
    project.sandbox.clear_requests()
    with caplog.at_level(logging.WARNING):
        result = project.sync("regions")
    assert (result.report.verdict.value, result.deleted, result.kept) == ("complete", 0, 1)
    assert (vanished,) in project.query("SELECT id FROM recruit.regions WHERE _deleted_at IS NULL")
    # The list is not read again: two readings are no answer for a record that gave another one.
    asked = [each.path for each in project.sandbox.requests]
    assert asked.count("regions") == 1
    assert set(asked) == {"regions", f"regions/{vanished}"}
    assert "1 of 1 records could not be looked up by id, so their rows stay" in caplog.text


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 404}, {"kind": "html"}], ids=str)
def test_a_404_counts_only_where_records_answer_by_id(
    project: Project, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    project.sync("regions")
    gone, hidden, first, *_ = ids(project.sandbox)
    project.sandbox.world.remove("regions", gone)
    project.sandbox.fail(f"regions/{first}", times=None, **fault)
    project.sandbox.fail(f"regions/{hidden}", times=None, status=404)

    def hide(document: dict[str, Any]) -> None:
        document["data"] = [each for each in document["data"] if each["id"] != hidden]
        document["meta"]["record-count"] -= 1

    project.sandbox.alter("regions", hide, page=1, times=1)
    with caplog.at_level(logging.INFO):
        result = project.sync("regions")
    assert (result.deleted, result.kept, result.gone) == (1, 1, [gone])
    assert "That alone proves nothing" in caplog.text
    assert "could not be looked up" not in caplog.text


def test_a_second_reading_that_fails_deletes_nothing(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.sync("regions")
    gone, first, *_ = ids(project.sandbox)
    project.sandbox.world.remove("regions", gone)
    project.sandbox.fail(f"regions/{first}", status=404)
    project.sandbox.before(
        f"regions/{first}", lambda _: project.sandbox.fail("regions", status=401)
    )
    assert (result := project.sync("regions")).deleted == 0
    assert result.kept == 1
    assert "second read could not confirm it (regions, page 1: the API returned" in caplog.text
