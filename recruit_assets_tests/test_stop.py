"""What is told to stop stops: in the UI, and by signals on the command line."""

import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import duckdb
import pytest
import requests

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.cli.test_command_line import JOB, MATERIALIZE, environment, start
from recruit_assets_tests.dagster_dev import DagsterDev
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.rings import FULL

CONCURRENCY = 4
GUARD = 300.0  # seconds; what is waited for here would last longer
LAUNCH = """
    mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
      launchPipelineExecution(executionParams: $executionParams) {
        ... on LaunchRunSuccess { run { runId } }
      }
    }
"""
TERMINATE = """
    mutation Terminate($runIds: [String!]!, $terminatePolicy: TerminateRunPolicy) {
      terminateRuns(runIds: $runIds, terminatePolicy: $terminatePolicy) {
        ... on TerminateRunsResult { terminateRunResults { __typename } }
      }
    }
"""
STATUS = "query Run($runId: ID!) { runOrError(runId: $runId) { ... on Run { status } } }"

EVENTS = """
    query Logs($runId: ID!) {
      logsForRun(runId: $runId) {
        ... on EventConnection { events { ... on MessageEvent { message } } }
      }
    }
"""


def ask(url: str, query: str, **variables: Any) -> Any:
    """The only field of the answer to a query or mutation, sent as the UI sends it."""
    body = {"query": query, "variables": variables}
    answer = requests.post(f"{url}/graphql", json=body, timeout=GUARD).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


def until(condition: Callable[[], bool]) -> None:
    """Ask until a condition holds, with a pause that nothing depends on."""
    late, pause = Event(), Event()
    guard = Timer(GUARD, late.set)
    guard.start()
    while not condition():
        assert not late.is_set()
        pause.wait(0.2)
    guard.cancel()


def launch(url: str, job: str) -> str:
    """Launch a job; returns the run's id."""
    selector = {
        "repositoryLocationName": "recruit_assets",
        "repositoryName": "__repository__",
        "pipelineName": job,
    }
    launched: list[str] = []

    def is_launched() -> bool:
        """Whether the server is up, has loaded the code, and has taken the run."""
        with suppress(requests.ConnectionError):
            answer = ask(url, LAUNCH, executionParams={"selector": selector, "mode": "default"})
            launched.extend(each["runId"] for each in answer.values())
        return bool(launched)

    until(is_launched)
    return launched[0]


def status(url: str, run_id: str) -> str:
    return str(ask(url, STATUS, runId=run_id)["status"])


def told(ui: DagsterDev, run_id: str) -> list[str]:
    """The messages of a run's events."""
    events: list[dict[str, str]] = ask(ui.url, EVENTS, runId=run_id)["events"]
    return [each["message"] for each in events if each]


def steps_started(ui: DagsterDev, run_id: str) -> int:
    return sum("Started execution of step" in text for text in told(ui, run_id))


def is_running(ui: DagsterDev, run_id: str) -> bool:
    """Whether the process of a run lives, which may be gone without having been waited for."""
    (pid,) = set(
        re.findall(r"Executing steps in process \(pid: (\d+)\)", " ".join(told(ui, run_id)))
    )
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.ring(2)
def test_a_job_that_is_terminated_in_the_ui_asks_nothing_more(ui: DagsterDev) -> None:
    ui.company.rules.latency_ms = 1000
    run_id = launch(ui.url, "sync")
    until(lambda: len(ui.company.requests) >= 10)
    ended = ask(ui.url, TERMINATE, runIds=[run_id], terminatePolicy="SAFE_TERMINATE")
    asked, before = len(ui.company.requests), steps_started(ui, run_id)
    assert ended["terminateRunResults"] == [{"__typename": "TerminateRunSuccess"}]
    until(lambda: status(ui.url, run_id) != "CANCELING")
    assert status(ui.url, run_id) == "CANCELED"
    until(lambda: not is_running(ui, run_id))
    assert len(ui.company.requests) <= asked + CONCURRENCY
    assert 0 < before <= steps_started(ui, run_id) <= before + 1  # one may begin while it is told

    ui.company.rules.latency_ms = 0
    next_id = launch(ui.url, "sync")
    until(lambda: status(ui.url, next_id) in ("SUCCESS", "FAILURE"))
    assert status(ui.url, next_id) == "SUCCESS"
    with duckdb.connect(str(ui.database), read_only=True) as database:
        for endpoint in ENDPOINTS:
            count = f"SELECT count(*) FROM recruit.{endpoint.name}"
            assert database.execute(count).fetchall() == [(ui.company.world.count(endpoint.path),)]


