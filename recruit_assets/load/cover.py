"""Table `recruit_meta.cover`: ranges of ids, and the moment as of which their records were read.

Scope: the queries. `extract.cover` explains what a range means, and changes them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.layout import META
from recruit_assets.load.schema import columns_found, table_exists, table_name
from recruit_assets.load.syncs import latest
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure

Range = tuple[int, int, datetime]  # low, which is excluded, high, and since when it is known
COVER = Table(
    META,
    "cover",
    "Ranges of ids, and since when the table has the records that they had then",
    {
        "endpoint": ("VARCHAR", "Name of the endpoint and of its table"),
        "low": ("BIGINT", "The id that the range follows; -1 is before all"),
        "high": ("BIGINT", "The last id of the range; 9223372036854775807 is after all"),
        "since": (
            "TIMESTAMP WITH TIME ZONE",
            "The table has each record of then, in its version of then or later, unless deleted",
        ),
        "listed": ("VARCHAR", "The filters and includes with which the list was read"),
    },
)

_PLAUSIBLE = "CASE WHEN since BETWEEN to_timestamp(0) AND $now THEN since END"


@dataclass(frozen=True)
class StoredCover:
    """Hold what is known of a list that was read whole once.

    `listed` are its filters and includes, and `rows` the numbers of current rows of all tables.
    """

    ranges: Sequence[Range]
    listed: str
    rows: Sequence[int]

    @property
    def top(self) -> datetime:
        """Return the moment as of which the newest records were read."""
        return self.ranges[-1][2]


def stored_cover(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> StoredCover | None:
    """Return what is known of a list; None if it is not known, or was stored by a wrong clock."""
    found = columns_found(database, COVER.name, META)
    if not found or COVER.defects(found) or not table_exists(database, endpoint.name):
        return None
    stored = database.execute(
        f"SELECT low, high, {_PLAUSIBLE}, listed "
        f"FROM {table_name(database, COVER.name, META)} WHERE endpoint = $name ORDER BY low, high",
        {"name": endpoint.name, "now": datetime.now(UTC)},
    ).fetchall()
    listed = {each[3] for each in stored}
    if len(listed) != 1 or any(None in each for each in stored):
        return None
    ranges = [(low, high, since) for low, high, since, _ in stored]
    return StoredCover(ranges, listed.pop(), _rows(database))


def drop_cover(database: duckdb.DuckDBPyConnection, endpoint: str) -> None:
    """Forget since when the records of an endpoint are known, so that its whole list is read."""
    if "endpoint" in {name for name, _ in columns_found(database, COVER.name, META)}:
        table = table_name(database, COVER.name, META)
        database.execute(f"DELETE FROM {table} WHERE endpoint = ?", [endpoint])


def store_cover(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    ranges: Iterable[Range],
    listed: str,
) -> None:
    """Replace the ranges of an endpoint.

    Args:
        database: open for writing, in the transaction of the sync.
        endpoint: the endpoint.
        ranges: the ranges; none if nothing is known any more.
        listed: the parameters of the list.
    """
    ensure(database, COVER)
    drop_cover(database, endpoint.name)
    table = table_name(database, COVER.name, META)
    rows = [(endpoint.name, *each, listed) for each in ranges]
    if rows:
        names = ", ".join(COVER.columns)
        database.executemany(f"INSERT INTO {table} ({names}) VALUES (?, ?, ?, ?, ?)", rows)


def oldest(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> datetime | None:
    """Return the moment as of which all records were read, in the transaction of a sync."""
    if not columns_found(database, COVER.name, META):
        return None
    ((found,),) = database.execute(
        f"SELECT min({_PLAUSIBLE}) FROM {table_name(database, COVER.name, META)} "
        "WHERE endpoint = $name",
        {"name": endpoint.name, "now": datetime.now(UTC)},
    ).fetchall()
    return found  # type: ignore[no-any-return]


def _rows(database: duckdb.DuckDBPyConnection) -> list[int]:
    found = database.execute(
        f"SELECT current_rows FROM {latest(database, 'current_rows')} WHERE current_rows > 0"
    ).fetchall()
    return [rows for (rows,) in found]
