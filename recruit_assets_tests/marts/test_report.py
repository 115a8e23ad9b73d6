"""The page, as a browser and a reader of text get it."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import connection
from recruit_assets.marts.report import gather, render, report_path, write
from recruit_assets_tests.marts.conftest import Answers, rebuild
from recruit_assets_tests.marts.test_unread import lose_stages
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

WIDTHS = {"wide": 1400, "phone": 390}
PAPER = {"width": 688, "height": 1017}  # pixels of an A4 page within its margins
SHOWN = {"wide": 5, "phone": 1, "print": 3}  # sections in the pictures of `docs/marts.md`
# Whatever has text of its own, with its colour and the one behind it.
TEXTS = """
[...document.querySelectorAll('body *')]
    .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(each => {
        let behind = each
        while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)')
            behind = behind.parentElement
        const style = getComputedStyle(each)
        return {
            name: each.tagName,
            text: each.textContent,
            color: each instanceof SVGElement ? style.fill : style.color,
            behind: getComputedStyle(behind).backgroundColor,
        }
    })
"""


SECTIONS = "[...document.querySelectorAll('section')]"


class Texts(HTMLParser):
    """What figures say of themselves, and how many drawings there are."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[str] = []
        self.drawings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawings += tag == "svg"
        if tag == "figure":
            assert dict(attrs)["role"] == "img"
            self.labels.append(dict(attrs)["aria-label"] or "")


def test_each_figure_has_its_words(answers: Answers) -> None:
    found = Texts()
    found.feed(answers.page)
    assert found.drawings == len(found.labels) == 10
    assert all(re.search(r": .+ -?\d", label) for label in found.labels)


def test_it_says_what_the_marts_say(answers: Answers) -> None:
    page = answers.page
    applications = answers.mart("applications")
    hired = [each for each in applications if each["outcome"] == "hired"]
    assert f"Half of {len(hired)} hires took" in page
    company = [row for row in answers.mart("funnel") if row["level"] == "company"]
    funnel = {row["stage_group"]: row for row in company}
    inbox, talks = funnel["Inbox"], funnel["Interview"]["applications"]
    offers = funnel["Offer"]["applications"]
    past = f"{100 * inbox['passed'] / inbox['decided']:.0f}%"
    assert f"Of {inbox['decided']:,} applications decided in the inbox, {past} got past it." in page
    assert (
        f"counted in the {talks:,} applications for jobs with such a stage, offers in {offers:,}."
        in page
    )
    assert "How far they got is not known" not in page
    stuck = len(answers.mart("stuck_applications"))
    assert f"{stuck:,} active applications for open jobs have not moved" in page
    for endpoint in ENDPOINTS:
        assert f'<th scope="row">{endpoint.name.replace("_", " ")}</th>' in page
    assert page.count(">Complete<") == len(ENDPOINTS)


def test_names_are_aligned_as_text_and_numbers_are_not(answers: Answers) -> None:
    cells = re.findall(r"<td( class=\"text\")?>([^<]+)</td>", answers.page)
    as_text = {text for aligned, text in cells if aligned}
    as_numbers = {text for aligned, text in cells if not aligned}
    assert any(re.fullmatch(r"Job \d+", text) for text in as_text)
    assert not any(re.match(r"[-+\d]", text) for text in as_text)
    assert any(text.endswith("%") for text in as_numbers)
    assert not any(re.match(r"Job|Talk", text) for text in as_numbers)


def test_tables_that_only_some_accounts_sync_are_shown_once_they_are(
    answers: Answers, tmp_path: Path
) -> None:
    assert ">uploads</th>" not in answers.page
    read = (
        "INSERT INTO recruit_meta.syncs SELECT * REPLACE ('uploads' AS endpoint, 1_234 AS rows) "
        "FROM recruit_meta.syncs WHERE endpoint = 'notes'"
    )
    assert re.search(r">uploads</th>\s*<td>1,234</td>", rebuild(answers, tmp_path, read).page)


def test_a_site_whose_hires_are_not_known_is_shown_first(answers: Answers, tmp_path: Path) -> None:
    lost = lose_stages("source_type = 'referral' AND source IS NULL", 1)
    found = rebuild(answers, tmp_path, *lost)
    sites = [row for row in found.mart("source_of_hire") if row["level"] == "source"]
    assert [row["source_type"] for row in sites if row["hires"] is None] == ["referral"]
    (_, table) = found.page.split("Which sources bring hires?</h2>")
    first = re.sub(r"\s*<[^>]+>\s*", "|", table.split("<tbody>")[1].split("</tr>")[0])
    none = "\N{EN DASH}"
    cells = [cell for cell in first.split("|") if cell]
    assert (cells[0], cells[1], cells[3], *cells[5:]) == ("referral", *4 * [none])
    assert f"Not shown: {len(sites) - 12} more sites." in found.page


