"""Each mart equals what plain Python makes of the log of the simulated year, to the number.

The log is what the API showed at each sync; what the marts should say of it is told in their
headers, and computed here anew: no SQL, none of the project's code.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from recruit_assets_tests.marts.conftest import Answers
from recruit_assets_tests.year import Year

pytestmark = pytest.mark.ring(2)

LOAD = (
    "open_jobs", "active_applications", "stuck_applications", "open_todos", "overdue_todos",
)  # fmt: skip
TYPES = ["Inbox", "In process", "Hired"]
Record = dict[str, Any]
Groups = dict[tuple[Any, ...], list[Record]]


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def days(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds() / 86_400)


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def middle(values: Iterable[float | None]) -> float | None:
    found = known(values)
    return median(found) if found else None


def ninetieth(values: Iterable[float | None]) -> float | None:
    found = sorted(known(values))
    place = 0.9 * (len(found) - 1)
    below = int(place)
    above = min(below + 1, len(found) - 1)
    return found[below] + (found[above] - found[below]) * (place - below) if found else None


def month(moment: datetime | None) -> Any:
    return moment.date().replace(day=1) if moment else None


def target(record: Record, name: str) -> Any:
    related = record["relationships"][name]
    return related["id"] if related else None


class Company:
    """The log, read as the marts' headers say it is to be read."""

    def __init__(self, year: Year) -> None:
        # What is gone stays known as it was seen last.
        self.records = {
            name.replace("_", "-"): {
                id_: each for seen in year.syncs(name) for id_, each in seen.records.items()
            }
            for name in {seen.endpoint for seen in year.log}
        }
        self.current = {
            name.replace("_", "-"): set(year.current(name))
            for name in {seen.endpoint for seen in year.log}
        }
        self.as_of = self.today = year.end
        self.deleted_at = self._deleted_at(year)
        gone = self.records["job-applications"].keys() - self.current["job-applications"]
        assert self.deleted_at.keys() == gone != set()
        self.interview = self._interviews()
        self.passed = self._passed(year)
        self.visits = {id_: self._visits(id_) for id_ in self.records["job-applications"]}
        self.applications = {
            id_: self._application(id_) for id_ in self.records["job-applications"]
        }

    def _deleted_at(self, year: Year) -> dict[str, datetime]:
        """When the applications that are gone were missed first, by a reading of the whole list."""
        deleted_at: dict[str, datetime] = {}
        known: set[str] = set()
        for seen in year.syncs("job_applications"):
            known |= seen.records.keys()
            for id_ in known:
                if id_ in seen.records:
                    deleted_at.pop(id_, None)
                elif seen.complete:
                    deleted_at.setdefault(id_, seen.at)
        return deleted_at

    def _passed(self, year: Year) -> dict[str, list[tuple[str, datetime]]]:
        """The stages that each application was seen in, one after the other, and since when."""
        passed: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for seen in year.syncs("job_applications"):
            for id_, record in seen.records.items():
                since = instant(record["attributes"]["changed-stage-at"])
                assert since is not None
                stood = (target(record, "stage"), since)
                if stood not in passed[id_][-1:]:
                    passed[id_].append(stood)
        return passed

    def type_of(self, stage: str) -> str:
        return str(self.records["stages"][stage]["attributes"]["legacy-stage-type-name"])

    def _interviews(self) -> set[str]:
        """Stages that are an interview, or come after one in the job's order."""
        first: dict[str, int] = {}
        stages = self.records["stages"].values()
        for stage in stages:
            job, order = target(stage, "job"), stage["attributes"]["row-order"]
            if "interview" in stage["attributes"]["name"].lower():
                first[job] = min(order, first.get(job, order))
        return {
            stage["id"]
            for stage in stages
            if stage["attributes"]["row-order"] >= first.get(target(stage, "job"), 10**9)
        }

    def _visits(self, id_: str) -> dict[str, Record]:
        record = self.records["job-applications"][id_]
        visits: dict[str, Record] = {}
        stood = self.passed[id_]
        for (stage, came), (_, went) in pairwise(stood):
            visit = visits.setdefault(stage, {"entered": came, "left": went, "current": False})
            visit["entered"] = min(visit["entered"], came)
            visit["left"] = max(visit["left"], went)
        current = target(record, "stage")
        since = min([came for stage, came in stood if stage == current])
        rejected = instant(record["attributes"]["rejected-at"])
        visits[current] = {
            "entered": since,
            "left": rejected or self.deleted_at.get(id_),
            "current": True,
        }
        return visits

    def _source(self, record: Record, candidate: Record) -> str:
        for site in (record["attributes"]["referring-site"], candidate.get("referring-site")):
            if site:
                return str(site)
        if record["attributes"]["sourced"] or candidate.get("sourced"):
            return "Sourced"
        return "Referral" if candidate.get("referred") else "Direct"

    def _place(self, job: Record) -> str:
        ids = [target(job, "location"), *(each["id"] for each in job["relationships"]["locations"])]
        first = next((id_ for id_ in ids if id_), None)
        if first is None:
            return "No location"
        place = self.records["locations"][first]["attributes"]
        return str(place["name"] or place["city"])

    def _application(self, id_: str) -> Record:
        record = self.records["job-applications"][id_]
        attributes = record["attributes"]
        job = self.records["jobs"][target(record, "job")]
        department = target(job, "department")
        candidate = self.records["candidates"].get(target(record, "candidate"), {})
        candidate = candidate.get("attributes", {})
        stage = target(record, "stage")
        visits = self.visits[id_]
        applied, rejected = instant(attributes["created-at"]), instant(attributes["rejected-at"])
        since = instant(attributes["changed-stage-at"])
        outcome = "gone" if id_ in self.deleted_at else "active"
        outcome = "hired" if self.type_of(stage) == "Hired" else outcome
        outcome = "rejected" if rejected else outcome
        hired = None
        if outcome == "hired":
            hired = min(v["entered"] for s, v in visits.items() if self.type_of(s) == "Hired")
        started = instant(job["attributes"]["start-date"] or job["attributes"]["created-at"])
        return {
            "application_id": id_,
            "candidate_id": target(record, "candidate"),
            "job_id": job["id"],
            "job": job["attributes"]["title"],
            "job_status": job["attributes"]["status"],
            "recruiter_id": target(job, "user"),
            "department": self.records["departments"][department]["attributes"]["name"]
            if department
            else "No department",
            "location": self._place(job),
            "source": self._source(record, candidate),
            "stage_id": stage,
            "stage": self.records["stages"][stage]["attributes"]["name"],
            "stage_type": self.type_of(stage),
            "furthest": TYPES[max([0, *(TYPES.index(self.type_of(each)) for each in visits)])],
            "interviewed": bool(visits.keys() & self.interview),
            "outcome": outcome,
            "applied_at": applied,
            "stage_since": since,
            "days_in_stage": days(since, self.as_of) if outcome == "active" else None,
            "hired_at": hired,
            "days_to_hire": days(applied, hired),
            "days_to_fill": days(started, hired),
            "rejected_at": rejected,
            "days_to_reject": days(applied, rejected),
            "reject_reason_id": target(record, "reject-reason"),
            "as_of": self.as_of,
        }

    def grouped(self, key: Callable[[Record], tuple[Any, ...]], **equal: Any) -> Groups:
        """Applications by key, those only that have these values."""
        groups: Groups = defaultdict(list)
        for each in self.applications.values():
            if all(each[name] == value for name, value in equal.items()):
                groups[key(each)].append(each)
        return groups


