"""The jobs, the schedules, and the sensors for failed runs.

Schedules and sensors are off until somebody switches them on in the UI.
"""

from collections.abc import Collection, Iterable
from time import time
from typing import Any

import dagster as dg
import requests
from urllib3.exceptions import LocationParseError

from recruit_assets import settings
from recruit_assets.assets import ASSETS, SyncConfig
from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load import compact as compaction
from recruit_assets.mart_assets import MART_ASSETS
from recruit_assets.options import Mode
from recruit_assets.resources import RecruitDatabase, explained
from recruit_assets.text import message

FAILURE = f"{dg.Failure.__module__}.{dg.Failure.__name__}: "  # prefix of Dagster's message
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds to wait for the webhook's response

# Jobs wait this long for an API that is down; a manual materialization does not wait. No job has a
# retry policy, because with one, Dagster retries the step of a run that was terminated.
OUTAGE_MINUTES = 5

QUEUED = dg.DagsterRunStatus.QUEUED
UNFINISHED = [
    QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
STEP_FAILURE = "STEP_FAILURE"  # reason of a failed run; a signal has another
LONGEST_SILENCE = 2 * 3600.0  # seconds without an event; a sync logs every few seconds or minutes

# The marts and the report run after the tables that they read, in the same run.
ANSWERS = dg.AssetSelection.assets(*MART_ASSETS)


def _config(endpoints: Iterable[Endpoint], **chosen: Any) -> dg.RunConfig:
    """Return the run config of a job that syncs these endpoints."""
    return dg.RunConfig(
        ops={
            endpoint.name: SyncConfig(outage_minutes=OUTAGE_MINUTES, **chosen)
            for endpoint in endpoints
        }
    )


sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.assets(*ASSETS) | ANSWERS,
    description="Bring all tables up to date, and the marts and the report after them.",
    config=_config(ENDPOINTS),
)
full_sync = dg.define_asset_job(
    "full_sync",
    selection=dg.AssetSelection.assets(*ASSETS) | ANSWERS,
    description="Read all endpoints whole; counters and other volatile columns are included.",
    config=_config(ENDPOINTS, mode=Mode.full, refresh_volatile=True),
)

GROUP_JOBS = [
    dg.define_asset_job(
        f"sync_{group}",
        selection=dg.AssetSelection.groups(group) | ANSWERS,
        description=f"Bring the tables of the group {group} up to date, and what follows them.",
        config=_config([endpoint for endpoint in ENDPOINTS if endpoint.group == group]),
    )
    for group in sorted({endpoint.group for endpoint in ENDPOINTS})
]
SYNCS = [sync, full_sync, *GROUP_JOBS]

build_marts = dg.define_asset_job(
    "build_marts",
    selection=ANSWERS,
    description="Make the marts and the report anew, from the tables as they are.",
)


@dg.op(description="Puts a compact copy in the place of the database, and says what it gave back.")
def compact_database(context: dg.OpExecutionContext, duckdb: RecruitDatabase) -> None:
    """Compact the database; a failure leaves the file unchanged."""
    with explained():
        sizes = compaction.compact(duckdb.database, duckdb.wait_seconds, duckdb.connection_config)
    context.log.info(f"{sizes.before:,} bytes have become {sizes.after:,}")
    context.add_output_metadata({"bytes_before": sizes.before, "bytes_after": sizes.after})


@dg.job(description="Give the room of replaced rows back to the disk; syncs wait meanwhile.")
def compact() -> None:
    """Compact the database, as `recruit-assets doctor` advises when it has many replaced rows."""
    compact_database()


def _schedule(name: str, job_name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    """Return a schedule in UTC whose ticks are skipped while the job or `full_sync` runs."""

    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        run = _unfinished_run(context.instance, {job_name, full_sync.name})
        if run is None:
            return dg.RunRequest()
        state = run.status.value.lower().replace("_", " ")
        return dg.SkipReason(f"Run {run.run_id} of {run.job_name} is {state}: let it end first.")

    return dg.ScheduleDefinition(
        name=name,
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        execution_fn=tick,
        description=f"{description} Skipped while a run of {job_name} or full_sync goes on.",
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
    return abs(time() - last) > LONGEST_SILENCE


SCHEDULES = [
    _schedule("hourly", sync.name, "0 * * * *", "Every hour, on the hour."),
    _schedule("nightly", full_sync.name, "30 2 * * *", "Every night at 02:30 UTC."),
]


@dg.run_failure_sensor(
    name="notify_on_failure",
    description=f"Posts each failed run to the webhook in {settings.FAILURE_WEBHOOK.name}.",
)
def notify_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post one sentence for each step that failed; skip while no webhook is set."""
    webhook = settings.FAILURE_WEBHOOK.text().strip()
    if not webhook:
        return dg.SkipReason(f"{settings.FAILURE_WEBHOOK.name} is not set.")
    run = context.dagster_run
    lines = [f"{run.job_name} failed (run {run.run_id})", *_reasons(context)]
    _post(webhook, "\n".join(lines))
    return None


@dg.run_failure_sensor(
    name="build_marts_after_failure",
    description="Runs the job build_marts when a sync failed, from the last good tables.",
    monitored_jobs=SYNCS,
    request_job=build_marts,
)
def build_marts_after_failure(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
    """Request `build_marts` after a failed step, but not after a run that was stopped.

    Dagster skips the assets downstream of a failed endpoint, but marts can use its last good rows.
    """
    run_id = context.dagster_run.run_id
    ended = context.failure_event.event_specific_data
    reason = getattr(getattr(ended, "failure_reason", None), "value", "unknown")
    if reason != STEP_FAILURE or _was_told_to_stop(context.instance, run_id):
        return dg.SkipReason(f"Run {run_id} was stopped, or ended outside its steps ({reason}).")
    return dg.RunRequest(run_key=run_id)


def _was_told_to_stop(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Return whether somebody terminated a run, even if a step failed before it took effect."""
    canceling = dg.DagsterEventType.PIPELINE_CANCELING
    return bool(instance.get_records_for_run(run_id, of_type=canceling, limit=1).records)


def _post(webhook: str, text: str) -> None:
    # A webhook's URL is a secret, and the errors of `requests` contain it.
    try:
        response = requests.post(
            webhook, json={"text": text}, timeout=TIMEOUT, allow_redirects=False
        )
    except (requests.RequestException, ValueError, LocationParseError) as error:
        raise dg.Failure(
            f"{settings.FAILURE_WEBHOOK.name} could not be reached ({type(error).__name__}): check "
            "that it is a whole URL and that this machine may reach it."
        ) from None
    if response.status_code >= 300:
        raise dg.Failure(f"{settings.FAILURE_WEBHOOK.name} answered HTTP {response.status_code}.")


def _reasons(context: dg.RunFailureSensorContext) -> list[str]:
    """Return the errors of the failed steps, or of the run if it failed before any step."""
    failed = [
        f"{event.step_key}: {_first_cause(event)}" for event in context.get_step_failure_events()
    ]
    return failed or [_first_cause(context.failure_event)]


def _first_cause(event: dg.DagsterEvent) -> str:
    """Return the message of the innermost error, or of the event if it has no error."""
    error = getattr(event.event_specific_data, "error", None)
    while error and error.cause:
        error = error.cause
    said = error.message if error else event.message or "It does not say why."
    return message(said.removeprefix(FAILURE))
