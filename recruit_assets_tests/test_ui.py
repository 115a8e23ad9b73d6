"""The Dagster UI in a real browser: the Materialize button, and what the pages show."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import duckdb
import pytest
from playwright.sync_api import Page, Response, expect, sync_playwright

from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.test_command_line import ROOT, environment

PATIENCE = 60_000  # milliseconds that a page may take on a busy machine
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Without these Chromium calls its maker's servers at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def ui(sandbox: Sandbox, tmp_path: Path) -> Iterator[str]:
    """`dagster dev` in front of the sandbox; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dagster = Path(sys.executable).with_name("dagster")
    with subprocess.Popen(
        [dagster, "dev", "-w", ROOT / "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=tmp_path,
        env=environment(sandbox, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert any("Serving dagster-webserver" in line for line in process.stdout)
        # Whatever else it prints must be read, or it would stop when the pipe is full.
        Thread(target=process.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        os.killpg(process.pid, signal.SIGKILL)  # SIGINT may be ignored, as in the background


@pytest.fixture
def seen() -> list[str]:
    """Everything that the browser was sent."""
    return []


@pytest.fixture
def page(ui: str, seen: list[str]) -> Iterator[Page]:
    """A browser's page on the UI."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")

    def note(response: Response) -> None:
        if response.headers.get("content-type", "").startswith(("application/json", "text/html")):
            seen.append(response.text())

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        opened = browser.new_page(base_url=ui)
        opened.set_default_timeout(PATIENCE)
        opened.on("response", note)
        opened.goto("/assets/jobs")
        opened.get_by_role("button", name="Skip").click()  # Dagster's own newsletter
        yield opened
        browser.close()


def materialize(page: Page, outcome: str) -> None:
    """Press the button on the page of `jobs`, and wait for the run to end as told."""
    page.goto("/assets/jobs")
    with page.expect_response(lambda answer: "mutation Launch" in (answer.request.post_data or "")):
        page.get_by_role("button", name="Materialize").first.click()
    page.goto("/runs")
    expect(page.get_by_text(outcome, exact=True).first).to_be_visible(timeout=PATIENCE)


def test_the_materialize_button_loads_the_table_and_no_page_shows_the_key(
    page: Page, sandbox: Sandbox, tmp_path: Path, seen: list[str]
) -> None:
    materialize(page, "Success")
    with duckdb.connect(str(tmp_path / "cli.duckdb"), read_only=True) as database:
        found = database.execute("SELECT count(*) FROM recruit.jobs").fetchall()
    assert found == [(sandbox.world.count("jobs"),)]

    sandbox.rules.key = "rotated"
    materialize(page, "Failure")
    for path, shown in [
        ("/assets/jobs?view=events", "Materialized in run"),
        ("/locations/recruit_assets/jobs/sync/playground", "refresh_volatile"),
        ("/locations/recruit_assets/resources/api", "RECRUIT_API_KEY"),
    ]:
        page.goto(path)
        expect(page.get_by_text(shown).first).to_be_visible(timeout=PATIENCE)
    assert any("RECRUIT_API_KEY" in text for text in seen)
    assert not [text for text in seen if KEY in text]
