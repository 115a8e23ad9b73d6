"""The page, as a browser and a reader of text get it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Browser, sync_playwright

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets_tests.marts.conftest import Answers
from recruit_assets_tests.test_ui import CHROMIUM, QUIET


@pytest.fixture
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


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
    assert f"{len(answers.mart('stuck_applications')):,} active applications have not moved" in page
    for endpoint in ENDPOINTS:
        assert f'<th scope="row">{endpoint.name.replace("_", " ")}</th>' in page
    assert page.count(">Complete<") == len(ENDPOINTS)


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_nobody_and_fits_the_screen(
    answers: Answers, browser: Browser, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    path = answers.path.with_name(f"{answers.path.stem}-report.html")
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sections = "[...document.querySelectorAll('section')]"
    assert not page.evaluate(f"{sections}.some(each => each.scrollWidth > each.clientWidth)")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(15, 20, 27)") is (scheme == "dark")
    page.close()