@pytest.fixture(scope="module")
def company(year: Year) -> Company:
    return Company(year)


def stage_visits(company: Company) -> list[Record]:
    return [
        {
            "application_id": id_,
            "stage_id": stage,
            "stage": company.records["stages"][stage]["attributes"]["name"],
            "stage_type": company.type_of(stage),
            "is_interview": stage in company.interview,
            "is_current": visit["current"],
            "entered_at": visit["entered"],
            "left_at": visit["left"],
            "days": days(visit["entered"], visit["left"]),
        }
        for id_, visits in company.visits.items()
        for stage, visit in visits.items()
    ]


def applications(company: Company) -> list[Record]:
    return list(company.applications.values())


def stood(company: Company, id_: str, type_: str) -> float | None:
    """Days that an application stood in stages of a type, if it has left them all."""
    spans = [
        days(visit["entered"], visit["left"])
        for stage, visit in company.visits[id_].items()
        if company.type_of(stage) == type_
    ]
    return sum(known(spans)) if spans and None not in spans else None


def hiring_funnel(company: Company) -> list[Record]:
    rows = []
    for (job,), group in company.grouped(lambda each: (each["job_id"],)).items():
        for position, type_ in enumerate(TYPES):
            entered = [each for each in group if TYPES.index(each["furthest"]) >= position]
            passed = [each for each in group if TYPES.index(each["furthest"]) > position]
            here = [
                each
                for each in group
                if each["outcome"] == "active" and each["stage_type"] == type_
            ]
            rate = len(passed) / len(entered) if entered and position < 2 else None
            rows.append(
                {
                    "job_id": job,
                    "job": group[0]["job"],
                    "department": group[0]["department"],
                    "stage_type": type_,
                    "position": position + 1,
                    "entered": len(entered),
                    "now": len(here),
                    "passed_on": len(passed),
                    "conversion_rate": rate,
                    "median_days": middle(
                        stood(company, each["application_id"], type_) for each in group
                    ),
                }
            )
    return rows


