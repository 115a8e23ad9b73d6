"""The sync itself: a run of the job `sync`, or of a selection of assets, in this process.

The run is recorded in DAGSTER_HOME, so that the UI shows it with its events and checks.
`sync_report` prints what it did.
"""

import logging
import os
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import dagster as dg
from rich.progress import Progress

from recruit_assets.account import Account
from recruit_assets.cli import display
from recruit_assets.cli.doctor import setting_problems
from recruit_assets.cli.sync_report import FailedCheck, SyncRun, TableSync, show_run
from recruit_assets.definitions import defs
from recruit_assets.errors import BadSetting
from recruit_assets.marts.refresh import REPORT
from recruit_assets.metadata import ELSEWHERE
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.run_progress import INTERRUPT
from recruit_assets.schedules import FULL_SYNC, SYNC
from recruit_assets.sensors import first_cause
from recruit_assets.settings import Settings

# Dagster's log stays in the run; the terminal shows the progress and the result.
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
INTERRUPTED = 130  # exit code, as shells number it


@dataclass(frozen=True)
class Plan:
    """Hold what is to run: a job, the assets of it (all if empty), its steps, and its config."""

    job: dg.JobDefinition
    assets: tuple[dg.AssetKey, ...]
    steps: tuple[str, ...]
    config: dict[str, Any]


def sync(select: str, *, full: bool, name: str = "") -> int:
    """Sync an account, and print the result; return the exit code.

    Args:
        select: assets, as for `dagster asset materialize --select`; all if empty.
        full: whether to read every list in full.
        name: the name of the account in the environment; empty if there is only one.
    """
    screen, account = display.console(), Account.of(name)
    try:
        os.environ["DAGSTER_HOME"] = str(find_home())
        plan = planned(account, select, full=full)
        check_settings(plan, account)
    except BadSetting as error:
        for sentence in error.args:
            screen.print(sentence)
        return 1
    begun = monotonic()
    with dg.DagsterInstance.get() as instance, display.progress() as bar:
        result, errors = executed(plan, instance, bar)
    run = SyncRun(
        tables=list(_tables(result)),
        elsewhere=list(_elsewhere(result)),
        failures=[*_failures(result), *errors],
        skipped=[each.step_key or "" for each in result.all_events if each.is_step_skipped],
        failed_checks=list(_failed_checks(result)),
        report=_report(result),
        seconds=monotonic() - begun,
        stopped=_was_stopped(result),
    )
    show_run(screen, run)
    if run.stopped:
        return INTERRUPTED
    return 0 if result.success and not errors else 1


def find_home() -> Path:
    """Return the folder in which Dagster keeps its runs: DAGSTER_HOME, or `dagster_home` here.

    Raises:
        BadSetting: there is none.
    """
    if given := os.environ.get("DAGSTER_HOME", "").strip():
        home = Path(given).expanduser()
        if home.is_absolute() and home.is_dir():
            return home
        raise BadSetting(f"DAGSTER_HOME is {given}: set it to the absolute path of a folder.")
    home = Path.cwd() / "dagster_home"
    if (home / "dagster.yaml").is_file():
        return home
    raise BadSetting(
        "DAGSTER_HOME is not set, and there is no dagster_home/dagster.yaml in this folder: run "
        "this in the project's folder, or set DAGSTER_HOME to the folder of Dagster's runs."
    )


def planned(account: Account, select: str, *, full: bool) -> Plan:
    """Return the plan of a sync of an account.

    Raises:
        BadSetting: the selection cannot be understood, or matches no asset.
    """
    job = defs.resolve_job_def(account.named(FULL_SYNC if full else SYNC))
    options: dict[str, Any] = job.run_config["ops"] if job.run_config else {}
    assets: tuple[dg.AssetKey, ...] = ()
    if select:
        assets = _selected(account, job.asset_layer.selected_asset_keys, select)
        job = defs.resolve_implicit_global_asset_job_def()
    chosen = job.get_subset(asset_selection=frozenset(assets)) if assets else job
    steps = tuple(node.name for node in chosen.nodes)
    ops = {name: config for name, config in options.items() if name in steps}
    return Plan(job, assets, steps, {"ops": ops, "loggers": QUIET})


