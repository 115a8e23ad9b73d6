"""The documented commands, run as a user runs them: in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copy

import duckdb
import pytest

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.sandbox import Sandbox, World
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

ROOT = Path(__file__).parents[2]
PATHS = {endpoint.name: endpoint.path for endpoint in ENDPOINTS}
COMPANY = [endpoint.name for endpoint in ENDPOINTS if endpoint.group == "company"]
MATERIALIZE = ["asset", "materialize", "-m", "recruit_assets.definitions", "--select"]
JOB = ["job", "execute", "-m", "recruit_assets.definitions", "-j"]

Command = Callable[..., subprocess.CompletedProcess[str]]


def environment(sandbox: Sandbox, folder: Path, **changed: str) -> dict[str, str]:
    """What a user exports, in front of a sandbox; an empty value takes a variable away."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    copy(ROOT / "dagster_home" / "dagster.yaml", home)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("RECRUIT_")}
    settings = {
        "DAGSTER_HOME": str(home),
        "RECRUIT_API_BASE_URL": sandbox.base_url,
        "RECRUIT_API_KEY": KEY,
        "RECRUIT_API_REQUESTS_PER_10S": "0",
        "RECRUIT_DATABASE": str(folder / "cli.duckdb"),
        **changed,
    }
    return inherited | {name: value for name, value in settings.items() if value}


