"""What activities add to the marts, and when they are not believed.

One company with a job for each case, all of which happened before its first sync.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copy

import dagster as dg
import pytest
import time_machine

from recruit_assets.load.connection import connection
from recruit_assets.mart_assets import ENOUGH
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.marts.cases import HIRED, INTERVIEW, OFFER, SCREENING, Cases
from recruit_assets_tests.marts.conftest import READ, Answers, answer
from recruit_assets_tests.marts.test_misleading import OVERLAPS
from recruit_assets_tests.marts.truth import Record
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.year import TOLD, sync_all

pytestmark = pytest.mark.ring(2)

# The marts that follow from activities before all others.
FIRST = [
    mart
    for mart in MARTS
    if mart.name
    in ("application_actions", "stage_groups", "stage_spells", "applications", "responsiveness")
]
LAST = """
    SELECT count(*) AS n FROM recruit.job_applications AS a
    ANTI JOIN recruit_marts.stage_spells AS s
    ON s.application_id = a.id AND s.stage_id = a.stage_id AND s.next_stage_id IS NULL
"""


class Before(Cases):
    """What happened before the first sync; `of` has the application of each case."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, str] = {}
        self.case("moved", (-80, SCREENING), (-70, INTERVIEW), (-60, SCREENING))
        for day, stage in ((-50, HIRED), (-40, OFFER)):
            self.at(day)
            self.move(self.of["moved"], stage)
        self.case("plain", (-80, SCREENING), (-70, INTERVIEW))
        self.case("reopened", (-80, SCREENING))
        self.reject(self.of["reopened"])
        self.at(-60)
        self.reopen(self.of["reopened"])
        self.at(-50)
        self.move(self.of["reopened"], INTERVIEW)
        self.case("twice", (-80, SCREENING))
        related = self.world.table("job-applications")[self.of["twice"]]["relationships"]
        self.world.add("job-applications", {}, dict(related))
        self.case("unanswered")
        self.act("unanswered", -89, "message", '{"body": "Thank you", "from_trigger": true}')
        self.act("unanswered", -88, "note", '{"note": "By a trigger", "from_trigger": true}')
        self.act("unanswered", -87, "message", '{"body": "May I ask?"}')
        self.act("unanswered", -86, "meeting_event_candidate_status_changed", "{}")
        for case, code in (("noted", "note"), ("invited", "meeting_event_candidate_invited")):
            self.case(case)
            self.act(case, -85, code, "{}")
        requisition = self.world.add("requisitions", {"number-of-openings": 3})
        self.world.change("jobs", self.job_of("plain"), {}, {"requisition": requisition})

    def case(self, name: str, *moves: tuple[float, int]) -> None:
        """An application for a job of its own, which was moved on these days."""
        self.at(-100)
        job = self.job()
        self.at(-90)
        self.of[name] = self.apply(job)
        for day, stage in moves:
            self.at(day)
            self.move(self.of[name], stage)

    def owners(self, name: str) -> dict[str, str]:
        """The job and the candidate of a case."""
        related = self.world.table("job-applications")[self.of[name]]["relationships"]
        return {key: related[key]["id"] for key in ("candidate", "job")}

    def job_of(self, name: str) -> str:
        return self.owners(name)["job"]

    def act(self, name: str, day: float, code: str, data: str) -> None:
        """Let something else be noted of it."""
        self.at(day)
        self.world.add("activities", {"code": code, "data": data}, self.owners(name))


@pytest.fixture(scope="module")
def company() -> Iterator[Before]:
    found = Before()
    with found.sandbox.serve():
        yield found