def check_settings(plan: Plan, account: Account) -> None:
    """Refuse wrong settings before anything is recorded, if the plan has an endpoint to read.

    Raises:
        BadSetting: it has a sentence for each.
    """
    reads = {account.op(each.name) for each in KNOWN_ENDPOINTS}.intersection(plan.steps)
    settings = Settings.from_environment(account.name)
    if reads and (problems := setting_problems(settings, account.name)):
        raise BadSetting(*problems)


def executed(
    plan: Plan, instance: dg.DagsterInstance, bar: Progress
) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """Run a plan, and show on the bar which step runs and how many have ended.

    Returns:
        The result, and the logged errors, which do not fail the run.
    """
    task = bar.add_task("Syncing", total=len(plan.steps), name="")
    errors: list[str] = []

    def hear(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event and event.step_key and (event.is_step_start or event.is_step_event):
            ended = event.is_step_success or event.is_step_failure or event.is_step_skipped
            bar.update(task, advance=int(ended), name=event.step_key)
        elif not event and entry.level in {logging.ERROR, logging.CRITICAL}:
            errors.append(entry.user_message)

    run_id = str(uuid4())
    instance.add_event_listener(run_id, hear)
    result = plan.job.execute_in_process(
        run_config=plan.config,
        instance=instance,
        asset_selection=plan.assets,
        run_id=run_id,
        raise_on_error=False,
    )
    return result, errors


def _selected(
    account: Account, own: Collection[dg.AssetKey], select: str
) -> tuple[dg.AssetKey, ...]:
    """Return the assets of an account that a selection matches; its prefix may be left out."""
    assets = set[dg.AssetKey]()
    for part in filter(None, map(str.strip, select.split(","))):
        if not (found := _matching(account, part).intersection(own)):
            near = get_close_matches(part, [key.path[-1] for key in own], 1)
            advice = f"do you mean {near[0]}?" if near else "name tables, marts, or group:hiring."
            raise BadSetting(f"--select {select}: {part} matches no asset of the account: {advice}")
        assets |= found
    if not assets:
        raise BadSetting("--select names no asset: name tables, marts, or group:hiring.")
    return tuple(sorted(assets))


def _matching(account: Account, part: str) -> set[dg.AssetKey]:
    """Return the assets that a part of a selection matches, with or without the prefix."""
    names = [account.key(part).to_user_string(), part]
    if part.startswith("group:"):
        names.insert(0, f"group:{account.named(part.removeprefix('group:'))}")
    for name in names:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster's own, of any group
                selection = dg.AssetSelection.from_string(name)
                if found := set(selection.resolve(defs.resolve_asset_graph())):
                    return found
        except dg.DagsterError:
            continue
    return set()


def _tables(result: dg.ExecuteInProcessResult) -> Iterator[TableSync]:
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        values: dict[str, Any] = {name: each.value for name, each in metadata.items()}
        if values.get("verdict", ELSEWHERE) != ELSEWHERE:
            yield TableSync(
                name="/".join(event.materialization.asset_key.path),
                rows=values["dagster/row_count"],
                verdict=values["verdict"],
                reason=values.get("reason", ""),
                **{name: values[name] for name in {*TableSync.COUNTS, "undeleted"}},
                rewritten=values.get("rewritten", 0),
            )


def _elsewhere(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield why nothing was read, for each endpoint that another run was syncing."""
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        if "verdict" in metadata and metadata["verdict"].value == ELSEWHERE:
            yield str(metadata["reason"].value)


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield a sentence for each step that failed, or one for the run if none did."""
    failed = [each for each in result.all_events if each.is_step_failure]
    for event in failed:
        step, cause = str(event.step_key), first_cause(event)
        yield cause if cause.startswith((f"{step}:", f"{step},")) else f"{step}: {cause}"
    if not failed:
        yield from (first_cause(each) for each in result.all_events if each.is_run_failure)


def _failed_checks(result: dg.ExecuteInProcessResult) -> Iterator[FailedCheck]:
    for each in result.get_asset_check_evaluations():
        if not each.passed:
            asset = "/".join(each.asset_key.path)
            yield FailedCheck(asset, each.check_name, each.description or "")


def _report(result: dg.ExecuteInProcessResult) -> str | None:
    for event in result.get_asset_materialization_events():
        if event.materialization.asset_key.path[-1] == REPORT:
            return str(event.materialization.metadata["path"].value)
    return None


def _was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    failed = [each.step_failure_data for each in result.all_events if each.is_step_failure]
    return any(each.error_source.value == INTERRUPT for each in failed)