def start(arguments: list[str], folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    dagster = Path(sys.executable).with_name("dagster")
    return subprocess.Popen(
        [dagster, *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def dagster(sandbox: Sandbox, tmp_path: Path) -> Command:
    """Runs `dagster` with arguments; variables can be changed by keyword."""

    def run(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        env = environment(sandbox, tmp_path, **changed)
        with start(list(arguments), tmp_path, env) as process:
            output, _ = process.communicate()
            return subprocess.CompletedProcess(arguments, process.returncode, output)

    return run


def counts(folder: Path) -> dict[str, int]:
    """Rows by table, of the tables that are there."""
    with duckdb.connect(str(folder / "cli.duckdb"), read_only=True) as database:
        tables = database.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'recruit'"
        ).fetchall()
        return {
            name: database.execute(f"SELECT count(*) FROM recruit.{name}").fetchall()[0][0]
            for (name,) in tables
        }


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        ([*MATERIALIZE, "jobs"], ["jobs"]),
        pytest.param([*MATERIALIZE, "*"], list(PATHS), marks=FULL),
        pytest.param([*MATERIALIZE, "group:company"], COMPANY, marks=FULL),
        pytest.param([*JOB, "sync"], list(PATHS), marks=FULL),
        pytest.param([*JOB, "full_sync"], list(PATHS), marks=FULL),
    ],
)
@FULL
def test_what_a_command_loads(
    dagster: Command, sandbox: Sandbox, tmp_path: Path, arguments: list[str], loaded: list[str]
) -> None:
    done = dagster(*arguments)
    assert done.returncode == 0, done.stdout
    rows = {name: sandbox.world.count(PATHS[name]) for name in loaded}
    assert counts(tmp_path) == rows
    synced = f"{len(rows)} endpoint{'s' * (len(rows) > 1)} synced: {sum(rows.values()):,} inserted"
    last = done.stdout.splitlines()[-1]
    assert f"- {synced}, 0 updated, 0 deleted, {len(sandbox.requests):,} request" in last
    assert last.endswith(f"The tables are in {tmp_path / 'cli.duckdb'}.")


@FULL  # `test_build` shows the sentences, without a process
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"RECRUIT_API_KEY": ""}, "RECRUIT_API_KEY is empty: export it or set it in .env"),
        ({"RECRUIT_API_KEY": "wrong"}, "The API rejects the key. Check RECRUIT_API_KEY"),
        ({"RECRUIT_API_CONCURRENCY": "many"}, "RECRUIT_API_CONCURRENCY is 'many': set it to"),
        ({"RECRUIT_API_KEY": " "}, "RECRUIT_API_KEY is empty"),
        ({"RECRUIT_API_VERSION": "20200101"}, "set RECRUIT_API_VERSION to one that it names"),
        ({"RECRUIT_API_BASE_URL": "http://api.example.com/v1/"}, "be sent unencrypted"),
        ({"RECRUIT_API_BASE_URL": "http://127.0.0.1:9/v1/"}, "could not reach 127.0.0.1:9"),
        ({"RECRUIT_API_AUTH_HEADER": "x-key"}, "RECRUIT_API_AUTH_HEADER and RECRUIT_API_AUTH"),
        ({"RECRUIT_DATABASE": "no/such/folder/x.duckdb"}, "There is no folder"),
    ],
)
def test_a_bad_setting_is_a_sentence_and_writes_nothing(
    dagster: Command, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    done = dagster(*MATERIALIZE, "regions", **changed)
    assert done.returncode == 1
    assert said in done.stdout
    assert not list(tmp_path.glob("**/*.duckdb"))


@FULL
def test_the_other_form_of_the_key_by_settings_alone(dagster: Command, tmp_path: Path) -> None:
    teamtailor = {
        "RECRUIT_API_AUTH_HEADER": "Authorization",
        "RECRUIT_API_AUTH_PREFIX": "Token token=",
    }
    assert dagster(*MATERIALIZE, "regions", **teamtailor).returncode == 0
    assert counts(tmp_path)["regions"] > 0


def test_settings_from_a_file_and_a_job_of_one_group(
    dagster: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    example = (ROOT / ".env.example").read_text()
    filled = example.replace("BASE_URL=\n", f"BASE_URL={sandbox.base_url}\n")
    (tmp_path / ".env").write_text(filled.replace("KEY=\n", f"KEY={KEY}\n"))
    done = dagster(*JOB, "sync_company", RECRUIT_API_BASE_URL="", RECRUIT_API_KEY="")
    assert done.returncode == 0, done.stdout
    assert counts(tmp_path) == {name: sandbox.world.count(PATHS[name]) for name in COMPANY}


@FULL
def test_two_syncs_at_once_both_end_right(
    dagster: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert dagster(*MATERIALIZE, "regions").returncode == 0  # Dagster's own files are made once
    env = environment(sandbox, tmp_path)
    processes = [start([*MATERIALIZE, "*"], tmp_path, env) for _ in range(2)]
    for process in processes:
        with process:
            output, _ = process.communicate()
        assert process.returncode == 0, output
    assert counts(tmp_path) == {name: sandbox.world.count(path) for name, path in PATHS.items()}


@FULL
def test_a_file_that_is_not_duckdb_is_left_alone(dagster: Command, tmp_path: Path) -> None:
    (tmp_path / "cli.duckdb").write_text("shopping list\n" * 1000)
    done = dagster(*MATERIALIZE, "regions")
    assert "is not a DuckDB database, so it was not touched" in done.stdout
    assert (tmp_path / "cli.duckdb").read_text().startswith("shopping list")


@FULL
def test_a_database_named_like_the_schema_works(dagster: Command, tmp_path: Path) -> None:
    path = tmp_path / "recruit.duckdb"
    for _ in range(2):
        done = dagster(*MATERIALIZE, "regions", RECRUIT_DATABASE=str(path))
        assert done.returncode == 0, done.stdout


@FULL
def test_a_kill_in_the_middle_leaves_the_table_and_the_next_run_mends_it(
    dagster: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert dagster(*MATERIALIZE, "candidates").returncode == 0
    before = counts(tmp_path)
    for _ in range(70):
        sandbox.world.add("candidates")
    env = environment(sandbox, tmp_path)
    process = start([*MATERIALIZE, "candidates"], tmp_path, env)

    def kill(_: World) -> None:
        process.send_signal(signal.SIGKILL)

    sandbox.before("candidates", kill, page=3)
    with process:
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert counts(tmp_path) == before
    assert dagster(*MATERIALIZE, "candidates").returncode == 0
    assert counts(tmp_path) == {"candidates": sandbox.world.count("candidates")}


def test_the_key_is_in_nothing_that_a_failing_run_leaves(
    dagster: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fail("regions", status=409, body=f"debug: key={KEY}", times=None)
    done = dagster(*MATERIALIZE, "regions,users")
    assert done.returncode == 1
    assert "debug: key=…" in done.stdout
    assert KEY not in done.stdout
    left = [path for path in tmp_path.glob("**/*") if path.is_file()]
    assert len(left) > 5  # the run's events and what it printed
    assert not [path for path in left if KEY.encode() in path.read_bytes()]


@FULL
def test_definitions_are_valid_from_any_directory(dagster: Command) -> None:
    done = dagster("definitions", "validate", "-w", str(ROOT / "workspace.yaml"))
    assert done.returncode == 0, done.stdout
    assert "All code locations passed validation" in done.stdout


def test_definitions_load_without_key_network_or_database(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RECRUIT_", "DAGSTER_"))}
    code = (
        "import socket\n"
        "socket.socket.connect = None\n"
        "from recruit_assets.definitions import defs\n"
        "keys = defs.resolve_asset_graph().get_all_asset_keys()\n"
        "print(len(keys))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, check=True
    )
    assert int(done.stdout) == len(ENDPOINTS) + len(MARTS) + 1
    assert not list(tmp_path.iterdir())
