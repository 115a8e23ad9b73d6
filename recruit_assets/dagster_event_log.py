"""Dagster's event log in SQLite, with its files kept open between events.

Dagster's own class creates an engine and opens a file for each query, about 2,000 times in a run of
all assets, which takes longer than the sync of a small account. `event_log_storage` in
`dagster.yaml` selects this one. The files are the same, so removing that setting, or choosing
another database such as Postgres, needs no other change.
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

FILES_OPEN = 8  # the index and some runs; the UI reads many runs in turn
BUSY_SECONDS = 30  # wait for a locked file before an error; Dagster 1.13.5 added a name for it


class EventLog(SqliteEventLogStorage):
    """Store the event log below `DAGSTER_HOME`, where Dagster's own class stores it."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}  # least recently used first
        self._lock = Lock()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Create the event log from the settings; their `base_dir` is `DAGSTER_HOME`."""
        return cls(str(Path(config_value["base_dir"], "history", "runs").expanduser()), inst_data)

    @contextmanager
    def run_connection(self, run_id: str | None = None) -> Iterator[Connection]:
        """Open a transaction on the file of a run."""
        with self._engine(run_id or "").begin() as connection:
            yield connection

    @contextmanager
    def index_connection(self) -> Iterator[Connection]:
        """Open a transaction on the index, the file with the assets and checks of all runs."""
        with self.run_connection(INDEX_SHARD_NAME) as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Return whether the index has a table; Dagster asks twice for each check."""
        with self.index_connection() as connection:
            return inspect(connection).has_table(table_name)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, and notify the watchers of the run."""
        super().store_event(event)
        # They watch this file, but SQLite writes to its WAL file as long as this one is open.
        os.utime(self.path_for_shard(event.run_id))

    def wipe(self) -> None:
        """Delete the files of all runs and the contents of the index."""
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
        """Close the least recently used files until at most `kept` are open."""
        with self._lock:
            while len(self._engines) > kept:
                self._engines.pop(next(iter(self._engines))).dispose()

    def _opened(self, shard: str) -> Engine:
        with super().run_connection(shard):
            pass  # creates the file
        return create_engine(
            self.conn_string_for_shard(shard),
            connect_args={"timeout": BUSY_SECONDS},
            pool_size=1,  # one connection stays open
            max_overflow=-1,  # others open without waiting
        )
