"""The DuckDB of this process, which destinations are attached to and detached from.

Starting DuckDB takes ten times as long as opening a file in it (20 ms, and as much again for the
first query of its catalog). So each started DuckDB is kept, without a file of its own, and has one
destination attached at a time. That has the same name in it whatever its address: a file named like
a schema would make `recruit.jobs` ambiguous. A lake stays attached if other
processes can use it at the same time.

Nothing is downloaded silently: extensions are neither installed nor loaded automatically, and the
settings that would allow it cannot be changed afterwards.
"""

import atexit
import ctypes
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import duckdb

from recruit_assets.load.destination import Destination
from recruit_assets.load.scratch import Folder
from recruit_assets.load.sql import OFFLINE, quoted

ALIAS = "recruit_assets"  # name of the destination in DuckDB
# DuckDB 1.5, and the tools built on it, cannot open what DuckDB 2 writes by default.
STORAGE = {"storage_compatibility_version": "v1.5.0"}
CHANGEABLE = "['memory_limit', 'threads', 'TimeZone']"  # changed by a merge and by each connection

_ENGINES: dict[str, list["Engine"]] = {}  # by configuration, as JSON
_DESTINATIONS = WeakKeyDictionary[duckdb.DuckDBPyConnection, Destination]()  # by connection
_LOCK = Lock()


def start(config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Start a DuckDB without a file, and lock its configuration.

    Raises:
        duckdb.Error: it rejects the configuration.
    """
    database = duckdb.connect(":memory:", config={**STORAGE, **OFFLINE, **config})
    database.execute(f"SET allowed_configs = {CHANGEABLE}")
    database.execute("SET lock_configuration = true")
    return database


class Engine:
    """Run a DuckDB with one destination at a time, shared by all its users in this process."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        folder = Folder()  # for data that does not fit into memory
        atexit.register(folder.close)
        self._duckdb = start({"temp_directory": str(folder.path / "spill"), **config})
        self.users = 0
        self.attached: Destination | None = None

    def open(self, place: Destination) -> None:
        """Attach a destination, unless it is attached already.

        Raises:
            duckdb.Error: it cannot be opened.
            FileReplaced: another file is at its path by now.
            StillEmpty: another process is creating the file.
            OSError: the write-ahead log of a file cannot be created.
        """
        if self.attached and self.attached.key != place.key:
            self._detach(self.attached)
        with self._duckdb.cursor() as cursor:
            if self.attached:
                place.reach(cursor, ALIAS)
            else:
                place.attach(cursor, ALIAS)
                self.attached = place
        self.users += 1

    def close(self) -> None:
        """Detach the destination, unless it is still in use in this process, or may stay.

        Raises:
            duckdb.Error: commits could not be moved from the log into the file.
        """
        with _LOCK:
            self.users -= 1
            if not self.users and self.attached and not self.attached.stays:
                self._detach(self.attached)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection to what is attached."""
        cursor = self._duckdb.cursor()
        cursor.execute(f"USE {quoted(ALIAS)}; SET TimeZone = 'UTC'")
        if self.attached:
            _DESTINATIONS[cursor] = self.attached
        return cursor

    def _detach(self, place: Destination) -> None:
        self.attached = None
        try:
            with self._duckdb.cursor() as cursor:
                place.detach(cursor, ALIAS)
        except duckdb.Error:
            self.drop()
            raise

    def drop(self) -> None:
        """Let nobody else use this DuckDB, whose state is unknown."""
        for engines in _ENGINES.values():
            if self in engines:
                engines.remove(self)


def opened(place: Destination, config: Mapping[str, Any]) -> Engine:
    """Return a DuckDB with this configuration that has a destination open.

    Raises:
        duckdb.Error: it cannot be opened.
        FileReplaced: another file is at its path by now.
        StillEmpty: another process is creating the file.
        OSError: the write-ahead log of a file cannot be created.
    """
    with _LOCK:
        engines = _ENGINES.setdefault(json.dumps(config, sort_keys=True), [])
        suited = [each for each in engines if each.attached and each.attached.key == place.key]
        suited += [each for each in engines if not each.users]
        if not suited:
            suited = [Engine(config)]
            engines += suited
        suited[0].open(place)
        return suited[0]


def is_attached(place: Destination) -> bool:
    """Return whether this process has a destination open, which is quicker than to look for it."""
    with _LOCK:
        known = [each.attached for engines in _ENGINES.values() for each in engines]
        return any(each and each.key == place.key for each in known)


@contextmanager
def writing(database: duckdb.DuckDBPyConnection) -> Iterator[Callable[[], None]]:
    """Let a transaction of a connection write in the block (see `Destination.writing`)."""
    place = _DESTINATIONS.get(database)
    with place.writing(database, ALIAS) if place else nullcontext(lambda: None) as check:
        yield check


def _forget() -> None:
    """Abandon the parent's engines in a forked process, where their threads are missing.

    Even freeing them would wait for these threads, so they are never freed there.
    """
    global _LOCK  # noqa: PLW0603 - another thread of the parent may hold it forever
    for engine in [each for engines in _ENGINES.values() for each in engines]:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
    _ENGINES.clear()
    _LOCK = Lock()


os.register_at_fork(after_in_child=_forget)
atexit.register(_ENGINES.clear)  # a fork handler is never freed, and neither is its module
