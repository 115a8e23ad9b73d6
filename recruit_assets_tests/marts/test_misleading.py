"""What ordinary events must not make the marts and the page say: the cases, one by one."""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from recruit_assets.load.connection import connection
from recruit_assets.marts.charts import query_chart
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.views import known_columns
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.marts.conftest import Answering, Answers, rebuild
from recruit_assets_tests.marts.truth import Record
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

OVERLAPS = """
    SELECT count(*) AS n FROM recruit_marts.stage_spells AS a JOIN recruit_marts.stage_spells AS b
    ON a.application_id = b.application_id AND a.spell < b.spell
    WHERE b.entered_at < coalesce(a.left_at, 'infinity')
"""


def outcome(answers: Answers, outcome: str) -> int:
    return sum(each["outcome"] == outcome for each in answers.mart("applications"))


def spells(answers: Answers, **equal: object) -> list[Record]:
    """The stays that have these values."""
    found = answers.mart("stage_spells")
    return [row for row in found if all(row[name] == value for name, value in equal.items())]


def test_every_mart_counts_the_same_hires(case_answers: Answers) -> None:
    hires = outcome(case_answers, "hired")
    undone = [row for row in case_answers.mart("applications") if row["hire_undone"]]
    assert (hires, len(undone)) == (3, 6)
    assert {row["outcome"] for row in undone} == {"active", "rejected"}
    for level in ("company", "month", "department", "job", "source_type"):
        funnel = [
            row
            for row in case_answers.mart("funnel")
            if (row["level"], row["stage_group"]) == (level, "Hired")
        ]
        assert sum(row["entered"] for row in funnel) == hires
        assert sum(row["hires_undone"] for row in funnel) == len(undone)
    (company,) = [r for r in case_answers.mart("time_to_hire") if r["level"] == "company"]
    assert company["hires"] == hires
    assert sum(row["hires"] for row in case_answers.mart("source_of_hire")) == 3 * hires


def test_a_hire_counts_from_its_last_beginning(case_answers: Answers) -> None:
    """A hire that was undone, or repeated, does not date from the first time."""
    hired = {row["hired_at"] for row in case_answers.mart("applications")} - {None}
    assert hired == {NOW + timedelta(days=15)}


def test_nobody_waits_in_hired(case_answers: Answers) -> None:
    left = [row for row in spells(case_answers, stage_type="Hired") if row["ended"] != "there"]
    assert len(left) == 9
    assert "waited longest in Hired" not in case_answers.page
    assert all(
        row["median_days_moved"] is None
        for row in case_answers.mart("funnel")
        if row["stage_group"] == "Hired"
    )


def test_a_hire_that_was_undone_got_as_far_as_the_stage_before(case_answers: Answers) -> None:
    """Two of the English job are undone; one is hired, and one was moved to Interview and back."""
    hired = [row for row in case_answers.mart("applications") if row["hired_at"]]
    english = min(hired, key=lambda row: int(row["job_id"]))  # the job that was made first
    funnel = {
        row["stage_group"]: row
        for row in case_answers.mart("funnel")
        if row["job_id"] == english["job_id"]
    }
    assert (funnel["Offer"]["entered"], funnel["Offer"]["passed"]) == (3, 1)
    assert (funnel["Offer"]["rejected"], funnel["Offer"]["still_there"]) == (1, 1)
    assert funnel["Offer"]["pass_rate"] == 1 / 2
    assert (funnel["Interview"]["entered"], funnel["Interview"]["passed"]) == (4, 3)


def test_those_that_reached_an_interview_are_the_same_in_every_mart(case_answers: Answers) -> None:
    interviewed = sum(row["interviewed"] or 0 for row in case_answers.mart("applications"))
    (row,) = [
        row
        for row in case_answers.mart("funnel")
        if (row["level"], row["stage_group"]) == ("company", "Interview")
    ]
    assert row["entered"] == interviewed > 0
    sources = case_answers.mart("source_of_hire")
    assert sum(row["interviewed"] or 0 for row in sources) == 3 * interviewed


