"""The Dagster definitions. No connection is opened, and no secret read, before a run starts."""

import dagster as dg

from recruit_assets import settings
from recruit_assets.assets import ASSETS
from recruit_assets.io_manager import DuckDBMergeIOManager
from recruit_assets.load.sweep import DeletionPolicy
from recruit_assets.mart_assets import MART_ASSETS
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.schedules import (
    SCHEDULES,
    SYNCS,
    build_marts,
    build_marts_after_failure,
    compact,
    notify_on_failure,
)

database = RecruitDatabase(database=settings.DATABASE.text())

defs = dg.Definitions(
    assets=[*ASSETS, *MART_ASSETS],
    jobs=[*SYNCS, build_marts, compact],
    schedules=SCHEDULES,
    sensors=[notify_on_failure, build_marts_after_failure],
    resources={
        "api": RecruitApi(
            base_url=dg.EnvVar(settings.BASE_URL.name),
            key=dg.EnvVar(settings.KEY.name),
            version=settings.VERSION.text(),
            auth_header=settings.AUTH_HEADER.text(),
            auth_prefix=settings.AUTH_PREFIX.text(),
            requests_per_10s=settings.REQUESTS_PER_10S.whole_number(),
            concurrency=settings.CONCURRENCY.whole_number(),
        ),
        "duckdb": database,
        "duckdb_merge": DuckDBMergeIOManager(
            database=database, deleted_rows=settings.DELETED_ROWS.one_of(DeletionPolicy)
        ),
    },
    # A process per step would take two seconds to start and wait for the one DuckDB file.
    executor=dg.in_process_executor,
)
