"""The jobs and the schedules of an account.

Schedules are off until they are switched on in the UI. `sensors` has what follows a failed run.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from recruit_assets.account import Account
from recruit_assets.assets import SyncConfig
from recruit_assets.catalogue import Endpoint
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.load import compact as compaction
from recruit_assets.load.connection import exists
from recruit_assets.load.layout import check_layout
from recruit_assets.options import Mode
from recruit_assets.resources import RecruitDatabase

# Jobs wait this long for an API that is down; a manual materialization does not wait. No job has a
# retry policy, because with one, Dagster retries the step of a run that was terminated.
OUTAGE_MINUTES = 5
# A process per step would take two seconds to start and wait for the one DuckDB file.
EXECUTOR = dg.in_process_executor

QUEUED = dg.DagsterRunStatus.QUEUED
UNFINISHED = [
    QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
MAX_SILENCE = 2 * 3600.0  # seconds without an event; a sync logs every few seconds or minutes
SYNC, AUDIT, FULL_SYNC = "sync", "audit", "full_sync"
COMPACT_DATABASE = "compact_database"
AssetJob = UnresolvedAssetJobDefinition


@dataclass(frozen=True)
class Content:
    """Hold what the jobs of an account run: its endpoints, and the assets of tables and marts."""

    endpoints: Sequence[Endpoint]
    tables: Mapping[str, dg.AssetKey]  # by name of the endpoint
    marts: Sequence[dg.AssetKey]  # the report included; none if the account has no marts


def build_syncs(account: Account, content: Content) -> list[AssetJob]:
    """Build the jobs that sync: `sync`, `audit`, `full_sync`, and one for each group of endpoints.

    The marts and the report run after the tables that they read, in the same run.
    """

    def job(name: str, endpoints: Iterable[Endpoint], about: str, **config: Any) -> AssetJob:
        chosen = list(endpoints)
        return dg.define_asset_job(
            account.named(name),
            selection=dg.AssetSelection.assets(
                *(content.tables[each.name] for each in chosen), *content.marts
            ),
            description=about,
            config=dg.RunConfig(
                ops={
                    account.op(each.name): SyncConfig(outage_minutes=OUTAGE_MINUTES, **config)
                    for each in chosen
                }
            ),
            executor_def=EXECUTOR,
        )

    groups = sorted({endpoint.group for endpoint in content.endpoints})
    return [
        job(SYNC, content.endpoints, "Bring all tables up to date, and what is built from them."),
        job(
            AUDIT,
            content.endpoints,
            "Read short lists whole, and bring long ones up to date and read a part of each again; "
            "counters and other volatile columns of what is read are included.",
            mode=Mode.audit,
            refresh_volatile=True,
        ),
        job(
            FULL_SYNC,
            content.endpoints,
            "Read all endpoints whole; counters and other volatile columns are included.",
            mode=Mode.full,
            refresh_volatile=True,
        ),
        *(
            job(
                f"{SYNC}_{group}",
                [each for each in content.endpoints if each.group == group],
                f"Bring the tables of the group {group} up to date, and what is built from them.",
            )
            for group in groups
        ),
    ]


def build_marts_job(account: Account, content: Content) -> AssetJob:
    """Build the job that builds the marts and the report, from the tables as they are."""
    return dg.define_asset_job(
        account.named("build_marts"),
        selection=dg.AssetSelection.assets(*content.marts),
        description="Build the marts and the report, from the tables as they are.",
        executor_def=EXECUTOR,
    )


def build_compaction(account: Account) -> dg.JobDefinition:
    """Build the job that compacts the database.

    `recruit-assets doctor` advises it when the file has many replaced rows.
    """

    @dg.op(
        name=account.op(COMPACT_DATABASE),
        required_resource_keys={account.database},
        description="Replace the database with a compact copy, and log how much room that freed.",
    )
    def compact_database(context: dg.OpExecutionContext) -> None:
        """Compact the database; a failure leaves the file unchanged."""
        duckdb: RecruitDatabase = getattr(context.resources, account.database)
        with as_dagster_failure():
            if exists(duckdb.database):
                with duckdb.get_connection() as database:
                    check_layout(database, duckdb.account)
            sizes = compaction.compact(
                duckdb.database, duckdb.wait_seconds, duckdb.connection_config
            )
        context.log.info(f"{sizes.before:,} bytes have become {sizes.after:,}")
        context.add_output_metadata({"bytes_before": sizes.before, "bytes_after": sizes.after})

    @dg.job(
        name=account.named("compact"),
        description="Free the room of replaced rows; syncs wait until it has ended.",
        executor_def=EXECUTOR,
    )
    def compact() -> None:
        compact_database()

    return compact


def build_schedules(account: Account) -> list[dg.ScheduleDefinition]:
    """Build the schedules `hourly`, of the job `sync`, and `nightly`, of `audit`."""
    return [
        _schedule(account, "hourly", SYNC, "0 * * * *", "Every hour, on the hour."),
        _schedule(account, "nightly", AUDIT, "30 2 * * *", "Every night at 02:30 UTC."),
    ]


def _schedule(
    account: Account, name: str, job: str, cron: str, description: str
) -> dg.ScheduleDefinition:
    """Return a schedule in UTC that skips ticks while the job, or a longer one, runs."""
    job_name = account.named(job)
    names = list(dict.fromkeys(map(account.named, (job, AUDIT, FULL_SYNC))))

    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        run = _unfinished_run(context.instance, names)
        if run is None:
            return dg.RunRequest()
        state = run.status.value.lower().replace("_", " ")
        return dg.SkipReason(f"Run {run.run_id} of {run.job_name} is {state}: let it end first.")

    return dg.ScheduleDefinition(
        name=account.named(name),
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        execution_fn=tick,
        description=f"{description} Skipped while a run of {' or '.join(names)} goes on.",
    )


def _unfinished_run(instance: dg.DagsterInstance, jobs: Collection[str]) -> dg.DagsterRun | None:
    """Return a run of these jobs that is queued or in progress, if there is one."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if run.job_name in jobs and (run.status is QUEUED or not _is_silent(instance, record)):
            return run
    return None


def _is_silent(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Return whether a run's process must be gone, as after a kill or a reboot.

    Dagster may list such a run as started forever, and every later tick would be skipped.
    """
    events = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False)
    times = [event.timestamp for event in events.records]
    last = times[0] if times else record.create_timestamp.timestamp()
    return abs(time() - last) > MAX_SILENCE
