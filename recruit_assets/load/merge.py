"""Merge: upsert of staged rows into their table by `id`, writing only what differs.

The steps are: find what differs, delete the old versions, insert the new ones; `changes` has the
statements, and `endpoint_table` prepares the table before. A digest over all columns but the
volatile ones shows what differs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint
from recruit_assets.load.changes import (
    count_unparsed,
    find_changes,
    find_repeated,
    write_changes,
)
from recruit_assets.load.digest import digest
from recruit_assets.load.erasure import note_replaced
from recruit_assets.load.schema import table_name
from recruit_assets.load.sql import quoted
from recruit_assets.load.stage import POSITION, Stage


@dataclass(frozen=True)
class MergeCounts:
    """Count what a merge did, in rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    undeleted: int = 0  # was deleted and has returned
    refreshed: int = 0  # unchanged, except for new values of volatile columns
    repeated: int = 0  # read more than once; the last one counts
    superseded: int = 0  # differ, but a sync stored since the reading began has written them

    def __add__(self, other: "MergeCounts") -> "MergeCounts":
        return MergeCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def merge(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    stage: Stage,
    run_id: str,
    *,
    refresh_volatile: bool = False,
    newer: Sequence[str] = (),
) -> MergeCounts:
    """Merge the staged rows.

    Args:
        database: open for writing, in a transaction, so that the merge is atomic.
        endpoint: the endpoint of the table, which is prepared for the columns of the rows.
        stage: the rows, flushed.
        run_id: the Dagster run, which is stored with each row written.
        refresh_volatile: whether rows that are otherwise unchanged get new volatile values.
        newer: runs whose rows are kept, because they were written since this run was planned.

    Raises:
        duckdb.Error: DuckDB failed.
    """
    table = table_name(database, endpoint.name)
    volatile = {column.name for column in endpoint.columns() if column.volatile}
    row_hash = digest(stage.columns, volatile)
    arrived: Counter[str] = Counter()
    refreshed = 0
    repeated = find_repeated(database, stage.sql)
    for part in stage.parts():
        found = find_changes(database, table, part, row_hash, newer=newer)
        if found.total() > found["unchanged"]:
            if found.total() > found["inserted"] + found["unchanged"]:
                written = f"(SELECT * FROM {part} SEMI JOIN changed USING ({POSITION}))"
                note_replaced(database, endpoint, written, stage.columns)
            write_changes(database, table, part, stage.columns, run_id)
        arrived += found
        if refresh_volatile:
            rows = f"(SELECT * FROM {part} SEMI JOIN arrived USING ({POSITION}))"
            note_replaced(database, endpoint, rows, stage.columns, {*volatile, UNPARSED})
            refreshed += _refresh(database, table, part, volatile)
    return MergeCounts(**arrived, refreshed=refreshed, repeated=repeated)


def count_misfits(database: duckdb.DuckDBPyConnection, stage: Stage) -> dict[str, int]:
    """Return how many of the merged values did not fit, by column.

    Args:
        database: in the transaction of the merge, after it.
        stage: the rows; of those with the same id only the last counts.
    """
    return count_unparsed(database, stage.sql) if stage.files else {}


def _refresh(
    database: duckdb.DuckDBPyConnection, table: str, source: str, volatile: set[str]
) -> int:
    """Update the volatile values of rows without writing new versions."""
    if not volatile:
        return 0
    # A volatile value that does not fit is in _unparsed, so that is updated too.
    names = [quoted(name) for name in sorted(volatile | {UNPARSED})]
    differs = " OR ".join(f"t.{name} IS DISTINCT FROM s.{name}" for name in names)
    ((refreshed,),) = database.execute(
        f"UPDATE {table} t SET {', '.join(f'{name} = s.{name}' for name in names)} "
        f"FROM {source} s JOIN arrived a USING ({POSITION}) WHERE t.id = a.id AND ({differs})"
    ).fetchall()
    return int(refreshed)
