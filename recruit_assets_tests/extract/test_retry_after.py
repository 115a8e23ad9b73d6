"""Retry-After: what counts as a wait, and that it is heeded whatever the status is."""

import logging
import string
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.errors import (
    InvalidResponse,
    ParameterRefused,
    RateLimited,
    Rejected,
    RequestFailed,
    Transient,
)
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.probe import Probe, ProbeState, probe
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import ONCE
from recruit_assets.extract.retry_after import NONSENSE, wait_asked_for
from recruit_assets.extract.source import Source
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import BY_NAME, settings_for
from recruit_assets_tests.extract.test_walk import StartWalk, expected, ids

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)


def wait(status: int = 429, **headers: str) -> float | None:
    """The wait that an answer with these headers asks for; its clock says NOW."""
    response = requests.Response()
    response.status_code = status
    response.headers["Date"] = format_datetime(NOW, usegmt=True)
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return wait_asked_for(response)


def test_seconds() -> None:
    assert wait(Retry_After="3", X_Rate_Limit_Reset="7") == 3
    assert wait(Retry_After=" 1.5 ") == 1.5
    assert wait(Retry_After="0") == 0


def test_a_429_without_it_waits_for_the_window() -> None:
    assert wait(X_Rate_Limit_Reset="7") == 7
    assert wait(503, X_Rate_Limit_Reset="7") is None


@pytest.mark.parametrize(("hours", "seconds"), [(2, 7200), (-1, 0)])
def test_a_date_counts_by_the_clock_of_the_api(hours: int, seconds: float) -> None:
    moment = NOW + timedelta(hours=hours)
    assert wait(503, Retry_After=format_datetime(moment, usegmt=True)) == seconds


def test_without_a_clock_of_the_api_ours_counts() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    found = wait(503, Retry_After=moment, Date="")
    assert found is not None
    assert 3500 < found <= 3600


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "soon",
        "-5",
        "-0",
        "+5",
        "nan",
        "inf",
        "-inf",
        "1e3",
        "0x10",
        "1_000",
        "5 s",
        "5, 6",
        "9" * 30,
        "9" * 5000,
        "\u0665",  # a digit of another script
        "\u00b2",
        "Wed, 21 Oct 2026 07:28:00",
        "Wed, 21 Oct 2026 07:28:00 -0000",  # of an unknown zone
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Fri, 32 Dec 2026 25:61:61 GMT",
    ],
)
def test_nonsense_counts_as_unsaid(nonsense: str) -> None:
    assert wait(Retry_After=nonsense) is None
    assert wait(Retry_After=nonsense, X_Rate_Limit_Reset="7") == 7
    assert wait(503, Retry_After=nonsense) is None


VALUES = st.one_of(
    st.text(),
    st.text(string.digits + "+-.eE_, xNaInf\u0665"),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(format_datetime),
    st.datetimes(timezones=st.timezones()).map(format_datetime),
    st.from_regex(
        r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} (GMT|[+-][0-9]*)"
    ),
)


@given(VALUES, VALUES, VALUES, st.sampled_from([408, 425, 429, 500, 503]))
def test_no_header_raises_or_makes_a_wait_that_is_none(
    after: str, reset: str, date: str, status: int
) -> None:
    found = wait(status, Retry_After=after, X_Rate_Limit_Reset=reset, Date=date)
    assert found is None or 0 <= found < NONSENSE


REFUSALS = [202, 301, 304, 400, 401, 403, 404, 409, 410, 423]
AGO = format_datetime(NOW - timedelta(days=1), usegmt=True)


