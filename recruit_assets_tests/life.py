"""What happens in the invented company while time passes: people apply, move on, and are deleted.

Here: events on the sandbox's world, drawn by a seeded generator and stamped with their own time.
When it is synced, and what was seen then, is in `year`.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import count
from random import Random
from typing import Any

from recruit_assets.sandbox import World

PLANTED = "Planted-Xyzzy"  # in what is written here of people: names, addresses, numbers, free text
STAGES = ("Inbox", "Screening", "Interview", "Offer", "Hired")
OFFER, HIRED = "Offer", "Hired"
NO_STORY = ("pitch", "body", "mailbox", "recruiter-email")  # of a job
Ended = list[tuple[str, dict[str, Any]]]  # records that were removed together, by type


def to(record: dict[str, Any], name: str) -> str:
    """The id that a relationship of a record points to; empty without one."""
    ref = record["relationships"][name]
    return ref["id"] if ref else ""


class Life:
    """The events; `now` is the clock of the world, and `happen` lets one take place.

    People and jobs that are there at first stay as they are; what changes begins with `happen`.
    """

    def __init__(self, seed: int) -> None:
        self.now = datetime.min
        self._random = Random(seed)
        self._numbers = count()
        self._removed: list[Ended] = []
        self._chances: dict[Callable[[World], None], int] = {
            self._apply: 46,
            self._move_on: 56,
            self._reject: 28,
            self._answer: 8,
            self._send: 8,
            self._touch: 10,
            self._survey: 5,
            self._todo: 4,
            self._talk: 4,
            self._rename: 1,
            self._change_job: 3,
            self._change_stage: 3,
            self._remove: 2,
            self._go_back: 1,
            self._take_back: 1,
            self._return: 1,
            self._open_job: 1,
        }

    def happen(self, world: World, now: datetime) -> None:
        """Let one event take place, whichever it is."""
        self.now = now
        (event,) = self._random.choices(list(self._chances), list(self._chances.values()))
        event(world)

    def _any(self, world: World, type_: str, *needs: Callable[[Any], bool]) -> Any:
        """One of the records that meet the needs, the latest most of all; None of none."""
        found = list(world.table(type_).values())
        for _ in range(20):  # tries; then nothing happens
            if found:
                record = found[-1 - int(self._random.random() ** 2 * len(found))]
                if all(need(record) for need in needs):
                    return record
        return None

    def _stage(self, world: World, application: dict[str, Any]) -> dict[str, Any]:
        return world.table("stages")[to(application, "stage")]

    def _active(self, world: World) -> Any:
        """An application that was not rejected, and has no offer."""
        return self._any(
            world,
            "job-applications",
            lambda each: each["attributes"]["rejected-at"] is None,
            lambda each: self._stage(world, each)["attributes"]["name"] not in (OFFER, HIRED),
        )

    def _apply(self, world: World) -> None:
        job = self._any(world, "jobs", lambda each: each["attributes"]["status"] == "open")
        stages = self._stages(world, job["id"]) if job else []
        if not stages:
            return
        number = next(self._numbers)
        person = {
            "first-name": f"{PLANTED}-first-{number}",
            "last-name": f"{PLANTED}-last-{number}",
            "email": f"{PLANTED}.{number}@mail.example",
            "phone": f"{PLANTED}-{number}",
            "pitch": f"{PLANTED} pitch",
            "sourced": number % 9 == 0,
            "referred": number % 13 == 0,
            "referring-site": (None, "jobboard.example", "clouds.example")[number % 3],
        }
        application = {
            "cover-letter": f"{PLANTED} letter",
            "sourced": person["sourced"],
            "referring-site": person["referring-site"],
        }
        world.add(
            "job-applications",
            application,
            {
                "candidate": world.add("candidates", person),
                "job": job["id"],
                "stage": stages[0]["id"],
            },
        )

    def _stages(self, world: World, job: str) -> list[dict[str, Any]]:
        """The stages of a job, in their order."""
        record = world.table("jobs")[job]
        refs = world.related("jobs", record, "stages")
        stages = [world.table("stages")[ref["id"]] for ref in refs or [] if isinstance(ref, dict)]
        return sorted(stages, key=lambda each: each["attributes"]["row-order"])

    def _move_on(self, world: World) -> None:
        if application := self._active(world):
            self._move(world, application, 1)

    def _go_back(self, world: World) -> None:
        if application := self._active(world):
            self._move(world, application, -1)

    def _move(self, world: World, application: dict[str, Any], steps: int) -> None:
        stages = self._stages(world, to(application, "job"))
        place = [each["id"] for each in stages].index(to(application, "stage")) + steps
        if not 0 <= place < len(stages):
            return
        id_, stage = application["id"], stages[place]
        world.change("job-applications", id_, {}, {"stage": stage["id"]})
        if stage["attributes"]["name"] == OFFER:
            world.add(
                "job-offers",
                {"status": "draft", "details": {"message": f"{PLANTED} offer"}},
                {"job-application": id_, "user": self._any(world, "users")["id"]},
            )

    def _reject(self, world: World) -> None:
        if application := self._active(world):
            self._turn_down(world, application["id"])

    def _turn_down(self, world: World, application: str) -> None:
        reason = self._any(world, "reject-reasons")["id"]
        rejected = {"rejected-at": self.now}
        world.change("job-applications", application, rejected, {"reject-reason": reason})

    def _take_back(self, world: World) -> None:
        rejected = self._any(
            world, "job-applications", lambda each: bool(each["attributes"]["rejected-at"])
        )
        if rejected:
            undone = {"rejected-at": None}
            world.change("job-applications", rejected["id"], undone, {"reject-reason": None})

    def _touch(self, world: World) -> None:
        """What is no story: another position, another letter."""
        if found := self._any(world, "job-applications"):
            noise = self._random.randrange(200)
            changed = {"row-order": noise, "cover-letter": f"{PLANTED} letter {noise}"}
            world.change("job-applications", found["id"], changed)

    def _send(self, world: World) -> None:
        offer = self._any(world, "job-offers", lambda each: each["attributes"]["status"] == "draft")
        if offer:
            world.change("job-offers", offer["id"], {"status": "sent", "sent-at": self.now})

    def _answer(self, world: World) -> None:
        applications = world.table("job-applications")
        offer = self._any(
            world,
            "job-offers",
            lambda each: each["attributes"]["status"] == "sent",
            lambda each: to(each, "job-application") in applications,
        )
        if not offer:
            return
        answer = "accepted" if self._random.random() < 0.7 else "declined"
        answered = {"status": answer, "response": answer, "answered-at": self.now}
        world.change("job-offers", offer["id"], answered)
        application = applications[to(offer, "job-application")]
        if answer == "declined":
            self._turn_down(world, application["id"])
        elif self._stage(world, application)["attributes"]["name"] == OFFER:
            self._move(world, application, 1)

    def _survey(self, world: World) -> None:
        if found := self._any(world, "job-applications"):
            answer = {"score": self._random.randrange(11), "feedback": f"{PLANTED} feedback"}
            world.add(
                "nps-responses",
                {**answer, "sent-at": self.now, "scored-at": self.now},
                {name: to(found, name) for name in ("candidate", "stage")}
                | {"job-application": found["id"]},
            )

    def _todo(self, world: World) -> None:
        user, candidate = self._any(world, "users")["id"], self._any(world, "candidates")["id"]
        done = self.now if self._random.random() < 0.5 else None
        day = self.now.date().isoformat()
        attributes = {"value": f"{PLANTED} task", "due": day, "completed-at": done}
        related = {"user": user, "assignee": user, "candidate": candidate}
        world.add("todos", attributes, related)

    def _talk(self, world: World) -> None:
        """A note about somebody, or a recommendation of somebody."""
        user, candidate = self._any(world, "users")["id"], self._any(world, "candidates")["id"]
        related = {"user": user, "candidate": candidate}
        if self._random.random() < 0.5:
            world.add("notes", {"note": f"{PLANTED} note"}, related)
            return
        person = {name: f"{PLANTED} {name}" for name in ("name", "email", "phone", "comment")}
        world.add("referrals", person, related | {"job": self._any(world, "jobs")["id"]})

    def _rename(self, world: World) -> None:
        user = self._any(world, "users")["id"]
        names = ("name", "email", "login-email", "username", "phone", "title", "signature")
        world.change("users", user, {name: f"{PLANTED} {name}" for name in names})

    def _change_job(self, world: World) -> None:
        job = self._any(world, "jobs")
        attributes = job["attributes"]
        opened = {"status": "open", "human-status": "published"}
        closed = {"status": "archived", "human-status": "archived"}
        changes = [
            {"title": f"Job {self._random.randrange(100)}"},
            closed if attributes["status"] == "open" else opened,
            {name: f"{PLANTED} {self._random.randrange(100)}" for name in NO_STORY},
        ]
        world.change("jobs", job["id"], self._random.choice(changes))

    def _open_job(self, world: World) -> None:
        type_ids = {
            each["attributes"]["name"]: id_ for id_, each in world.table("stage-types").items()
        }
        department = self._any(world, "departments")["id"]
        user, location = self._any(world, "users")["id"], self._any(world, "locations")["id"]
        job = world.add("jobs", {}, {"department": department, "user": user, "location": location})
        for order, name in enumerate(STAGES):
            kind = {"Inbox": "Inbox", HIRED: HIRED}.get(name, "In process")
            attributes = {"name": name, "row-order": order, "legacy-stage-type-name": kind}
            world.add("stages", attributes, {"job": job, "stage-type": type_ids[kind]})

    def _change_stage(self, world: World) -> None:
        """Rename a stage, or let two in the middle change places."""
        stages = self._stages(world, self._any(world, "jobs")["id"])[1:-2]
        if len(stages) < 2:
            return
        first, second = self._random.sample(stages, 2)
        if self._random.random() < 0.5:
            name = f"Talk {self._random.randrange(100)}"
            world.change("stages", first["id"], {"name": name})
            return
        orders = [each["attributes"]["row-order"] for each in (first, second)]
        world.change("stages", first["id"], {"row-order": orders[1]})
        world.change("stages", second["id"], {"row-order": orders[0]})

    def _remove(self, world: World) -> None:
        """Remove an application, its person, and what belongs to it."""
        application = self._any(world, "job-applications")
        if not application:
            return
        ended = [("job-applications", application)]
        ended += [
            (type_, record)
            for type_ in ("job-offers", "nps-responses")
            for record in world.table(type_).values()
            if to(record, "job-application") == application["id"]
        ]
        candidate = world.table("candidates").get(to(application, "candidate"))
        ended += [("candidates", candidate)] if candidate else []
        for type_, record in ended:
            world.remove(type_, record["id"])
        self._removed.append(ended)

    def _return(self, world: World) -> None:
        """Bring back what was removed, under its ids."""
        if not self._removed:
            return
        ended = self._removed.pop(self._random.randrange(len(self._removed)))
        for type_, record in reversed(ended):
            attributes = {k: v for k, v in record["attributes"].items() if k != "updated-at"}
            world.add(type_, attributes, record["relationships"], id=record["id"])
