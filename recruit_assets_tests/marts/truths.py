"""Each mart but those of stages, computed from what `truth` says of the applications."""

from collections import defaultdict
from typing import Any

from recruit_assets_tests.marts.truth import (
    Company,
    Groups,
    Record,
    days,
    instant,
    known,
    middle,
    ninetieth,
    target,
)

OUTCOMES = ("active", "hired", "rejected", "gone", "unknown")
LOAD = (
    "open_jobs", "active_applications", "stuck_applications", "open_todos", "overdue_todos",
)  # fmt: skip


def applications(company: Company) -> list[Record]:
    return list(company.applications.values())


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


def is_whole(level: str, month_: Any, first: Any, company: Company) -> bool | None:
    """Whether a month is over, and not the first, which is partly known."""
    if level != "month" or month_ is None:
        return None
    return bool(company.month(first) < month_ < company.month(company.as_of))


def time_to_hire(company: Company) -> list[Record]:
    hired = [
        {**each, "month": company.month(each["hired_at"])}
        for each in company.applications.values()
        if each["outcome"] == "hired"
    ]
    names = ("department", "job_id", "month")
    first = min(each["applied_at"] for each in company.applications.values())
    return [
        {
            **keys(level, value, rows, *names),
            "is_whole_month": is_whole(level, value, first, company),
            "hires": len(rows),
            "with_days_to_hire": len(known(row["days_to_hire"] for row in rows)),
            "with_days_to_fill": len(known(row["days_to_fill"] for row in rows)),
            "median_days_to_hire": middle(row["days_to_hire"] for row in rows),
            "p90_days_to_hire": ninetieth(row["days_to_hire"] for row in rows),
            "median_days_to_fill": middle(row["days_to_fill"] for row in rows),
        }
        for (level, value), rows in levels(hired, *names).items()
    ]


def source_of_hire(company: Company) -> list[Record]:
    everybody = company.applications.values()
    first = min(each["applied_at"] for each in everybody)
    sent = {
        target(record, "job-application")
        for record in company.records["job-offers"].values()
        if record["attributes"]["sent-at"]
    }
    names = ("source_type", "source", "month")
    rows = []
    for level, kept in (("source_type", 1), ("source", 2), ("month", 3)):
        groups: Groups = defaultdict(list)
        for each in everybody:
            key = (each["source_type"], each["source"], company.month(each["applied_at"]))
            groups[key[:kept]].append(each)
        for key, group in groups.items():
            place = dict(zip(names, (*key, None, None), strict=False))
            whole = is_whole(level, place["month"], first, company)
            offers = sum(each["application_id"] in sent for each in group)
            counts = {"is_whole_month": whole, "offers": offers, **quality(group)}
            rows.append({"level": level, **place, **counts})
    return rows


def quality(group: list[Record]) -> Record:
    """What became of the applications from a source."""
    outcomes = [each["outcome"] for each in group]
    concluded = [each for each in group if each["outcome"] in ("hired", "rejected", "gone")]
    told = known(each["interviewed"] for each in concluded)
    interviewed = known(each["interviewed"] for each in group)
    count = {name: outcomes.count(name) for name in OUTCOMES}
    hires = count.pop("hired")
    internal = [each["is_internal"] for each in group]
    return {
        "applications": len(group),
        "people": len({each["candidate_id"] for each in group}),
        "internal": None if None in internal else sum(internal),
        **count,
        "concluded": len(concluded),
        "hires": hires,
        "hires_undone": sum(each["hire_undone"] for each in group),
        "interviewed": sum(interviewed) if interviewed else None,
        "with_interviews": len(told),
        "interview_rate": sum(told) / len(told) if told else None,
        "hire_rate": hires / len(concluded) if concluded else None,
        "rejection_rate": count["rejected"] / len(concluded) if concluded else None,
        "median_days_to_hire": middle(each["days_to_hire"] for each in group),
        "with_days_to_hire": len(known(each["days_to_hire"] for each in group)),
    }


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
            "with_days_to_reject": len(known(each["days_to_reject"] for each in group)),
        }
        for (reason, stage, type_), group in groups.items()
    ]


def offers(company: Company) -> list[Record]:
    seen = []
    last: dict[str, Record] = {}  # the offer of each application that was sent last
    for record in company.records["job-offers"].values():
        application = company.applications[target(record, "job-application")]
        attributes = record["attributes"]
        sent, answered = instant(attributes["sent-at"]), instant(attributes["answered-at"])
        offer = {
            "department": application["department"],
            "job_id": application["job_id"],
            "job": application["job"],
            "month": company.month(sent),
            "status": attributes["status"],
            "open": attributes["status"] == "sent"
            and record["id"] in company.current["job-offers"],
            "sent": sent,
            "days": days(sent, answered),
        }
        seen.append(offer)
        before = last.get(application["application_id"])
        if sent and (before is None or before["sent"] <= sent):
            last[application["application_id"]] = offer
    names = ("department", "job_id", "month")
    finals = list(map(id, last.values()))
    return [
        {**keys(level, value, group, *names), **answered_offers(group, finals)}
        for (level, value), group in levels(seen, *names).items()
    ]


