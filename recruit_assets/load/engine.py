"""The DuckDB of this process, which files are attached to and detached from.

Starting DuckDB takes ten times as long as opening a file in it (20 ms, and as much again for the
first query of its catalog). So each started DuckDB is kept, without a file of its own, and has one
file attached at a time. The file has the same name in it whatever its path: a file named like a
schema would make `recruit.jobs` ambiguous.

Nothing is downloaded silently: extensions are neither installed nor loaded automatically, and the
settings that would allow it cannot be changed afterwards.
"""

import atexit
import ctypes
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import duckdb

from recruit_assets.load.disk import PRIVATE, inode, make_log, remove_unused_log, set_mode
from recruit_assets.load.scratch import Folder
from recruit_assets.load.sql import literal, quoted

ALIAS = "recruit_assets"  # name of the file in DuckDB
# DuckDB 1.5, and the tools built on it, cannot open what DuckDB 2 writes by default.
STORAGE = {"storage_compatibility_version": "v1.5.0"}
OFFLINE = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}
HEADERS = 3 * 4096  # minimum bytes of a database
CHANGEABLE = "['memory_limit', 'threads', 'TimeZone']"  # changed by a merge and by each connection

_ENGINES: dict[str, list["Engine"]] = {}  # by configuration, as JSON
_FILES = WeakKeyDictionary[duckdb.DuckDBPyConnection, str]()  # the file of each connection
_LOCK = Lock()


class FileReplaced(Exception):
    """Report that a compaction has replaced the file that was just opened."""


def start(config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Start a DuckDB without a file, and lock its configuration.

    Raises:
        duckdb.Error: it rejects the configuration.
    """
    database = duckdb.connect(":memory:", config={**STORAGE, **OFFLINE, **config})
    database.execute(f"SET allowed_configs = {CHANGEABLE}")
    database.execute("SET lock_configuration = true")
    return database


def attaching(path: str, name: str, *options: str) -> str:
    """Return the SQL that attaches a file; naming its type keeps DuckDB from guessing it."""
    return f"ATTACH {literal(path)} AS {quoted(name)} ({', '.join(['TYPE duckdb', *options])})"


class Engine:
    """Run a DuckDB with one file at a time, shared by all users of that file in this process."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        folder = Folder()  # for data that does not fit into memory
        atexit.register(folder.close)
        self._duckdb = start({"temp_directory": str(folder.path / "spill"), **config})
        self._users = 0
        self.path = ""  # of the attached file, if any

    def open(self, path: str) -> None:
        """Attach a file, unless it is attached already.

        Raises:
            duckdb.Error: it cannot be opened.
            FileReplaced: another file is at its path by now.
            OSError: the write-ahead log cannot be created.
        """
        if not self._users:
            self._attach(path)
        self._users += 1

    def close(self) -> None:
        """Detach the file, unless it is still in use in this process.

        Raises:
            duckdb.Error: commits could not be moved from the log into the file.
        """
        with _LOCK:
            self._users -= 1
            if not self._users:
                self._detach()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection to the attached file."""
        cursor = self._duckdb.cursor()
        cursor.execute(f"USE {quoted(ALIAS)}; SET TimeZone = 'UTC'")
        _FILES[cursor] = self.path
        return cursor

    def _attach(self, path: str) -> None:
        before = inode(path)
        try:
            with self._duckdb.cursor() as cursor:
                cursor.execute(attaching(path, ALIAS))
        except duckdb.Error:
            if not before:
                _remove_unfinished(path)
            raise
        self.path = path
        try:
            if not before:
                set_mode(path, PRIVATE)
            elif inode(path) != before:
                raise FileReplaced(path)
            make_log(path)
        except BaseException:
            self._detach()
            raise

    def _detach(self) -> None:
        remove_unused_log(self.path)
        self.path = ""
        try:
            with self._duckdb.cursor() as cursor:
                cursor.execute(f"DETACH {quoted(ALIAS)}")
        except duckdb.Error:
            for engines in _ENGINES.values():  # its state is unknown, so no other file may use it
                if self in engines:
                    engines.remove(self)
            raise


def opened(path: str, config: Mapping[str, Any]) -> Engine:
    """Return a DuckDB with this configuration that has the file open.

    Raises:
        duckdb.Error: it cannot be opened.
        FileReplaced: another file is at its path by now.
        OSError: the write-ahead log cannot be created.
    """
    with _LOCK:
        engines = _ENGINES.setdefault(json.dumps(config, sort_keys=True), [])
        suited = [each for each in engines if each.path == path]
        suited += [each for each in engines if not each.path]
        if not suited:
            suited = [Engine(config)]
            engines += suited
        suited[0].open(path)
        return suited[0]


def prepare_to_write(database: duckdb.DuckDBPyConnection) -> None:
    """Create the log for the next transaction, unless it exists."""
    if path := _FILES.get(database):
        make_log(path)


def _remove_unfinished(path: str) -> None:
    """Remove the rest of a database whose creation failed, because it would never open."""
    with suppress(FileNotFoundError):
        if os.path.getsize(path) < HEADERS:
            os.unlink(path)


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
