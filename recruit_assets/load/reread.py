"""Rows that were read again, compared with those of the table.

Scope: the count of those that contradict it. What follows from them is decided elsewhere.
"""

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.digest import digest
from recruit_assets.load.schema import columns_of, table_name
from recruit_assets.load.stage import Stage
from recruit_assets.load.sweep import CURRENT


def count_reread(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, stage: Stage
) -> tuple[int, int]:
    """Return how many staged records have a current row, and how many of these contradict it.

    A record that has other values does, unless the time of its last change is a later one. Volatile
    values are not compared.

    Args:
        database: open, with the table as the last sync left it.
        endpoint: the endpoint that was read.
        stage: the rows that were read, flushed.
    """
    if not stage.files:
        return 0, 0
    row_hash = digest(stage.columns, {each.name for each in endpoint.columns() if each.volatile})
    differs = "s.digest IS DISTINCT FROM t._row_hash"
    if "updated_at" in stage.columns and "updated_at" in columns_of(database, endpoint):
        differs += " AND (s.updated_at > t.updated_at) IS NOT TRUE"
    ((compared, contradicting),) = database.execute(
        f"SELECT count(DISTINCT id), count(DISTINCT id) FILTER ({differs}) "
        f"FROM (SELECT *, {row_hash} AS digest FROM {stage.sql}) AS s "
        f"JOIN {table_name(database, endpoint.name)} AS t USING (id) WHERE t.{CURRENT}"
    ).fetchall()
    return compared, contradicting
