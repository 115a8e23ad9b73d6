"""The page as a file: with and without scripts, of hostile texts, and of many applications."""

import csv
import io
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any
from zlib import decompress

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from recruit_assets.load.connection import connection
from recruit_assets.load.history import HISTORY
from recruit_assets.marts.build import build
from recruit_assets.marts.carried import carry
from recruit_assets.marts.charts import CARD
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.refresh import refresh_report
from recruit_assets.marts.report import gather, render, report_path, write
from recruit_assets_tests.benchmarks.marts import generate
from recruit_assets_tests.life import PLANTED
from recruit_assets_tests.marts.conftest import Answers, rebuild
from recruit_assets_tests.marts.test_filters import NOW, SHOWN, shift
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

LINKED = "UPDATE recruit.candidates SET profile_url = 'https://ats.example/c/' || id"
SCRIPT = "</script><script>document.title = 'run'</script><img src=x onerror=alert(1)>"
RUN = """
    const script = document.createElement('script')
    script.textContent = "document.title = 'run'"
    document.body.append(script)
"""
EARLIER = (
    "UPDATE recruit.job_applications SET created_at = created_at - INTERVAL 3 YEAR, "
    "rejected_at = rejected_at - INTERVAL 3 YEAR WHERE rejected_at IS NOT NULL AND id LIKE '%7'"
)


# Each shape of the charts of filtered sections, in this document or in that of a text.
SHAPES = """
text => {
    const page = text ? new DOMParser().parseFromString(text, 'text/html') : document
    return [...page.querySelectorAll('section[data-answer] svg *')].map(each => [
        each.closest('section').dataset.answer,
        each.tagName,
        each.textContent,
        Object.fromEntries([...each.attributes].map(({ name, value }) =>
            [name, isNaN(value) ? value : Number(value)])),
    ])
}
"""


@contextmanager
def opened(browser: Browser, path: Path) -> Iterator[Page]:
    """A report, once it has been filtered."""
    with browser.new_page() as page:
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(error.message))
        page.goto(path.as_uri())
        expect(page.locator("#filters")).to_be_visible()
        yield page
        assert not failed


def unpacked(rows: str) -> dict[str, object]:
    """The header of packed rows."""
    head, _, _ = decompress(b64decode(rows)).partition(b"\n")
    found: dict[str, object] = json.loads(head)
    return found


def saved(page: Page, number: Locator) -> list[dict[str, str]]:
    """The rows that a number saves."""
    with page.expect_download() as download:
        number.click()
    assert download.value.suggested_filename.endswith(".csv")
    text = Path(download.value.path()).read_text()
    return list(csv.DictReader(io.StringIO(text), strict=True))


def test_a_number_saves_the_ids_and_links_behind_it(
    answers: Answers, browser: Browser, tmp_path: Path
) -> None:
    found = rebuild(answers, tmp_path, LINKED)
    hired = found.query(
        "SELECT application_id, candidate_id, job_id, 'https://ats.example/c/' || candidate_id AS "
        "link FROM recruit_marts.applications "
        f"WHERE hired_at >= '{shift(NOW, -12)}' AND "
        f"hired_at < '{NOW}' AND department = 'Galley' ORDER BY application_id"
    )
    assert hired
    with opened(browser, found.report) as page:
        page.get_by_role("combobox", name="Department").select_option("Galley")
        rows = saved(page, page.locator("[data-title=Hires]").get_by_role("button"))
        assert sorted(rows, key=lambda row: row["application_id"]) == hired
        offers = page.locator("[data-answer=offers]")
        offers.get_by_text("Show the numbers").click()
        sent = offers.get_by_role("button", name="save the ids behind Sent, Galley").inner_text()
        behind = saved(page, offers.get_by_role("button", name="Sent, Galley"))
        assert 0 < len(behind) <= int(sent)
        link = page.locator("[data-answer=stuck_applications] a").first
        assert str(link.get_attribute("href")).startswith("https://ats.example/c/")


