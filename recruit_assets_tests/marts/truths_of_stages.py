"""The marts of stages, computed from what `truth` says of them: stays, funnel and pipeline."""

from datetime import timedelta
from math import inf
from typing import Any

from recruit_assets_tests.marts.truth import Company, Record, days, known, middle, target
from recruit_assets_tests.marts.truths import is_whole, keys, levels

FLOWS = ("active", "entered", "left_forward", "left_otherwise", "rejected", "gone", "hired")
POSITIONS = ("Inbox", None, "Screening", "Interview", "Assessment", "Offer", "Hired")


def stage_groups(company: Company) -> list[Record]:
    return [
        {
            "stage_id": id_,
            "job_id": target(stage, "job"),
            "row_order": stage["attributes"]["row-order"],
            "stage": stage["attributes"]["name"],
            "stage_type": company.type_of(id_),
            "stage_group": company.group_of(id_),
            "is_interview": company.interview.get(id_),
        }
        for id_, stage in company.records["stages"].items()
    ]


def stage_spells(company: Company) -> list[Record]:
    stages = company.records["stages"]
    rows = []
    for id_, stays in company.spells.items():
        for number, (stay, after) in enumerate(zip(stays, [*stays[1:], None], strict=True)):
            order = stages[stay["stage"]]["attributes"]["row-order"]
            step = stages[after["stage"]]["attributes"]["row-order"] - order if after else 0
            moved = stay["ended"] == "moved" and step
            rows.append(
                {
                    "application_id": id_,
                    "spell": number + 1,
                    "job_id": target(stages[stay["stage"]], "job"),
                    "stage_id": stay["stage"],
                    "stage": stages[stay["stage"]]["attributes"]["name"],
                    "stage_type": company.type_of(stay["stage"]),
                    "stage_group": company.group_of(stay["stage"]),
                    "is_interview": company.interview.get(stay["stage"]),
                    "entered_at": stay["entered"],
                    "left_at": stay["left"],
                    "days": days(stay["entered"], stay["left"]),
                    "ended": stay["ended"],
                    "next_stage_id": after["stage"] if after else None,
                    "direction": ("forward" if step > 0 else "back") if moved else None,
                    "is_reopened": stay["reopened"],
                    "known_from": known_from(stay),
                }
            )
    return rows


def known_from(stay: Record) -> str:
    """What tells that an application was there."""
    if stay.get("told"):
        return "activity"
    return "record" if stay["first"] else "history"


def application_actions(company: Company) -> list[Record]:
    """What the activities tell, and whether the last move leads to where the application is."""
    rows = []
    for id_, actions in company.actions.items():
        record = company.records["job-applications"][id_]
        moves = [each["id"] for each in actions if each["code"] == "stage"]
        for each in actions:
            leads = each["to"] == target(record, "stage") if each["id"] in moves[-1:] else None
            rows.append(
                {
                    "activity_id": each["id"],
                    "application_id": id_,
                    "job_id": target(record, "job"),
                    "code": each["code"],
                    "acted_at": each["at"],
                    "from_stage_id": each["from"],
                    "to_stage_id": each["to"],
                    "is_automatic": each["automatic"],
                    "is_response": company.is_response(each),
                    "leads_to_stage": leads,
                }
            )
    return rows


def funnel(company: Company) -> list[Record]:
    orders = company.orders()
    everybody = [
        {
            **each,
            "month": company.month(each["applied_at"]),
            "reached": reached(company, each, orders),
        }
        for each in company.applications.values()
    ]
    first = min(each["applied_at"] for each in everybody)
    names = ("month", "department", "job_id", "source_type")
    return [
        {
            **keys(level, value, group, *names),
            "is_whole_month": is_whole(level, value, first, company),
            "stage_group": name,
            "position": POSITIONS.index(name) + 1,
            **got_through(company, name, group, orders),
        }
        for (level, value), group in levels(everybody, *names).items()
        for name in {name for each in group for name in orders[each["job_id"]]}
    ]


