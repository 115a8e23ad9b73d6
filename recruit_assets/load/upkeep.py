"""Upkeep of a lake: small files are merged, and what was replaced goes, by DuckLake's own calls.

A lake keeps what was replaced, for those that read an earlier snapshot. After an erasure nothing of
it is kept; otherwise a day's worth is.
"""

from collections.abc import Mapping
from typing import Any

import duckdb

from recruit_assets.load.connection import connection
from recruit_assets.load.engine import ALIAS, writing
from recruit_assets.load.erasure import note_compaction
from recruit_assets.load.sql import literal

KEPT = "INTERVAL 1 DAY"  # a process may still be reading, or writing a file
UNFINISHED = "INTERVAL 1 HOUR"  # the longest transaction of a tool that does not take turns


def keep_up(
    address: str, wait_seconds: float, config: Mapping[str, Any], *, erased: bool
) -> tuple[int, int]:
    """Merge small files and remove old ones; return the bytes of all files before and after.

    Args:
        address: the address of the lake, which must exist.
        wait_seconds: how long to wait for the catalogue.
        config: DuckDB's own options.
        erased: whether personal values were erased, so that nothing old may be kept.

    Raises:
        DatabaseProblem: the catalogue cannot be reached, or another process is writing.
    """
    with connection(address, dict(config), wait_seconds) as database, writing(database):
        before = _bytes(database)
        _call(database, "flush_inlined_data")
        _call(database, "rewrite_data_files", *(["delete_threshold => 0"] if erased else []))
        _call(database, "merge_adjacent_files")
        if erased:
            if replaced := _replaced(database):  # by number, as clocks of machines differ
                _call(database, "expire_snapshots", f"versions => {replaced}")
            _call(database, "cleanup_old_files", "cleanup_all => true")
        else:
            _call(database, "expire_snapshots", f"older_than => now() - {KEPT}")
            _call(database, "cleanup_old_files", f"older_than => now() - {KEPT}")
        age = UNFINISHED if erased else KEPT
        _call(database, "delete_orphaned_files", f"older_than => now() - {age}")
        after = _bytes(database)
        if erased:
            note_compaction(database, ALIAS)
    return before, after


def _call(database: duckdb.DuckDBPyConnection, name: str, *options: str) -> None:
    database.execute(f"CALL ducklake_{name}({', '.join([literal(ALIAS), *options])})").fetchall()


def _replaced(database: duckdb.DuckDBPyConnection) -> list[int]:
    """Return the numbers of all snapshots but the newest."""
    snapshots = f"FROM ducklake_snapshots({literal(ALIAS)})"
    found = database.execute(f"SELECT snapshot_id {snapshots} ORDER BY snapshot_id").fetchall()
    return [number for (number,) in found[:-1]]


def _bytes(database: duckdb.DuckDBPyConnection) -> int:
    ((found,),) = database.execute(
        "SELECT coalesce(sum(file_size_bytes + delete_file_size_bytes), 0) "
        f"FROM ducklake_table_info({literal(ALIAS)})"
    ).fetchall()
    return int(found)
