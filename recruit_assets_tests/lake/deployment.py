"""Dagster as on several machines: each process has folders of its own, and they share PostgreSQL.

Scope: starting and ending the processes, and launching and watching runs through the webserver.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from threading import Event
from typing import Any

import requests
import yaml

from recruit_assets_tests.cli.test_command_line import ROOT

DAGSTER_YAML = ROOT / "deploy" / "dagster.yaml"
MODULE = "recruit_assets.definitions"
POLL = 1.0  # seconds
MAX_WAIT = 240  # seconds until a run or a process is given up
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}

LAUNCH = """
mutation ($location: String!, $job: String!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: $location, repositoryName: "__repository__", jobName: $job
    }
    runConfigData: {}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
EVENTS = """
query ($id: ID!) {
  runOrError(runId: $id) { ... on Run {
    eventConnection { events {
      __typename
      ... on MessageEvent { message }
      ... on EngineEvent { metadataEntries { label ... on TextMetadataEntry { text } } }
    } }
  } }
}
"""
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename ... on PythonError { message } }
} } } }
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@dataclass
class Deployment:
    """Run a webserver, a daemon and code locations; each is a machine as far as it can tell.

    Args:
        folder: where the machines have their folders.
        env: the variables of all.
    """

    folder: Path
    env: Mapping[str, str]
    port: int = field(default_factory=free_port)
    _ends: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def running(self, locations: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
        """Run everything during the block, with these code locations and their variables."""
        ports = {name: free_port() for name in locations}
        servers = [
            {"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": name}}
            for name, port in ports.items()
        ]
        workspace = self.folder / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": servers}))
        local = ["-h", "127.0.0.1", "-p"]
        with self._ends:
            for name, port in ports.items():
                command = ["dagster", "code-server", "start", *local, str(port), "-m", MODULE]
                self.start(name, command, locations[name])
            self.start("daemon", ["dagster-daemon", "run", "-w", str(workspace)])
            command = ["dagster-webserver", *local, str(self.port), "-w", str(workspace)]
            self.start("webserver", command)
            self._until_loaded(set(locations))
            yield

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str] = {}
    ) -> subprocess.Popen[bytes]:
        """Start a process with a home and a temporary folder of its own."""
        machine = self.folder / name
        for each in ("home", "tmp", "dagster_home"):
            (machine / each).mkdir(parents=True)
        copy(DAGSTER_YAML, machine / "dagster_home")
        folders = {
            "HOME": str(machine / "home"),
            "XDG_CACHE_HOME": str(machine / "home" / "cache"),
            "TMPDIR": str(machine / "tmp"),
            "DAGSTER_HOME": str(machine / "dagster_home"),
        }
        program, *arguments = command
        log = self._ends.enter_context((self.folder / f"{name}.log").open("w"))
        process = subprocess.Popen(
            [Path(sys.executable).with_name(program), *arguments],
            cwd=machine,
            env={**self.env, **env, **folders},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._ends.callback(process.wait)
        self._ends.callback(_kill_group, process.pid)
        return process

    def _until_loaded(self, names: set[str]) -> None:
        for _ in self._tries("the code locations load"):
            entries = self._ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
            loaded = {
                each["name"]
                for each in entries
                if (each["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"
            }
            if loaded == names:
                return

    def launch(self, location: str, job: str) -> str:
        """Put a run of a job into the queue; return its id."""
        for _ in self._tries(f"{job} is launched"):
            found = self._ask(LAUNCH, location=location, job=job)["launchRun"]
            if found["__typename"] == "LaunchRunSuccess":
                return str(found["run"]["runId"])
        raise AssertionError

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Return the events of a run."""
        found = self._ask(EVENTS, id=run_id)["runOrError"]["eventConnection"]["events"]
        return list(found)

    def _status(self, run_id: str) -> str:
        return str(self._ask(STATUS, id=run_id)["runOrError"]["status"])

    def process_of(self, run_id: str) -> int:
        """Return the process of a run, as soon as one of its steps has begun."""
        for _ in self._tries("a run begins its steps"):
            events = self.events(run_id)
            if any(each["__typename"] == "ExecutionStepStartEvent" for each in events):
                return next(
                    int(entry["text"])
                    for each in events
                    for entry in each.get("metadataEntries", ())
                    if entry["label"] == "pid"
                )
        raise AssertionError

    def outcome(self, run_id: str) -> str:
        """Wait until a run has ended; return how."""
        for _ in self._tries(f"run {run_id} ends"):
            if (status := self._status(run_id)) in ENDED:
                return status
        raise AssertionError

    def _ask(self, query: str, **variables: str) -> dict[str, Any]:
        """Return the webserver's answer; it fails once for each restart of PostgreSQL."""
        address = f"http://127.0.0.1:{self.port}/graphql"
        for _ in self._tries("the webserver answers"):
            with suppress(requests.RequestException):
                asked = {"query": query, "variables": variables}
                answer = requests.post(address, json=asked, timeout=30).json()
                if "errors" not in answer:
                    found: dict[str, Any] = answer["data"]
                    return found
        raise AssertionError

    def _tries(self, purpose: str) -> Iterator[None]:
        never = Event()
        for _ in range(int(MAX_WAIT / POLL)):
            yield
            never.wait(POLL)
        logs = "\n".join(each.read_text()[-3000:] for each in self.folder.glob("*.log"))
        raise TimeoutError(f"{purpose}: not in {MAX_WAIT} s\n{logs}")
