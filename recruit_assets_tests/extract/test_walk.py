import logging
from collections.abc import Callable
from typing import Any

import pytest

from recruit_assets.errors import (
    HostUnreachable,
    ParameterRefused,
    RateLimited,
    Rejected,
    RequestFailed,
    Transient,
)
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.walk import Walk
from recruit_assets.sandbox import Sandbox

StartWalk = Callable[..., Walk]
BAD = ["html", "empty", "list", "null-data", "truncated", "garbage", "no-id", "reset"]


def ids(walk: Walk) -> list[str]:
    """The ids that came, each once, in the order of the sandbox."""
    return sorted({str(record.id) for page in walk for record in page.records}, key=int)


def expected(sandbox: Sandbox, path: str) -> list[str]:
    return [record["id"] for record in sandbox.world.records(path)]


def test_nothing_is_asked_before_the_walk_is_iterated(sandbox: Sandbox, walk: StartWalk) -> None:
    started = walk("candidates")
    assert sandbox.requests == []
    ids(started)
    assert sandbox.requests


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("name", ["candidates", "notes", "regions"])
def test_every_record_comes(sandbox: Sandbox, walk: StartWalk, name: str, concurrency: int) -> None:
    reading = walk(name, concurrency=concurrency, page_size=10)
    assert ids(reading) == expected(sandbox, name)
    report, count = reading.report, sandbox.world.count(name)
    assert (report.verdict, report.reason) == (Verdict.COMPLETE, "")
    assert report.record_count == count
    # The first page tells where the last is, and is read again when it is its turn.
    pages = -(-count // 10)
    assert report.pages == len(sandbox.requests) == pages + (pages > 1)


def test_pages_know_in_which_order_they_were_answered(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.fail("notes", kind="drip", page=2)
    for _ in range(60):
        sandbox.world.add("notes")
    pages = list(walk("notes"))
    answers = {page.number: page.sequence for page in pages}
    assert answers[2] > answers[3]
    assert sorted(page.sequence for page in pages) == list(range(len(pages)))


def test_what_is_asked(sandbox: Sandbox, walk: StartWalk) -> None:
    ids(walk("jobs"))
    query = sandbox.requests[0].query
    assert query["page[number]"] == "1"
    assert query["page[size]"] == "30"
    assert query["sort"] == "id"
    assert query["filter[status]"] == "all"
    assert query["filter[feed]"] == "public,internal"
    assert query["include"].split(",")[:2] == ["department", "division"]
    assert query["fields[users]"] == "id"
    assert "fields[jobs]" not in query


def test_an_opaque_cursor_is_followed(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.rules.cursor_paging.add("candidates")
    reading = walk("candidates")
    assert ids(reading) == expected(sandbox, "candidates")
    assert reading.stats.requests == 2
    assert reading.report.verdict is Verdict.COMPLETE


def test_without_counts_the_links_are_followed(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.rules.no_counts.add("candidates")
    reading = walk("candidates")
    assert ids(reading) == expected(sandbox, "candidates")
    assert reading.report.record_count is None
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert reading.report.reason == "the API does not say how many records there are"


def test_without_links_the_page_count_decides(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.alter("notes", lambda document: document.pop("links") and None)
    assert ids(walk("notes")) == expected(sandbox, "notes")


@pytest.mark.parametrize("link", [None, ""])
def test_where_no_page_links_to_another_the_page_count_decides(
    sandbox: Sandbox, walk: StartWalk, link: str | None
) -> None:
    sandbox.alter("notes", lambda document: document["links"].update(next=link))
    assert ids(walk("notes")) == expected(sandbox, "notes")


def test_a_relative_link_is_followed(sandbox: Sandbox, walk: StartWalk) -> None:
    def shorten(document: dict[str, Any]) -> None:
        if link := document["links"].get("next"):
            document["links"]["next"] = "?" + link.partition("?")[2]

    sandbox.rules.no_counts.add("notes")
    sandbox.alter("notes", shorten)
    assert ids(walk("notes")) == expected(sandbox, "notes")


def test_a_short_page_is_not_the_end(sandbox: Sandbox, walk: StartWalk) -> None:
    def shorten(document: dict[str, Any]) -> None:
        del document["data"][3:]

    sandbox.alter("candidates", shorten, page=1)
    reading = walk("candidates")
    found = ids(reading)
    assert found == expected(sandbox, "candidates")[:3] + expected(sandbox, "candidates")[30:]
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert reading.report.reason.startswith(
        "page 1 has 3 records where 30 were expected; 13 records were read"
    )


def test_pages_that_came_to_be_during_the_walk_are_read(sandbox: Sandbox, walk: StartWalk) -> None:
    def grow(world: Any) -> None:
        for _ in range(70):
            world.add("regions")

    sandbox.before("regions", grow, page=2)
    for _ in range(30):
        sandbox.world.add("regions")
    reading = walk("regions")
    assert ids(reading) == expected(sandbox, "regions")


def test_links_that_go_round_in_a_circle_end(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.rules.no_counts.add("regions")
    sandbox.alter(
        "regions", lambda document: document["links"].update(next=f"{sandbox.base_url}regions")
    )
    reading = walk("regions")
    assert ids(reading) == expected(sandbox, "regions")
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert "points to a page already read" in reading.report.reason
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("http://127.0.0.1:9/v1/regions", r"127\.0\.0\.1:9"),
        ("http://user:pass@127.0.0.1:9/", r"127\.0\.0\.1:9"),
        ("http://[bad", "something that is not a URL"),
        ("http://evil.invalid\\@{own}/v1/regions", r"[\d.:]+"),
    ],
)
def test_a_link_to_elsewhere_is_not_followed(
    sandbox: Sandbox, walk: StartWalk, link: str, said: str
) -> None:
    sandbox.rules.no_counts.add("regions")
    link = link.replace("{own}", sandbox.base_url.split("/")[2])
    sandbox.alter("regions", lambda document: document["links"].update(next=link))
    with pytest.raises(Rejected, match=rf"links to {said}, where the key is not sent"):
        ids(walk("regions"))


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("kind", [*BAD, pytest.param("drip", marks=pytest.mark.ring(2))])
def test_a_bad_answer_is_asked_for_again(
    sandbox: Sandbox, walk: StartWalk, kind: str, page: int
) -> None:
    sandbox.fail("candidates", kind=kind, page=page, times=5)
    reading = walk("candidates")
    assert ids(reading) == expected(sandbox, "candidates")
    assert reading.stats.retries == (0 if kind == "drip" else 5)


def test_an_id_that_is_not_utf_8_is_asked_for_again(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.fail("regions", status=200, body=b'{"data":[{"id":"Jane \xff Doe"}]}', times=2)
    reading = walk("regions")
    assert ids(reading) == expected(sandbox, "regions")
    assert reading.stats.retries == 2


def test_an_id_with_half_of_a_surrogate_pair_is_refused_once(
    sandbox: Sandbox, walk: StartWalk
) -> None:
    sandbox.fail("regions", status=200, body=rb'{"data":[{"id":"\ud83d"}]}', times=2)
    with pytest.raises(
        Rejected, match=r'page 1: record 1 has the id "\\ud83d", which is not valid'
    ):
        ids(walk("regions"))
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("page", [1, pytest.param(2, marks=pytest.mark.ring(2))])
def test_an_answer_that_does_not_come_is_asked_for_again(
    sandbox: Sandbox, walk: StartWalk, page: int
) -> None:
    sandbox.fail("candidates", kind="hang", page=page, times=2)
    reading = walk("candidates", timeout=(10.0, 1.0))
    assert ids(reading) == expected(sandbox, "candidates")
    assert reading.stats.retries >= 2


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_a_status_that_can_clear_is_asked_for_again(
    sandbox: Sandbox, walk: StartWalk, status: int
) -> None:
    sandbox.fail("candidates", status=status, page=2, times=7)
    assert ids(walk("candidates")) == expected(sandbox, "candidates")


@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"X-Rate-Limit-Reset": "0"}])
def test_a_rate_limit_is_sat_out(
    sandbox: Sandbox, walk: StartWalk, headers: dict[str, str]
) -> None:
    sandbox.fail("candidates", status=429, headers=headers, times=20)
    reading = walk("candidates")
    assert ids(reading) == expected(sandbox, "candidates")
    assert reading.stats.retries == 20


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("html", "candidates, page 2: .*it begins: <"),
        ("empty", "the body is empty"),
        ("list", "Expected `object`, got `array`"),
        ("null-data", r"Expected `array`, got `null` - at `\$.data`"),
        ("truncated", "did not send a complete response"),
        ("garbage", "not valid JSON:API"),
        ("no-id", r"missing required field `id` - at `\$.data\[0\]`; it begins: {\"data\":"),
        ("reset", "did not send a complete response"),
    ],
)
def test_a_bad_answer_that_stays_is_told(
    sandbox: Sandbox, walk: StartWalk, kind: str, said: str
) -> None:
    sandbox.fail("candidates", kind=kind, page=2, times=None)
    with pytest.raises(Transient, match=said) as raised:
        ids(walk("candidates"))
    assert "candidates, page 2: " in str(raised.value)
    assert "(8 tries). The table is unchanged." in str(raised.value)


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (401, Rejected, "RECRUIT_API_KEY"),
        (403, Rejected, "although earlier pages could be read.*scope just change"),
        (404, Rejected, "although earlier pages could be read.*scope just change"),
        (410, Rejected, "RECRUIT_API_BASE_URL"),
        (422, Rejected, "RECRUIT_API_BASE_URL"),
    ],
)
def test_what_cannot_clear_is_asked_once(
    sandbox: Sandbox, walk: StartWalk, status: int, error: type[RequestFailed], advice: str
) -> None:
    sandbox.fail("candidates", status=status, page=2, times=1)
    with pytest.raises(error, match=f"candidates, page 2: .*HTTP {status}.*{advice}"):
        ids(walk("candidates"))


