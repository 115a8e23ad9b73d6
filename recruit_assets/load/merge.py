"""Merge: upsert of staged rows into their table by `id`, writing only what differs.

The steps are: create and widen the table, find what differs, delete the old versions, insert the
new ones. There is no primary key, because DuckDB updates many times slower through an index. `id`
is unique because the staged rows are made unique here, and only one process can write at a time.

A digest over all columns but the volatile ones shows what differs.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind
from recruit_assets.load.digest import digest
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.erasure import note_replaced
from recruit_assets.load.schema import count, table_name
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
        endpoint: the endpoint of the table, which is created if it is missing.
        stage: the rows.
        run_id: the Dagster run, which is stored with each row written.
        refresh_volatile: whether rows that are otherwise unchanged get new volatile values.
        newer: runs whose rows are kept, because they were written since this run was planned.

    Raises:
        DatabaseChanged: the table no longer matches the staged rows.
        duckdb.Error: DuckDB failed.
    """
    stage.flush()
    prepare(database, endpoint, stage.columns, stage.sql)
    table = table_name(database, endpoint.name)
    volatile = {column.name for column in endpoint.columns() if column.volatile}
    row_hash = digest(stage.columns, volatile)
    arrived: Counter[str] = Counter()
    refreshed = 0
    repeated = _find_repeated(database, stage)
    for part in stage.parts():
        found = _find_changes(database, table, part, row_hash, newer)
        if found.total() > found["unchanged"]:
            if found.total() > found["inserted"] + found["unchanged"]:
                written = f"(SELECT * FROM {part} SEMI JOIN changed USING ({POSITION}))"
                note_replaced(database, endpoint, written, stage.columns)
            _write_changes(database, table, part, stage.columns, run_id)
        arrived += found
        if refresh_volatile:
            came = f"(SELECT * FROM {part} SEMI JOIN arrived USING ({POSITION}))"
            note_replaced(database, endpoint, came, stage.columns, {*volatile, UNPARSED})
            refreshed += _refresh(database, table, part, volatile)
    return MergeCounts(**arrived, refreshed=refreshed, repeated=repeated)


def count_misfits(database: duckdb.DuckDBPyConnection, stage: Stage) -> dict[str, int]:
    """Return how many of the merged values did not fit, by column.

    Args:
        database: in the transaction of the merge, after it.
        stage: the rows; of those with the same id only the last counts.
    """
    if not stage.files:
        return {}
    keys = (
        f"SELECT unnest(json_keys({UNPARSED})) AS name FROM {stage.sql} "
        f"ANTI JOIN repeated USING ({POSITION})"
    )
    found = database.execute(f"SELECT name, count(*) FROM ({keys}) GROUP BY name")
    return dict(found.fetchall())


def _find_repeated(database: duckdb.DuckDBPyConnection, stage: Stage) -> int:
    """Create `repeated`, the positions of rows whose id occurs again later; return their number."""
    latest = f"SELECT id, max({POSITION}) AS latest FROM {stage.sql} GROUP BY id"
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT s.{POSITION} "
        f"FROM {stage.sql} s JOIN ({latest} HAVING count(*) > 1) l USING (id) "
        f"WHERE s.{POSITION} < l.latest"
    )
    return count(database, "repeated")


def _find_changes(
    database: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    row_hash: str,
    newer: Sequence[str],
) -> Counter[str]:
    """Create `arrived`, one row for each staged id, and `changed`, those of them to write.

    Returns:
        How many of them are inserted, updated, undeleted, unchanged and superseded.
    """
    database.execute(
        "CREATE OR REPLACE TEMP TABLE arrived AS "
        f"SELECT id, {POSITION}, {row_hash} AS _row_hash FROM {source} "
        f"ANTI JOIN repeated USING ({POSITION})"
    )
    database.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS "
        f"SELECT a.id, a.{POSITION}, a._row_hash, t.id IS NOT NULL AS present, "
        "t._deleted_at IS NOT NULL AS deleted "
        f"FROM arrived a LEFT JOIN {table} t ON t.id = a.id WHERE t.id IS NULL "
        "OR t._row_hash IS DISTINCT FROM a._row_hash OR t._deleted_at IS NOT NULL"
    )
    superseded = _leave(database, table, newer) if newer else 0
    ((inserted, undeleted, written, all_),) = database.execute(
        "SELECT count(*) FILTER (NOT present), count(*) FILTER (deleted), count(*), "
        "(SELECT count(*) FROM arrived) FROM changed"
    ).fetchall()
    return Counter(
        inserted=inserted,
        undeleted=undeleted,
        updated=written - inserted - undeleted,
        unchanged=all_ - written - superseded,
        superseded=superseded,
    )


def _leave(database: duckdb.DuckDBPyConnection, table: str, newer: Sequence[str]) -> int:
    """Remove rows that these runs have written from `changed`; return their number."""
    ((left,),) = database.execute(
        f"DELETE FROM changed WHERE id IN (SELECT id FROM {table} WHERE _run_id IN "
        "(SELECT unnest($newer::VARCHAR[])))",
        {"newer": list(newer)},
    ).fetchall()
    return int(left)


def _write_changes(
    database: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    columns: Mapping[str, Kind],
    run_id: str,
) -> None:
    """Replace the old versions of the rows in `changed`."""
    names = [quoted(name) for name in columns]
    database.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM changed WHERE present)")
    database.execute(
        f"INSERT INTO {table} ({', '.join(names)}, _loaded_at, _run_id, _row_hash) "
        f"SELECT {', '.join(f's.{name}' for name in names)}, ?, ?, c._row_hash "
        f"FROM {source} s JOIN changed c USING ({POSITION})",
        [datetime.now(UTC), run_id],
    )


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
