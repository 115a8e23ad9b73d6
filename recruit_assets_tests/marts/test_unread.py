"""What is said where tables could not be read, or not lately: no figure that may be untrue."""

from pathlib import Path

import dagster as dg
import pytest

from recruit_assets.mart_assets import ENOUGH
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.marts.cases import Story
from recruit_assets_tests.marts.conftest import Answering, Answers, rebuild
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)


def lose_stages(which: str, limit: int) -> list[str]:
    """SQL that forgets the stages of some active applications."""
    return [
        f"""
        UPDATE {schema}.job_applications SET stage_id = 'lost' WHERE id IN (
            SELECT application_id FROM recruit_marts.applications
            WHERE outcome = 'active' AND {which} ORDER BY 1 LIMIT {limit}
        )
        """
        for schema in ("recruit", "recruit_history")
    ]


def outcomes(answers: Answers) -> dict[str, int]:
    counted = "SELECT outcome, count(*) AS n FROM recruit_marts.applications GROUP BY outcome"
    return {row["outcome"]: row["n"] for row in answers.query(counted)}


def warned(answers: Answers) -> bool:
    """Whether the check says that too much is unknown; it never fails the run."""
    (found,) = [
        each
        for each in answers.result.get_asset_check_evaluations()
        if (each.check_name, each.asset_key.path[-1]) == (ENOUGH, "applications")
    ]
    assert found.severity is dg.AssetCheckSeverity.WARN
    return not found.passed


def test_without_stages_nobody_is_said_to_be_hired_or_not(answering: Answering) -> None:
    answers = answering(0, refused=("stages",))
    assert outcomes(answers) == {"unknown": 31, "rejected": 3}
    assert warned(answers)
    page = answers.page
    assert "Nobody has been hired yet" not in page
    assert "Nothing is stuck" not in page
    assert page.count("Not known: stages could not be read yet.") >= 8
    assert '<span class="value">0</span>' not in page
    (offers,) = answers.query("FROM recruit_marts.offers WHERE level = 'company'")
    assert f"Of {offers['applications']} applications with an offer" in page  # which are known
    assert {row["furthest"] for row in answers.mart("applications")} == {None}
    funnel = [row for row in answers.mart("funnel") if row["level"] == "company"]
    assert {row["stage_group"]: (row["entered"], row["passed"]) for row in funnel} == {
        "Inbox": (34, None),
        "Hired": (None, None),
    }
    for row in answers.mart("source_of_hire"):
        assert (row["hires"] is None) == (row["hire_rate"] is None) == (row["unknown"] > 0)

    jobs = answers.mart("job_health")
    assert {row["is_aging"] for row in jobs if row["unknown"]} == {None}
    assert {row["hires"] for row in jobs if row["unknown"]} == {None}

    healed = answering(4)
    assert outcomes(healed) == {"active": 25, "hired": 6, "rejected": 3}
    assert not warned(healed)
    assert "could not be read" not in healed.page


@FULL
def test_a_few_unknown_stages_take_away_all_figures_that_need_them(
    story: Story, answering: Answering
) -> None:
    story.world.remove("stages", next(iter(story.stages.values()))[0])
    page = answering(0).page
    assert "of 34 applications is not known." in page
    assert "Nobody has been hired yet" not in page


def test_an_unavailable_table_keeps_its_time(answering: Answering) -> None:
    first = answering(0)
    assert "Last read on" not in first.page
    later = answering(1, refused=("job-applications",))
    assert later.mart("applications") == first.mart("applications")
    (as_of,) = {row["as_of"] for row in later.mart("applications")}
    assert as_of == NOW
    assert f"Last read on {NOW:%-d %B %Y}: job applications." in later.page
    assert f"As of {NOW:%-d %B %Y}" in later.page


@FULL
def test_without_jobs_no_application_is_said_to_have_no_department(answering: Answering) -> None:
    found = answering(0, refused=("jobs",)).mart("applications")
    assert {(row["department"], row["location"]) for row in found} == {("Not known", "Not known")}


@FULL
def test_offers_that_could_not_be_read_are_not_said_to_be_none(answering: Answering) -> None:
    answers = answering(0, refused=("job-offers",))
    assert {row["open_offers"] for row in answers.mart("job_health")} == {None}
    sources = answers.mart("source_of_hire")
    assert {row["offers"] for row in sources} == {None}
    assert {row["hires"] for row in sources} != {None}


@FULL
def test_without_applications_a_job_is_not_said_to_have_none(answering: Answering) -> None:
    answers = answering(0, refused=("job-applications",))
    jobs = answers.mart("job_health")
    names = (
        "applications",
        "unknown",
        "active",
        "in_interview",
        "hires",
        "hires_undone",
        "is_aging",
    )
    assert {tuple(row[name] for name in names) for row in jobs} == {(None,) * len(names)}
    later = [row["is_open"] for row in jobs if row["opened_at"] > NOW]
    assert later
    assert not any(later)
    assert {row["is_open"] for row in jobs} == {True, False}
    load = sum(row["open_jobs"] for row in answers.mart("recruiter_load"))
    assert load == sum(row["is_open"] for row in jobs)
    assert all((row["days_open"] is None) == (not row["is_open"]) for row in jobs)


def test_no_source_is_the_largest_while_the_hires_of_one_are_not_known(
    answers: Answers, tmp_path: Path
) -> None:
    rows = [row for row in answers.mart("source_of_hire") if row["level"] == "source_type"]
    most, total = max(row["hires"] for row in rows), sum(row["hires"] for row in rows)
    assert f"The largest source of hires is job boards: {most} of {total}." in answers.page
    assert ">Hires by type of source<" in answers.page

    (boards,) = [row["applications"] for row in rows if row["source_type"] == "job board"]
    lost = boards // 100 + 1  # more than 1 % of those, less of all
    found = rebuild(answers, tmp_path, *lose_stages("source_type = 'job board'", lost))
    by_type = {
        row["source_type"]: row
        for row in found.mart("source_of_hire")
        if row["level"] == "source_type"
    }
    assert [name for name, row in by_type.items() if row["hires"] is None] == ["job board"]
    board = by_type["job board"]
    assert (board["with_days_to_hire"], board["median_days_to_hire"]) == (None, None)
    assert "largest source of hires is not known" in found.page
    assert ">Hires by type of source<" not in found.page
    assert f"How far they got is not known of {lost} applications." in found.page


def test_no_hire_is_dated_while_too_many_stages_are_not_known(
    answers: Answers, tmp_path: Path
) -> None:
    assert answers.mart("pipeline_daily")
    found = rebuild(answers, tmp_path, *lose_stages("true", 50))
    assert found.mart("pipeline_daily") == found.mart("time_to_hire") == []
    hiring = {row["job_id"] for row in found.mart("applications") if row["hired_at"]}
    partly = [row for row in found.mart("job_health") if row["hires"] is None]
    assert hiring & {row["job_id"] for row in partly}
    for name in ("first_hire_at", "days_to_first_hire"):
        assert {row[name] for row in partly} == {None}