def reached(company: Company, application: Record, orders: dict[str, Any]) -> float:
    """How far an application has come among the stages of its job; infinity if it is hired."""
    if application["outcome"] == "hired":
        return inf
    stays = company.spells[application["application_id"]]
    stages = [company.records["stages"][stay["stage"]] for stay in stays]
    places = [
        company.order_of(each) for each in stages if target(each, "job") == application["job_id"]
    ]
    groups: dict[str | None, tuple[float, float]] = orders[application["job_id"]]
    return min(max(places), max(last for _, last in groups.values() if last < inf))


def got_through(
    company: Company, name: str | None, group: list[Record], orders: dict[str, Any]
) -> Record:
    """How many of these applications entered a group of stages, and what became of them."""
    spans = {each["application_id"]: orders[each["job_id"]].get(name) for each in group}
    asked = [each for each in group if spans[each["application_id"]]]
    entered = [each for each in asked if each["reached"] >= spans[each["application_id"]][0]]
    passed = [each for each in entered if each["reached"] > spans[each["application_id"]][1]]
    stayed = [each["outcome"] for each in entered if each not in passed]
    moved = known(
        days(stay["entered"], stay["left"])
        for each in group
        for stay in company.spells[each["application_id"]]
        if stay["ended"] == "moved" and company.group_of(stay["stage"]) == name != "Hired"
    )
    decided = len(entered) - stayed.count("active")
    is_last = name == "Hired"
    return {
        "applications": len(asked),
        "unknown": 0,  # all stages could be read
        "entered": len(entered),
        "hires_undone": sum(each["hire_undone"] for each in asked) if is_last else 0,
        "passed": None if is_last else len(passed),
        "rejected": stayed.count("rejected"),
        "gone": stayed.count("gone"),
        "decided": decided,
        "still_there": stayed.count("active"),
        "pass_rate": None if is_last or not decided else len(passed) / decided,
        "median_days_moved": middle(moved),
        "stays_moved": len(moved),
    }


def pipeline_daily(company: Company) -> list[Record]:
    """The pipeline, counted day by day: who was where at midnight, and who came and left."""
    first, last = company.day(company.known_since), company.day(company.as_of)
    days_ = [first + timedelta(days=number) for number in range(1, (last - first).days)]
    stays = [stay for spells in company.spells.values() for stay in pipeline_stays(company, spells)]
    places = {stay["place"] for stay in stays}
    rows = {(day, *place): dict.fromkeys(FLOWS, 0) for day in days_ for place in places}
    for stay in stays:
        came = company.day(stay["entered"])
        left = company.day(stay["left"]) if stay["left"] else None
        for day in days_:
            row = rows[(day, *stay["place"])]
            row["active"] += came <= day and (left is None or left > day)
            row["entered"] += came == day
            if left == day:
                row[stay["how"]] += 1
    names = ("day", "department_id", "department", "stage_group")
    return [{**dict(zip(names, key, strict=True)), **row} for key, row in rows.items()]


def pipeline_stays(company: Company, spells: list[Record]) -> list[Record]:
    """The stays of an application in one group of stages, that of Hired left out."""
    stays: list[Record] = []
    real = [each for each in spells if not each["left"] or each["left"] >= each["entered"]]
    for spell, after in zip(real, [*real[1:], None], strict=True):
        if company.type_of(spell["stage"]) == "Hired":
            continue
        place = company.pipeline_place(spell["stage"])
        how = spell["ended"]
        if how == "moved":
            how = "left_otherwise"
            if after and after["entered"] == spell["left"]:
                how = way(company, spell["stage"], after["stage"])
        last = stays[-1] if stays else None
        if last and last["moved"] and (last["place"], last["left"]) == (place, spell["entered"]):
            last |= {"left": spell["left"], "how": how, "moved": spell["ended"] == "moved"}
        else:
            names = {"entered": spell["entered"], "left": spell["left"]}
            stays.append({**names, "place": place, "how": how, "moved": spell["ended"] == "moved"})
    return stays


def way(company: Company, one: str, other: str) -> str:
    """How an application that was moved from one stage to another left the first."""
    if company.type_of(other) == "Hired":
        return "hired"
    stages = [company.records["stages"][id_] for id_ in (one, other)]
    (job, order), (next_job, next_order) = (
        (target(stage, "job"), stage["attributes"]["row-order"]) for stage in stages
    )
    return "left_forward" if job == next_job and next_order > order else "left_otherwise"
