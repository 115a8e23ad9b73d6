"""The Dagster UI in a real browser, as somebody new to it would use it.

`make pictures` runs this as well, and keeps what it sees as the pictures of the README.
"""

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Page, Response, expect, sync_playwright

from recruit_assets.checks import CHECKS
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.test_command_line import ROOT, environment

PATIENCE = 60_000  # milliseconds that a page may take on a busy machine
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Without these Chromium calls its maker's servers at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def company() -> Iterator[Sandbox]:
    """A company that is large enough to be looked at."""
    with Sandbox(candidates=300, rules=Rules(key=KEY)).serve() as served:
        yield served


@pytest.fixture
def ui(company: Sandbox, tmp_path: Path) -> Iterator[str]:
    """`dagster dev` in front of the company; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dagster = Path(sys.executable).with_name("dagster")
    with subprocess.Popen(
        [dagster, "dev", "-w", ROOT / "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=tmp_path,
        env=environment(company, tmp_path),
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
        opened = browser.new_page(base_url=ui, viewport={"width": 1300, "height": 900})
        opened.set_default_timeout(PATIENCE)
        opened.on("response", note)
        opened.goto("/assets/jobs")
        opened.get_by_role("button", name="Skip").click()  # Dagster's own newsletter
        yield opened
        browser.close()


@pytest.fixture
def picture(page: Page, pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keeps what the page shows, where `--pictures` says."""
    folder = pytestconfig.getoption("pictures")

    def keep(name: str) -> None:
        page.mouse.move(700, 5)  # nothing stays lit because the pointer rests there
        if folder:
            page.wait_for_load_state("networkidle")  # and no icon is on its way
            page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    return keep


def launch(page: Page, path: str, button: str) -> str:
    """Press a button that starts a run, open the run, and return its id."""
    page.goto(path)
    with page.expect_response(
        lambda answer: "mutation Launch" in (answer.request.post_data or "")
    ) as answer:
        page.get_by_role("button", name=button).first.click()
    (run_id,) = re.findall(r'"(?:runId|id)":"([0-9a-f-]{36})"', answer.value.text())[:1]
    page.goto(f"/runs/{run_id}")
    return str(run_id)


def ended(page: Page, how: str) -> None:
    """Wait until the run that is open has ended."""
    expect(page.get_by_text(how, exact=True).first).to_be_visible(timeout=PATIENCE)


def shows(page: Page, *texts: str) -> None:
    """Wait until the page shows each of the texts."""
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)


def logged(home: Path, run_id: str) -> list[tuple[int, str]]:
    """What a run logged: levels and messages."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            return [(int(each.level), each.user_message) for each in instance.all_logs(run_id)]


def test_all_assets_turn_green_and_tell_what_they_hold(
    page: Page,
    picture: Callable[[str], None],
    company: Sandbox,
    tmp_path: Path,
    seen: list[str],
) -> None:
    run_id = launch(page, "/asset-groups", "Materialize all")
    ended(page, "Success")
    shows(page, f"{len(ENDPOINTS) + len(MARTS) + 1} assets")
    told = logged(tmp_path / "home", run_id)
    assert [text for level, text in told if level >= logging.WARNING] == []
    assert len([text for _, text in told if ": complete; " in text]) == len(ENDPOINTS)
    with duckdb.connect(str(tmp_path / "cli.duckdb"), read_only=True) as database:
        for endpoint in ENDPOINTS:
            count = f"SELECT count(*) FROM recruit.{endpoint.name}"
            assert database.execute(count).fetchall() == [(company.world.count(endpoint.path),)]

    page.set_viewport_size({"width": 1300, "height": 2000})  # the UI draws what is in sight only
    for endpoint in sorted(ENDPOINTS, key=lambda each: each.group):
        expanded = f"/asset-groups?expanded={quote(f'global@global:{endpoint.group}')}"
        if not page.url.endswith(expanded):
            page.goto(expanded)
        shows(page, endpoint.name)
    page.set_viewport_size({"width": 1300, "height": 900})
    page.goto("/asset-groups")
    shows(page, "marts")
    expect(page.get_by_text("fetching statuses")).to_have_count(0, timeout=PATIENCE)
    picture("ui-graph")
    page.goto("/assets/hiring_funnel")
    shows(page, "recruit_marts.hiring_funnel")
    page.get_by_text("[Show Markdown]").click()
    expect(page.locator("img[src^='data:image']").first).to_be_visible(timeout=PATIENCE)
    picture("ui-mart")

    launch(page, "/assets/job_applications", "Materialize")
    ended(page, "Success")
    page.goto("/assets/job_applications")
    shows(page, "Each application of a candidate", "non-nullable", "recruit.job_applications")
    picture("ui-asset")
    page.get_by_role("button", name="Plots").click()
    shows(page, "records_per_second")
    page.get_by_text("Metadata", exact=True).first.evaluate("each => each.scrollIntoView()")
    picture("ui-plots")
    page.goto("/assets/job_applications?view=checks")
    shows(page, *(check.name for check in CHECKS))
    for path, shown in [
        ("/locations/recruit_assets/jobs/sync/playground", "refresh_volatile"),
        ("/locations/recruit_assets/resources/api", "RECRUIT_API_KEY"),
    ]:
        page.goto(path)
        shows(page, shown)
    assert any("RECRUIT_API_KEY" in text for text in seen)
    assert not [text for text in seen if KEY in text]


def test_what_goes_wrong_is_told_in_a_sentence(
    page: Page, picture: Callable[[str], None], company: Sandbox, seen: list[str]
) -> None:
    company.rules.without = {"job-offers": 403}
    launch(page, "/assets/job_offers", "Materialize")
    ended(page, "Success")
    page.goto("/assets/job_offers?view=checks&checkDetail=is_available")
    shows(page, "job_offers, page 1: the API answered HTTP 403")
    expect(page.locator("canvas").first).to_be_visible()
    picture("ui-check")

    company.rules.key = "rotated"
    launch(page, "/assets/jobs", "Materialize")
    ended(page, "Failure")
    name = "dagster._core.definitions.events.Failure"
    shows(page, f"{name}: jobs, page 1: the API answered HTTP 401", "Check RECRUIT_API_KEY")
    assert not [text for text in seen if KEY in text]


def test_a_schedule_ticks_and_a_run_can_be_terminated(
    page: Page, company: Sandbox, tmp_path: Path
) -> None:
    page.goto("/locations/recruit_assets/schedules/hourly")
    page.locator("label", has=page.get_by_role("checkbox")).click()
    shows(page, "Next tick")
    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Launch all & commit tick result").click()
    page.goto("/runs")
    ended(page, "Success")

    company.rules.latency_ms = 1000
    launch(page, "/asset-groups", "Materialize all")
    shows(page, "STEP_START")
    page.get_by_role("button", name="Terminate").click()
    page.get_by_role("button", name="Terminate").last.click()
    ended(page, "Canceled")
    company.rules.latency_ms = 0
    launch(page, "/asset-groups", "Materialize all")
    ended(page, "Success")
    with duckdb.connect(str(tmp_path / "cli.duckdb"), read_only=True) as database:
        found = database.execute("SELECT count(*) FROM recruit.candidates").fetchall()
    assert found == [(company.world.count("candidates"),)]
