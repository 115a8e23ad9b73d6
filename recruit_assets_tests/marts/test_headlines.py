"""The numbers at the top of the page: of one period, and compared only with what is all known."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from recruit_assets.load.connection import connection
from recruit_assets.marts.headlines import Headlines, Period
from recruit_assets.marts.report import gather
from recruit_assets_tests.marts.conftest import Answers
from recruit_assets_tests.marts.truth import middle
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

LAST = Period(date(2025, 11, 1), date(2026, 11, 1))  # of the cases, which end on 12 November
EARLIER = Period(date(2024, 11, 1), date(2025, 11, 1))
THREE_YEARS_EARLIER = (
    "UPDATE recruit_meta.syncs SET started = started - INTERVAL 3 YEAR, "
    "finished = finished - INTERVAL 3 YEAR WHERE sync_number = 1"
)


def headlines(path: Path, *sql: str) -> Headlines:
    with connection(str(path), {}, 0.1) as database:
        for each in sql:
            database.execute(each)
        return gather(database).headlines


def within(period: Period, moment: datetime | None) -> bool:
    return moment is not None and period.since <= moment.date() < period.until


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "January 2025 to December 2025"),
        (datetime(2024, 2, 29, 23, tzinfo=UTC), "February 2023 to January 2024"),
        (datetime(2026, 12, 31, tzinfo=UTC), "December 2025 to November 2026"),
    ],
)
def test_a_period_is_twelve_whole_months(moment: datetime, words: str) -> None:
    period = Period.before(moment)
    assert period.words == words
    assert period.until <= moment.date()
    assert Period.before(period.since).until == period.since


@FULL
def test_all_numbers_are_of_one_period(case_answers: Answers) -> None:
    found = headlines(case_answers.path)
    applications = case_answers.mart("applications")
    applied = [row for row in applications if within(LAST, row["applied_at"])]
    hired = [row for row in applications if within(LAST, row["hired_at"])]
    days = middle(row["days_to_hire"] for row in hired)
    assert 0 < len(applied) < len(applications)
    assert found.numbers["Applications"]["value"] == str(len(applied))
    assert found.numbers["Hires"]["value"] == str(len(hired))
    assert found.numbers["Time to hire"]["value"] == f"{days:.0f} days"
    assert LAST.words in found.about
    assert not any("year before (" in number["note"] for number in found.numbers.values())
    assert "What was deleted before the first complete sync, on 1 October 2026," in found.about


@FULL
def test_the_year_before_is_compared_once_all_of_it_is_known(
    case_answers: Answers, tmp_path: Path
) -> None:
    path = Path(shutil.copy(case_answers.path, tmp_path / "known.duckdb"))
    found = headlines(path, THREE_YEARS_EARLIER)
    applications = case_answers.mart("applications")
    now, before = (
        sum(within(period, row["applied_at"]) for row in applications) for period in (LAST, EARLIER)
    )
    note = f"received; {before} in the year before ({now - before:+d})"
    assert found.numbers["Applications"]["note"] == note
    assert before > 0
    assert found.numbers["Time to hire"]["note"] == "median of the hires (3)"  # nobody before
    assert "not compared" not in found.about


def test_a_score_needs_five_answers(case_answers: Answers, tmp_path: Path) -> None:
    path = Path(shutil.copy(case_answers.path, tmp_path / "few.duckdb"))
    few = "UPDATE recruit_marts.candidate_nps SET scores = 4 WHERE level = 'month'"
    assert headlines(path).numbers["Candidate NPS"]["value"]
    found = headlines(path, few).numbers["Candidate NPS"]
    assert (found["value"], found["note"]) == (None, "4 scores; five are needed")
