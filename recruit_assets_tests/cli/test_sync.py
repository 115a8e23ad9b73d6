"""`recruit-assets sync`: a run as by `dagster job execute`, with its result on the terminal."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import copy
from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.cli.main import main
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.sandbox import Sandbox, World
from recruit_assets_tests.cli.test_command_line import (
    JOB,
    ROOT,
    Command,
    counts,
    dagster,
    environment,
)
from recruit_assets_tests.cli.test_doctor import read
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.rings import FULL

__all__ = ["dagster"]  # a fixture

PATHS = {endpoint.name: endpoint.path for endpoint in ENDPOINTS}
Started = subprocess.Popen[str]


def start(
    sandbox: Sandbox, folder: Path, *arguments: str, stderr: int = subprocess.PIPE, policy: str = ""
) -> Started:
    env = environment(sandbox, folder, RECRUIT_COLUMN_POLICY=policy)
    return subprocess.Popen(
        [Path(sys.executable).with_name("recruit-assets"), "sync", *arguments],
        cwd=folder,
        env=env | {"COLUMNS": "100", "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@contextmanager
def runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """What the UI would show."""
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    with dg.DagsterInstance.get() as instance:
        yield instance


def events(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Counter[tuple[str, str]]:
    """How often each step had each event."""
    heard = [each.dagster_event for each in instance.all_logs(run.run_id)]
    return Counter(
        (each.step_key, each.event_type_value) for each in heard if each and each.step_key
    )


@pytest.mark.ring(2)
def test_a_sync_shows_progress_and_result_and_is_a_run_of_the_job(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, screen = os.openpty()
    with start(sandbox, tmp_path, stderr=screen) as process:
        os.close(screen)
        bar = b"".join(iter(partial(read, shown), b""))
        said, _ = process.communicate()
    os.close(shown)
    assert process.returncode == 0, said
    assert b"Syncing job_applications" in bar
    assert b"STEP_START" not in bar
    rows = {cells[0]: cells[1:] for cells in map(str.split, said.splitlines()) if cells}
    for name, count in counts(tmp_path).items():
        assert count == sandbox.world.count(PATHS[name])
        assert rows[name][:5] == [str(count), str(count), "0", "0", "0"]
    requests = len(sandbox.requests)
    assert rows["all"][-1] == str(requests)
    *_, report, last = said.splitlines()
    assert report == "The hiring report is in cli-report.html."
    assert last.startswith("Done in ")
    assert last.endswith(f" inserted, {requests} requests.")
    with runs(tmp_path, monkeypatch) as instance:
        (run,) = instance.get_runs()
        heard = Counter(type_ for _, type_ in events(instance, run).elements())
    assert (run.job_name, run.status) == ("sync", dg.DagsterRunStatus.SUCCESS)
    assert heard["ASSET_MATERIALIZATION"] == len(ENDPOINTS) + len(MARTS) + 1  # the report
    assert heard["ASSET_CHECK_EVALUATION"] > 50


@pytest.mark.ring(2)
def test_a_failure_is_a_sentence_and_the_rest_of_a_selection_is_synced(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.fail("regions", status=409, body=f"debug: key={KEY}", times=None)
    sandbox.rules.no_counts = {"roles"}
    with start(sandbox, tmp_path, "--select", "regions,roles,users") as process:
        said, error = process.communicate()
    assert (process.returncode, error) == (1, "")
    assert KEY not in said
    assert "regions, page 1: the API returned HTTP 409" in " ".join(said.split())
    assert "roles, incomplete: the API does not say how many records there are" in said
    assert said.splitlines()[-1].startswith("Failed in ")
    found = counts(tmp_path)
    assert found == {name: sandbox.world.count(name) for name in ("roles", "users")}
    with runs(tmp_path, monkeypatch) as instance:
        (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    options: Any = run.run_config["ops"]
    assert {name: each["config"]["outage_minutes"] for name, each in options.items()} == (
        dict.fromkeys(("regions", "roles", "users"), 5)
    )


@FULL
def test_a_sync_has_the_events_of_the_job_on_the_command_line(
    dagster: Command, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(sandbox, tmp_path, "--full") as process:
        process.communicate()
    assert dagster(*JOB, "full_sync").returncode == 0
    with runs(tmp_path, monkeypatch) as instance:
        other, ours = instance.get_runs()
        found = events(instance, ours)
        assert found == events(instance, other)
    assert len(found) > 150
    options: Any = ours.run_config["ops"]
    assert {each["config"]["mode"] for each in options.values()} == {"full"}


@FULL
def test_an_interrupt_stops_it_and_what_was_committed_stays(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    process = start(sandbox, tmp_path)

    def interrupt(_: World) -> None:
        process.send_signal(signal.SIGINT)

    sandbox.before("jobs", interrupt)
    sandbox.fail("jobs", kind="hang", times=None)
    with process:
        said, _ = process.communicate()
    assert process.returncode == 130
    assert "Stopped. Tables that were committed stay; the next sync brings the rest." in said
    # Jobs are requested while candidates are merged, which may not have been committed yet.
    found = counts(tmp_path) if (tmp_path / "cli.duckdb").exists() else {}
    assert "users" not in found
    sandbox.clear_faults()
    with start(sandbox, tmp_path) as process:
        process.communicate()
    assert process.returncode == 0
    assert counts(tmp_path) == {name: sandbox.world.count(path) for name, path in PATHS.items()}


@FULL
def test_it_tells_rows_that_a_policy_rewrote_and_that_returned(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[candidates]\nphone = "drop"\n')

    def told(policy: str = "") -> tuple[str, str]:
        """What the command and the run say at the end, without times and requests."""
        process = start(sandbox, tmp_path, "--select", "candidates", policy=policy)
        with process:
            said, error = process.communicate()
        assert (process.returncode, error) == (0, "")
        with runs(tmp_path, monkeypatch) as instance:
            logs = instance.all_logs(instance.get_runs(limit=1)[0].run_id)
        (line,) = (e.user_message for e in logs if "1 endpoint synced: " in e.user_message)
        last = said.splitlines()[-1]
        return last.split(": ")[1].rpartition(", ")[0], line.split(": ")[1].rpartition(", ")[0]

    rows = sandbox.world.count("candidates")
    assert told() == (f"{rows} inserted", f"{rows} inserted, 0 updated, 0 deleted")
    file = tmp_path / "cli.duckdb"
    with duckdb.connect(str(file), read_only=True) as database:
        ((phones,),) = database.execute("SELECT count(phone) FROM recruit.candidates").fetchall()
    limits, unchanged = str(policy), "0 inserted, 0 updated, 0 deleted"
    assert told(limits) == (f"{phones} rewritten", f"{unchanged}, {phones} rewritten")
    monkeypatch.setenv("RECRUIT_DATABASE", str(file))
    for words in (["--forget", "--yes"], ["--remember"]):
        assert main(["person", min(sandbox.world.table("candidates")), *words]) == 0
    assert told(limits) == ("1 undeleted", f"{unchanged}, 1 undeleted")
    assert told(limits) == ("nothing changed", unchanged)


Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """Runs the command in a folder like this project's, with settings that name no API."""
    (tmp_path / "dagster_home").mkdir()
    copy(ROOT / "dagster_home" / "dagster.yaml", tmp_path / "dagster_home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_API_BASE_URL", "http://api.example.com/v1/")
    monkeypatch.setenv("RECRUIT_API_CONCURRENCY", "many")

    def run(*words: str) -> tuple[int, str]:
        code = main(["sync", *words])
        return code, " ".join(capsys.readouterr().out.split())

    return run