@FULL
def test_after_the_first_sync_nobody_is_known_to_wait(answering: Answering) -> None:
    answers = answering(0)
    assert not spells(answers, ended="moved")
    assert len(spells(answers, ended="rejected")) == 3  # which is no time in a stage
    assert (
        "Not known yet: of no stage is it known that ten applications have moved on" in answers.page
    )
    assert all(row["median_days_moved"] is None for row in answers.mart("funnel"))


def test_who_moved_on_waited_longest_where_the_median_says(case_answers: Answers) -> None:
    moved = spells(case_answers, ended="moved", stage="Inbox")
    days = sorted(row["days"] for row in moved)
    assert len(days) >= 10
    half = (days[(len(days) - 1) // 2] + days[len(days) // 2]) / 2
    assert f"half of {len(days)} for {half:.1f} days or more" in case_answers.page


def test_a_reopened_application_waits_since_it_was_reopened(case_answers: Answers) -> None:
    reopened = spells(case_answers, is_reopened=True)
    assert len(reopened) == 3
    assert {row["entered_at"] for row in reopened} == {NOW + timedelta(weeks=1)}  # when seen
    ids = {row["application_id"] for row in reopened}
    stays = {row["application_id"]: row for row in case_answers.mart("applications")}
    assert {stays[id_]["days_in_stage"] for id_ in ids} == {35.0}
    assert {stays[id_]["stage_since"] for id_ in ids} == {NOW + timedelta(weeks=1)}


def test_stays_do_not_overlap_when_somebody_goes_back_and_forth(case_answers: Answers) -> None:
    assert case_answers.query(OVERLAPS) == [{"n": 0}]
    back = spells(case_answers, direction="back")
    assert len(back) == 9
    twice = [row["application_id"] for row in spells(case_answers, stage="Step three")]
    assert len(twice) > len(set(twice))


def test_a_duration_that_ends_before_it_begins_is_not_known(case_answers: Answers) -> None:
    """A job was advertised again after its hire."""
    (company,) = [r for r in case_answers.mart("time_to_hire") if r["level"] == "company"]
    assert (company["with_days_to_hire"], company["with_days_to_fill"]) == (3, 2)
    fills = [row["days_to_fill"] for row in case_answers.mart("applications") if row["hired_at"]]
    assert sorted(fill for fill in fills if fill is not None) == [435.0, 435.0]


def test_the_last_offer_of_an_application_counts(case_answers: Answers) -> None:
    (company,) = [row for row in case_answers.mart("offers") if row["level"] == "company"]
    assert (company["applications_accepted"], company["applications_declined"]) == (6, 0)
    assert company["acceptance_rate"] == 1
    assert (company["accepted"], company["declined"]) == (6, 3)
    assert company["offer_acceptance_rate"] == 6 / 9
    assert (company["withdrawn"], company["expired"], company["open"]) == (3, 3, 3)
    assert "That is 100% of those answered (67% by offer)." in case_answers.page


def test_who_was_recommended_is_a_referral_wherever_they_came_from(case_answers: Answers) -> None:
    counted = "SELECT source_type, count(*) AS n FROM recruit_marts.applications GROUP BY ALL"
    found = {row["source_type"]: row["n"] for row in case_answers.query(counted)}
    assert found == {"referral": 6, "sourced": 4, "internal": 3, "job board": 17, "direct": 8}
    sites = {row["source"] for row in case_answers.mart("applications")}
    assert sites == {"linkedin.com", None}  # of four spellings
    assert case_answers.query(
        "SELECT count(*) AS n FROM recruit_marts.applications "
        "WHERE source_type = 'referral' AND source IS NOT NULL"
    ) != [{"n": 0}]


def test_an_employee_counts_as_one_whatever_brought_them(case_answers: Answers) -> None:
    rows = case_answers.mart("source_of_hire")
    by_type = {row["source_type"]: row for row in rows if row["level"] == "source_type"}
    assert by_type["internal"]["internal"] == by_type["internal"]["applications"] == 3
    assert sum(row["internal"] for row in by_type.values()) == 5  # two were recommended, or sourced


def test_only_open_jobs_are_open_and_have_stuck_applications(case_answers: Answers) -> None:
    applications = case_answers.mart("applications")
    closed = {row["job_human_status"] for row in applications if not row["job_is_open"]}
    assert closed == {"expired", "archived", "scheduled", "published"}  # the last is past its end
    stuck = case_answers.mart("stuck_applications")
    assert {row["job_human_status"] for row in stuck} == {"published"}
    assert "Jobs that are not open have 4 more." in case_answers.page


@FULL
def test_nothing_is_stuck_in_a_job_that_was_deleted(case_answers: Answers, tmp_path: Path) -> None:
    job = case_answers.mart("stuck_applications")[0]["job_id"]
    found = rebuild(
        case_answers, tmp_path, f"UPDATE recruit.jobs SET _deleted_at = now() WHERE id = '{job}'"
    )
    assert job not in {row["job_id"] for row in found.mart("stuck_applications")}
    (health,) = [row for row in found.mart("job_health") if row["job_id"] == job]
    of_job = [row["job_is_open"] for row in found.mart("applications") if row["job_id"] == job]
    assert set(of_job) == {health["is_open"]} == {False}


def test_a_job_ages_that_is_open_for_long_and_has_hired_nobody(case_answers: Answers) -> None:
    jobs = case_answers.mart("job_health")
    hiring = {row["job_id"] for row in case_answers.mart("applications") if row["hired_at"]}
    for row in jobs:
        waits = row["is_open"] and row["days_open"] > 60 and row["job_id"] not in hiring
        assert row["is_aging"] == waits
        assert (row["days_open"] is None) == (not row["is_open"])
    assert len({row["is_aging"] for row in jobs}) == 2
    again = [row for row in jobs if row["hires"] and row["days_to_first_hire"] is None]
    assert len(again) == 1  # it was advertised again after its hire


def test_nobody_is_said_to_be_in_an_interview_where_none_is_known(case_answers: Answers) -> None:
    jobs = {row["job_id"]: row["in_interview"] for row in case_answers.mart("job_health")}
    stages = (
        "SELECT job_id, bool_or(is_interview) AS told FROM recruit_marts.stage_groups GROUP BY 1"
    )
    told = {row["job_id"]: row["told"] for row in case_answers.query(stages)}
    assert {job for job, count in jobs.items() if count is None} == {
        job for job, has_interview in told.items() if has_interview is None
    }
    assert sum(count or 0 for count in jobs.values()) > 0


@pytest.mark.parametrize(
    ("site", "known_as"),
    [
        ("linkedin.com", "linkedin.com"),
        ("WWW.LinkedIn.com ", "linkedin.com"),
        ("https://se.linkedin.com/jobs?x=1", "linkedin.com"),
        ("m.jobboard.example", "jobboard.example"),
        ("bt.co.uk", "bt.co.uk"),
        ("jobs.lever.co", "jobs.lever.co"),
        ("LinkedIn", "linkedin"),
        ("android-app://com.slack/", "com.slack"),
        (" ", None),
    ],
)
def test_the_spellings_of_a_site_are_one(
    case_answers: Answers, tmp_path: Path, site: str, known_as: str | None
) -> None:
    path = shutil.copy(case_answers.path, tmp_path / "sites.duckdb")
    with connection(str(path), {}, 0.1) as database, known_columns(database):
        assert database.execute("SELECT site_of(?)", [site]).fetchall() == [(known_as,)]


def test_months_are_drawn_whole_and_without_gaps(case_answers: Answers) -> None:
    (mart,) = [each for each in MARTS if each.name == "applications"]
    with connection(str(case_answers.path), {}, 0.1) as database:
        rows = query_chart(database, mart).rows
    months, counts = [row["label"] for row in rows], [row["value"] for row in rows]
    applied = [row["applied_at"].date() for row in case_answers.mart("applications")]
    assert months[0] > min(applied) > months[0] - timedelta(days=31)  # its month began before
    assert months[-1] == date(2026, 10, 1)  # as of 12 November, though nobody applied in it
    numbers = [12 * each.year + each.month for each in months]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert sum(counts) == sum(months[0] <= each < date(2026, 11, 1) for each in applied)
    scores = [row for row in case_answers.mart("candidate_nps") if row["level"] == "month"]
    assert {row["is_whole_month"] for row in scores} == {False}  # the first scores are of October


def test_the_page_counts_undone_hires(case_answers: Answers) -> None:
    assert re.search(r">Undone<", case_answers.page)
