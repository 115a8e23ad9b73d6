"""One `dagster dev` and one browser for all tests of the UI: each takes ten seconds to start.

`conftest` makes the fixtures known, and puts the tests that use them first, all on one worker.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
from playwright.sync_api import Browser, sync_playwright

from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.cli.test_command_line import ROOT, environment
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.rings import sized

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Without these Chromium calls its maker's servers at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@dataclass(frozen=True)
class DagsterDev:
    """A `dagster dev` in front of an invented company."""

    url: str
    home: Path  # DAGSTER_HOME
    database: Path
    company: Sandbox

    def logged(self, run_id: str) -> list[tuple[int, str]]:
        """Return what a run logged: levels and messages."""
        with pytest.MonkeyPatch.context() as changed:
            changed.setenv("DAGSTER_HOME", str(self.home))
            with dg.DagsterInstance.get() as instance:
                return [(int(each.level), each.user_message) for each in instance.all_logs(run_id)]


@contextmanager
def started(folder: Path, env: dict[str, str], command: Sequence[str] = ()) -> Iterator[str]:
    """Run `dagster dev`, or another command, in a folder during the block; yield its address."""
    dagster = str(Path(sys.executable).with_name("dagster"))
    with subprocess.Popen(
        command or [dagster, "dev", "-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            served = re.compile(r"Serving dagster-webserver on (http://127\.0\.0\.1:\d+)")
            found = next(filter(None, map(served.search, process.stdout)))  # it finds a free port
            # Whatever else it prints must be read, or it would stop when the pipe is full.
            Thread(target=process.stdout.read, daemon=True).start()
            yield found[1]
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # SIGINT may be ignored, as in the background


@pytest.fixture(scope="session")
def dagster_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """Start `dagster dev` once; tests ask for `ui`, which tidies up after each."""
    folder = tmp_path_factory.mktemp("dagster-dev")
    with Sandbox(candidates=sized(60, 60, 300), rules=Rules(key=KEY)).serve() as company:
        env = environment(company, folder)
        with (folder / "home" / "dagster.yaml").open("a") as settings:
            settings.write("nux:\n  enabled: false\n")  # a newsletter covers the first page
        with started(folder, env) as url:
            yield DagsterDev(url, folder / "home", folder / "cli.duckdb", company)


@pytest.fixture
def ui(dagster_dev: DagsterDev) -> Iterator[DagsterDev]:
    """Give a test the one `dagster dev`, with no database yet and no fault in the API.

    Runs of earlier tests stay in its lists. A test that changes records of the company puts them
    back.
    """
    yield dagster_dev
    vars(dagster_dev.company.rules).update(vars(Rules(key=KEY)))
    dagster_dev.company.clear_faults()
    dagster_dev.company.clear_requests()
    for left in dagster_dev.database.parent.glob("cli*.*"):
        left.unlink()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open Chromium once for the tests of a file; two at once would not work in one thread."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()