def test_an_address_that_is_more_than_an_id_is_no_link(answers: Answers, tmp_path: Path) -> None:
    path = copy(answers.path, tmp_path / "odd.duckdb")
    with connection(str(path), {}, 0.1) as database:

        def link(address: str) -> object:
            database.execute(f"UPDATE recruit.candidates SET profile_url = {address}")
            return unpacked(carry(database, {}))["link"]

        assert link("'https://ats.example/c/' || id") == "https://ats.example/c/"
        for odd in (
            "'javascript:x/' || id",
            "if(id LIKE '%7', 'https://ann.example/', 'https://ats.example/') || id",
            "'https://ats.example/ann-smith'",
            "'https://ats.example/?mail=a@b.example/' || id",
        ):
            assert link(odd) == ""


def test_employees_are_named_only_if_asked_for_and_candidates_never(
    answers: Answers, tmp_path: Path
) -> None:
    path = copy(answers.path, tmp_path / "named.duckdb")
    page = report_path(str(path))
    people = answers.query(
        "SELECT first_name || ' ' || last_name AS name, email FROM recruit.candidates"
    )
    hidden = {text for person in people for text in person.values() if text}
    users = answers.query("SELECT id, name, email FROM recruit.users")
    with connection(str(path), {}, 0.1) as database:
        refresh_report(database, page)
        ids_only = page.read_text()
        (rows,) = re.findall(r'id="rows">([^<]+)<', ids_only)
        everything = ids_only + decompress(b64decode(rows)).decode("latin-1")
        assert PLANTED not in everything + str([answers.mart(mart.name) for mart in MARTS])
        assert not [user for user in users if user["name"] in everything]
        assert refresh_report(database, page, names=True) is None  # it is written again
    text = page.read_text()
    shown = [user for user in users if f">{user['name']} ({user['id']})</" in text]
    assert len(shown) == len([row for row in answers.mart("recruiter_load") if row["user_id"]])
    assert not [each for each in hidden | {user["email"] for user in users} if each in text]


def test_texts_stay_texts(answers: Answers, browser: Browser, tmp_path: Path) -> None:
    odd = [f"UPDATE {each}.job_applications SET id = '=1+' || id" for each in ("recruit", HISTORY)]
    titles = f"UPDATE recruit.jobs SET title = $${SCRIPT}$$ || id"
    found = rebuild(answers, tmp_path, *odd, titles)
    assert found.report.read_text().count("</script>") == 2
    with opened(browser, found.report) as page:
        assert page.title() == "Hiring report"
        assert page.locator("img").count() == 0
        page.get_by_role("combobox", name="Job").select_option(index=1)
        assert SCRIPT in page.locator("#said").inner_text()
        page.evaluate(RUN)  # which the page's policy forbids
        assert page.title() == "Hiring report"
        page.get_by_role("button", name="Clear").click()
        rows = saved(page, page.locator("[data-title=Applications]").get_by_role("button"))
        assert rows
        assert {row["application_id"][:3] for row in rows} == {"'=1"}


def test_charts_are_drawn_as_the_written_ones(answers: Answers, browser: Browser) -> None:
    with opened(browser, answers.report) as page:
        page.get_by_role("combobox", name="Period").select_option("All time")
        drawn, written = (page.evaluate(SHAPES, text) for text in ("", answers.page))
        few = list[list[Any]]()
        for department in page.locator("[name=department] option").all_inner_texts():
            page.get_by_role("combobox", name="Department").select_option(department)
            few += [each for each in page.evaluate(SHAPES, "") if each[-1].get("fill") == CARD]
    assert [each[:-1] for each in drawn] == [each[:-1] for each in written]
    assert {name for _, name, *_ in drawn} == {"circle", "line", "rect", "text"}
    for shape, other in zip(drawn, written, strict=True):
        assert shape[-1] == pytest.approx(other[-1], abs=2)  # months are of different lengths
    assert {name for _, name, *_ in few} == {"circle"}  # a month of few is hollow


