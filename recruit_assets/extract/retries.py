"""Retries: when to repeat a request, and how long to wait first.

Networks and servers fail for moments, so retries are needed. They are dangerous because clients
that all retry at once keep a struggling server down. So waits grow, are random over their whole
length (full jitter), and end: at once when the reading is stopped, otherwise at the limits.
A response that asks for a wait (Retry-After) is honoured with any status, then retried; a
refusal only once, because few refusals are temporary. If it asks for more than the limits
allow, there is no retry.

Scope: the loop and its limits. `http_errors` decides which failures can clear. Dagster's retry
policies are not used, because they turn a termination into one more try.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import TypeVar

import backoff

from recruit_assets.errors import HostUnreachable, RateLimited, RequestFailed, Transient
from recruit_assets.extract.report import duration
from recruit_assets.extract.waits import sleep
from recruit_assets.text import OneLineLog

Result = TypeVar("Result")
_OUTAGES = (Transient, HostUnreachable)  # failures of the API itself, as opposed to its refusals


@dataclass(frozen=True)
class RetryLimits:
    """Limit how often and how long one request is retried; times are in seconds."""

    tries: int = 8
    tries_to_reach: int = 3  # a host that never responded is more often a typo than an outage
    outage: float = 0.0  # tries are not limited until the API has failed for this long
    first_wait: float = 1.0
    max_wait: float = 30.0
    default_wait: float = 10.0  # after a 429 without a wait: the API's window
    max_total_wait: float = 600.0  # total of waits, if the API says how long


REFUSAL_RETRIES = 1  # retries after a refusal that asks to wait
ONCE = RetryLimits(tries=1, tries_to_reach=1, max_total_wait=0)


@dataclass
class RequestStats:
    """Count the cost of one or more requests."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0  # of responses received
    seconds_waited_for_budget: float = 0.0  # summed over the pages in flight
    seconds_waited_to_retry: float = 0.0

    def add(self, other: "RequestStats") -> None:
        """Add the statistics of another request."""
        self.requests += other.requests
        self.retries += other.retries
        self.seconds_waited_for_budget += other.seconds_waited_for_budget
        self.seconds_waited_to_retry += other.seconds_waited_to_retry
        self.bytes += other.bytes


class Outage:
    """Measure how long an API has failed, whichever endpoint was requested. Thread-safe.

    An API that is down is down for all endpoints, so a run waits for it once, not once for each.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Return the seconds since the first failure after the last response."""
        return 0.0 if self._since is None else self._clock() - self._since

    def note(self, *, failing: bool) -> None:
        """Start, continue or end the outage."""
        if not failing:
            self._since = None
        elif self._since is None:
            self._since = self._clock()


def call_with_retries(
    ask: Callable[[], Result],
    stats: RequestStats,
    limits: RetryLimits,
    *,
    outage: Outage,
    log: logging.Logger | OneLineLog,
    stopped: Event,
) -> Result:
    """Return the result of `ask`, retried while that can help and `stopped` is not set.

    Args:
        ask: makes the request.
        stats: counts the retries and their waits.
        limits: when to give up.
        outage: the outage of the API.
        log: receives a warning before each wait.
        stopped: ends a wait at once, and all retries.

    Raises:
        RequestFailed: the last failure; its `tries` count all.
    """
    tries = failures = refusals = 0  # failures since the last 429, which shows that the API is up
    waits = backoff.expo(factor=limits.first_wait, max_value=limits.max_wait)
    next(waits)  # the library's generators yield None first
    while True:
        try:
            result = ask()
        except RequestFailed as error:
            tries += 1
            error.tries = tries
            failures = 0 if isinstance(error, RateLimited) else failures + 1
            refusals += not isinstance(error, _OUTAGES)
            outage.note(failing=failures > 0 and isinstance(error, _OUTAGES))
            if stopped.is_set() or _is_hopeless(error, failures, refusals, limits, outage):
                raise
            seconds = backoff.full_jitter(next(waits))
            if (asked := _wait_asked_for(error, limits)) is not None:
                left = limits.max_total_wait - stats.seconds_waited_to_retry
                if asked >= left:
                    _advise_to_wait(error, limits)
                    raise
                seconds = min(asked + seconds, left)
            log.warning(f"{error.subject}: {error.happened}; retrying in {seconds:.1f} s")
            stats.retries += 1
            stats.seconds_waited_to_retry += seconds
            sleep(seconds, stopped)
        else:
            outage.note(failing=False)
            return result


def _is_hopeless(
    error: RequestFailed, failures: int, refusals: int, limits: RetryLimits, outage: Outage
) -> bool:
    """Return whether another try cannot help, or tries and the outage have used up their limits.

    A refusal can clear only if it asks to wait, and is tried once more. No 429 uses up tries.
    """
    if not isinstance(error, _OUTAGES):
        return error.wait is None or refusals > REFUSAL_RETRIES or failures >= limits.tries
    tries = limits.tries_to_reach if isinstance(error, HostUnreachable) else limits.tries
    return failures >= tries and outage.seconds >= limits.outage


def _wait_asked_for(error: RequestFailed, limits: RetryLimits) -> float | None:
    """Return the seconds that the API asks to wait, or None."""
    if isinstance(error, RateLimited) and error.wait is None:
        return limits.default_wait
    return error.wait


def _advise_to_wait(error: RequestFailed, limits: RetryLimits) -> None:
    """Say in an outage's error that the API asks for a longer wait than the limits allow."""
    if limits.max_total_wait and isinstance(error, _OUTAGES):
        most = duration(limits.max_total_wait)
        error.advice = f"A request waits {most} at most: run it again later. {error.advice}"
