"""Count of the rate limit in PostgreSQL, shared by all machines that use one key.

Each budget has a schema of its own, named by a hash, with the tables that the file has. The time is
the server's, because the clocks of machines differ.

Scope: connecting in each process, and transactions. `rate_limit` decides what is counted, and
imports this only where it is needed, because psycopg comes with the extra `lake`.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from time import monotonic, sleep
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from recruit_assets.errors import BadSetting

Result = TypeVar("Result")

MAX_WAIT = 60  # seconds to wait for a server that restarts, and for other transactions
RECONNECT_SECONDS = 0.2  # between two tries
MAX_IDLE = 10  # seconds after which the server ends a transaction of a machine that is gone
UNSENT = "No more requests were sent, so nothing was merged."

# Messages of the server for what no second try changes.
_LASTING = ("authentication failed", "does not exist", "no password", "pg_hba.conf")
_BEGIN = f"""
    SET LOCAL search_path = {{schema}};
    SET LOCAL lock_timeout = '{MAX_WAIT}s';
    SET LOCAL idle_in_transaction_session_timeout = '{MAX_IDLE}s';
    SELECT pg_advisory_xact_lock(hashtextextended('{{schema}}', 0))
"""
# Should the server's clock be put back, requests of the future count as of now.
_NOW = """
    WITH moment AS MATERIALIZED (SELECT extract(epoch FROM clock_timestamp())::float8 AS now),
        put_back AS (UPDATE sent SET at = now FROM moment WHERE at > now)
    SELECT now FROM moment
"""
_TABLES = """
    CREATE SCHEMA IF NOT EXISTS {schema};
    CREATE TABLE IF NOT EXISTS sent (
        rowid BIGINT GENERATED ALWAYS AS IDENTITY, at FLOAT8 NOT NULL,
        answered INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS told (
        remaining INTEGER NOT NULL, left_over INTEGER NOT NULL, until FLOAT8 NOT NULL,
        moves INTEGER NOT NULL
    );
"""


class _Rows:
    """Execute statements that are written as for SQLite."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        return self._connection.execute(sql.replace("?", "%s").encode(), parameters)


class _Opened:
    """Hold the connection of one process; connections must not cross a fork."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.connection: psycopg.Connection | None = None
        self.ended = False


class RateLimitPostgres:
    """Keep the count in PostgreSQL; safe for threads, processes, forks and machines.

    Args:
        address: the connection string, without a password.
        key: letters and digits that identify the budget.

    Raises:
        BadSetting: the server cannot be used.
    """

    one_machine = False

    def __init__(self, address: str, key: str) -> None:
        self._address, self._schema = address, f"recruit_budget_{key}"
        self._processes: dict[int, _Opened] = {}
        self._check()
        self.transaction(lambda *_: None)  # creates the tables

    def transaction(self, work: Callable[[_Rows, float], Result]) -> Result:
        """Return the result of work in an exclusive transaction, given the rows and the time.

        If the connection is lost, the transaction is run again; a request whose commit was lost may
        then count twice.

        Raises:
            BadSetting: the server cannot be used.
        """
        opened = self._processes.setdefault(os.getpid(), _Opened())
        ends = monotonic() + MAX_WAIT
        with opened.lock:
            while not opened.ended:
                try:
                    return self._attempt(opened, work)
                except psycopg.Error as error:
                    self._close(opened)
                    lasts = any(each in str(error) for each in _LASTING)
                    lost = isinstance(error, psycopg.OperationalError) and not lasts
                    if not lost or monotonic() > ends:
                        raise self._unusable(error) from None
                sleep(RECONNECT_SECONDS)
        raise BadSetting("The request budget in PostgreSQL was closed with its run.")

    def close(self) -> None:
        """Close the connection of this process; the count remains."""
        opened = self._processes.setdefault(os.getpid(), _Opened())
        with opened.lock:
            opened.ended = True
            self._close(opened)

    def _attempt(self, opened: _Opened, work: Callable[[_Rows, float], Result]) -> Result:
        if opened.connection is None:
            opened.connection = self._connect()
        with opened.connection.transaction():
            opened.connection.execute(self._sql(_BEGIN))
            ((now,),) = opened.connection.execute(_NOW).fetchall()
            return work(_Rows(opened.connection), now)

    def _connect(self) -> psycopg.Connection:
        """Connect, and create the tables; only one process at a time does."""
        # A pooler may give each transaction another session, without what was prepared.
        connection = psycopg.connect(
            self._address, autocommit=True, connect_timeout=MAX_IDLE, prepare_threshold=None
        )
        try:
            # Each statement must see what was committed before the lock was had.
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            with connection.transaction():
                connection.execute(self._sql(_BEGIN))
                connection.execute(self._sql(_TABLES))
        except BaseException:
            connection.close()
            raise
        return connection

    def _sql(self, text: str) -> bytes:
        return text.format(schema=self._schema).encode()

    def _close(self, opened: _Opened) -> None:
        if opened.connection:
            with suppress(psycopg.Error):
                opened.connection.close()
            opened.connection = None

    def _check(self) -> None:
        """Refuse an address with a password, which would be shown."""
        try:
            has_password = "password" in conninfo_to_dict(self._address)
        except psycopg.Error:  # whose message may repeat a part of the address
            raise BadSetting("The address of PostgreSQL for the budget cannot be read.") from None
        if has_password:
            raise BadSetting(
                "The address of PostgreSQL for the budget contains a password, which would be "
                "shown: remove it, and set PGPASSWORD or a file .pgpass instead."
            )

    def _unusable(self, error: psycopg.Error) -> BadSetting:
        said = " ".join(str(error).split()) or type(error).__name__
        return BadSetting(
            f"The request budget cannot be kept in PostgreSQL ({said}): check that the server "
            f"runs, and that this user may create a schema. {UNSENT}"
        )
