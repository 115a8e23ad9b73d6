"""What the log of a simulated company says of its applications, in plain Python.

The log is what the API showed at each sync; what the marts should say of it is told in their
headers, and computed again here: no SQL, none of the project's code. `truths` has the other marts.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from math import inf
from statistics import median
from typing import Any

from recruit_assets_tests.year import Year

GROUPS = {
    "Screening": "Screening", "Phone call": "Screening", "Urval": "Screening",
    "Interview": "Interview", "Första intervjun": "Interview",
    "Offer": "Offer", "Erbjudande": "Offer",
}  # fmt: skip
SPELLINGS = dict.fromkeys(
    ("www.linkedin.com", "LinkedIn", "https://se.linkedin.com/jobs"), "linkedin.com"
)
TYPES = ["Inbox", "In process", "Hired"]
Record = dict[str, Any]
Groups = dict[tuple[Any, ...], list[Record]]


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def days(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    passed = (end - start).total_seconds()
    return max(0.0, passed / 86_400) if passed > -60 else None


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


def target(record: Record, name: str) -> Any:
    related = record["relationships"][name]
    return related["id"] if related else None


def action(id_: str, attributes: Record) -> Record:
    """What an activity tells."""
    data = json.loads(attributes["data"] or "{}")
    is_move = attributes["code"] == "stage"
    places = {name: str(data[name]) if is_move else None for name in ("from", "to")}
    automatic = data.get("from_trigger")
    at = instant(attributes["created-at"])
    return {"id": id_, "code": attributes["code"], "at": at, "automatic": automatic, **places}


def see(stays: list[Record], record: Record, at: datetime) -> None:
    """Note what a sync at this time saw of an application: another stay, or the same."""
    stage, came = target(record, "stage"), instant(record["attributes"]["changed-stage-at"])
    rejected = instant(record["attributes"]["rejected-at"])
    last = stays[-1] if stays else None
    if last and not last["gone"] and (stage, came) == (last["stage"], last["came"]):
        if rejected and not last["rejected"]:
            last["rejected"] = rejected
        if rejected or not last["rejected"]:
            return
    reopened = bool(last and (last["gone"] or (last["rejected"] and not rejected)))
    moved = last is None or came != last["came"]
    # What was gone and is seen again rejected was back before it was rejected.
    back = rejected if last and last["gone"] and rejected and rejected > last["gone"] else at
    fresh = {"stage": stage, "came": came, "entered": came if moved else back, "gone": None}
    stays.append(fresh | {"rejected": rejected, "reopened": reopened, "first": last is None})


def end(stay: Record, after: Record | None) -> None:
    """Say how and when a stay ended, which another may follow."""
    rejected = stay["rejected"]
    if not rejected and after and after["rejected"] and after["rejected"] < after["entered"]:
        rejected = after["rejected"]
    if rejected:
        stay["ended"], stay["left"] = "rejected", rejected
    elif stay["gone"] and not (after and after["entered"] < stay["gone"]):
        stay["ended"], stay["left"] = "gone", stay["gone"]
    elif after:
        stay["ended"], stay["left"] = "moved", after["entered"]
    else:
        stay["ended"], stay["left"] = "there", None


def fill(stays: list[Record], actions: list[Record], applied: datetime) -> list[Record]:
    """Put in the stays that only the activities tell, before each that began by a move."""
    filled: list[Record] = []
    moved = [
        number
        for number, stay in enumerate(stays)
        if stay["came"] and (not number or stay["came"] != stays[number - 1]["came"])
    ]
    ways: dict[int, list[Record]] = defaultdict(list)
    for action in actions:
        early = MINUTE if action["code"] == "stage" else MINUTE * 0
        ended = [n for n in moved if stays[n]["entered"] >= action["at"] - early]
        if action["code"] in ("stage", "rejected") and ended:
            ways[ended[0]].append(action)
    for number, stay in enumerate(stays):
        before = stays[number - 1] if number else None
        way = ways[number]
        if way and leads(way, before, stay):
            made = [each["at"] for each in actions if each["code"] in ("created", "sourced")]
            if before is None and made and min(made) <= way[0]["at"] + MINUTE:
                start = min(applied, way[0]["at"], stay["entered"])
                filled.append(only_told(way[0]["from"], start))
            for step in way[:-1]:
                filled.append(only_told(step["to"], min(step["at"], stay["entered"])))
        filled.append(stay)
    return filled


MINUTE = timedelta(minutes=1)


def leads(way: list[Record], before: Record | None, after: Record) -> bool:
    """Whether moves lead from one stay to the next, without a rejection or a deletion."""
    places = [step["to"] for step in way]
    starts = [step["from"] for step in way]
    if any(step["code"] == "rejected" for step in way) or after["reopened"]:
        return False
    if after["rejected"] and after["rejected"] < after["entered"]:
        return False
    if before and (starts[0] != before["stage"] or way[0]["at"] < before["entered"]):
        return False
    on_time = abs(way[-1]["at"] - after["entered"]) <= MINUTE
    return starts[1:] == places[:-1] and places[-1] == after["stage"] and on_time


def only_told(stage: str, entered: datetime) -> Record:
    """A stay that no sync saw."""
    nothing = dict.fromkeys(("came", "gone", "rejected", "reopened", "first"))
    return nothing | {"stage": stage, "entered": entered, "reopened": False, "told": True}


class Company:
    """The log, read as the marts' headers say it is to be read."""

    def __init__(self, year: Year, zone: tzinfo = UTC) -> None:
        self.zone, self.year = zone, year
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
        readings = year.syncs("job_applications")
        self.known_since = next(seen.at for seen in readings if seen.complete)
        self.as_of = year.end
        self.deleted_at = self._deleted_at(year)
        gone = self.records["job-applications"].keys() - self.current["job-applications"]
        assert self.deleted_at.keys() == gone != set()
        self.interview = self._interviews()
        self.actions = self._actions(year)
        self.spells = self._spells(year)
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

    def _actions(self, year: Year) -> dict[str, list[Record]]:
        """What the API's activities tell of each application, in order; of none if not read."""
        owners: dict[tuple[str, str], list[str]] = defaultdict(list)
        for id_, record in self.records["job-applications"].items():
            owners[target(record, "job"), target(record, "candidate")].append(id_)
        found: dict[str, list[Record]] = defaultdict(list)
        for seen in year.syncs("activities"):
            for id_, record in seen.records.items():
                owner = owners.get((target(record, "job"), target(record, "candidate")), [])
                if len(owner) == 1 and target(record, "job") in self.current["jobs"]:
                    found[owner[0]].append(action(id_, record["attributes"]))
        for actions in found.values():
            actions.sort(key=lambda each: (each["at"], int(each["id"])))
        return found

    def _spells(self, year: Year) -> dict[str, list[Record]]:
        """The stays of each application, one after the other, as the syncs saw them."""
        spells: dict[str, list[Record]] = defaultdict(list)
        for seen in year.syncs("job_applications"):
            for id_, record in seen.records.items():
                see(spells[id_], record, seen.at)
            if seen.complete:
                for id_ in spells.keys() - seen.records.keys():
                    spells[id_][-1]["gone"] = spells[id_][-1]["gone"] or seen.at
        for id_, found in self.actions.items():
            applied = instant(self.records["job-applications"][id_]["attributes"]["created-at"])
            assert applied is not None
            spells[id_] = fill(spells[id_], found, applied)
        for stays in spells.values():
            for stay, after in zip(stays, [*stays[1:], None], strict=True):
                end(stay, after)
        return spells

    def reopened(self, job: str) -> int:
        """How often syncs saw a job open again after it was not."""
        seen = [
            record["attributes"]["human-status"] in ("published", "unlisted")
            for each in self.year.syncs("jobs")
            if (record := each.records.get(job))
        ]
        return sum(after and not before for before, after in pairwise(seen))

    def openings(self, job: Record) -> int | None:
        """How many people are to be hired, if the requisitions were read."""
        requisition = self.records.get("requisitions", {}).get(target(job, "requisition"))
        return requisition["attributes"]["number-of-openings"] if requisition else None

    @staticmethod
    def is_response(action: Record) -> bool:
        """Whether somebody at the company did it."""
        if action["automatic"]:
            return False
        is_reply = action["code"] == "meeting_event_candidate_status_changed"
        is_meeting = action["code"].startswith("meeting_event_") and not is_reply
        return is_meeting or action["code"] in ("stage", "rejected", "note")

    def day(self, moment: datetime) -> date:
        """The day of a moment where the company is."""
        return moment.astimezone(self.zone).date()

    def month(self, moment: datetime | None) -> Any:
        """The first day of its month there."""
        return self.day(moment).replace(day=1) if moment else None

    def type_of(self, stage: str) -> str:
        return str(self.records["stages"][stage]["attributes"]["legacy-stage-type-name"])

    def group_of(self, stage: str) -> str | None:
        if self.type_of(stage) != "In process":
            return self.type_of(stage)
        return GROUPS.get(self.records["stages"][stage]["attributes"]["name"])

    def pipeline_place(self, stage: str) -> tuple[Any, ...]:
        """The department of a stage's job, and the stage's group."""
        job = self.records["jobs"][target(self.records["stages"][stage], "job")]
        place = self.place_of(job)
        return place["department_id"], place["department"], self.group_of(stage)

    def _interviews(self) -> dict[str, bool]:
        """Whether a stage is an interview, or comes after one; of jobs only that have one."""
        first: dict[str, int] = {}
        stages = self.records["stages"].values()
        for stage in stages:
            job, order = target(stage, "job"), stage["attributes"]["row-order"]
            if self.group_of(stage["id"]) == "Interview":
                first[job] = min(order, first.get(job, order))
        return {
            stage["id"]: stage["attributes"]["row-order"] >= first[target(stage, "job")]
            for stage in stages
            if target(stage, "job") in first
        }

    def order_of(self, stage: Record) -> float:
        """Where a stage is among those of its job: the inbox first, and being hired last."""
        type_ = self.type_of(stage["id"])
        order = {"Inbox": -1.0, "Hired": inf}.get(type_, stage["attributes"]["row-order"])
        return float(order)

    def orders(self) -> dict[str, dict[str | None, tuple[float, float]]]:
        """Where the groups of stages of each job begin and end."""
        found: dict[str, dict[str | None, tuple[float, float]]] = defaultdict(dict)
        for stage in self.records["stages"].values():
            groups, group = found[target(stage, "job")], self.group_of(stage["id"])
            order = self.order_of(stage)
            first, last = groups.get(group, (order, order))
            groups[group] = min(first, order), max(last, order)
        return found

    def _source(self, record: Record, candidate: Record | None) -> tuple[str | None, str | None]:
        """The type of the source, and the site."""
        person = candidate["attributes"] if candidate else {}
        named = record["attributes"]["referring-site"] or person.get("referring-site")
        site = SPELLINGS.get(str(named), named)
        if candidate is None:
            return None, site
        if person["referred"]:
            return "referral", site
        if record["attributes"]["sourced"] or person["sourced"]:
            return "sourced", site
        if person["internal"]:
            return "internal", site
        return "job board" if site else "direct", site

    def is_open(self, job: Record) -> bool:
        attributes = job["attributes"]
        begins, ends = instant(attributes["start-date"]), instant(attributes["end-date"])
        return (
            job["id"] in self.current["jobs"]
            and attributes["human-status"] in ("published", "unlisted")
            and (begins is None or begins <= self.as_of)
            and (ends is None or ends > self.as_of)
        )

    def place_of(self, job: Record) -> Record:
        """The ids and names of a job's department, location and role."""
        ids = [target(job, "location"), *(each["id"] for each in job["relationships"]["locations"])]
        location = next((id_ for id_ in ids if id_), None)
        department = target(job, "department")
        site = self.records["locations"][location]["attributes"] if location else {}
        unit = self.records["departments"][department]["attributes"] if department else {}
        return {
            "department_id": department,
            "department": unit["name"] if department else "No department",
            "location_id": location,
            "location": site["name"] or site["city"] if location else "No location",
            "role_id": target(job, "role"),
        }

    def _application(self, id_: str) -> Record:
        record = self.records["job-applications"][id_]
        attributes = record["attributes"]
        job = self.records["jobs"][target(record, "job")]
        candidate = self.records["candidates"].get(target(record, "candidate"))
        source_type, source = self._source(record, candidate)
        stage = target(record, "stage")
        spells = self.spells[id_]
        types = [self.type_of(each["stage"]) for each in spells]
        seen = known(self.interview.get(each["stage"]) for each in spells)
        applied, rejected = instant(attributes["created-at"]), instant(attributes["rejected-at"])
        since = spells[-1]["entered"]
        outcome = "gone" if id_ in self.deleted_at else "active"
        outcome = "hired" if self.type_of(stage) == "Hired" else outcome
        outcome = "rejected" if rejected else outcome
        hired = None
        if outcome == "hired":
            place = len(types)
            while place and types[place - 1] == "Hired":
                place -= 1
            hired = spells[place]["entered"]
        started = instant(job["attributes"]["start-date"] or job["attributes"]["created-at"])
        return {
            "application_id": id_,
            "candidate_id": target(record, "candidate"),
            "job_id": job["id"],
            "job": job["attributes"]["title"],
            "job_status": job["attributes"]["status"],
            "job_human_status": job["attributes"]["human-status"],
            "job_is_open": self.is_open(job),
            "recruiter_id": target(job, "user"),
            **self.place_of(job),
            "source_type": source_type,
            "source": source,
            "is_internal": bool(candidate["attributes"]["internal"]) if candidate else None,
            "stage_id": stage,
            "stage": self.records["stages"][stage]["attributes"]["name"],
            "stage_type": self.type_of(stage),
            "stage_group": self.group_of(stage),
            "furthest": TYPES[max(TYPES.index(each) for each in types)],
            "interviewed": any(seen) if seen else None,
            "outcome": outcome,
            "applied_at": applied,
            "stage_since": since,
            "days_in_stage": days(since, self.as_of) if outcome == "active" else None,
            "stuck_after_days": 14,
            "hired_at": hired,
            "hire_undone": "Hired" in types and outcome != "hired",
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
