"""The Dagster UI in a real browser, as somebody new to it would use it.

`make pictures` runs this as well, and keeps what it sees as the pictures of the docs.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Error, Page, Response, expect

from recruit_assets.checks import build_checks
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.mart import MARTS
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import BY_NAME, KEY
from recruit_assets_tests.dagster_dev import DagsterDev
from recruit_assets_tests.old_candidates import OLD
from recruit_assets_tests.rings import RING
from recruit_assets_tests.test_stop import status, until

pytestmark = pytest.mark.ring(2)

PATIENCE = 180_000  # milliseconds that a page may take on a busy machine


@pytest.fixture
def seen() -> list[str]:
    """Everything that the browser was sent."""
    return []


@pytest.fixture
def page(ui: DagsterDev, browser: Browser, seen: list[str]) -> Iterator[Page]:
    """A browser's page on the UI."""

    def note(response: Response) -> None:
        if response.headers.get("content-type", "").startswith(("application/json", "text/html")):
            with suppress(Error):  # the page was left before the whole response had come
                seen.append(response.text())

    opened = browser.new_page(base_url=ui.url, viewport={"width": 1300, "height": 900})
    opened.set_default_timeout(PATIENCE)
    opened.on("response", note)
    yield opened
    opened.close()


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


def launch(page: Page, button: str) -> str:
    """Press a button that starts a run, and return the run's id."""
    with page.expect_response(
        lambda answer: "mutation Launch" in (answer.request.post_data or "")
    ) as answer:
        page.get_by_role("button", name=button).first.click()
    (run_id,) = re.findall(r'"(?:runId|id)":"([0-9a-f-]{36})"', answer.value.text())[:1]
    return str(run_id)


def terminate(page: Page) -> None:
    """Terminate the run that the page shows.

    Where its process was too busy to answer Dagster, the dialog offers only to forget the run.
    """
    dialog = page.get_by_role("dialog")
    for _ in range(10):
        page.get_by_role("button", name="Terminate").click()
        dialog.get_by_role("button").first.wait_for()
        if dialog.get_by_role("button", name=re.compile("^Terminate")).count():
            dialog.get_by_role("button", name=re.compile("^Terminate")).click()
            return
        page.reload()
    raise AssertionError("the run's process never answered")


def shows_end(page: Page, ui: DagsterDev, run_id: str, how: str) -> None:
    """Wait until a run has ended, and open it."""
    page.goto("about:blank")  # a page that shows a run live takes longer than the run
    until(lambda: status(ui.url, run_id) in ("SUCCESS", "FAILURE", "CANCELED"))
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text(how, exact=True).first).to_be_visible(timeout=PATIENCE)


def materialize(page: Page, ui: DagsterDev, name: str, how: str) -> None:
    """Materialize an asset from its page, and open the run once it has ended."""
    page.goto(f"/assets/{name}")
    shows_end(page, ui, launch(page, "Materialize"), how)


def shows(page: Page, *texts: str) -> None:
    """Wait until the page shows each of the texts."""
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)


def test_all_assets_turn_green_and_tell_what_they_hold(
    page: Page, picture: Callable[[str], None], ui: DagsterDev, seen: list[str]
) -> None:
    page.goto("/asset-groups")
    run_id = launch(page, "Materialize all")
    shows_end(page, ui, run_id, "Success")
    shows(page, f"{len(ENDPOINTS) + len(MARTS) + 1} assets")
    told = ui.logged(run_id)
    assert [text for level, text in told if level >= logging.WARNING] == []
    assert len([text for _, text in told if ": complete; " in text]) == len(ENDPOINTS)
    with duckdb.connect(str(ui.database), read_only=True) as database:
        for endpoint in ENDPOINTS:
            count = f"SELECT count(*) FROM recruit.{endpoint.name}"
            assert database.execute(count).fetchall() == [(ui.company.world.count(endpoint.path),)]

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
    page.goto("/assets/funnel")
    shows(page, "recruit_marts.funnel")
    page.get_by_text("[Show Markdown]").click()
    expect(page.locator("img[src^='data:image']").first).to_be_visible(timeout=PATIENCE)
    picture("ui-mart")

    if RING == 3:  # a second point for the picture of the plots
        materialize(page, ui, "job_applications", "Success")
    page.goto("/assets/job_applications")
    shows(page, "Each application of a candidate", "non-nullable", "recruit.job_applications")
    picture("ui-asset")
    page.get_by_role("button", name="Plots").click()
    shows(page, "records_per_second")
    page.get_by_text("Metadata", exact=True).first.evaluate("each => each.scrollIntoView()")
    picture("ui-plots")
    page.goto("/assets/job_applications?view=checks")
    endpoint = BY_NAME["job_applications"]
    checks = build_checks(endpoint, dg.AssetKey("job_applications"))
    shows(page, *(spec.name for spec in checks))
    for path, shown in [
        ("/locations/recruit_assets/jobs/sync/playground", "refresh_volatile"),
        ("/locations/recruit_assets/resources/recruit_api", "RECRUIT_API_KEY"),
    ]:
        page.goto(path)
        shows(page, shown)
    assert any("RECRUIT_API_KEY" in text for text in seen)
    assert not [text for text in seen if KEY in text]


