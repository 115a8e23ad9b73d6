"""What is told to stop stops: in the UI, and by signals on the command line."""

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
from recruit_assets_tests.dagster_dev import DagsterDev
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.test_command_line import JOB, MATERIALIZE, environment, start

CONCURRENCY = 4
GUARD = 120.0  # seconds; what is waited for here would last longer
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
        pause.wait(0.05)
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


@pytest.mark.ring(2)
def test_a_job_that_is_terminated_in_the_ui_asks_nothing_more(ui: DagsterDev) -> None:
    ui.company.rules.latency_ms = 1000
    run_id = launch(ui.url, "sync")
    until(lambda: len(ui.company.requests) >= 10)
    ended = ask(ui.url, TERMINATE, runIds=[run_id], terminatePolicy="SAFE_TERMINATE")
    asked = len(ui.company.requests)
    assert ended["terminateRunResults"] == [{"__typename": "TerminateRunSuccess"}]
    until(lambda: status(ui.url, run_id) != "CANCELING")
    assert status(ui.url, run_id) == "CANCELED"
    started = [
        text for _, text in ui.logged(run_id) if text.startswith("Started execution of step")
    ]
    # Nothing tells when the process is gone, so the next run comes behind all that it may ask.
    ui.company.rules.latency_ms = 0
    in_flight = len(ui.company.requests)
    assert in_flight <= asked + CONCURRENCY
    next_id = launch(ui.url, "sync")
    until(lambda: status(ui.url, next_id) in ("SUCCESS", "FAILURE"))
    assert status(ui.url, next_id) == "SUCCESS"
    assert len(started) < len(ENDPOINTS)
    with duckdb.connect(str(ui.database), read_only=True) as database:
        for endpoint in ENDPOINTS:
            count = f"SELECT count(*) FROM recruit.{endpoint.name}"
            assert database.execute(count).fetchall() == [(ui.company.world.count(endpoint.path),)]


def signalled(
    process: subprocess.Popen[str], number: signal.Signals, waits: Callable[[], bool]
) -> str:
    """Send a signal to a run once its first step waits; returns what the run printed."""
    said: list[str] = []
    with process:
        reading = Thread(target=lambda: said.extend(process.stdout or []))
        reading.start()
        until(lambda: any("STEP_START" in line for line in said) and waits())
        process.send_signal(number)
        assert process.wait(GUARD) > 0
        reading.join(GUARD)
    return "".join(said)


@pytest.mark.ring(2)
@pytest.mark.parametrize(
    ("command", "number", "fault"),
    [
        ([*JOB, "sync"], signal.SIGTERM, {"status": 503}),
        ([*JOB, "sync"], signal.SIGINT, {"kind": "hang"}),
        ([*MATERIALIZE, "*"], signal.SIGINT, {"status": 429, "headers": {"Retry-After": "300"}}),
        ([*MATERIALIZE, "*"], signal.SIGTERM, None),
    ],
    ids=["outage", "no answer", "rate limit", "busy database"],
)
def test_a_signal_ends_a_run_whatever_it_waits_for(
    sandbox: Sandbox,
    tmp_path: Path,
    command: list[str],
    number: signal.Signals,
    fault: dict[str, Any] | None,
) -> None:
    asked = 0
    for endpoint in ENDPOINTS if fault else ():
        sandbox.fail(endpoint.path, times=None, **(fault or {}))

    def waits() -> bool:
        nonlocal asked
        asked = len(sandbox.requests)
        return bool(asked) == bool(fault)

    with nullcontext() if fault else held_elsewhere(tmp_path / "cli.duckdb"):
        process = start(command, tmp_path, environment(sandbox, tmp_path))
        said = signalled(process, number, waits)
    assert said.count("STEP_START") == 1
    assert "RUN_SUCCESS" not in said
    assert len(sandbox.requests) <= asked + 1
