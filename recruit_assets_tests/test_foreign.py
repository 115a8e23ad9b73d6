"""The wheel in somebody else's Dagster project, with `dg` and with `dagster`.

The project in the folder `foreign` has an executor, a resource `duckdb`, an asset `users` and a job
`sync` of its own, two accounts in YAML and one in Python, and assets that our IO manager merges.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, expect

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.cli.test_command_line import ROOT
from recruit_assets_tests.conftest import KEY, served
from recruit_assets_tests.dagster_dev import started as serving
from recruit_assets_tests.rings import FULL

pytestmark = FULL
GUARD = 900.0  # seconds; everything here ends long before
SHIPPED = ["recruit_assets", "pyproject.toml", "README.md", "LICENSE"]
READER_ROWS = 5_000_000


@dataclass(frozen=True)
class Foreign:
    """The project, and the commands of the environment that has the wheel."""

    folder: Path
    binaries: Path
    environment: dict[str, str]
    sandboxes: dict[str, Sandbox]

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.binaries / command[0], *command[1:]],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str) -> str:
        """Run a command; return what it printed."""
        process = self.start(*command)
        printed, _ = process.communicate(timeout=GUARD)
        assert process.returncode == 0, printed
        return printed

    def query(self, file: str, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / file), read_only=True) as database:
            return database.execute(sql).fetchall()


def ship(folder: Path) -> Path:
    """Build the wheel from a copy of what it is made of."""
    source = folder / "source"
    source.mkdir()
    for name in SHIPPED:
        path = ROOT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder / "dist")]
    subprocess.run([*pip, str(source)], check=True, timeout=GUARD)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, made once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / "venv"
    with FileLock(folder / "venv.lock"):
        if not made.exists():
            subprocess.run([sys.executable, "-m", "venv", made], check=True, timeout=GUARD)
            pip = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            pip += ["--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
            wheel = f"recruit-assets[dg] @ {ship(folder).as_uri()}"
            subprocess.run([*pip, wheel, "polars"], check=True, timeout=GUARD)
    return made


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, venv: Path) -> Iterator[Foreign]:
    folder = tmp_path_factory.mktemp("foreign")
    project = folder / "project"
    shutil.copytree(Path(__file__).with_name("foreign"), project)
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    sandboxes = {name: Sandbox(30, rules=Rules(key=f"{KEY}-{name}")) for name in ("north", "south")}
    for name, sandbox in sandboxes.items():
        for record in sandbox.world.records("jobs"):
            sandbox.world.change("jobs", record["id"], {"title": f"{name} {record['id']}"})
    with ExitStack() as stack:
        environment = {"READER_ROWS": str(READER_ROWS), "DAGSTER_HOME": str(home)}
        for name, sandbox in sandboxes.items():
            stack.enter_context(served(sandbox))
            environment[f"{name.upper()}_URL"] = sandbox.base_url
            environment[f"{name.upper()}_KEY"] = sandbox.rules.key
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RECRUIT_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV"))
        }
        environment["PATH"] = f"{venv / 'bin'}:{inherited.pop('PATH')}"
        environment["PYTHONPATH"] = str(project / "src")
        yield Foreign(project, venv / "bin", inherited | environment, sandboxes)


def test_dg_checks_and_lists_it(foreign: Foreign) -> None:
    assert "All definitions loaded successfully" in foreign.run("dg", "check", "defs")
    assert "recruit_assets.RecruitComponent" in foreign.run("dg", "list", "components")
    listed = json.loads(foreign.run("dg", "list", "defs", "--json"))
    keys = {each["asset_key"] for each in listed["assets"]}
    for account in ("north", "south"):
        assert {f"{account}/{each.name}" for each in ENDPOINTS} < keys
    assert {"east/jobs", "east/users", "users", "targets", "job_titles"} < keys
    assert "east/candidates" not in keys


def test_two_accounts_at_once(foreign: Foreign) -> None:
    commands = [
        ("dg", "launch", "--job", "north_sync"),
        ("dagster", "job", "execute", "-m", "acme.definitions", "-j", "south_sync"),
    ]
    started = [foreign.start(*command) for command in commands]
    ended = [(process.communicate(timeout=GUARD)[0], process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0], ended
    for name, sandbox in foreign.sandboxes.items():
        for endpoint in ENDPOINTS:
            found = foreign.query(f"{name}.duckdb", f"SELECT id FROM recruit.{endpoint.name}")
            records = sandbox.world.records(endpoint.path)
            assert {id_ for (id_,) in found} == {record["id"] for record in records}
        titles = foreign.query(f"{name}.duckdb", "SELECT DISTINCT title[:5] FROM recruit.jobs")
        assert titles == [(name,)]
        assert (foreign.folder / f"{name}-report.html").exists()


def test_its_own_assets_are_merged(foreign: Foreign) -> None:
    foreign.run("dg", "launch", "--assets", "north/jobs")
    own = ["users", "targets", "offices", "visits", "job_titles"]
    for _ in range(2):
        foreign.run("dg", "launch", "--assets", ",".join(own))
    tables = {
        "hr.users": 2,
        "main.targets": 3,
        "main.offices": 2,
        "main.visits": READER_ROWS,
        "main.job_titles": foreign.sandboxes["north"].world.count("jobs"),
    }
    for table, rows in tables.items():
        ((found, runs),) = foreign.query(
            "own.duckdb", f"SELECT count(*), count(DISTINCT _run_id) FROM {table}"
        )
        assert (found, runs) == (rows, 1), table
    ((title,),) = foreign.query("own.duckdb", "SELECT title FROM main.job_titles LIMIT 1")
    assert title.startswith("NORTH ")


def test_one_account_as_dagster_selects_it(foreign: Foreign) -> None:
    asset = ("dagster", "asset", "materialize", "-m", "acme.definitions", "--select")
    foreign.run(*asset, "east/jobs")
    assert foreign.query("east.duckdb", "SELECT count(*) > 0 FROM recruit.jobs") == [(True,)]
    foreign.run("dagster", "job", "execute", "-m", "acme.definitions", "-j", "morning")


@pytest.mark.parametrize("command", [["dg", "dev", "--host"], ["dagster", "dev", "-h"]])
def test_both_accounts_are_in_the_graph(
    foreign: Foreign, browser: Browser, command: list[str]
) -> None:
    dev = [str(foreign.binaries / command[0]), *command[1:], "127.0.0.1"]
    with serving(foreign.folder, foreign.environment, dev) as url:
        page = browser.new_page(viewport={"width": 1600, "height": 1200})
        page.goto(f"{url}/asset-groups")
        for group in ("north_hiring", "south_hiring", "east_hiring"):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=120_000)
        page.close()


def test_dg_works_in_this_project_as_well(foreign: Foreign, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recruit_assets", tmp_path / "recruit_assets")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    sandbox = foreign.sandboxes["north"]
    settings = {
        "PYTHONPATH": str(tmp_path),
        "RECRUIT_API_BASE_URL": sandbox.base_url,
        "RECRUIT_API_KEY": sandbox.rules.key,
    }
    here = replace(foreign, folder=tmp_path, environment=foreign.environment | settings)
    assert "All definitions loaded successfully" in here.run("dg", "check", "defs")
    assert "recruit_assets.RecruitComponent" in here.run("dg", "list", "components")
    keys = {
        each["asset_key"] for each in json.loads(here.run("dg", "list", "defs", "--json"))["assets"]
    }
    assert {each.name for each in ENDPOINTS} < keys
    here.run("dg", "launch", "--job", "sync_company")
    ((rows,),) = here.query("recruitment.duckdb", "SELECT count(*) FROM recruit.users")
    assert rows == sandbox.world.count("users")
