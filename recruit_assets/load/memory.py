"""Memory limit of DuckDB during a merge: enough for it, and not all that the machine has."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import duckdb

# Bytes that a merge needs, and bytes for each row to undo its changes.
MERGING, UNDO = 40 << 20, 32
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
ROWS_PER_CHUNK = 4 * 2048  # rows that DuckDB processes together
_LOCK = RLock()  # the settings apply to all connections of the process


@contextmanager
def bounded_memory(database: duckdb.DuckDBPyConnection, rows: int, size: int) -> Iterator[None]:
    """Limit DuckDB's memory in the block, since it otherwise keeps all that it ever needed.

    One thread merges as fast as two and takes half the memory. Data that does not fit is spilled,
    except what is needed to undo changes, so the limit leaves room for that. A lower limit is kept.

    Args:
        database: its settings are restored afterwards.
        rows: the rows that may be changed in the block.
        size: their bytes.
    """
    enough = MERGING + ROWS_PER_CHUNK * size // max(rows, 1) + rows * UNDO
    with _LOCK:
        ((before, threads),) = database.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads')"
        ).fetchall()
        try:
            database.execute("SET threads = 1")
            if _bytes(before) > enough:
                database.execute(f"SET memory_limit = '{enough >> 20} MiB'")
            yield
        finally:
            database.execute(f"SET threads = {threads}")
            # After RESET, DuckDB 1.5 reports the old limit and keeps the new one.
            database.execute(f"SET memory_limit = '{_bytes(before):.0f} bytes'")


def _bytes(shown: str) -> float:
    """Return the bytes of a setting that DuckDB shows rounded down, such as `18.7 GiB`."""
    number, unit = shown.split()
    return (float(number) + 0.05) * float(1024 ** UNITS.index(unit))
