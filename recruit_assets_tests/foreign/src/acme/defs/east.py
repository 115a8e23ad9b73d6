"""A third account, in Python: two endpoints, without marts, on a schedule of its own."""

import os

import dagster as dg

from recruit_assets import Settings, build_defs


@dg.definitions
def defs() -> dg.Definitions:
    settings = Settings(
        base_url=os.environ["NORTH_URL"],
        key_variable="NORTH_KEY",
        requests_per_10s=0,
        database="east.duckdb",
    )
    account = build_defs(
        settings, key_prefix="east", endpoints=["jobs", "users"], marts=False, schedules=False
    )
    job = dg.define_asset_job(
        "morning", dg.AssetSelection.assets(["east", "jobs"], ["south", "jobs"])
    )
    schedule = dg.ScheduleDefinition(job=job, cron_schedule="0 6 * * 1-5")
    return dg.Definitions.merge(account, dg.Definitions(jobs=[job], schedules=[schedule]))
