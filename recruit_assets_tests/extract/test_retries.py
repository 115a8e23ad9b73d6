import logging
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event, Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.errors import (
    HostUnreachable,
    RateLimited,
    Rejected,
    RequestFailed,
    Transient,
)
from recruit_assets.extract.retries import Outage, RequestStats, RetryLimits, call_with_retries

LOG = logging.getLogger("test")
AT_ONCE = RetryLimits(first_wait=0)


class FakeTime(Event):
    """A clock that only moves while somebody waits for this event, which never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False

    def __call__(self) -> float:
        return self.now


def waiting(error: Transient, wait: float | None) -> Transient:
    """Return an error that asks to wait."""
    error.wait = wait
    return error


def transient(wait: float | None = None) -> Transient:
    return waiting(Transient("things, page 1", "broke", "Try later."), wait)


def limited(wait: float | None = 0) -> Transient:
    return waiting(RateLimited("things, page 1", "too many", "Wait."), wait)


def never_reached() -> HostUnreachable:
    return HostUnreachable("things, page 1", "no", "?")


def asks(outcomes: Iterable[RequestFailed | str]) -> Callable[[], str]:
    """A request that goes as told, each time the next."""
    coming = iter(outcomes)

    def ask() -> str:
        outcome = next(coming)
        if isinstance(outcome, RequestFailed):
            raise outcome
        return outcome

    return ask


def tried(
    outcomes: Iterable[RequestFailed | str],
    limits: RetryLimits = AT_ONCE,
    stopped: Event | None = None,
    outage: Outage | None = None,
) -> tuple[str, RequestStats]:
    """What came of a request that goes as told, and what it took."""
    stats = RequestStats()
    answer = call_with_retries(
        asks(outcomes),
        stats,
        limits,
        outage=outage or Outage(),
        log=LOG,
        stopped=stopped or Event(),
    )
    return answer, stats


def retries(outcomes: Iterable[RequestFailed | str], limits: RetryLimits = AT_ONCE) -> int:
    """After how many retries a request that goes as told was answered."""
    answer, stats = tried(outcomes, limits)
    assert answer == "ok"
    return stats.retries


def test_what_works_is_asked_once() -> None:
    assert retries(["ok"]) == 0


def test_what_can_clear_is_asked_again_up_to_eight_times() -> None:
    assert retries([*(transient() for _ in range(7)), "ok"]) == 7


def test_then_the_error_says_how_often() -> None:
    with pytest.raises(Transient) as raised:
        tried(transient() for _ in range(9))
    assert str(raised.value) == "things, page 1: broke (8 tries). Try later."


def test_what_cannot_clear_is_asked_once() -> None:
    with pytest.raises(Rejected):
        tried([Rejected("x", "no", "Fix it."), "never"])


def test_a_host_that_never_answered_is_asked_three_times() -> None:
    with pytest.raises(HostUnreachable, match=r"\(3 tries\)"):
        tried(never_reached() for _ in range(4))


def test_a_rate_limit_is_sat_out_however_often_it_comes() -> None:
    assert retries([*(limited() for _ in range(20)), transient(), limited(), "ok"]) == 22


def test_a_rate_limit_that_does_not_end_is_bounded_by_time() -> None:
    with pytest.raises(RateLimited):
        tried([limited(), "never"], RetryLimits(first_wait=0, max_total_wait=0))


def test_nothing_is_asked_again_once_stopped() -> None:
    stopped = Event()
    stopped.set()
    for error in (transient(), limited()):
        with pytest.raises(type(error)):
            tried([error, "never"], stopped=stopped)


def test_each_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tried([transient(), "ok"])
    assert caplog.messages == ["things, page 1: broke; retrying in 0.0 s"]


@pytest.mark.parametrize("failure", [transient, limited])
def test_a_wait_longer_than_the_limit_is_not_begun_and_named(
    failure: Callable[[float], Transient],
) -> None:
    with pytest.raises(Transient, match=r"A request waits 10 min at most: run it again later\."):
        tried([failure(86_400), "never"])


def test_a_wait_that_the_api_asks_for_is_waited() -> None:
    time = FakeTime()
    _, stats = tried([transient(90), limited(20), "ok"], stopped=time)
    assert stats.seconds_waited_to_retry == time.now == 110


def test_a_wait_ends_when_the_reading_is_stopped() -> None:
    stopped = Event()

    def ask() -> str:
        Timer(0.01, stopped.set).start()
        raise limited(500)

    with pytest.raises(RateLimited):
        call_with_retries(ask, RequestStats(), AT_ONCE, outage=Outage(), log=LOG, stopped=stopped)


@pytest.mark.parametrize("failure", [transient, never_reached])
def test_an_outage_is_waited_out_once_for_all_requests(
    failure: Callable[[], RequestFailed],
) -> None:
    time = FakeTime()
    outage, limits = Outage(time), RetryLimits(outage=300)

    def fail() -> float:
        """Let a request fail until it gives up; the seconds which that took."""
        begun = time.now
        with pytest.raises(RequestFailed):
            tried(iter(failure, None), limits, time, outage)
        return time.now - begun

    assert 300 <= fail() < 300 + limits.max_wait
    assert fail() < 8 * limits.max_wait  # it lasts, so others do not wait it out again
    assert tried([failure(), "ok"], limits, time, outage)[0] == "ok"
    assert 300 <= fail() < 300 + limits.max_wait  # which is another outage


@given(
    st.lists(
        st.one_of(
            st.builds(transient, st.none() | st.floats(0, 1000)),
            st.builds(limited, st.none() | st.floats(0, 1000)),
            st.builds(never_reached),
        ),
        max_size=40,
    ),
    st.floats(0, 700),
)
def test_no_request_waits_longer_than_its_limits(
    failures: list[RequestFailed], max_total_wait: float
) -> None:
    time, stats = FakeTime(), RequestStats()
    limits = RetryLimits(max_total_wait=max_total_wait)
    with suppress(RequestFailed):
        call_with_retries(
            asks([*failures, "ok"]), stats, limits, outage=Outage(time), log=LOG, stopped=time
        )
    assert stats.seconds_waited_to_retry == pytest.approx(time.now)
    assert math.isfinite(stats.seconds_waited_to_retry)
    asked = any(isinstance(each, Transient) and each.wait is not None for each in failures)
    unasked = limits.tries * limits.max_wait  # of a streak of failures that name no wait
    if asked or any(isinstance(each, RateLimited) for each in failures):
        assert stats.seconds_waited_to_retry <= max_total_wait + unasked
    else:
        assert stats.seconds_waited_to_retry <= unasked