def levels(rows: list[Record], *names: str) -> dict[tuple[str, Any], list[Record]]:
    """Rows for the company, and by the value of each of these."""
    groups = defaultdict(list, {("company", None): rows})
    for name in names:
        for row in rows:
            groups[name.removesuffix("_id"), row[name]].append(row)
    return groups


def keys(level: str, value: Any, rows: list[Record], *names: str) -> Record:
    """The columns that say what a row is for."""
    found = {name: value if level == name.removesuffix("_id") else None for name in names}
    if "job_id" in names:
        found["job"] = rows[0]["job"] if level == "job" else None
    return {"level": level, **found}


def time_to_hire(company: Company) -> list[Record]:
    hired = [
        {**each, "month": month(each["hired_at"])}
        for each in company.applications.values()
        if each["outcome"] == "hired"
    ]
    names = ("department", "job_id", "month")
    return [
        {
            **keys(level, value, rows, *names),
            "hires": len(rows),
            "median_days_to_hire": middle(row["days_to_hire"] for row in rows),
            "p90_days_to_hire": ninetieth(row["days_to_hire"] for row in rows),
            "median_days_to_fill": middle(row["days_to_fill"] for row in rows),
        }
        for (level, value), rows in levels(hired, *names).items()
    ]


def source_quality(company: Company) -> list[Record]:
    rows = []
    for (source,), group in company.grouped(lambda each: (each["source"],)).items():
        outcomes = [each["outcome"] for each in group]
        interviewed = sum(each["interviewed"] for each in group)
        count = {name: outcomes.count(name) for name in ("active", "hired", "rejected", "gone")}
        rows.append(
            {
                "source": source,
                "applications": len(group),
                **count,
                "interviewed": interviewed,
                "interview_rate": interviewed / len(group),
                "hire_rate": count["hired"] / len(group),
                "rejection_rate": count["rejected"] / len(group),
                "median_days_to_hire": middle(each["days_to_hire"] for each in group),
            }
        )
    return rows


def rejections(company: Company) -> list[Record]:
    groups = company.grouped(
        lambda each: (each["reject_reason_id"], each["stage"], each["stage_type"]),
        outcome="rejected",
    )
    total = sum(len(group) for group in groups.values())
    reasons = {
        id_: record["attributes"] for id_, record in company.records["reject-reasons"].items()
    }
    return [
        {
            "reject_reason_id": reason,
            "reason": reasons[reason]["reason"],
            "decided_by": "company" if reasons[reason]["rejected-by-company"] else "candidate",
            "stage": stage,
            "stage_type": type_,
            "rejections": len(group),
            "rejection_share": len(group) / total,
            "median_days_to_reject": middle(each["days_to_reject"] for each in group),
        }
        for (reason, stage, type_), group in groups.items()
    ]


