"""The filters of the page, in a real browser, against the marts' own SQL over what passes them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from recruit_assets.marts.charts import cell
from recruit_assets.marts.headlines import Period
from recruit_assets.marts.report import Answer
from recruit_assets.sandbox.times import NOW as BEGIN
from recruit_assets_tests.marts.conftest import Answers, rebuild
from recruit_assets_tests.marts.filtered import BY_MART, EVER, Filter, Filtered, filtered
from recruit_assets_tests.marts.test_unread import lose_stages
from recruit_assets_tests.rings import sized
from recruit_assets_tests.year import WEEKS

pytestmark = pytest.mark.ring(2)

COMBINATIONS = sized(20, 20, 150)
NOW = (BEGIN + timedelta(weeks=WEEKS)).date().replace(day=1)  # the month of the last sync
LOST = sized(2, 2, 12)  # stages that are not known, of one department
OLDER = (
    "UPDATE recruit_meta.syncs SET started = started - INTERVAL 3 YEAR, "
    "finished = finished - INTERVAL 3 YEAR WHERE sync_number = 1"
)
STRAYS = [  # an offer and an answer whose applications are not known
    "UPDATE recruit.job_offers SET job_application_id = NULL "
    "WHERE id = (SELECT min(id) FROM recruit.job_offers)",
    "UPDATE recruit.nps_responses SET job_application_id = 'lost' "
    "WHERE id = (SELECT min(id) FROM recruit.nps_responses)",
]
# What each section that is filtered shows, and each number at the top.
SHOWN = """
() => ({
    answers: Object.fromEntries([...document.querySelectorAll('section[data-answer]')].map(each => [
        each.dataset.answer,
        {
            sentence: each.querySelector('.answer > p').textContent,
            chart: each.querySelector('figure')?.getAttribute('aria-label') ?? null,
            note: each.querySelector('.answer .note')?.textContent ?? '',
            table: [...each.querySelectorAll('tr')].map(
                row => [...row.children].map(cell => cell.textContent)),
        },
    ])),
    headlines: Object.fromEntries([...document.querySelectorAll('[data-title]')].map(each => [
        each.dataset.title,
        ['.value', '.note'].map(part => each.querySelector(part).textContent),
    ])),
})
"""


@pytest.fixture(scope="module")
def known(answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The year, known for long, in which a few stages and applications are not known."""
    lost = lose_stages(f"department = 'Galley' AND applied_at >= '{shift(NOW, -9)}'", LOST)
    return rebuild(answers, tmp_path_factory.mktemp("known"), *lost, *STRAYS, OLDER)


@pytest.fixture(scope="module")
def marts(known: Answers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filtered]:
    with filtered(known.path, tmp_path_factory.mktemp("filtered")) as found:
        yield found


@pytest.fixture(scope="module")
def page(known: Answers, browser: Browser) -> Iterator[Page]:
    """The report of it, open."""
    with browser.new_page() as opened:
        opened.goto(known.report.as_uri())
        expect(opened.locator("#filters")).to_be_visible()
        yield opened


def select(page: Page, name: str) -> Locator:
    """The list to choose from that has this name."""
    return page.locator(f"select[name={name.lower()}]")


def shift(day: date, months: int) -> date:
    number = 12 * day.year + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


QUARTER, YEAR = shift(NOW, -((NOW.month - 1) % 3)), date(NOW.year, 1, 1)
PERIODS = {
    "Last 12 whole months": Period(shift(NOW, -12), NOW),
    "Last 3 whole months": Period(shift(NOW, -3), NOW),
    "This quarter so far": Period(QUARTER, shift(NOW, 1)),
    "Last quarter": Period(shift(QUARTER, -3), QUARTER),
    "This year so far": Period(YEAR, shift(NOW, 1)),
    "Last year": Period(shift(YEAR, -12), YEAR),
    "All time": EVER,
}


def choose(page: Page, random: Random) -> Filter:
    """Choose something of each filter, or leave it, and return what is chosen."""
    page.get_by_role("button", name="Clear").click()
    name = random.choice([*PERIODS, "Other months"])
    select(page, "Period").select_option(name)
    period = PERIODS.get(name)
    if period is None:
        months = [shift(NOW, -number) for number in range(18)]
        since, last = sorted(random.sample(months, 2))
        select(page, "From").select_option(f"{since:%b %Y}")
        select(page, "To").select_option(f"{last:%b %Y}")
        period = Period(since, shift(last, 1))
    where = [pick(page, random, name) for name in ("Department", "Source", "Job")]
    return Filter(period, comparable(period), " AND ".join(["true", *filter(None, where)]))


def pick(page: Page, random: Random, name: str) -> str:
    """Choose one of a list in half of the times, and return what it stands for as SQL."""
    options = select(page, name).locator("option").all_inner_texts()[1:]
    if random.random() < 0.5 or not options:
        return ""
    option = random.choice(options)
    select(page, name).select_option(option)
    return sql_of(name, option)


def sql_of(name: str, option: str) -> str:
    """What a choice means."""
    if name == "Department":
        return f"department = '{option}'"
    if found := re.fullmatch(r"(.+) \((.+)\)", option):
        if name == "Job":
            return f"job_id = '{found[2]}'"
        return f"source = '{found[1]}' AND coalesce(source_type, 'not known') = '{found[2]}'"
    return f"coalesce(source_type, 'not known') = '{option}'"


def comparable(period: Period) -> Period | None:
    """The period before, if the one that is chosen is over."""
    if period == EVER or period.until > NOW:
        return None
    months = 12 * (period.until.year - period.since.year) + period.until.month - period.since.month
    return Period(shift(period.since, -months), period.since)


def as_shown(answer: Answer) -> dict[str, Any]:
    """What the page shows of an answer from SQL."""
    if not answer.sentence:
        none = answer.nothing if answer.is_unknown else BY_MART[answer.section["mart"]]["none"]
        return {"sentence": none, "chart": None, "note": "", "table": []}
    table = [[*answer.table[0]], *([cell(value) for value in row.values()] for row in answer.table)]
    return {
        "sentence": answer.sentence,
        "chart": answer.chart.words if answer.chart.rows else None,
        "note": answer.note,
        "table": table,
    }


def test_filters_count_what_sql_counts_of_the_same_applications(
    page: Page, marts: Filtered
) -> None:
    random, said, withheld = Random(6), set(), 0
    for _ in range(COMBINATIONS):
        chosen = choose(page, random)
        shown = page.evaluate(SHOWN)
        expected = marts.answers(chosen)
        received = expected["applications"]
        months = replace(received.chart, rows=marts.months(chosen))
        expected["applications"] = replace(received, chart=months)
        for name, answer in expected.items():
            assert shown["answers"][name] == as_shown(answer), (name, chosen)
            said.add((name, bool(answer.sentence), answer.is_unknown))
        for title, number in marts.headlines(chosen).items():
            withheld += number["note"].startswith("Not known: the stage of")
            found = [number["value"] or "\N{EN DASH}", number["note"]]
            assert shown["headlines"][title] == found, (title, chosen)
    assert {name for name, has_sentence, _ in said if has_sentence} == set(expected)
    assert any(is_unknown for *_, is_unknown in said)
    assert withheld
