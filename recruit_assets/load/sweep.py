"""Sweep: rows of records that the API no longer has are soft-deleted (tombstones) or dropped.

Scope: which current rows were not read, and what is left of a row whose record is proven gone.
`gone` proves deletions.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import DeletionPolicy, Endpoint
from recruit_assets.load.erasure import note_deleted, personal_columns
from recruit_assets.load.schema import count, table_name
from recruit_assets.load.sql import quoted
from recruit_assets.load.stage import Stage

CURRENT = "_deleted_at IS NULL"
_NUMBER = "'[0-9]{1,18}'"  # ids of a list that is in order


def absent(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, stage: Stage) -> list[str]:
    """Return the ids of current rows that are not among the staged ones; the table must exist."""
    return _ids(
        database,
        f"{table_name(database, endpoint.name)} t ANTI JOIN {stage.sql} s ON s.id = t.id "
        f"WHERE t.{CURRENT} AND t.id IS NOT NULL",
    )


def missed(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    stage: Stage,
    stretches: Collection[tuple[int, int]],
) -> list[str]:
    """Return the ids of current rows in stretches of the list that are not among the staged ones.

    Args:
        database: open, with the endpoint's table.
        endpoint: the endpoint of the table.
        stage: the rows that were read of these stretches, flushed.
        stretches: of ids, each from the first one to the one after the last.
    """
    number = "TRY_CAST(t.id AS BIGINT)"
    within = " OR ".join(f"{number} >= {low} AND {number} < {above}" for low, above in stretches)
    return _ids(
        database,
        f"{table_name(database, endpoint.name)} t ANTI JOIN {stage.sql} s ON s.id = t.id "
        f"WHERE t.{CURRENT} AND ({within or 'false'}) AND regexp_full_match(t.id, {_NUMBER})",
    )


def unlisted(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[str]:
    """Return the ids of current rows that are no numbers, as all in a list in order are."""
    return _ids(
        database,
        f"{table_name(database, endpoint.name)} t "
        f"WHERE t.{CURRENT} AND NOT regexp_full_match(t.id, {_NUMBER})",
    )


def of_current(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, ids: Sequence[str]
) -> list[str]:
    """Return those of these ids that have a current row."""
    table = table_name(database, endpoint.name)
    found = database.execute(
        f"SELECT id FROM {table} WHERE {CURRENT} AND id IN (SELECT unnest($ids::VARCHAR[]))",
        {"ids": list(ids)},
    ).fetchall()
    return [id_ for (id_,) in found]


def count_current(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> int:
    """Return how many current rows a table has."""
    return count(database, f"{table_name(database, endpoint.name)} WHERE {CURRENT}")


def sweep(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    gone: Sequence[str],
    run_id: str,
    *,
    deletion_policy: DeletionPolicy,
    columns: Iterable[str],
) -> int:
    """Mark current rows deleted, and apply the deletion policy to all deleted rows.

    Args:
        database: open for writing, in the transaction of the merge.
        endpoint: the endpoint of the table.
        gone: the ids that are proven gone.
        run_id: the Dagster run, which is stored with each row.
        deletion_policy: what is left of deleted rows.
        columns: the columns of the table, without bookkeeping.

    Returns:
        How many rows were current until now.
    """
    table = table_name(database, endpoint.name)
    which = "id IN (SELECT unnest($gone::VARCHAR[]))"
    deleted = mark_deleted(database, endpoint, which, run_id, gone=list(gone)) if gone else 0
    if deletion_policy is DeletionPolicy.keep or not count(
        database, f"{table} WHERE NOT {CURRENT}"
    ):
        return deleted
    note_deleted(database, endpoint, f"NOT {CURRENT}")
    if deletion_policy is DeletionPolicy.drop:
        database.execute(f"DELETE FROM {table} WHERE NOT {CURRENT}")
    else:
        erase(database, endpoint, columns, f"NOT {CURRENT}")
    return deleted


def mark_deleted(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, which: str, run_id: str, **values: Any
) -> int:
    """Mark current rows deleted; return their number.

    Args:
        database: open for writing, in a transaction.
        endpoint: the endpoint of the table.
        which: SQL that is true of these rows.
        run_id: the Dagster run, which is stored with each row.
        values: the parameters of `which`.
    """
    ((deleted,),) = database.execute(
        f"UPDATE {table_name(database, endpoint.name)} "
        "SET _deleted_at = $now, _loaded_at = $now, _run_id = $run "
        f"WHERE {CURRENT} AND {which}",
        {"now": datetime.now(UTC), "run": run_id, **values},
    ).fetchall()
    return int(deleted)


def erase(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, columns: Iterable[str], which: str
) -> int:
    """Empty columns that may be personal, and the digest, which could identify a row.

    Returns:
        How many rows had any of it.
    """
    names = [quoted(name) for name in (*personal_columns(endpoint, columns), "_row_hash")]
    ((erased,),) = database.execute(
        f"UPDATE {table_name(database, endpoint.name)} "
        f"SET {', '.join(f'{name} = NULL' for name in names)} "
        f"WHERE {which} AND coalesce({', '.join(f'{name}::VARCHAR' for name in names)}) "
        "IS NOT NULL"
    ).fetchall()
    return int(erased)


def _ids(database: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    found = database.execute(f"SELECT t.id FROM {rows} ORDER BY ALL").fetchall()
    return [id_ for (id_,) in found]
