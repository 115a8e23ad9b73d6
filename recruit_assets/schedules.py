"""Jobs, schedules and the failure sensor: what runs together, when, and who hears of a failure.

Schedules and the sensor are off until somebody switches them on in the UI.
"""

import dagster as dg
import requests
from urllib3.exceptions import LocationParseError

from recruit_assets import settings
from recruit_assets.assets import ASSETS, SyncConfig
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load import compact as compaction
from recruit_assets.mart_assets import MART_ASSETS
from recruit_assets.resources import RecruitDatabase, explained
from recruit_assets.sync import Mode
from recruit_assets.text import message

FAILURE = f"{dg.Failure.__module__}.{dg.Failure.__name__}: "  # how Dagster begins its message
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds to wait for the webhook's answer

# Pages are asked for again on their own, so what is left is an outage of minutes. Jobs wait for it
# to pass; somebody who materializes by hand is told at once.
RETRY_LATER = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)

# The marts and the report come after whatever they read, in the same run.
ANSWERS = dg.AssetSelection.assets(*MART_ASSETS)

sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.assets(*ASSETS) | ANSWERS,
    description="Bring all tables up to date, and the marts and the report after them.",
    op_retry_policy=RETRY_LATER,
)
full_sync = dg.define_asset_job(
    "full_sync",
    selection=dg.AssetSelection.assets(*ASSETS) | ANSWERS,
    description="Read all endpoints whole; counters and other volatile columns are included.",
    op_retry_policy=RETRY_LATER,
    config=dg.RunConfig(
        ops={
            endpoint.name: SyncConfig(mode=Mode.full, refresh_volatile=True)
            for endpoint in ENDPOINTS
        }
    ),
)

GROUP_JOBS = [
    dg.define_asset_job(
        f"sync_{group}",
        selection=dg.AssetSelection.groups(group) | ANSWERS,
        description=f"Bring the tables of the group {group} up to date, and what follows them.",
        op_retry_policy=RETRY_LATER,
    )
    for group in sorted({endpoint.group for endpoint in ENDPOINTS})
]
SYNCS = [sync, full_sync, *GROUP_JOBS]

answer = dg.define_asset_job(
    "answer",
    selection=ANSWERS,
    description="Make the marts and the report anew, from the tables as they are.",
    op_retry_policy=RETRY_LATER,
)


@dg.op(description="Puts a compact copy in the place of the database, and says what it gave back.")
def compact_database(context: dg.OpExecutionContext, duckdb: RecruitDatabase) -> None:
    """Run the compaction; whatever fails leaves the file as it was."""
    with explained():
        sizes = compaction.compact(duckdb.database, duckdb.wait_seconds)
    context.log.info(f"{sizes.before:,} bytes have become {sizes.after:,}")
    context.add_output_metadata({"bytes_before": sizes.before, "bytes_after": sizes.after})


@dg.job(
    description="Give the room of replaced rows back to the disk; syncs wait meanwhile.",
    op_retry_policy=RETRY_LATER,
)
def compact() -> None:
    """What `recruit-assets doctor` asks for when the file is full of replaced rows."""
    compact_database()


SCHEDULES = [
    dg.ScheduleDefinition(
        name="hourly",
        target=sync,
        cron_schedule="0 * * * *",
        execution_timezone="UTC",
        description="Every hour, on the hour.",
    ),
    dg.ScheduleDefinition(
        name="nightly",
        target=full_sync,
        cron_schedule="30 2 * * *",
        execution_timezone="UTC",
        description="Every night at 02:30 UTC.",
    ),
]


@dg.run_failure_sensor(
    name="tell_of_failures",
    description=f"Posts each failed run to the webhook in {settings.FAILURE_WEBHOOK.name}.",
)
def tell_of_failures(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post one sentence for each step that failed; skipped while no webhook is set."""
    webhook = settings.FAILURE_WEBHOOK.text().strip()
    if not webhook:
        return dg.SkipReason(f"{settings.FAILURE_WEBHOOK.name} is not set.")
    run = context.dagster_run
    lines = [f"{run.job_name} failed (run {run.run_id})", *_reasons(context)]
    _post(webhook, "\n".join(lines))
    return None


@dg.run_failure_sensor(
    name="answer_after_failure",
    description="Runs the job answer when a sync failed, from the last good tables.",
    monitored_jobs=SYNCS,
    request_job=answer,
)
def answer_after_failure(context: dg.RunFailureSensorContext) -> dg.RunRequest:
    """A failed endpoint skips what follows it; what is there still has answers."""
    return dg.RunRequest(run_key=context.dagster_run.run_id)


def _post(webhook: str, text: str) -> None:
    # The address of a webhook is a secret, and the errors of requests show it.
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
    """What the failed steps said, or the run itself if it did not come to a step."""
    failed = [
        f"{event.step_key}: {_first_cause(event)}" for event in context.get_step_failure_events()
    ]
    return failed or [_first_cause(context.failure_event)]


def _first_cause(event: dg.DagsterEvent) -> str:
    """What is under Dagster's own words; where the process died, it has none."""
    error = getattr(event.event_specific_data, "error", None)
    while error and error.cause:
        error = error.cause
    said = error.message if error else event.message or "It does not say why."
    return message(said.removeprefix(FAILURE))
