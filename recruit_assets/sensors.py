"""The sensors of an account, for runs that failed and for the first one that works again.

They are off until they are switched on in the UI. A sensor hears every run of its code location, so
each one decides first whether a run concerns its account.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import requests
from urllib3.exceptions import LocationParseError

from recruit_assets.account import Account
from recruit_assets.schedules import ENDED, AssetJob
from recruit_assets.settings import Settings
from recruit_assets.text import message

FAILURE = f"{dg.Failure.__module__}.{dg.Failure.__name__}: "  # prefix of Dagster's message
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds to wait for the webhook's response
LOOKED_BACK = 50  # runs among which the one before is searched
STEP_FAILURE = "STEP_FAILURE"  # reason of a failed run; a signal has another


@dataclass(frozen=True)
class Steps:
    """Tell which steps of a run belong to an account; the key of a step is the name of its op."""

    ops: frozenset[str]

    def failed(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
        """Return the account's steps that failed in a run; empty if it failed before any step."""
        return set(self.ops.intersection(_failed_steps(instance, run)))

    def planned(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
        """Return the account's steps that were to run; empty if the run failed before its plan."""
        if run.execution_plan_snapshot_id is None:
            return set()
        plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
        return set(self.ops.intersection(plan.step_keys_to_execute))

    def concern(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
        """Return whether a run is the account's: some of its steps failed, or were to run."""
        if _failed_steps(instance, run):
            return bool(self.failed(instance, run))
        return bool(self.planned(instance, run))

    def before(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
        """Return the last run that had one of the steps of a run, of those that ended before it."""
        (this,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
        steps = self.failed(instance, run) or self.planned(instance, run)
        earlier = dg.RunsFilter(statuses=ENDED, created_before=this.create_timestamp)
        for record in instance.get_run_records(earlier, limit=LOOKED_BACK):
            if not steps.isdisjoint(self.planned(instance, record.dagster_run)):
                return record.dagster_run
        return None


def build_notifications(
    account: Account, settings: Settings, steps: Steps
) -> list[dg.SensorDefinition]:
    """Build the sensors that post to the webhook: once per outage, and once when it is over."""
    variable = settings.failure_webhook_variable

    def silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        """Return why nothing is posted about a run, whatever became of it; "" if there is none."""
        if not steps.concern(instance, run):
            return f"Run {run.run_id} of {run.job_name} is not of this account."
        return "" if settings.failure_webhook else f"{variable} is not set."

    @dg.run_failure_sensor(
        name=account.named("notify_on_failure"),
        description=f"Posts a failed run to the webhook in {variable}, once per outage.",
    )
    def notify_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        """Post one sentence for each step that failed; skip while no webhook is set."""
        instance, run = context.instance, context.dagster_run
        if reason := silent(instance, run):
            return dg.SkipReason(reason)
        before = steps.before(instance, run)
        failed = steps.failed(instance, run)
        if before and before.is_failure and steps.failed(instance, before) == failed:
            return dg.SkipReason(f"Run {before.run_id} failed in the same way, and was posted.")
        lines = [f"{run.job_name} failed (run {run.run_id})", *_reasons(context, steps)]
        _post(settings, "\n".join(lines))
        return None

    @dg.run_status_sensor(
        dg.DagsterRunStatus.SUCCESS,
        name=account.named("notify_on_recovery"),
        description=f"Posts to the webhook in {variable} when a job works again after a failure.",
    )
    def notify_on_recovery(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        """Post one sentence when a run succeeded and the one before it failed."""
        instance, run = context.instance, context.dagster_run
        if reason := silent(instance, run):
            return dg.SkipReason(reason)
        before = steps.before(instance, run)
        if before is None or before.is_success:
            return dg.SkipReason("The run before it did not fail.")
        failed = steps.failed(instance, before)
        if failed and failed.isdisjoint(steps.planned(instance, run)):
            return dg.SkipReason(f"Run {before.run_id} failed in steps that this one lacks.")
        _post(settings, f"{run.job_name} works again (run {run.run_id})")
        return None

    return [notify_on_failure, notify_on_recovery]


def build_marts_sensor(
    account: Account, syncs: Sequence[AssetJob], build_marts: AssetJob
) -> dg.SensorDefinition:
    """Build the sensor that builds the marts when a sync failed, from the last good tables."""

    @dg.run_failure_sensor(
        name=account.named("build_marts_after_failure"),
        description=f"Runs {build_marts.name} when a sync failed, from the last good tables.",
        monitored_jobs=list(syncs),
        request_job=build_marts,
    )
    def build_marts_after_failure(
        context: dg.RunFailureSensorContext,
    ) -> dg.RunRequest | dg.SkipReason:
        """Request the job after a failed step, but not after a run that was stopped.

        Dagster skips the assets downstream of a failed endpoint, but marts can use its last good
        rows.
        """
        run_id = context.dagster_run.run_id
        ended = context.failure_event.event_specific_data
        reason = getattr(getattr(ended, "failure_reason", None), "value", "unknown")
        if reason != STEP_FAILURE or _was_told_to_stop(context.instance, run_id):
            return dg.SkipReason(
                f"Run {run_id} was stopped, or ended outside its steps ({reason})."
            )
        return dg.RunRequest(run_key=run_id)

    return build_marts_after_failure


def _failed_steps(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    failures = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
    ).records
    return [each.event_log_entry.step_key or "" for each in failures]


def _was_told_to_stop(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Return whether a run was terminated, even if a step failed before that took effect."""
    canceling = dg.DagsterEventType.PIPELINE_CANCELING
    return bool(instance.get_records_for_run(run_id, of_type=canceling, limit=1).records)


def _post(settings: Settings, text: str) -> None:
    # A webhook's URL is a secret, and the errors of `requests` contain it.
    variable = settings.failure_webhook_variable
    try:
        response = requests.post(
            settings.failure_webhook, json={"text": text}, timeout=TIMEOUT, allow_redirects=False
        )
    except (requests.RequestException, ValueError, LocationParseError) as error:
        raise dg.Failure(
            f"{variable} could not be reached ({type(error).__name__}): check that it is a whole "
            "URL and that this machine may reach it."
        ) from None
    if response.status_code >= 300:
        raise dg.Failure(f"{variable} responded with HTTP {response.status_code}.")


def _reasons(context: dg.RunFailureSensorContext, steps: Steps) -> list[str]:
    """Return the errors of the account's failed steps, or of the run if none failed."""
    failed = [
        f"{event.step_key}: {message(first_cause(event))}"
        for event in context.get_step_failure_events()
        if event.step_key in steps.ops
    ]
    return failed or [message(first_cause(context.failure_event))]


def first_cause(event: dg.DagsterEvent) -> str:
    """Return the message of the innermost error, or of the event if it has no error."""
    error = getattr(event.event_specific_data, "error", None)
    while error and error.cause:
        error = error.cause
    said = error.message if error else event.message or "It does not say why."
    return said.removeprefix(FAILURE).strip()
