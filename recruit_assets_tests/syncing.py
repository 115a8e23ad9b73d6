"""Syncs without a Dagster run, and the assets of an account without a prefix."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import duckdb

from recruit_assets.account import Account
from recruit_assets.assets import build_asset
from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.source import Source
from recruit_assets.io_manager import DuckDBMergeIOManager
from recruit_assets.load.state import read_state
from recruit_assets.mart_assets import build_mart_assets, mart_specs
from recruit_assets.options import Options
from recruit_assets.reading import Reading
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.result import SyncResult
from recruit_assets.schedules import Content, build_marts_job, build_schedules, build_syncs
from recruit_assets.sync import Sync

ACCOUNT = Account()
ASSETS = [build_asset(endpoint) for endpoint in ENDPOINTS]
TABLES = {each.name: ACCOUNT.key(each.name) for each in ENDPOINTS}
MART_ASSETS = build_mart_assets(ACCOUNT, mart_specs(ACCOUNT, TABLES), TABLES)
CONTENT = Content(ENDPOINTS, TABLES, [key for asset in MART_ASSETS for key in asset.keys])
SYNCS, BUILD_MARTS = build_syncs(ACCOUNT, CONTENT), build_marts_job(ACCOUNT, CONTENT)
SCHEDULES = build_schedules(ACCOUNT)


def sync(
    source: Source,
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    exists: Callable[[], bool],
    options: Options,
    run_id: str,
    *,
    deletion_policy: DeletionPolicy = DeletionPolicy.erase,
) -> SyncResult:
    """What the asset and the IO manager do, without Dagster."""
    state = read_state(opened, exists, source.endpoint, dry_run=options.dry_run)
    reading = Reading(source, state, options)
    return Sync(reading, opened, exists, run_id, deletion_policy).run()


def resources(
    database: RecruitDatabase,
    api: RecruitApi | None = None,
    deleted_rows: DeletionPolicy = DeletionPolicy.erase,
) -> dict[str, Any]:
    """The resources by the keys that the assets expect; without an API, the database alone."""
    found: dict[str, Any] = {ACCOUNT.database: database}
    if api:
        manager = DuckDBMergeIOManager(database=database, deleted_rows=deleted_rows)
        found |= {ACCOUNT.api: api, ACCOUNT.io_manager: manager}
    return found