def test_without_scripts_the_page_is_whole(answers: Answers, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(answers.report.as_uri())
        assert not page.locator("#filters").is_visible()
        hired = sum(row["outcome"] == "hired" for row in answers.mart("applications"))
        expect(page.get_by_text(f"Half of {hired} hires took")).to_be_visible()
        expect(page.get_by_text("cover all applications, whenever they were made")).to_be_visible()
        assert not page.get_by_text("in these months").first.is_visible()


@FULL
def test_an_old_browser_says_why_it_cannot_filter(answers: Answers, browser: Browser) -> None:
    with browser.new_page() as page:
        page.add_init_script("delete globalThis.DecompressionStream")
        page.goto(answers.report.as_uri())
        expect(
            page.get_by_text("This browser cannot filter the report: it is too old.")
        ).to_be_visible()
        assert not page.locator("#filters").is_visible()
        hired = sum(row["outcome"] == "hired" for row in answers.mart("applications"))
        expect(page.get_by_text(f"Half of {hired} hires took")).to_be_visible()


@FULL
def test_of_many_applications_the_last_24_months_are_counted_the_same(
    answers: Answers, browser: Browser, tmp_path: Path
) -> None:
    found = rebuild(answers, tmp_path, EARLIER)
    some = tmp_path / "some.html"
    with connection(str(found.path), {}, 0.1) as database:
        contents = gather(database)
        about = {"comparable": contents.headlines.comparable}
        write(render(replace(contents, rows=carry(database, about, max_whole=400))), some)
    with opened(browser, found.report) as page:
        shown = page.evaluate(SHOWN)
    with opened(browser, some) as page:
        assert page.evaluate(SHOWN) == shown
        periods = page.get_by_role("combobox", name="Period").inner_text()
        assert "All time" not in periods
        assert "All months on this page" in periods
        about_it = page.locator(".about").inner_text()
    since = f"{shift(NOW, -24):%b %Y}"
    assert f"only what happened since {since}, and what is active: " in about_it
    assert f" of {len(found.mart('applications')):,} applications." in about_it


# As chance has it, so that nothing follows from the row before.
SCATTERED = [
    "SELECT setseed(0.4)",
    "CREATE TEMP TABLE of AS SELECT id, floor(power(random(), 2) * 5000)::INT::VARCHAR AS job_id "
    "FROM recruit.job_applications",
    *(
        f"UPDATE {schema}.job_applications AS a "
        "SET stage_id = (of.job_id::BIGINT * 6 + a.stage_id::BIGINT % 6)::VARCHAR "
        "FROM of WHERE of.id = a.id"
        for schema in ("recruit", "recruit_history")
    ),
    "UPDATE recruit.job_applications AS a SET job_id = of.job_id, changed_stage_at = created_at + "
    "to_milliseconds((random() * 90 * 86400000)::BIGINT) FROM of WHERE of.id = a.id",
    "UPDATE recruit.candidates "
    "SET referring_site = 'site-' || floor(power(random(), 3) * 150)::INT || '.example'",
    "UPDATE recruit.jobs SET title = title || ' ' || substr(md5(id), 1, 18)",
]


@pytest.mark.ring(3)
@pytest.mark.parametrize("scattered", [False, True])
def test_a_hundred_thousand_applications_are_less_than_a_megabyte(
    tmp_path: Path, *, scattered: bool
) -> None:
    path = tmp_path / "many.duckdb"
    generate(path, 100_000)
    with connection(str(path), {}, 0.1) as database:
        for sql in SCATTERED if scattered else ():
            database.execute(sql)
        build(database, MARTS)
        page = write(render(gather(database)), report_path(str(path)))
    assert page.stat().st_size < 1_000_000