def started(command: list[str], folder: Path, sandbox: Sandbox) -> subprocess.Popen[str]:
    """Start a run that prints which steps it starts, which is below the level of this project."""
    env = environment(sandbox, folder)
    home = folder / "home" / "dagster.yaml"
    home.write_text(home.read_text().replace("python_log_level: INFO", "python_log_level: DEBUG"))
    return start(command, folder, env)


def signalled(
    process: subprocess.Popen[str], number: signal.Signals, sandbox: Sandbox, *, asks: bool
) -> tuple[str, int]:
    """Send a signal to a run once its first step waits, after a request or before any.

    Returns what the run printed, and how many requests it sent afterwards.
    """
    said: list[str] = []
    with process:
        reading = Thread(target=lambda: said.extend(process.stdout or []))
        reading.start()
        until(lambda: any("STEP_START" in line for line in said) and bool(sandbox.requests) == asks)
        process.send_signal(number)
        asked = len(sandbox.requests)
        assert process.wait(GUARD) > 0
        reading.join(GUARD)
    return "".join(said), len(sandbox.requests) - asked


@pytest.mark.ring(2)
@pytest.mark.parametrize(
    ("command", "number", "fault"),
    [
        ([*JOB, "sync"], signal.SIGTERM, {"status": 503}),
        ([*MATERIALIZE, "*"], signal.SIGINT, {"status": 429, "headers": {"Retry-After": "300"}}),
        ([*MATERIALIZE, "*"], signal.SIGTERM, None),
        pytest.param([*JOB, "sync"], signal.SIGINT, {"kind": "hang"}, marks=FULL),
    ],
    ids=["outage", "rate limit", "busy database", "no answer"],
)
def test_a_signal_ends_a_run_whatever_it_waits_for(
    sandbox: Sandbox,
    tmp_path: Path,
    command: list[str],
    number: signal.Signals,
    fault: dict[str, Any] | None,
) -> None:
    for endpoint in ENDPOINTS if fault else ():
        sandbox.fail(endpoint.path, times=None, **(fault or {}))
    with nullcontext() if fault else held_elsewhere(tmp_path / "cli.duckdb"):
        process = started(command, tmp_path, sandbox)
        said, sent = signalled(process, number, sandbox, asks=bool(fault))
    assert said.count("STEP_START") == 1
    assert "RUN_SUCCESS" not in said
    assert sent <= 1


APART = """
import dagster as dg
from recruit_assets import definitions

assets, resources = definitions.defs.assets, definitions.defs.resources
job = dg.define_asset_job("apart", "*", executor_def=dg.multiprocess_executor)
defs = dg.Definitions(assets=assets, resources=resources, jobs=[job])
"""


@pytest.mark.ring(3)
def test_a_signal_ends_steps_in_processes_of_their_own(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "apart.py").write_text(APART)
    for endpoint in ENDPOINTS:
        sandbox.fail(endpoint.path, times=None, status=503, headers={"Retry-After": "300"})
    command = ["job", "execute", "-f", "apart.py", "-j", "apart"]
    process = started(command, tmp_path, sandbox)
    said, _ = signalled(process, signal.SIGTERM, sandbox, asks=True)
    assert "interrupted all active child processes" in said
    assert "RUN_SUCCESS" not in said
    assert len(sandbox.requests) <= 2  # of the two steps that run at the same time
