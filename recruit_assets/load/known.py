"""What an incremental read needs to know of a table's current rows: their ids, and their times.

Scope: the queries. `extract.rank` uses the ids, to search for records that are gone.
"""

from array import array
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.load.schema import columns_of, table_name
from recruit_assets.load.sweep import CURRENT

# A record may become visible so long after the time that it shows, so reads begin earlier by that.
OVERLAP = timedelta(minutes=10)
_NUMBER = "'0|[1-9][0-9]{0,17}'"  # as it would be written, so that two ids are two numbers


@dataclass(frozen=True)
class KnownIds:
    """Hold the ids of current rows, ascending.

    `settled` is the greatest of them that was listed before a given time, -1 if there is none.
    """

    ids: "array[int]"
    settled: int


def known_ids(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, before: datetime
) -> KnownIds | None:
    """Return the ids of a table's current rows; None if one of them is no number.

    Args:
        database: open, with the table.
        endpoint: the endpoint of the table.
        before: the time for `settled`: a record that was created, or stored, earlier was listed
            then.
    """
    rows = f"{table_name(database, endpoint.name)} WHERE {CURRENT}"
    earlier = "_loaded_at < $before"
    if columns_of(database, endpoint).get("created_at") is Kind.TIMESTAMP:
        earlier += " OR created_at < $before"
    number = "TRY_CAST(id AS BIGINT)"
    ((all_numbers, settled),) = database.execute(
        f"SELECT coalesce(bool_and(id IS NOT NULL AND regexp_full_match(id, {_NUMBER})), true), "
        f"coalesce(max({number}) FILTER ({earlier}), -1) FROM {rows}",
        {"before": before},
    ).fetchall()
    if not all_numbers:
        return None
    ids = array("q")
    for chunk in (
        database.sql(f"SELECT {number} FROM {rows} ORDER BY ALL").to_arrow_table()[0].chunks
    ):
        (_, numbers) = chunk.buffers()
        start = chunk.offset * ids.itemsize
        ids.frombytes(memoryview(numbers)[start : start + len(chunk) * ids.itemsize])
    return KnownIds(ids, settled)


def count_dated(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> int | None:
    """Return how many current rows a table has; None if one of them has no `updated_at`."""
    ((current, dated),) = database.execute(
        "SELECT count(*), count(updated_at) "
        f"FROM {table_name(database, endpoint.name)} WHERE {CURRENT}"
    ).fetchall()
    return current if current == dated else None
