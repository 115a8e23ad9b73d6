"""How far a run has come: whether it was stopped, has ended, or has no step left."""

import dagster as dg

INTERRUPT = "INTERRUPT"  # Dagster's error source of a failure caused by a signal


def was_stopped(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Return whether a termination or a signal ended a step, so that the process must end."""
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = [entry.dagster_event for entry in failures if entry.dagster_event]
    return any(event.step_failure_data.error_source.value == INTERRUPT for event in events)


def has_ended(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Return whether a run has ended before: Dagster's commands then set up resources once more."""
    found = instance.get_run_by_id(run.run_id)
    return found is not None and found.is_finished


def is_over(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Return whether every step of a run has ended."""
    if run.execution_plan_snapshot_id is None:
        return True
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    stats = instance.get_run_step_stats(run.run_id)
    ended = {each.step_key for each in stats if each.end_time is not None}
    return ended.issuperset(plan.step_keys_to_execute)
