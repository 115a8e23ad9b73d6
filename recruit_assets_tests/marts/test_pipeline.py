"""The pipeline day by day: it balances, and says nothing of days that are not known."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

import pytest

from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.marts.conftest import Answering, Answers
from recruit_assets_tests.marts.truth import Record
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

LEFT = ("left_forward", "left_otherwise", "rejected", "gone", "hired")
FIRST = NOW.date()  # of the first sync


def groups(answers: Answers) -> Iterator[list[Record]]:
    """The days of each group of stages of a department, in order."""
    found = defaultdict(list)
    for row in answers.mart("pipeline_daily"):
        found[row["department_id"], row["stage_group"]].append(row)
    for days in found.values():
        yield sorted(days, key=lambda row: row["day"])


def events(answers: Answers, name: str) -> dict[date, int]:
    """How many events of a kind there were, on the days that had some."""
    found: dict[date, int] = defaultdict(int)
    for row in answers.mart("pipeline_daily"):
        found[row["day"]] += row[name]
    return {day: count for day, count in found.items() if count}


@pytest.mark.parametrize("known", ["answers", "case_answers"])
def test_it_balances_from_day_to_day(request: pytest.FixtureRequest, known: str) -> None:
    answers: Answers = request.getfixturevalue(known)
    for days in groups(answers):
        for before, after in pairwise(days):
            assert after["day"] - before["day"] == timedelta(days=1)
            left = sum(after[name] for name in LEFT)
            assert before["active"] + after["entered"] - left == after["active"] >= 0


def test_it_has_the_whole_days_after_the_first_sync(case_answers: Answers) -> None:
    days = {row["day"] for row in case_answers.mart("pipeline_daily")}
    assert (min(days), max(days)) == (FIRST + timedelta(days=1), FIRST + timedelta(days=41))


@FULL
def test_after_the_first_sync_no_day_is_known(answering: Answering) -> None:
    assert answering(0).mart("pipeline_daily") == []


def test_a_hire_leaves_and_enters_again_if_it_is_undone(case_answers: Answers) -> None:
    assert events(case_answers, "hired") == {
        FIRST + timedelta(days=15): 3,
        FIRST + timedelta(days=22): 3,
    }
    offered = [row for row in case_answers.mart("pipeline_daily") if row["stage_group"] == "Offer"]
    entered = {row["day"]: row["entered"] for row in offered if row["entered"]}
    assert entered[FIRST + timedelta(days=8)] == entered[FIRST + timedelta(days=29)] == 2


def test_one_that_is_moved_though_rejected_is_not_in_the_pipeline(case_answers: Answers) -> None:
    (row,) = case_answers.query(
        "SELECT entered_at FROM recruit_marts.stage_spells WHERE left_at < entered_at"
    )
    moved = row["entered_at"].date()
    interviews = [
        row
        for row in case_answers.mart("pipeline_daily")
        if row["stage_group"] == "Interview" and row["day"] == moved
    ]
    assert [row["entered"] for row in interviews] == [2]  # others, who go forth on that day
