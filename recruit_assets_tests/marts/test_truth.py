"""Each mart equals what plain Python makes of the log of a simulated company, to the number.

There are two: one lives a year by chance, and the other six weeks of what could mislead.
"""

from collections.abc import Callable
from typing import Any

import pytest

from recruit_assets_tests.marts import truths
from recruit_assets_tests.marts.conftest import Answers
from recruit_assets_tests.marts.truth import Company, Record
from recruit_assets_tests.year import Year

pytestmark = pytest.mark.ring(2)


TRUTHS = (
    truths.applications, truths.stage_groups, truths.stage_spells, truths.funnel,
    truths.time_to_hire, truths.source_of_hire, truths.rejections, truths.offers,
    truths.candidate_nps, truths.stuck_applications, truths.recruiter_load, truths.pipeline_daily,
    truths.job_health,
)  # fmt: skip
Known = tuple[Company, Answers]


@pytest.fixture(scope="module", params=["year", "cases"])
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


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: str(truth.__name__))
def test_a_mart_is_what_the_records_say(
    known: Known, truth: Callable[[Company], list[Record]]
) -> None:
    company, answers = known
    expected = truth(company)
    found = answers.mart(truth.__name__)
    assert len(found) == len(expected) > 1

    def order(row: Record) -> list[str]:
        texts = sorted(name for name, value in row.items() if not isinstance(value, float))
        return [str(row[name]) for name in texts if row[name] is not None]

    for left, right in zip(sorted(found, key=order), sorted(expected, key=order), strict=True):
        assert left.keys() == right.keys()
        assert left == {name: near(value) for name, value in right.items()}
