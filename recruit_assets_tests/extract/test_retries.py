import logging
from collections.abc import Callable, Iterable
from threading import Event, Timer

import pytest

from recruit_assets.errors import (
    NeverReached,
    RateLimited,
    Rejected,
    RequestFailed,
    Transient,
)
from recruit_assets.extract.retries import Effort, Patience, persist

LOG = logging.getLogger("test")
AT_ONCE = Patience(first_wait=0)


def transient() -> Transient:
    return Transient("things, page 1", "broke", "Try later.")


def limited() -> RateLimited:
    return RateLimited("things, page 1", "too many", "Wait.", wait=0)


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
    patience: Patience = AT_ONCE,
    stopped: Event | None = None,
) -> tuple[str, int]:
    """What came of a request that goes as told, and after how many retries."""
    effort = Effort()
    answer = persist(asks(outcomes), effort, patience, LOG, stopped or Event())
    return answer, effort.retries


def test_what_works_is_asked_once() -> None:
    assert tried(["fine"]) == ("fine", 0)


def test_what_can_clear_is_asked_again_up_to_eight_times() -> None:
    assert tried([*(transient() for _ in range(7)), "ok"]) == ("ok", 7)


def test_then_the_error_says_how_often() -> None:
    with pytest.raises(Transient) as raised:
        tried(transient() for _ in range(9))
    assert str(raised.value) == "things, page 1: broke (8 tries). Try later."


def test_what_cannot_clear_is_asked_once() -> None:
    with pytest.raises(Rejected):
        tried([Rejected("x", "no", "Fix it."), "never"])


def test_a_host_that_never_answered_is_asked_three_times() -> None:
    with pytest.raises(NeverReached, match=r"\(3 tries\)"):
        tried(NeverReached("x", "no", "?") for _ in range(4))


def test_a_rate_limit_is_sat_out_however_often_it_comes() -> None:
    assert tried([*(limited() for _ in range(20)), transient(), limited(), "ok"]) == ("ok", 22)


def test_a_rate_limit_that_does_not_end_is_bounded_by_time() -> None:
    patience = Patience(first_wait=0, limited_for=0)
    with pytest.raises(RateLimited):
        tried([limited(), "never"], patience)


def test_nothing_is_asked_again_once_stopped() -> None:
    stopped = Event()
    stopped.set()
    for error in (transient(), limited()):
        with pytest.raises(type(error)):
            tried([error, "never"], stopped=stopped)


def test_each_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tried([transient(), "ok"])
    assert caplog.messages == ["things, page 1: broke; again in 0.0 s"]


def test_a_wait_longer_than_patience_is_not_begun() -> None:
    long = RateLimited("things, page 1", "too many", "Wait.", wait=86_400)
    with pytest.raises(RateLimited):
        tried([long, "never"])


def test_a_wait_ends_when_the_walk_is_stopped() -> None:
    stopped = Event()

    def ask() -> str:
        Timer(0.01, stopped.set).start()
        raise RateLimited("things, page 1", "too many", "Wait.", wait=500)

    with pytest.raises(RateLimited):
        persist(ask, Effort(), AT_ONCE, LOG, stopped)
