"""Rate limit: a maximum of requests in any ten seconds, for all users of a key.

A request takes some time to the API, which counts it on arrival, and another time back. So that the
API never counts more than the maximum, whatever the latency and however it varies, a request counts
here until ten seconds after its response, less the time that the fastest response took.

All threads and all processes of a user on this machine share one count in an SQLite file, so that
two concurrent runs do not spend the budget twice. The API reports other usage in the headers of
each response (`X-Rate-Limit-Remaining` and `-Reset`): while they report nothing left, nothing is
sent. They are trusted once the numbers have been seen to change, because the API has sent fixed
ones for years.

Scope: who may send now, and otherwise when to check again. `client` does the waiting. No existing
library shares a count between both threads and processes, or follows the server's headers.
"""

from collections.abc import Callable
from hashlib import sha256
from math import inf
from sqlite3 import Connection
from time import monotonic

from recruit_assets.extract.rate_limit_file import RateLimitFile
from recruit_assets.private_folder import private_folder

WINDOW_SECONDS = 10.0  # the window in which the API counts requests
JITTER = 0.05  # seconds by which one request may arrive faster than another
MAX_RESPONSE_SECONDS = 120.0  # seconds after which an unanswered request is from a killed run
POLL_INTERVAL = 0.05  # seconds between two checks while requests are unanswered

_TABLES = """
    CREATE TABLE IF NOT EXISTS sent (at REAL NOT NULL, answered INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS told (
        remaining INTEGER NOT NULL, left_over INTEGER NOT NULL, until REAL NOT NULL,
        moves INTEGER NOT NULL
    );
"""


class RateLimiter:
    """Limit the requests of threads, and of processes that use the same name.

    Args:
        limit: the most requests in ten seconds.
        name: the name of the budget; equal names share one.
        clock: seconds since the machine was started, the same for all processes.

    Raises:
        BadSetting: the count cannot be kept.
    """

    def __init__(self, limit: int, name: str, clock: Callable[[], float] = monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._fastest = inf  # seconds from a request to its response, at least
        path = private_folder() / f"{sha256(name.encode()).hexdigest()[:16]}.sqlite"
        self._file = RateLimitFile(path, _TABLES, self._use_up)

    def take(self) -> float:
        """Take one request; return 0 if it may be sent now, else the seconds until a next try."""
        return self._file.transaction(self._take)

    def _take(self, database: Connection) -> float:
        now = self._clock()
        database.execute(
            # Requests from before the machine restarted have times in the future.
            "DELETE FROM sent WHERE at <= ? AND answered OR at <= ? OR at > ?",
            (now - WINDOW_SECONDS, now - MAX_RESPONSE_SECONDS, now),
        )
        wait = max(self._until_room(database, now), _until_allowed(database, now))
        if not wait:
            database.execute("INSERT INTO sent (at) VALUES (?)", (now,))
            database.execute("UPDATE told SET left_over = left_over - 1")
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

        def work(database: Connection) -> None:
            now = self._clock()
            self._fastest = min(self._fastest, now - sent)
            database.execute(
                "UPDATE sent SET answered = 1, at = ? "
                "WHERE rowid = (SELECT min(rowid) FROM sent WHERE NOT answered)",
                (now,),
            )
            if remaining is not None and reset is not None:
                until = min(sent + reset + JITTER, now + WINDOW_SECONDS)
                _note(database, now, remaining, until, refused=refused)

        self._file.transaction(work)

    def close(self) -> None:
        """Close the file; the count remains."""
        self._file.close()

    def _use_up(self, database: Connection) -> None:
        """Count the whole budget as just spent, because the true count is lost."""
        now = self._clock()
        rows = [(now,)] * self._limit
        database.executemany("INSERT INTO sent (at, answered) VALUES (?, 1)", rows)

    def _until_room(self, database: Connection, now: float) -> float:
        """Return the seconds until the window has room.

        The API counts a request on its way, we do not know when: the oldest one may have been
        counted just before its response came, and the next one may arrive at once. But the way
        back of the one and the way there of the other take as long as the fastest response.
        """
        sql = "SELECT at, answered FROM sent ORDER BY at DESC LIMIT 1 OFFSET ?"
        oldest = database.execute(sql, (self._limit - 1,)).fetchone()
        if oldest is None:
            return 0.0
        at, answered = oldest
        both_ways = self._fastest if answered and self._fastest < inf else 0.0
        wait: float = at + WINDOW_SECONDS - both_ways - now
        return wait


def _until_allowed(database: Connection, now: float) -> float:
    """Return the seconds until the API allows more; check sooner while requests are unanswered."""
    reported = database.execute("SELECT left_over, until FROM told WHERE moves").fetchone()
    if reported is None or reported[0] > 0 or not now < reported[1] <= now + WINDOW_SECONDS:
        return 0.0
    wait: float = reported[1] - now
    return min(wait, POLL_INTERVAL) if _count_unanswered(database) else wait


def _note(database: Connection, now: float, remaining: int, until: float, *, refused: bool) -> None:
    before = database.execute("SELECT remaining, until, moves FROM told").fetchone()
    moves = refused
    if before is not None:
        moves = moves or bool(before[2]) or before[0] != remaining
        if now < before[1] < until and not refused:
            until = before[1]  # responses give whole seconds, so the earliest is the most precise
    # The API may or may not have counted the unanswered requests.
    left_over = remaining - _count_unanswered(database)
    database.execute("DELETE FROM told")
    database.execute("INSERT INTO told VALUES (?, ?, ?, ?)", (remaining, left_over, until, moves))


def _count_unanswered(database: Connection) -> int:
    found = database.execute("SELECT count(*) FROM sent WHERE NOT answered").fetchone()
    return int(found[0])
