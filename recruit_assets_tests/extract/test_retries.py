import logging
from collections.abc import Callable, Iterable
from threading import Event

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


def test_what_works_is_asked_once() -> None:
    assert persist(asks(["fine"]), AT_ONCE, LOG, Event()) == ("fine", Effort(requests=1))


def test_what_can_clear_is_asked_again_up_to_eight_times() -> None:
    answer, effort = persist(asks([*(transient() for _ in range(7)), "ok"]), AT_ONCE, LOG, Event())
    assert (answer, effort.requests, effort.retries) == ("ok", 8, 7)


def test_then_the_error_says_how_often() -> None:
    with pytest.raises(Transient) as raised:
        persist(asks(transient() for _ in range(9)), AT_ONCE, LOG, Event())
    assert str(raised.value) == "things, page 1: broke (8 tries). Try later."


def test_what_cannot_clear_is_asked_once() -> None:
    with pytest.raises(Rejected):
        persist(asks([Rejected("x", "no", "Fix it."), "never"]), AT_ONCE, LOG, Event())


def test_a_host_that_never_answered_is_asked_three_times() -> None:
    with pytest.raises(NeverReached, match=r"\(3 tries\)"):
        persist(asks(NeverReached("x", "no", "?") for _ in range(4)), AT_ONCE, LOG, Event())


def test_a_rate_limit_is_sat_out_however_often_it_comes() -> None:
    outcomes: list[RequestFailed | str] = [
        *(limited() for _ in range(20)),
        transient(),
        limited(),
        "ok",
    ]
    answer, effort = persist(asks(outcomes), AT_ONCE, LOG, Event())
    assert (answer, effort.requests, effort.retries) == ("ok", 23, 22)


def test_a_rate_limit_that_does_not_end_is_bounded_by_time() -> None:
    patience = Patience(first_wait=0, limited_for=0)
    with pytest.raises(RateLimited):
        persist(asks([limited(), "never"]), patience, LOG, Event())


def test_nothing_is_asked_again_once_stopped() -> None:
    stopped = Event()
    stopped.set()
    for error in (transient(), limited()):
        with pytest.raises(type(error)):
            persist(asks([error, "never"]), AT_ONCE, LOG, stopped)


def test_each_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    persist(asks([transient(), "ok"]), AT_ONCE, LOG, Event())
    assert caplog.messages == ["things, page 1: broke; again in 0.0 s"]
