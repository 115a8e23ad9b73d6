"""Rate limit: a maximum of requests in any ten seconds, for all users of a key.

A request takes some time to the API, which counts it on arrival, and another time back. So that the
API never counts more than the maximum, whatever the latency and however it varies, a request counts
here until ten seconds after its response, less the time that the fastest response took.

All threads and all processes of a user on this machine share one count in an SQLite file, so that
two concurrent runs do not spend the budget twice; where there is a PostgreSQL that all machines
share, the count is there. The API reports other usage in the headers of
each response (`X-Rate-Limit-Remaining` and `-Reset`): while they report nothing left, nothing is
sent. They are trusted once the numbers have been seen to change, because the API has sent fixed
ones for years.

Scope: who may send now, and otherwise when to check again. `client` does the waiting, and
`rate_limit_file` and `rate_limit_postgres` keep the count. No existing library shares a count
between both threads and processes, or follows the server's headers.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from math import inf
from time import monotonic
from typing import Any, Protocol, TypeVar

from recruit_assets.errors import BadSetting
from recruit_assets.extract.rate_limit_file import RateLimitFile
from recruit_assets.private_folder import private_folder

WINDOW_SECONDS = 10.0  # the window in which the API counts requests
JITTER = 0.05  # seconds by which one request may arrive faster than another
MAX_RESPONSE_SECONDS = 120.0  # seconds after which an unanswered request is from a killed run
POLL_INTERVAL = 0.05  # seconds between two checks while requests are unanswered

Result = TypeVar("Result")

_TABLES = """
    CREATE TABLE IF NOT EXISTS sent (at REAL NOT NULL, answered INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS told (
        remaining INTEGER NOT NULL, left_over INTEGER NOT NULL, until REAL NOT NULL,
        moves INTEGER NOT NULL
    );
"""


class Rows(Protocol):
    """Describe the tables of a count in a transaction; `sent` numbers its rows by `rowid`."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        """Execute a statement whose parameters are `?`; its result has `fetchone`."""


class Count(Protocol):
    """Describe where a count is kept."""

    one_machine: bool  # whether all who share it have the same way to the API

    def transaction(self, work: Callable[[Rows, float], Result]) -> Result:
        """Return the result of work in an exclusive transaction, given the rows and the time.

        Raises:
            BadSetting: the count cannot be kept.
        """

    def close(self) -> None:
        """Close the connection of this process; the count remains."""


class RateLimiter:
    """Limit the requests of threads, and of processes that use the same name.

    Args:
        limit: the most requests in ten seconds.
        name: the name of the budget; equal names share one.
        clock: seconds since the machine was started, the same for all processes.
        postgres: the connection string of the PostgreSQL in which machines share the count; in
            this one's file if empty.

    Raises:
        BadSetting: the count cannot be kept.
    """

    def __init__(
        self, limit: int, name: str, clock: Callable[[], float] = monotonic, postgres: str = ""
    ) -> None:
        self._limit, self._clock = limit, clock
        self._fastest = inf  # seconds from a request to its response, at least
        key = sha256(name.encode()).hexdigest()[:16]
        self._count: Count = (
            _in_postgres(postgres, key)
            if postgres
            else RateLimitFile(private_folder() / f"{key}.sqlite", _TABLES, clock, self._use_up)
        )

    def take(self) -> float:
        """Take one request; return 0 if it may be sent now, else the seconds until a next try."""
        return self._count.transaction(self._take)

    def _take(self, rows: Rows, now: float) -> float:
        rows.execute(
            # Requests from before the machine restarted have times in the future.
            "DELETE FROM sent WHERE at <= ? AND answered = 1 OR at <= ? OR at > ?",
            (now - WINDOW_SECONDS, now - MAX_RESPONSE_SECONDS, now),
        )
        wait = max(self._until_room(rows, now), _until_allowed(rows, now))
        if not wait:
            rows.execute("INSERT INTO sent (at) VALUES (?)", (now,))
            rows.execute("UPDATE told SET left_over = left_over - 1")
        return wait

    def settle(
        self,
        sent: float,
        remaining: int | None = None,
        reset: float | None = None,
        *,
        refused: bool = False,
    ) -> None:
        """Note that a request has ended, and what its response says of the API's own count.

        Args:
            sent: when it was sent, by the clock. The API's window restarts `reset` seconds later;
                since the next request takes as long to arrive, the time of the response is not
                added.
            remaining: how many more requests the API allows, if it says so.
            reset: the seconds after which its window restarts, if it says so.
            refused: whether it refused this request, which proves that nothing remains.
        """
        seconds = self._clock() - sent
        self._fastest = min(self._fastest, seconds)

        def work(rows: Rows, now: float) -> None:
            rows.execute(
                "UPDATE sent SET answered = 1, at = ? "
                "WHERE rowid = (SELECT min(rowid) FROM sent WHERE answered = 0)",
                (now,),
            )
            if remaining is not None and reset is not None:
                until = min(now - seconds + reset + JITTER, now + WINDOW_SECONDS)
                _note(rows, now, remaining, until, refused=refused)

        self._count.transaction(work)

    def close(self) -> None:
        """Close the count in this process; it remains."""
        self._count.close()

    def _use_up(self, rows: Rows, now: float) -> None:
        """Count the whole budget as just spent, because the true count is lost."""
        for _ in range(self._limit):
            rows.execute("INSERT INTO sent (at, answered) VALUES (?, 1)", (now,))

    def _until_room(self, rows: Rows, now: float) -> float:
        """Return the seconds until the window has room.

        The API counts a request on its way, we do not know when: the oldest one may have been
        counted just before its response came, and the next one may arrive at once. But the way
        back of the one and the way there of the other take as long as the fastest response, if
        both are the same machine's.
        """
        sql = "SELECT at, answered FROM sent ORDER BY at DESC LIMIT 1 OFFSET ?"
        oldest = rows.execute(sql, (self._limit - 1,)).fetchone()
        if oldest is None:
            return 0.0
        at, answered = oldest
        known = answered and self._count.one_machine and self._fastest < inf
        both_ways = self._fastest if known else 0.0
        wait: float = at + WINDOW_SECONDS - both_ways - now
        return wait


def _in_postgres(address: str, key: str) -> Count:
    try:
        from recruit_assets.extract.rate_limit_postgres import RateLimitPostgres  # noqa: PLC0415
    except ImportError as error:
        raise BadSetting(
            "The request budget is shared in PostgreSQL, which needs psycopg: "
            "run pip install 'recruit-assets[lake]'."
        ) from error
    return RateLimitPostgres(address, key)


def _until_allowed(rows: Rows, now: float) -> float:
    """Return the seconds until the API allows more; check sooner while requests are unanswered."""
    reported = rows.execute("SELECT left_over, until FROM told WHERE moves = 1").fetchone()
    if reported is None or reported[0] > 0 or not now < reported[1] <= now + WINDOW_SECONDS:
        return 0.0
    wait: float = reported[1] - now
    return min(wait, POLL_INTERVAL) if _count_unanswered(rows) else wait


def _note(rows: Rows, now: float, remaining: int, until: float, *, refused: bool) -> None:
    before = rows.execute("SELECT remaining, until, moves FROM told").fetchone()
    moves = refused
    if before is not None:
        moves = moves or bool(before[2]) or before[0] != remaining
        if now < before[1] < until and not refused:
            until = before[1]  # responses give whole seconds, so the earliest is the most precise
    # The API may or may not have counted the unanswered requests.
    left_over = remaining - _count_unanswered(rows)
    rows.execute("DELETE FROM told")
    rows.execute("INSERT INTO told VALUES (?, ?, ?, ?)", (remaining, left_over, until, int(moves)))


def _count_unanswered(rows: Rows) -> int:
    found = rows.execute("SELECT count(*) FROM sent WHERE answered = 0").fetchone()
    return int(found[0])