def test_wrong_settings_are_told_before_a_run_starts(typed: Typed, tmp_path: Path) -> None:
    code, said = typed("--select", "jobs")
    assert code == 1
    assert "be sent unencrypted" in said
    assert "RECRUIT_API_CONCURRENCY is 'many'" in said
    assert os.listdir(tmp_path / "dagster_home") == ["dagster.yaml"]


@pytest.mark.parametrize(
    ("select", "sentence"),
    [
        (", ", "--select names no asset: name tables, marts, or group:hiring."),
        ("xyz", "xyz matches no asset of the account: name tables, marts, or group:hiring."),
        ("group:hirring", "group:hirring matches no asset of the account: "),
        ("jobs+(", "jobs+( matches no asset of the account: do you mean jobs?"),
        ("jobs,usres", "--select jobs,usres: usres matches no asset of the account: do you mean "),
    ],
)
def test_a_selection_that_matches_nothing(typed: Typed, select: str, sentence: str) -> None:
    code, said = typed("--select", select)
    assert code == 1
    assert sentence in said


def test_without_a_home_it_says_what_to_do(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "home")
    assert typed()[1] == "DAGSTER_HOME is home: set it to the absolute path of a folder."
    monkeypatch.setenv("DAGSTER_HOME", "")
    (tmp_path / "dagster_home" / "dagster.yaml").unlink()
    code, said = typed()
    assert code == 1
    assert said.startswith("DAGSTER_HOME is not set, and there is no dagster_home/dagster.yaml")