@pytest.fixture(params=["wide", "phone"])
def screen(request: pytest.FixtureRequest) -> str:
    """A key of WIDTHS."""
    return str(request.param)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """What the reader's machine prefers."""
    return str(request.param)


@pytest.fixture
def page(answers: Answers, browser: Browser, screen: str, scheme: str) -> Iterator[Page]:
    """The report, open on that screen."""
    size = {"width": WIDTHS[screen], "height": 800}
    opened = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    path = answers.report
    opened.goto(path.as_uri())
    expect(opened.locator("#filters")).to_be_visible()
    assert asked == [path.as_uri()]  # and nobody else
    yield opened
    opened.close()


def test_it_fits_the_screen(
    page: Page, screen: str, scheme: str, pytestconfig: pytest.Config
) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[screen]
    assert not page.evaluate(f"{SECTIONS}.some(each => each.scrollWidth > each.clientWidth)")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(15, 20, 27)") is (scheme == "dark")
    if folder := pytestconfig.getoption("pictures"):
        keep_picture(page, Path(folder) / f"report-{screen}-{scheme}.png", SHOWN[screen])
    page.get_by_role("combobox", name="Period").select_option("Other months")
    expect(page.get_by_role("combobox", name="From")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[screen]


def test_all_text_stands_out(page: Page) -> None:
    texts = page.evaluate(TEXTS)
    assert len(texts) > 200
    assert any(each["name"] == "text" for each in texts)  # of a drawing
    for each in texts:
        assert "rgba" not in each["color"] + each["behind"]  # nothing shines through
        assert contrast(each["color"], each["behind"]) >= 4.5, each


@pytest.mark.parametrize("screen", ["wide"], indirect=True)
def test_it_prints_on_white_with_all_numbers(
    page: Page, scheme: str, pytestconfig: pytest.Config
) -> None:
    tables = page.locator("table")
    assert not all(tables.nth(index).is_visible() for index in range(tables.count()))
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert all(tables.nth(index).is_visible() for index in range(tables.count()))
    assert 3 < page.pdf(format="A4").count(b"/Type /Page\n") <= 8

    # A section that does not fit on a page any more leaves less than half of it empty.
    page.set_viewport_size(PAPER)  # type: ignore[arg-type]
    looks = page.evaluate(
        f"{SECTIONS}.map(each => [each.offsetHeight, getComputedStyle(each).breakInside])"
    )
    long = [height for height, breaks in looks if breaks == "auto"]  # is broken between two rows
    assert len(long) == 3
    assert max(height for height, breaks in looks if breaks == "avoid") < PAPER["height"] / 2
    assert not page.evaluate(f"{SECTIONS}.some(each => each.scrollWidth > each.clientWidth)")
    if scheme == "dark" and (folder := pytestconfig.getoption("pictures")):
        keep_picture(page, Path(folder) / "report-print.png", SHOWN["print"])


def keep_picture(page: Page, path: Path, sections: int) -> None:
    """Keep a picture of a page, down to that number of sections."""
    last = page.locator("section").nth(sections - 1).bounding_box()
    width = page.evaluate("innerWidth")
    assert last is not None
    page.screenshot(
        path=path,
        full_page=True,
        clip={"x": 0, "y": 0, "width": width, "height": last["y"] + last["height"] + 16},
    )


# As after a sync of what had changed, of a company with many records.
SECOND_SYNC = """
    INSERT INTO recruit_meta.syncs
    SELECT * REPLACE (sync_number + 1 AS sync_number, 'window' AS verdict, 1_098_538 AS rows)
    FROM recruit_meta.syncs
    QUALIFY row_number() OVER (PARTITION BY endpoint ORDER BY sync_number DESC) = 1
"""


@FULL
def test_how_fresh_the_tables_are_fits_a_phone_after_a_second_sync(
    answers: Answers, browser: Browser, tmp_path: Path
) -> None:
    path = shutil.copy(answers.path, tmp_path / "second.duckdb")
    with connection(str(path), {}, 0.1) as database:
        database.execute(SECOND_SYNC)
        written = write(render(gather(database)), report_path(str(path)))
    with browser.new_page(viewport={"width": WIDTHS["phone"], "height": 800}) as phone:
        phone.goto(written.as_uri())
        shown = phone.locator("section:has(#tables) .scroll")
        state = (
            r"Changes; complete on \d+ (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d\d:\d\d"
        )
        assert len(re.findall(state, shown.inner_text())) == len(ENDPOINTS)
        assert shown.evaluate("each => each.scrollWidth <= each.clientWidth")


def contrast(one: str, other: str) -> float:
    """How much two colours differ, from 1 to 21, as WCAG counts it."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        red, green, blue = linear
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
