"""Core of every merge: one statement finds the rows that differ, one writes them.

Scope: SQL over staged rows and the table that they are merged into. `merge` uses it for
the records of the API, `upsert` for the rows of any other asset.

There is no primary key, because DuckDB updates many times slower through an index. Keys are unique
because staged rows are made unique here, and only one process can write at a time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import duckdb

from recruit_assets.catalogue import UNPARSED
from recruit_assets.load.schema import count
from recruit_assets.load.sql import quoted
from recruit_assets.load.stage import POSITION


def find_repeated(database: duckdb.DuckDBPyConnection, source: str) -> int:
    """Create `repeated`, the positions of rows whose id occurs again later; return their number.

    Args:
        database: open for writing, in the transaction of the merge.
        source: the ids of all staged rows and their positions, as SQL to read from.
    """
    latest = f"SELECT id, max({POSITION}) AS latest FROM {source} GROUP BY id"
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT s.{POSITION} "
        f"FROM {source} s JOIN ({latest} HAVING count(*) > 1) l USING (id) "
        f"WHERE s.{POSITION} < l.latest"
    )
    return count(database, "repeated")


def find_changes(
    database: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    row_hash: str,
    *,
    key: str = "id",
    newer: Sequence[str] = (),
) -> Counter[str]:
    """Create `arrived`, one row for each staged key, and `changed`, those of them to write.

    Args:
        database: open for writing, after `find_repeated`.
        table: full name of the table.
        source: a part of the staged rows, as SQL to read from.
        row_hash: SQL that digests a row of it.
        key: the column that identifies a row.
        newer: runs whose rows are kept, because they were written since this run was planned.

    Returns:
        How many of them are inserted, updated, undeleted, unchanged and superseded.
    """
    name = quoted(key)
    database.execute(
        "CREATE OR REPLACE TEMP TABLE arrived AS "
        f"SELECT {name} AS id, {POSITION}, {row_hash} AS _row_hash FROM {source} "
        f"ANTI JOIN repeated USING ({POSITION})"
    )
    database.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS "
        f"SELECT a.id, a.{POSITION}, a._row_hash, t.{name} IS NOT NULL AS present, "
        "t._deleted_at IS NOT NULL AS deleted "
        f"FROM arrived a LEFT JOIN {table} t ON t.{name} = a.id WHERE t.{name} IS NULL "
        "OR t._row_hash IS DISTINCT FROM a._row_hash OR t._deleted_at IS NOT NULL"
    )
    superseded = _leave(database, table, name, newer) if newer else 0
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


def _leave(database: duckdb.DuckDBPyConnection, table: str, name: str, newer: Sequence[str]) -> int:
    """Remove rows that these runs have written from `changed`; return their number."""
    ((left,),) = database.execute(
        f"DELETE FROM changed WHERE id IN (SELECT {name} FROM {table} WHERE _run_id IN "
        "(SELECT unnest($newer::VARCHAR[])))",
        {"newer": list(newer)},
    ).fetchall()
    return int(left)


def write_changes(
    database: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    columns: Iterable[str],
    run_id: str,
    *,
    key: str = "id",
) -> None:
    """Replace the old versions of the rows in `changed`.

    Args:
        database: open for writing, after `find_changes`.
        table: full name of the table.
        source: the same part of the staged rows.
        columns: its columns, without the position.
        run_id: the Dagster run, which is stored with each row written.
        key: the column that identifies a row.
    """
    names = [quoted(name) for name in columns]
    database.execute(
        f"DELETE FROM {table} WHERE {quoted(key)} IN (SELECT id FROM changed WHERE present)"
    )
    database.execute(
        f"INSERT INTO {table} ({', '.join(names)}, _loaded_at, _run_id, _row_hash) "
        f"SELECT {', '.join(f's.{name}' for name in names)}, ?, ?, c._row_hash "
        f"FROM {source} s JOIN changed c USING ({POSITION})",
        [datetime.now(UTC), run_id],
    )


def count_unparsed(database: duckdb.DuckDBPyConnection, source: str) -> dict[str, int]:
    """Return how many staged values did not fit, by column.

    Args:
        database: in the transaction of the merge, after `find_repeated`.
        source: staged rows, as SQL to read from; of those with the same key only the last counts.
    """
    keys = (
        f"SELECT unnest(json_keys({UNPARSED})) AS name FROM {source} "
        f"ANTI JOIN repeated USING ({POSITION})"
    )
    found = database.execute(f"SELECT name, count(*) FROM ({keys}) GROUP BY name")
    return dict(found.fetchall())