@pytest.mark.parametrize("status", [*REFUSALS, 200, 408, 429, 503])
def test_a_wait_is_heeded_on_every_status(sandbox: Sandbox, walk: StartWalk, status: int) -> None:
    headers = {"Location": "http://127.0.0.1:9/"} if status < 400 else {}
    waits = [(1, "0"), (2, AGO), (2, "0.001")]
    del waits[2 if status in REFUSALS else 3 :]  # a refusal is asked again once
    for page, said in waits:
        headers = headers | {"Retry-After": said}
        sandbox.fail("candidates", page=page, status=status, headers=headers)
    reading = walk("candidates")
    assert ids(reading) == expected(sandbox, "candidates")
    assert reading.report.verdict is Verdict.COMPLETE
    assert reading.report.dropped == []
    assert reading.stats.retries == len(waits)


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, InvalidResponse),
        (408, Transient),
        (429, RateLimited),
        (503, Transient),
        (301, Rejected),
        (400, ParameterRefused),
        (401, Rejected),
        (409, Rejected),
    ],
)
def test_a_wait_that_is_too_long_is_named(
    sandbox: Sandbox, walk: StartWalk, status: int, kind: type[RequestFailed], *, dated: bool
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    said = format_datetime(tomorrow, usegmt=True) if dated else "86400"
    body = "<html>maintenance</html>"
    sandbox.fail("regions", status=status, headers={"Retry-After": said}, body=body, times=None)
    with pytest.raises(RequestFailed) as raised:
        ids(walk("regions"))
    said = str(raised.value)
    assert ("not valid JSON:API" if status == 200 else f"HTTP {status}") in said
    assert ", and asked to wait 24.0 h. " in said
    assert ("A request waits 10 min at most: run it again later." in said) == (
        kind not in (Rejected, ParameterRefused)
    )
    assert type(raised.value) is kind
    assert raised.value.status == (None if status == 200 else status)
    assert len(sandbox.requests) == 1


def diagnosed(sandbox: Sandbox) -> Probe:
    """Return what the doctor finds of the regions."""
    client = Client(ApiSettings(**settings_for(sandbox)))
    found = probe(Source(client, BY_NAME["regions"], ONCE, logging.getLogger("doctor")))
    client.close()
    return found


@pytest.mark.parametrize("times", [1, 2])
def test_the_doctor_does_not_call_a_rate_limit_a_failure(sandbox: Sandbox, times: int) -> None:
    sandbox.fail("regions", status=429, headers={"Retry-After": "0"}, times=times)
    found = diagnosed(sandbox)
    assert found.state is (ProbeState.READABLE if times == 1 else ProbeState.UNCLEAR)
    assert isinstance(found.error, RateLimited) == (times == 2)


@pytest.mark.parametrize(("wait", "tries"), [("0", 2), ("86400", 1)])
@pytest.mark.parametrize("status", [403, 404])
def test_an_endpoint_that_is_missing_is_unavailable_whatever_its_wait(
    sandbox: Sandbox, walk: StartWalk, status: int, wait: str, tries: int
) -> None:
    sandbox.fail("regions", status=status, headers={"Retry-After": wait}, times=None)
    reading = walk("regions")
    assert ids(reading) == []
    assert reading.report.verdict is Verdict.UNAVAILABLE
    assert f"HTTP {status}" in reading.report.reason
    assert ", and asked to wait " in reading.report.reason
    assert [each.path for each in sandbox.requests] == ["regions"] * tries + ["jobs"]
    found = diagnosed(sandbox)
    assert (found.state, found.requests) == (ProbeState.UNAVAILABLE, tries + 1)


@pytest.mark.parametrize("status", [400, 403, 409])
def test_the_doctor_asks_again_where_a_sync_does(sandbox: Sandbox, status: int) -> None:
    sandbox.fail("regions", status=status, headers={"Retry-After": "0"})
    found = diagnosed(sandbox)
    assert (found.state, found.refused) == (ProbeState.READABLE, [])


@pytest.mark.parametrize("status", [301, 401, 406, 409, 423])
def test_a_refusal_that_asks_to_wait_is_asked_again_once(
    sandbox: Sandbox, walk: StartWalk, status: int
) -> None:
    sandbox.fail("regions", status=status, headers={"Retry-After": "0"}, times=None)
    with pytest.raises(Rejected, match=rf"HTTP {status}.* and asked to wait 0 s \(2 tries\)\. "):
        ids(walk("regions"))
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("said", ["soon", "-1", "1e3", "9" * 30, ""])
@pytest.mark.parametrize("status", [301, 401, 409, 423])
def test_nonsense_is_no_reason_to_ask_again(
    sandbox: Sandbox, walk: StartWalk, status: int, said: str
) -> None:
    sandbox.fail("regions", status=status, headers={"Retry-After": said}, times=None)
    with pytest.raises(RequestFailed) as raised:
        ids(walk("regions"))
    assert "wait" not in str(raised.value)
    assert len(sandbox.requests) == 1