def answered_offers(group: list[Record], finals: list[int]) -> Record:
    """How these offers were answered, and how those that were the last of an application."""
    said = [each["status"] for each in group]
    ends = [each["status"] for each in group if id(each) in finals]
    answered = said.count("accepted") + said.count("declined")
    decided = ends.count("accepted") + ends.count("declined")
    return {
        "offers": len(group),
        "sent": sum(each["sent"] is not None for each in group),
        **{name: said.count(name) for name in ("accepted", "declined", "withdrawn", "expired")},
        "open": sum(each["open"] for each in group),
        "offer_acceptance_rate": said.count("accepted") / answered if answered else None,
        "applications": len(ends),
        "applications_accepted": ends.count("accepted"),
        "applications_declined": ends.count("declined"),
        "acceptance_rate": ends.count("accepted") / decided if decided else None,
        "median_days_to_answer": middle(each["days"] for each in group),
        "with_days_to_answer": len(known(each["days"] for each in group)),
    }


def candidate_nps(company: Company) -> list[Record]:
    seen = []
    for record in company.records["nps-responses"].values():
        application = company.applications[target(record, "job-application")]
        stage = company.records["stages"][target(record, "stage")]["attributes"]["name"]
        scored = instant(record["attributes"]["scored-at"])
        score = record["attributes"]["score"]
        department = application["department"]
        seen.append(
            {
                "score": score,
                "at": scored,
                "month": company.month(scored),
                "department": department,
                "stage": stage,
            }
        )
    first = min(each["at"] for each in seen if each["at"])
    names = ("month", "department", "stage")
    rows = []
    for (level, value), group in levels(seen, *names).items():
        scores = known(each["score"] for each in group)
        promoters = sum(score >= 9 for score in scores)
        detractors = sum(score <= 6 for score in scores)
        rows.append(
            {
                **keys(level, value, group, *names),
                "is_whole_month": is_whole(level, value, first, company),
                "asked": len(group),
                "scores": len(scores),
                "promoters": promoters,
                "passives": len(scores) - promoters - detractors,
                "detractors": detractors,
                "response_rate": len(scores) / len(group),
                "nps": 100 * (promoters - detractors) / len(scores) if len(scores) >= 5 else None,
                "mean_score": sum(scores) / len(scores) if scores else None,
            }
        )
    return rows


def is_stuck(application: Record) -> bool:
    waits = application["outcome"] == "active" and application["job_is_open"]
    return waits and (application["days_in_stage"] or 0) >= 14


def stuck_applications(company: Company) -> list[Record]:
    names = (
        "application_id job_id job job_human_status department_id department location_id location "
        "role_id stage stage_type stage_since days_in_stage stuck_after_days recruiter_id"
    )
    return [
        {name: each[name] for name in names.split()}
        for each in company.applications.values()
        if is_stuck(each)
    ]


def recruiter_load(company: Company) -> list[Record]:
    load: dict[str | None, Record] = defaultdict(lambda: dict.fromkeys(LOAD, 0))
    for job in company.records["jobs"].values():
        load[target(job, "user")]["open_jobs"] += company.is_open(job)
    for each in company.applications.values():
        desk = load[each["recruiter_id"]]
        desk["active_applications"] += each["outcome"] == "active"
        desk["stuck_applications"] += is_stuck(each)
    for todo in company.records["todos"].values():
        if todo["attributes"]["completed-at"]:
            continue
        due = todo["attributes"]["due"]
        desk = load[target(todo, "assignee")]
        desk["open_todos"] += 1
        desk["overdue_todos"] += bool(due) and due < company.day(company.as_of).isoformat()
    return [{"user_id": user, **desk} for user, desk in load.items() if any(desk.values())]