def offers(company: Company) -> list[Record]:
    seen = []
    for record in company.records["job-offers"].values():
        application = company.applications[target(record, "job-application")]
        attributes = record["attributes"]
        sent, answered = instant(attributes["sent-at"]), instant(attributes["answered-at"])
        seen.append(
            {
                "department": application["department"],
                "job_id": application["job_id"],
                "job": application["job"],
                "month": month(sent),
                "status": attributes["status"],
                "open": attributes["status"] == "sent"
                and record["id"] in company.current["job-offers"],
                "sent": sent is not None,
                "days": days(sent, answered),
            }
        )
    names = ("department", "job_id", "month")
    rows = []
    for (level, value), group in levels(seen, *names).items():
        said = [each["status"] for each in group]
        accepted, declined = said.count("accepted"), said.count("declined")
        rows.append(
            {
                **keys(level, value, group, *names),
                "offers": len(group),
                "sent": sum(each["sent"] for each in group),
                "accepted": accepted,
                "declined": declined,
                "open": sum(each["open"] for each in group),
                "acceptance_rate": accepted / (accepted + declined)
                if accepted + declined
                else None,
                "median_days_to_answer": middle(each["days"] for each in group),
            }
        )
    return rows


def candidate_nps(company: Company) -> list[Record]:
    seen = []
    for record in company.records["nps-responses"].values():
        application = company.applications[target(record, "job-application")]
        stage = company.records["stages"][target(record, "stage")]["attributes"]["name"]
        scored = instant(record["attributes"]["scored-at"])
        score = record["attributes"]["score"]
        department = application["department"]
        seen.append(
            {"score": score, "month": month(scored), "department": department, "stage": stage}
        )
    names = ("month", "department", "stage")
    rows = []
    for (level, value), group in levels(seen, *names).items():
        scores = known(each["score"] for each in group)
        promoters = sum(score >= 9 for score in scores)
        detractors = sum(score <= 6 for score in scores)
        rows.append(
            {
                **keys(level, value, group, *names),
                "asked": len(group),
                "scores": len(scores),
                "promoters": promoters,
                "passives": len(scores) - promoters - detractors,
                "detractors": detractors,
                "response_rate": len(scores) / len(group),
                "nps": 100 * (promoters - detractors) / len(scores) if scores else None,
                "mean_score": sum(scores) / len(scores) if scores else None,
            }
        )
    return rows


def stuck_applications(company: Company) -> list[Record]:
    names = (
        "application_id job_id job job_status department location stage stage_type stage_since "
        "days_in_stage recruiter_id"
    )
    return [
        {name: each[name] for name in names.split()}
        for each in company.applications.values()
        if each["outcome"] == "active" and each["days_in_stage"] >= 14
    ]


def recruiter_load(company: Company) -> list[Record]:
    load: dict[str | None, Record] = defaultdict(lambda: dict.fromkeys(LOAD, 0))
    for job in company.records["jobs"].values():
        load[target(job, "user")]["open_jobs"] += job["attributes"]["status"] == "open"
    for each in company.applications.values():
        desk = load[each["recruiter_id"]]
        desk["active_applications"] += each["outcome"] == "active"
        desk["stuck_applications"] += each["outcome"] == "active" and each["days_in_stage"] >= 14
    for todo in company.records["todos"].values():
        if todo["attributes"]["completed-at"]:
            continue
        due = todo["attributes"]["due"]
        desk = load[target(todo, "assignee")]
        desk["open_todos"] += 1
        desk["overdue_todos"] += bool(due) and due < company.today.date().isoformat()
    return [{"user_id": user, **desk} for user, desk in load.items() if any(desk.values())]


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


TRUTHS = (
    stage_visits, applications, hiring_funnel, time_to_hire, source_quality, rejections, offers,
    candidate_nps, stuck_applications, recruiter_load,
)  # fmt: skip


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: str(truth.__name__))
def test_a_mart_is_what_the_records_say(
    company: Company, answers: Answers, truth: Callable[[Company], list[Record]]
) -> None:
    expected = truth(company)
    found = answers.mart(truth.__name__)
    assert len(found) == len(expected) > 1

    def order(row: Record) -> list[str]:
        texts = sorted(name for name, value in row.items() if not isinstance(value, float))
        return [str(row[name]) for name in texts if row[name] is not None]

    for left, right in zip(sorted(found, key=order), sorted(expected, key=order), strict=True):
        assert left.keys() == right.keys()
        assert left == {name: near(value) for name, value in right.items()}
