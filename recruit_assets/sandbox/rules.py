"""The rules of the account, which tests change while the sandbox runs, and the rate limiter."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

WINDOW_SECONDS = 10


@dataclass
class Rules:
    """Hold the rules of the account: key, rate limit, add-ons, quirks. Read on each request."""

    key: str = "sandbox-key"
    requests_per_10s: int = 0
    latency_ms: float = 0
    scope: Literal["public", "internal", "admin"] = "admin"
    # Endpoints of add-ons that the account lacks, and the status of their responses.
    without: dict[str, int] = field(default_factory=dict)
    refuse: dict[str, set[str]] = field(default_factory=dict)
    cursor_paging: set[str] = field(default_factory=set)
    no_counts: set[str] = field(default_factory=set)
    no_date: bool = False  # whether responses have no `Date`
    ignored: dict[str, set[str]] = field(default_factory=dict)  # filters without effect
    too_long: set[str] = field(default_factory=set)  # lists that fail unless they are filtered
    newest_first: set[str] = field(default_factory=set)  # unless the request has a sort
    control: bool = False

    def missing(self, path: str) -> int | None:
        """Return the status of an endpoint whose add-on is missing, or None."""
        return self.without.get(path)

    def refuses(self, path: str, parameter: str, value: str) -> bool:
        """Return whether this account refuses a parameter, or a value of it, that others may send.

        `filter[updated-at][from]` is refused by an entry for it, `filter[updated-at]` or `filter`.
        """
        names = {parameter, parameter.partition("[")[0], parameter.partition("][")[0] + "]"}
        spelled = names | {f"{name}={value}" for name in names}
        return not spelled.isdisjoint(self.refuse.get(path, ()))


class RateLimiter:
    """Count the requests of the current ten seconds; the rules may change at any time."""

    def __init__(self, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._opened = clock()
        self._spent = 0

    def spend(self) -> bool:
        """Take one request; return False if none was left."""
        self._turn()
        allowed = self._rules.requests_per_10s
        if allowed and self._spent >= allowed:
            return False
        self._spent += 1
        return True

    def headers(self) -> dict[str, str]:
        """Return the headers about the rate limit, which every response has."""
        self._turn()
        allowed = self._rules.requests_per_10s
        if not allowed:
            return {}
        left = WINDOW_SECONDS - (self._clock() - self._opened)
        return {
            "X-Rate-Limit-Limit": str(allowed),
            "X-Rate-Limit-Remaining": str(max(0, allowed - self._spent)),
            "X-Rate-Limit-Reset": str(max(1, -int(-left // 1))),
        }

    def _turn(self) -> None:
        if self._clock() - self._opened >= WINDOW_SECONDS:
            self._opened, self._spent = self._clock(), 0