def test_what_goes_wrong_is_told_in_a_sentence(
    page: Page, picture: Callable[[str], None], ui: DagsterDev, seen: list[str]
) -> None:
    ui.company.rules.without = {"job-offers": 403}
    materialize(page, ui, "job_offers", "Success")
    page.goto("/assets/job_offers?view=checks&checkDetail=sync_is_complete")
    shows(page, "job_offers, page 1: the API returned HTTP 403")
    expect(page.locator("canvas").first).to_be_visible()
    picture("ui-check")

    ui.company.rules.key = "rotated"
    materialize(page, ui, "jobs", "Failure")
    name = "dagster._core.definitions.events.Failure"
    shows(page, f"{name}: jobs, page 1: the API returned HTTP 401", "Check RECRUIT_API_KEY")
    assert not [text for text in seen if KEY in text]


def test_a_schedule_ticks_and_a_run_can_be_terminated(page: Page, ui: DagsterDev) -> None:
    page.goto("/locations/recruit_assets/schedules/hourly")
    page.locator("label", has=page.get_by_role("checkbox")).click()
    shows(page, "Next tick")
    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("button", name="Continue").click()
    shows_end(page, ui, launch(page, "Launch all & commit tick result"), "Success")
    with duckdb.connect(str(ui.database), read_only=True) as database:
        found = database.execute("SELECT count(*) FROM recruit.candidates").fetchall()
    assert found == [(ui.company.world.count("candidates"),)]

    ui.company.rules.latency_ms = 5000  # so that it lasts until it is terminated
    page.goto("/asset-groups")
    run_id = launch(page, "Materialize all")
    page.goto(f"/runs/{run_id}")
    shows(page, "STEP_START")
    terminate(page)
    expect(page.get_by_text("Canceled", exact=True).first).to_be_visible(timeout=PATIENCE)


@pytest.mark.ring(3)
def test_a_terminated_first_sync_goes_on_when_it_is_launched_again(
    page: Page, ui: DagsterDev
) -> None:
    world, added = ui.company.world, list[str]()
    while world.count("candidates") < 120_000:
        added.append(world.add("candidates", OLD))

    def slow_down(_: World) -> None:
        ui.company.rules.latency_ms = 5000  # so that it lasts until it is terminated

    ui.company.before("candidates", slow_down, page=10)  # each lane ends with its first page
    page.goto("/assets/candidates")
    run_id = launch(page, "Materialize")
    until(lambda: ui.company.rules.latency_ms > 0)
    page.goto(f"/runs/{run_id}")
    terminate(page)
    expect(page.get_by_text("Canceled", exact=True).first).to_be_visible(timeout=PATIENCE)
    with duckdb.connect(str(ui.database), read_only=True) as database:
        ((stored,),) = database.execute("SELECT count(*) FROM recruit.candidates").fetchall()
    assert 100_000 <= stored < 120_000

    ui.company.rules.latency_ms = 0
    ui.company.clear_requests()
    materialize(page, ui, "candidates", "Success")
    shows(page, "goes on with a reading that was interrupted (8")
    assert len(ui.company.requests) < 1_000
    page.goto("/assets/candidates")
    shows(page, "records were read before an interruption")
    for id_ in added:
        world.remove("candidates", id_)