def test_a_rate_limit_that_stays_is_told(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.fail("regions", status=429, times=None)
    with pytest.raises(RateLimited, match="Lower RECRUIT_API_REQUESTS_PER_10S"):
        ids(walk("regions", limits=RetryLimits(max_total_wait=0)))


def test_a_redirect_is_not_followed(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.fail("regions", status=301, headers={"Location": "http://127.0.0.1:9/"})
    with pytest.raises(Rejected, match=r"redirects to 127\.0\.0\.1:9 \(HTTP 301\)"):
        ids(walk("regions"))


def test_a_wrong_key(walk: StartWalk) -> None:
    with pytest.raises(Rejected, match=r"rejects the key. Check RECRUIT_API_KEY, .*region"):
        ids(walk("regions", key="wrong"))


def test_an_unknown_version_is_told_the_current_one(walk: StartWalk) -> None:
    with pytest.raises(Rejected, match=r"20240904.*set RECRUIT_API_VERSION"):
        ids(walk("regions", version="20200101"))


def test_a_host_that_does_not_exist(walk: StartWalk) -> None:
    with pytest.raises(HostUnreachable, match=r"could not reach no\.such\.invalid .*typo"):
        ids(walk("regions", base_url="https://no.such.invalid/v1/"))


def test_a_port_where_nothing_listens(walk: StartWalk) -> None:
    with pytest.raises(
        HostUnreachable, match=r"refused\) \(3 tries\)\. Check RECRUIT_API_BASE_URL"
    ):
        ids(walk("regions", base_url="http://127.0.0.1:9/v1/"))


def test_a_base_url_with_a_wrong_path(sandbox: Sandbox, walk: StartWalk) -> None:
    wrong = sandbox.base_url.replace("/v1/", "/v1/v2/")
    with pytest.raises(Rejected, match=r"404 .* at .*/v2/regions, and the same for jobs"):
        ids(walk("regions", base_url=wrong))


@pytest.mark.parametrize("status", [403, 404])
def test_an_endpoint_that_the_account_lacks_is_empty_and_says_why(
    sandbox: Sandbox, walk: StartWalk, status: int
) -> None:
    sandbox.rules.without = {"job-offers": status}
    reading = walk("job_offers")
    assert ids(reading) == []
    assert reading.report.verdict is Verdict.UNAVAILABLE
    assert f"HTTP {status}" in reading.report.reason


def test_a_key_that_may_read_nothing_is_no_missing_add_on(
    sandbox: Sandbox, walk: StartWalk
) -> None:
    sandbox.rules.without = {"regions": 403, "jobs": 403, "departments": 403}
    for name in ("regions", "jobs"):
        with pytest.raises(Rejected, match=r"403 .*The key may not read anything: give it a scope"):
            ids(walk(name))


def test_people_in_an_error_are_not_shown(sandbox: Sandbox, walk: StartWalk) -> None:
    body = '{"errors":[{"detail":"Vanda Quill, +46 70 123 45 67"}]}'
    sandbox.fail("regions", status=422, body=body)
    with pytest.raises(Rejected) as raised:
        ids(walk("regions"))
    assert "Vanda" not in str(raised.value)
    assert "123" not in str(raised.value)


def test_both_ways_of_sending_the_key(sandbox: Sandbox, walk: StartWalk) -> None:
    for header, prefix in (("api", ""), ("Authorization", "Token token=")):
        reading = walk("regions", auth_header=header, auth_prefix=prefix)
        assert ids(reading) == expected(sandbox, "regions")


@pytest.mark.parametrize(
    ("refused", "dropped"),
    [
        ("include=division", "include=division: its key stays empty"),
        ("sort", "sort: records are in the API's own order"),
        ("fields", "fields: responses are larger than needed"),
        ("page[size]", "page[size]: pages have the API's default size, so there are more of them"),
    ],
)
def test_a_refused_parameter_alone_is_dropped(
    sandbox: Sandbox,
    walk: StartWalk,
    caplog: pytest.LogCaptureFixture,
    refused: str,
    dropped: str,
) -> None:
    sandbox.rules.refuse = {"candidates": {refused}}
    reading = walk("candidates")
    with caplog.at_level(logging.WARNING):
        assert sorted(ids(reading), key=int) == expected(sandbox, "candidates")
    assert reading.report.dropped == [dropped]
    assert caplog.messages == [f"candidates: the API refuses {dropped}"]
    first, second, *_ = sandbox.requests
    assert first.status == 400
    kept = {"include=division", "sort", "fields", "page[size]"} - {refused}
    assert ("division" in second.query["include"]) == ("include=division" in kept)
    assert {name for name in kept if "=" not in name} <= {
        name.replace("[departments]", "") for name in second.query
    }


def test_several_refused_parameters_are_dropped_one_after_the_other(
    sandbox: Sandbox, walk: StartWalk
) -> None:
    sandbox.rules.refuse = {"candidates": {"include=division", "include=role", "sort", "fields"}}
    reading = walk("candidates")
    assert sorted(ids(reading), key=int) == expected(sandbox, "candidates")
    assert len(reading.report.dropped) == 4
    assert reading.stats.requests == len(sandbox.requests)
    assert sandbox.requests[-1].query["include"] == "department,locations,regions"


def test_two_refusals_of_one_include_drop_it_alone(sandbox: Sandbox, walk: StartWalk) -> None:
    error = '{"code":"112","detail":"role is not valid"}'
    sandbox.fail("candidates", status=400, body=f'{{"errors":[{error},{error}]}}')
    ids(walk("candidates"))
    assert sandbox.requests[-1].query["include"] == "department,division,locations,regions"


def test_a_blip_is_no_proof_that_another_list_answers(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.rules.without = {"regions": 403, "jobs": 403}
    sandbox.fail("jobs", status=503, times=2)
    with pytest.raises(Rejected, match="The key may not read anything"):
        ids(walk("regions"))


@pytest.mark.parametrize(
    ("detail", "left"),
    [
        ("reject-reason is not valid (valid are: candidate, job, stage)", "candidate,job,stage"),
        ("Something is not right", "candidate,job,stage"),
    ],
)
def test_a_refusal_that_names_all_or_none_loses_no_needed_key(
    sandbox: Sandbox, walk: StartWalk, detail: str, left: str
) -> None:
    body = f'{{"errors":[{{"code":112,"detail":"{detail}"}}]}}'
    sandbox.fail("job-applications", status=400, body=body)
    ids(walk("job_applications"))
    assert sandbox.requests[-1].query["include"] == left


@pytest.mark.parametrize(
    ("name", "refused"),
    [("jobs", "filter[status]"), ("job-applications", "include=stage")],
)
def test_what_an_endpoint_cannot_do_without_is_an_error(
    sandbox: Sandbox, walk: StartWalk, name: str, refused: str
) -> None:
    sandbox.rules.refuse = {name: {refused}}
    with pytest.raises(ParameterRefused, match=r"returned HTTP 400 \(.*Check RECRUIT_API_VERSION"):
        ids(walk(name.replace("-", "_")))