@pytest.fixture(scope="module")
def answers(
    company: Before, instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    """What is answered after the first sync, of everything."""
    company.at(0)
    path = tmp_path_factory.mktemp("told") / "told.duckdb"
    sync_all(company.sandbox, path, 0, NOW, {*READ, *TOLD})
    with time_machine.travel(NOW, tick=True):
        return answer(path, instance)


def changed(answers: Answers, folder: Path, sql: str) -> Answers:
    """The marts of a copy of the file, after this statement."""
    path = Path(copy(answers.path, folder / "changed.duckdb"))
    with time_machine.travel(NOW, tick=True), connection(str(path), {}, 0.1) as database:
        database.execute(sql)
        assert not [each for each in build(database, FIRST) if each.wrong]
    return Answers(path, answers.result)


def way(answers: Answers, application: str) -> list[tuple[str, str, float, str]]:
    """The stays of an application: stage, how it ended, the day it began on, and who tells."""
    rows = answers.query(
        f"FROM recruit_marts.stage_spells WHERE application_id = '{application}' ORDER BY spell"
    )
    days = [(row["entered_at"] - NOW) / timedelta(days=1) for row in rows]
    return [
        (row["stage"], row["ended"], day, row["known_from"])
        for row, day in zip(rows, days, strict=True)
    ]


def one(answers: Answers, mart: str, **equal: object) -> Record:
    (found,) = [
        row
        for row in answers.mart(mart)
        if all(row[name] == value for name, value in equal.items())
    ]
    return found


def test_stays_before_the_first_sync_are_told(company: Before, answers: Answers) -> None:
    assert way(answers, company.of["moved"]) == [
        ("Inbox", "moved", -90, "activity"),
        ("Screening", "moved", -80, "activity"),
        ("Interview", "moved", -70, "activity"),
        ("Screening", "moved", -60, "activity"),
        ("Hired", "moved", -50, "activity"),
        ("Offer", "there", -40, "record"),
    ]
    row = one(answers, "applications", application_id=company.of["moved"])
    assert (row["furthest"], row["hire_undone"], row["interviewed"]) == ("Hired", True, True)
    job = company.job_of("moved")
    offers = one(answers, "funnel", job_id=job, stage_group="Offer")
    assert (offers["entered"], offers["still_there"]) == (1, 1)
    assert one(answers, "funnel", job_id=job, stage_group="Hired")["hires_undone"] == 1
    inbox = one(answers, "funnel", job_id=job, stage_group="Inbox")
    assert (inbox["median_days_moved"], inbox["stays_moved"]) == (10, 1)
    acted = one(answers, "responsiveness", level="job", job_id=job)
    assert (acted["unknown"], acted["median_hours_to_action"]) == (0, 240)
    assert answers.mart("pipeline_daily") == []  # who was deleted by then is not known


@pytest.mark.parametrize("lost", [True, False])
def test_without_activities_they_are_not_known(
    company: Before, answers: Answers, tmp_path: Path, lost: bool
) -> None:
    sql = "DROP VIEW recruit_now.activities; DROP TABLE recruit.activities"
    if not lost:  # there are some, but never all of them were read
        sql = "UPDATE recruit_meta.syncs SET verdict = 'window' WHERE endpoint = 'activities'"
    found = changed(answers, tmp_path, sql)
    assert way(found, company.of["plain"]) == [("Interview", "there", -70, "record")]
    acted = one(found, "responsiveness", level="job", job_id=company.job_of("plain"))
    assert (acted["unknown"], acted["answered"], acted["with_7_days"]) == (1, 0, 0)
    assert (acted["median_hours_to_action"], acted["within_7_days_rate"]) == (None, None)
    waits = one(found, "responsiveness", level="job", job_id=company.job_of("noted"))
    assert (waits["unknown"], waits["unanswered"]) == (0, 1)  # of a note nothing is known


def test_one_that_was_reopened_before_the_first_sync_has_what_the_sync_saw(
    company: Before, answers: Answers
) -> None:
    assert way(answers, company.of["reopened"]) == [("Interview", "there", -50, "record")]


def test_who_applied_twice_for_a_job_is_not_told_apart(company: Before, answers: Answers) -> None:
    assert way(answers, company.of["twice"]) == [("Screening", "there", -80, "record")]
    actions = answers.mart("application_actions")
    assert company.job_of("twice") not in {row["job_id"] for row in actions}


@FULL
def test_moves_that_do_not_lead_there_are_not_believed(
    company: Before, answers: Answers, tmp_path: Path
) -> None:
    whole, other = (way(answers, company.of[name]) for name in ("plain", "moved"))
    assert [stay[3] for stay in whole] == ["activity", "activity", "record"]
    job = company.job_of("plain")
    stages = company.stages[job]
    elsewhere = (
        f"UPDATE recruit.activities SET to_stage_id = '{stages[OFFER]}' "
        f"WHERE to_stage_id = '{stages[INTERVIEW]}'"
    )
    found = changed(answers, tmp_path, elsewhere)
    assert way(found, company.of["plain"]) == whole[-1:]
    assert way(found, company.of["moved"]) == other
    gap = f"UPDATE recruit.activities SET from_stage_id = '1' WHERE to_stage_id = '{stages[2]}'"
    assert way(changed(answers, tmp_path, gap), company.of["plain"]) == whole[-1:]
    unmade = f"DELETE FROM recruit.activities WHERE job_id = '{job}' AND code = 'created'"
    found = changed(answers, tmp_path, unmade)
    assert way(found, company.of["plain"]) == whole[1:]  # where it was before is not told
    acted = one(found, "responsiveness", level="job", job_id=job)
    assert (acted["unknown"], acted["answered"]) == (1, 0)
    for minutes in (-2, 2):
        off = (
            f"UPDATE recruit.activities SET created_at = created_at + INTERVAL ({minutes}) MINUTE "
            f"WHERE to_stage_id = '{stages[INTERVIEW]}'"
        )
        assert way(changed(answers, tmp_path, off), company.of["plain"]) == whole[-1:]


@FULL
def test_a_check_warns_if_moves_do_not_lead_there(
    company: Before, answers: Answers, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    def check(found: Answers) -> dg.AssetCheckEvaluation:
        (check,) = [
            each
            for each in found.result.get_asset_check_evaluations()
            if (each.check_name, each.asset_key.path[-1]) == (ENOUGH, "application_actions")
        ]
        assert check.severity is dg.AssetCheckSeverity.WARN
        return check

    assert check(answers).passed
    job = company.job_of("plain")
    away = f"UPDATE recruit.activities SET to_stage_id = '1' WHERE job_id = '{job}'"
    found = changed(answers, tmp_path, away)
    with time_machine.travel(NOW, tick=True):
        assert not check(answer(found.path, instance)).passed


def test_only_somebody_at_the_company_answers_an_applicant(
    company: Before, answers: Answers
) -> None:
    for case, days in (("unanswered", None), ("noted", 5), ("invited", 5)):
        found = one(answers, "responsiveness", level="job", job_id=company.job_of(case))
        assert (found["answered"], found["unanswered"]) == ((1, 0) if days else (0, 1))
        rates = [found[f"within_{limit}_days_rate"] for limit in (2, 7, 14)]
        assert rates == ([0, 1, 1] if days else [0, 0, 0])
        assert found["median_hours_to_action"] == (days and 24 * days)


def test_openings_are_those_of_the_requisition(company: Before, answers: Answers) -> None:
    assert one(answers, "job_health", job_id=company.job_of("plain"))["openings"] == 3
    assert one(answers, "job_health", job_id=company.job_of("moved"))["openings"] is None


def test_stays_do_not_overlap_and_the_last_is_the_apis(
    answers: Answers, told_answers: Answers
) -> None:
    for found in (answers, told_answers):
        assert found.query(OVERLAPS) == [{"n": 0}]
        assert found.query(LAST) == [{"n": 0}]
