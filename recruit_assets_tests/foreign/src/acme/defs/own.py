"""Assets of its own, with names that recruit-assets uses too, merged by its IO manager."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
from dagster_duckdb import DuckDBResource

from recruit_assets import DuckDBMergeIOManager, RecruitDatabase

ROWS = int(os.environ.get("READER_ROWS", "1000"))
PER_BATCH = 50_000


@dg.asset(io_manager_key="merge", metadata={"schema": "hr", "merge_key": "email"})
def users() -> list[dict[str, Any]]:
    return [
        {"email": "a@example.com", "name": "A", "joined": "2024-01-01"},
        {"email": "b@example.com", "name": "B"},
    ]


@dg.asset(io_manager_key="merge")
def targets() -> pl.DataFrame:
    return pl.DataFrame({"id": [1, 2, 3], "hires": [4, 0, 7]})


@dg.asset(io_manager_key="merge")
def offices() -> pa.Table:
    return pa.table({"id": ["n", "s"], "name": ["North", "South"]})


def visits_of(first: int) -> pa.RecordBatch:
    ids = pa.array(range(first, min(first + PER_BATCH, ROWS)), pa.int64())
    return pa.record_batch({"id": ids, "page": pa.array(["/jobs"] * len(ids))})


@dg.asset(io_manager_key="merge")
def visits() -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(0, ROWS, PER_BATCH):
            yield visits_of(first)

    return pa.RecordBatchReader.from_batches(visits_of(0).schema, batches())


@dg.asset(
    ins={"jobs": dg.AssetIn(["north", "jobs"], input_manager_key="north_recruit_io_manager")},
    io_manager_key="merge",
    automation_condition=dg.AutomationCondition.eager(),
)
def job_titles(jobs: pl.DataFrame) -> pl.DataFrame:
    return jobs.select("id", pl.col("title").str.to_uppercase())


@dg.op(name="candidates")
def interview() -> None: ...


@dg.job
def sync() -> None:
    interview()


@dg.definitions
def defs() -> dg.Definitions:
    own = RecruitDatabase(database="own.duckdb")
    return dg.Definitions(
        assets=[users, targets, offices, visits, job_titles],
        jobs=[sync],
        resources={
            "duckdb": DuckDBResource(database="other.duckdb"),
            "merge": DuckDBMergeIOManager(database=own),
        },
    )
