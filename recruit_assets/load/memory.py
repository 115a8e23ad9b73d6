"""How much memory DuckDB may take for a merge: enough, and not whatever the machine has."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import duckdb

# Bytes that a merge needs, and for each row to undo what was done to it.
MERGING, UNDO = 40 << 20, 32
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
AT_ONCE = 4 * 2048  # rows that DuckDB has in its hands
_ALONE = RLock()  # the settings are those of all connections of the process


@contextmanager
def bounded_memory(database: duckdb.DuckDBPyConnection, rows: int, size: int) -> Iterator[None]:
    """Let DuckDB take little memory in the block, as it otherwise keeps whatever it once needed.

    One thread merges as fast as two do, and takes half as much. What does not fit is spilled,
    but not what is needed to undo changes: so there is room for that. A limit that is lower already
    stays.

    Args:
        database: its settings are set back to what they were.
        rows: that may be changed in the block.
        size: how many bytes they are.
    """
    enough = MERGING + AT_ONCE * size // max(rows, 1) + rows * UNDO
    with _ALONE:
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
            # RESET makes DuckDB 1.5 tell the old limit and keep the new one.
            database.execute(f"SET memory_limit = '{_bytes(before):.0f} bytes'")


def _bytes(told: str) -> float:
    """Bytes of a setting as DuckDB tells it, such as `18.7 GiB`, which it has rounded down."""
    number, unit = told.split()
    return (float(number) + 0.05) * float(1024 ** UNITS.index(unit))
