"""Each mart equals what plain Python makes of the log of a simulated company, to the number.

There are two: one lives a year by chance, and the other six weeks of what could mislead. The first
is also counted in the days of another time zone.
"""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from recruit_assets_tests import lakes
from recruit_assets_tests.marts import truths, truths_of_stages
from recruit_assets_tests.marts.conftest import Answers, answer
from recruit_assets_tests.marts.truth import Company, Record
from recruit_assets_tests.rings import first
from recruit_assets_tests.year import Year

pytestmark = pytest.mark.ring(2)


TRUTHS = (
    truths.applications, truths.time_to_hire, truths.source_of_hire, truths.rejections,
    truths.offers, truths.candidate_nps, truths.stuck_applications, truths.recruiter_load,
    truths.job_health, truths.responsiveness, truths_of_stages.stage_groups,
    truths_of_stages.stage_spells, truths_of_stages.funnel, truths_of_stages.pipeline_daily,
    truths_of_stages.application_actions,
)  # fmt: skip
ELSEWHERE = "America/St_Johns"
Known = tuple[Company, Answers]


KNOWN = ("year", "cases", "cases_told", "elsewhere", "year_told")


@pytest.fixture(scope="module", params=first(3, KNOWN))
def known(request: pytest.FixtureRequest) -> Known:
    """What is true of a company, and what is answered."""
    found: Known = request.getfixturevalue(f"known_{request.param}")
    return found


@pytest.fixture(scope="module")
def known_year(year: Year, answers: Answers) -> Known:
    return Company(year), answers


@pytest.fixture(scope="module")
def known_cases(cases: Year, case_answers: Answers) -> Known:
    return Company(cases), case_answers


@pytest.fixture(scope="module")
def known_year_told(year: Year, told_answers: Answers) -> Known:
    """The year of an account that syncs activities too."""
    assert year.told
    return Company(year.told), told_answers


@pytest.fixture(scope="module")
def known_cases_told(cases: Year, instance: dg.DagsterInstance) -> Known:
    assert cases.told
    return Company(cases.told), answer(cases.told.path, instance)


@pytest.fixture(scope="module")
def known_elsewhere(
    year: Year,
    answers: Answers,
    instance: dg.DagsterInstance,
    tmp_path_factory: pytest.TempPathFactory,
) -> Known:
    """The year where it begins half a day earlier, and the clocks do not stay as they are."""
    path = lakes.copied(answers.path, tmp_path_factory.mktemp("elsewhere"))
    return Company(year, ZoneInfo(ELSEWHERE)), answer(path, instance, time_zone=ELSEWHERE)


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: str(truth.__name__))
def test_a_mart_is_what_the_records_say(
    known: Known, truth: Callable[[Company], list[Record]]
) -> None:
    company, answers = known
    expected = truth(company)
    found = answers.mart(truth.__name__)
    has_none = truth is truths_of_stages.application_actions and not company.actions
    assert len(found) == len(expected)
    assert len(found) > 1 or has_none

    def order(row: Record) -> list[str]:
        texts = sorted(name for name, value in row.items() if not isinstance(value, float))
        return [str(row[name]) for name in texts if row[name] is not None]

    for left, right in zip(sorted(found, key=order), sorted(expected, key=order), strict=True):
        assert left.keys() == right.keys()
        assert left == {name: near(value) for name, value in right.items()}
