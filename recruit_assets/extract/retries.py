"""When to ask again, and how long to wait before.

Asking again is needed because networks and servers fail for moments, and dangerous because every
client doing so at once keeps a struggling server down. Therefore: waits grow, are random over
their whole length (full jitter), and end. `failures` decides what can clear; here is only the
patience. Waits are settings, so the tests' waits are zero.
"""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeVar

import backoff

from recruit_assets.errors import NeverReached, RateLimited, RequestFailed, Transient
from recruit_assets.text import OneLineLog

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How often and how long to ask again; seconds."""

    tries: int = 8
    tries_to_reach: int = 3  # a host that has never answered is a typo more often than an outage
    first_wait: float = 1.0
    longest_wait: float = 30.0
    unsaid_wait: float = 10.0  # after a 429 that does not say how long: the API's window
    limited_for: float = 600.0  # in all, for one page refused with 429


@dataclass
class Effort:
    """What one or more requests took."""

    requests: int = 0
    retries: int = 0
    queued: float = 0.0  # seconds waited for the budget; pages in flight each count their own
    waited: float = 0.0  # seconds waited between tries
    received: int = 0  # bytes of answers

    def add(self, other: "Effort") -> None:
        """Count another effort into this one."""
        self.requests += other.requests
        self.retries += other.retries
        self.queued += other.queued
        self.waited += other.waited
        self.received += other.received


def persist(
    ask: Callable[[], Result],
    effort: Effort,
    patience: Patience,
    log: logging.Logger | OneLineLog,
    stopped: Event,
) -> Result:
    """Ask until it works, patience ends, or `stopped` is set; `effort` counts the tries after one.

    Raises:
        RequestFailed: the last failure; its `tries` are those of the kind it ended with.
    """

    def gave_up(details: Any) -> None:
        details["exception"].tries = details["tries"]

    rules: dict[str, Any] = {
        "wait_gen": lambda: _waits(effort, patience, log, stopped),
        "jitter": None,
        "on_giveup": gave_up,
        "logger": None,
    }
    reach = backoff.on_exception(exception=NeverReached, max_tries=patience.tries_to_reach, **rules)
    recover = backoff.on_exception(
        exception=Transient,
        max_tries=patience.tries,
        giveup=lambda error: isinstance(error, RateLimited) or stopped.is_set(),
        **rules,
    )
    sit_out = backoff.on_exception(
        exception=RateLimited,
        max_time=patience.limited_for,
        giveup=lambda error: (
            effort.waited + _sat_out(error, patience) > patience.limited_for or stopped.is_set()
        ),
        **rules,
    )
    return sit_out(recover(reach(ask)))()


def _waits(
    effort: Effort, patience: Patience, log: logging.Logger | OneLineLog, stopped: Event
) -> Generator[float, RequestFailed, None]:
    """Takes each failure and waits.

    It waits itself, so that `stopped` can end the wait, and leaves nothing to sleep for.
    """
    growing = backoff.expo(factor=patience.first_wait, max_value=patience.longest_wait)
    next(growing)
    error = yield 0.0
    while True:
        seconds = backoff.full_jitter(next(growing))
        if isinstance(error, RateLimited):
            seconds += _sat_out(error, patience)
        log.warning(f"{error.subject}: {error.happened}; again in {seconds:.1f} s")
        effort.retries += 1
        effort.waited += seconds
        stopped.wait(seconds)
        error = yield 0.0


def _sat_out(error: Exception, patience: Patience) -> float:
    """Seconds that a 429 is waited for, whatever else is waited."""
    wait: float | None = getattr(error, "wait", 0.0)
    return patience.unsaid_wait if wait is None else wait
