"""The DuckDB of this process, which files are attached to and detached from.

Starting DuckDB takes ten times as long as opening a file in it (20 ms, and as much again for the
first look at its catalog). So each one that was started is kept, without a file of its own, and
has one file at a time. The file has the same name in it whatever it is called: one called like a
schema would make `recruit.jobs` ambiguous.

Nothing is fetched behind anybody's back: extensions are neither installed nor loaded unasked, and
what allows them cannot be changed afterwards.
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

ALIAS = "recruit_assets"  # what the file is called in DuckDB
# What DuckDB 2 writes by default, 1.5 and the tools built on it cannot open.
STORAGE = {"storage_compatibility_version": "v1.5.0"}
OFFLINE = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}
HEADERS = 3 * 4096  # bytes that every database has
CHANGEABLE = "['memory_limit', 'threads', 'TimeZone']"  # by a merge and by each connection

_ENGINES: dict[str, list["Engine"]] = {}  # by configuration, in JSON
_FILES = WeakKeyDictionary[duckdb.DuckDBPyConnection, str]()  # which each connection writes to
_LOCK = Lock()


class FileReplaced(Exception):
    """A compaction put another file in the place of the one that was just opened."""


def start(config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Start a DuckDB without a file, whose configuration is settled.

    Raises:
        duckdb.Error: it does not take the configuration.
    """
    database = duckdb.connect(":memory:", config={**STORAGE, **OFFLINE, **config})
    database.execute(f"SET allowed_configs = {CHANGEABLE}")
    database.execute("SET lock_configuration = true")
    return database


def attaching(path: str, name: str, *options: str) -> str:
    """Return the SQL that attaches a file; naming its type keeps DuckDB from guessing at it."""
    return f"ATTACH {literal(path)} AS {quoted(name)} ({', '.join(['TYPE duckdb', *options])})"


class Engine:
    """A DuckDB with one file at a time, shared by all in this process who open that file."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        folder = Folder()  # for what does not fit into its memory
        atexit.register(folder.close)
        self._duckdb = start({"temp_directory": str(folder.path / "spill"), **config})
        self._users = 0
        self.path = ""  # of the file, while there is one

    def open(self, path: str) -> None:
        """Attach a file, unless it is attached.

        Raises:
            duckdb.Error: it cannot be opened.
            FileReplaced: another file stands at its path by now.
            OSError: the log for what is written to it cannot be made.
        """
        if not self._users:
            self._attach(path)
        self._users += 1

    def close(self) -> None:
        """Detach the file, if nobody else in this process uses it.

        Raises:
            duckdb.Error: what was committed could not be moved from the log into the file.
        """
        with _LOCK:
            self._users -= 1
            if not self._users:
                self._detach()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the attached file."""
        cursor = self._duckdb.cursor()
        cursor.execute(f"USE {quoted(ALIAS)}")
        cursor.execute("SET TimeZone = 'UTC'")
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
            for engines in _ENGINES.values():  # whatever state it is in, the next file needs none
                if self in engines:
                    engines.remove(self)
            raise


def opened(path: str, config: Mapping[str, Any]) -> Engine:
    """Return a DuckDB of this configuration that has the file open.

    Raises:
        duckdb.Error: it cannot be opened.
        FileReplaced: another file stands at its path by now.
        OSError: the log for what is written to it cannot be made.
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
    """Make the log that the next transaction is written to, unless it is there."""
    if path := _FILES.get(database):
        make_log(path)


def _remove_unfinished(path: str) -> None:
    """Remove what is left of a database that could not be made: it would never open."""
    with suppress(FileNotFoundError):
        if os.path.getsize(path) < HEADERS:
            os.unlink(path)


def _forget() -> None:
    """Leave the parent's engines alone in a forked process, where their threads are missing.

    Even freeing them would wait for these threads, so they are never freed there.
    """
    global _LOCK  # noqa: PLW0603 - another thread of the parent may hold it for ever
    for engine in [each for engines in _ENGINES.values() for each in engines]:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
    _ENGINES.clear()
    _LOCK = Lock()


os.register_at_fork(after_in_child=_forget)
atexit.register(_ENGINES.clear)  # what is registered for a fork is never freed, nor its module
