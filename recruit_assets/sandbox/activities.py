"""The activities of applications: what the API notes by itself whenever something happens to one.

Contains what is noted, both of the invented past and of changes while the sandbox runs. `data` is
JSON in a text, as in the API; that of a message has addresses where that of a move has stages.
"""

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

from recruit_assets.sandbox import words
from recruit_assets.sandbox.draft import Draft, Record, Ref
from recruit_assets.sandbox.times import HOUR, MINUTE, in_ms, instant, wire_ms


class Noted(NamedTuple):
    """Hold one activity: when it was, its code and data, and whose it is."""

    at: str
    code: str
    data: Mapping[str, Any]
    candidate: Ref | None
    job: Ref | None

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the attributes of its record."""
        return {"code": self.code, "created-at": self.at, "data": json.dumps(self.data)}


def build_activities(draft: Draft, rng: Random) -> None:
    """Add the activities of all applications, with ids in the order of time."""
    stages = {opening.job["id"]: opening.stages for opening in draft.openings}
    found = [
        noted
        for application in draft.tables["job-applications"].values()
        for noted in _story(
            application, stages[application["relationships"]["job"]["id"]], rng, draft.now
        )
    ]
    for noted in sorted(found, key=lambda each: instant(each.at)):
        draft.new("activities", noted.attributes, candidate=noted.candidate, job=noted.job)


def noted_change(before: Record | None, after: Record) -> Iterator[Noted]:
    """Yield what the API notes of a new application, or of a change of one."""
    attributes, related = after["attributes"], after["relationships"]
    if before is None:
        yield _noted(after, "created", attributes["created-at"], {})
        return
    left, entered = before["relationships"]["stage"], related["stage"]
    if left != entered:
        moved = {"from": left and int(left["id"]), "to": entered and int(entered["id"])}
        yield _noted(after, "stage", attributes["changed-stage-at"], moved)
    rejected = attributes["rejected-at"]
    if rejected and not before["attributes"]["rejected-at"]:
        there = {"stage_id": entered and int(entered["id"])}
        yield _noted(after, "rejected", rejected, there)


def _noted(application: Record, code: str, at: str, data: Mapping[str, Any]) -> Noted:
    related = application["relationships"]
    return Noted(at, code, data, related["candidate"], related["job"])


def _story(application: Record, stages: tuple[Ref, ...], rng: Random, now: int) -> Iterator[Noted]:
    """Yield how an application came to where it is, stage by stage, and what was said."""
    attributes, here = application["attributes"], application["relationships"]["stage"]
    applied, moved = (_ms(attributes[name]) for name in ("created-at", "changed-stage-at"))
    yield _noted(application, "created", attributes["created-at"], {})
    depth = stages.index(here)
    times = [rng.randrange(applied, max(applied, moved) + 1) for _ in range(depth - 1)]
    ways = zip(stages, stages[1 : depth + 1], [*sorted(times), moved], strict=False)
    for left, entered, at in ways if depth else ():
        ids = {"from": int(left["id"]), "to": int(entered["id"]), "from_trigger": False}
        yield _noted(application, "stage", wire_ms(at), ids)
    if rejected := attributes["rejected-at"]:
        there = {"stage_id": int(here["id"]), "from_trigger": rng.random() < 0.1}
        yield _noted(application, "rejected", rejected, there)
    yield from _talk(application, applied, rng, now)


def _talk(application: Record, applied: int, rng: Random, now: int) -> Iterator[Noted]:
    """Yield the message that a trigger sends, and sometimes a note or an invitation."""
    name = words.surname(rng).lower()
    message = {
        "from": f"{name}@{words.DOMAIN}",
        "to": [f"{name}@mail.example"],
        "subject": "Welcome aboard",
        "body": rng.choice(words.REMARKS),
        "from_trigger": True,
    }
    yield _noted(application, "message", wire_ms(min(applied + MINUTE, now)), message)
    later = wire_ms(min(now, applied + rng.randrange(HOUR, 400 * HOUR)))
    chance = rng.random()
    if chance < 0.2:
        yield _noted(application, "note", later, {"note": rng.choice(words.REMARKS)})
    elif chance < 0.3:
        meeting = {"meeting_event_summary": f"Talk with {name}"}
        yield _noted(application, "meeting_event_candidate_invited", later, meeting)


def _ms(text: str) -> int:
    return in_ms(instant(text))
