"""The merge of staged rows as a sync does it, without what else a sync writes."""

from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.merge import MergeCounts, merge
from recruit_assets.load.stage import Stage


def prepare_and_merge(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, stage: Stage, run: str, **options: Any
) -> MergeCounts:
    """Merge rows into a table that may not exist yet, in the transaction that is open."""
    stage.flush()
    prepare(database, endpoint, stage.columns, stage.sql)
    return merge(database, endpoint, stage, run, **options)
