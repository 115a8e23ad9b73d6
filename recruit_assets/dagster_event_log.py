"""Dagster's event log in SQLite, with its files kept open from one event to the next.

Dagster's own makes an engine and opens a file for each query, about two thousand times in a run of
all assets, which takes longer than the sync of a small account. `event_log_storage` in
`dagster.yaml` chooses this one. The files are the same, so leaving that setting out, or another
database such as Postgres, needs nothing else.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Self

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, inspect

FILES_OPEN = 8  # the index and some runs: the UI reads many, one after another
BUSY_SECONDS = 30  # until a locked file is an error; Dagster's own name for it came with 1.13.5


class EventLog(SqliteEventLogStorage):
    """The event log below `DAGSTER_HOME`, where Dagster's own is too."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}  # the one used last is the last
        self._lock = Lock()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The event log of the settings; their `base_dir` is `DAGSTER_HOME`."""
        return cls(str(Path(config_value["base_dir"], "history", "runs").expanduser()), inst_data)

    @contextmanager
    def run_connection(self, run_id: str | None = None) -> Iterator[Connection]:
        """A transaction on the file of a run."""
        with self._engine(run_id or "").begin() as connection:
            yield connection

    @contextmanager
    def index_connection(self) -> Iterator[Connection]:
        """A transaction on the file of all runs' assets and checks."""
        with self.run_connection(INDEX_SHARD_NAME) as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table, which Dagster asks twice for each check."""
        with self.index_connection() as connection:
            return inspect(connection).has_table(table_name)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, and tell who watches the run."""
        super().store_event(event)
        # They watch this file, and SQLite writes to one beside it for as long as it is open.
        os.utime(self.path_for_shard(event.run_id))

    def wipe(self) -> None:
        """Delete the files of all runs, and what the index holds."""
        self._close(0)
        super().wipe()

    def dispose(self) -> None:
        """Close all files."""
        self._close(0)
        super().dispose()

    def _engine(self, shard: str) -> Engine:
        with self._lock:
            engine = self._engines.pop(shard, None) or self._opened(shard)
            self._engines[shard] = engine
        self._close(FILES_OPEN)
        return engine

    def _close(self, kept: int) -> None:
        """Close the files that were used longest ago, but for so many."""
        with self._lock:
            while len(self._engines) > kept:
                self._engines.pop(next(iter(self._engines))).dispose()

    def _opened(self, shard: str) -> Engine:
        with super().run_connection(shard):
            pass  # which makes the file
        return create_engine(
            self.conn_string_for_shard(shard),
            connect_args={"timeout": BUSY_SECONDS},
            pool_size=1,  # is kept open
            max_overflow=-1,  # and nobody waits for another
        )