def job_health(company: Company) -> list[Record]:
    rows = []
    applied = company.grouped(lambda each: (each["job_id"],))
    offers: dict[str, int] = defaultdict(int)
    for id_ in company.current["job-offers"]:
        record = company.records["job-offers"][id_]
        job = company.applications[target(record, "job-application")]["job_id"]
        offers[job] += record["attributes"]["status"] == "sent"
    interviewing = {target(company.records["stages"][stage], "job") for stage in company.interview}
    for id_, job in company.records["jobs"].items():
        group, attributes = applied.get((id_,), []), job["attributes"]
        active = [each for each in group if each["outcome"] == "active"]
        hired = [each["hired_at"] for each in group if each["outcome"] == "hired"]
        start, created = instant(attributes["start-date"]), instant(attributes["created-at"])
        is_open = company.is_open(job)
        open_for = days(start or created, company.as_of) if is_open else None
        talks = sum(each["stage_group"] == "Interview" for each in active)
        rows.append(
            {
                "job_id": id_,
                "job": attributes["title"],
                "status": attributes["status"],
                "human_status": attributes["human-status"],
                "is_open": is_open,
                "recruiter_id": target(job, "user"),
                **company.place_of(job),
                "opened_at": start or created,
                "opened_known_from": "start_date" if start else "created_at",
                "days_open": open_for,
                "reopened_times": company.reopened(id_),
                "openings": company.openings(job),
                "applications": len(group),
                "unknown": 0,  # all stages could be read
                "active": len(active),
                "in_interview": talks if id_ in interviewing else None,
                "open_offers": offers[id_],
                "hires": len(hired),
                "hires_undone": sum(each["hire_undone"] for each in group),
                "first_hire_at": min(hired, default=None),
                "days_to_first_hire": days(start or created, min(hired, default=None)),
                "last_application_at": max((each["applied_at"] for each in group), default=None),
                "is_aging": (open_for or 0) > 60 and not hired,
            }
        )
    return rows


def responsiveness(company: Company) -> list[Record]:
    everybody = [
        {**each, "month": company.month(each["applied_at"]), **first_action(company, each)}
        for each in company.applications.values()
    ]
    first = min(each["applied_at"] for each in everybody)
    groups: Groups = defaultdict(list)
    for each in everybody:
        month, job = each["month"], each["job_id"]
        for key in (
            ("company", None, None),
            ("month", month, None),
            ("job", None, job),
            ("job_month", month, job),
        ):
            groups[key].append(each)
    return [
        {
            "level": level,
            "month": month,
            "is_whole_month": is_whole("month", month, first, company),
            "job_id": job,
            "job": group[0]["job"] if job else None,
            **answered(company, group),
        }
        for (level, month, job), group in groups.items()
    ]


def first_action(company: Company, application: Record) -> Record:
    """When somebody first did something with an application, and whether that is known."""
    id_, applied = application["application_id"], application["applied_at"]
    record = company.records["job-applications"][id_]
    moved = instant(record["attributes"]["changed-stage-at"])
    actions = company.actions.get(id_, [])
    places = [each["to"] for each in actions if each["code"] == "stage"]
    agrees = places[-1] == target(record, "stage") if places else is_same(moved, applied)
    refused = not application["rejected_at"] or "rejected" in [each["code"] for each in actions]
    made = {"created", "sourced"}.intersection(each["code"] for each in actions)
    if made and agrees and refused:
        done = [
            each["at"]
            for each in actions
            if company.is_response(each) and (each["at"] - applied).total_seconds() > -60
        ]
        return {"is_known": True, "acted": min(done, default=None)}
    stay = company.spells[id_][0]
    acted = stay["left"] if stay["ended"] in ("moved", "rejected") else None
    sure = is_same(stay["entered"], applied)
    return {"is_known": sure, "acted": acted if sure else None}


def is_same(one: Any, other: Any) -> bool:
    return bool(abs((one - other).total_seconds()) <= 60)


def answered(company: Company, group: list[Record]) -> Record:
    """How many of these applications were answered, and when."""
    sure = [each for each in group if each["is_known"]]
    waiting = [each["outcome"] for each in sure if not each["acted"]]
    for each in sure:
        acted, applied = each["acted"], each["applied_at"]
        each["hours"] = max(0.0, (acted - applied).total_seconds() / 3600) if acted else None
    unknown = len(group) - len(sure)
    enough = unknown <= 0.01 * len(group)
    hours = known(each["hours"] for each in sure)
    found: Record = {
        "applications": len(group),
        "unknown": unknown,
        "answered": len(hours),
        "unanswered": waiting.count("active"),
        "never_answered": len(waiting) - waiting.count("active"),
        "median_hours_to_action": middle(hours) if enough else None,
        "with_hours_to_action": len(hours),
    }
    for limit in (2, 7, 14):
        made = [(days(each["applied_at"], company.as_of), each["hours"]) for each in sure]
        cohort = [wait for age, wait in made if age is not None and age >= limit]
        soon = sum(wait is not None and wait <= limit * 24 for wait in cohort)
        found[f"with_{limit}_days"] = len(cohort)
        found[f"within_{limit}_days"] = soon
        found[f"within_{limit}_days_rate"] = soon / len(cohort) if cohort and enough else None
    return found
