"""A small company in which happens what could mislead: six weeks of it, synced every week.

Here: a story told event by event, each at its own time. A hire is undone, another one rejected; a
rejection is taken back; somebody is moved back and forth; a job is advertised again after its hire;
a second offer is accepted; stages have names in other languages, or none that says what they are;
people come by recommendation from a site, from inside the company, and by several spellings of one
site; jobs are open, but scheduled, expired or past their end.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from recruit_assets.sandbox import Rules, Sandbox, World
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.year import (
    EVERYTHING,
    KEY,
    REFUSED,
    WEEKLY,
    Year,
    sync_all,
    with_all_told,
)

WEEKS = 6
TYPES = ("Inbox", "In process", "In process", "In process", "Hired")
ENGLISH = ("Inbox", "Screening", "Interview", "Offer", "Hired")
SWEDISH = ("Inkorg", "Urval", "Första intervjun", "Erbjudande", "Anställd")
UNTOLD = ("Inbox", "Step two", "Step three", "Step four", "Hired")
INBOX, SCREENING, INTERVIEW, OFFER, HIRED = range(5)
LATER = NOW + timedelta(days=90)
SITES = ("linkedin.com", "www.linkedin.com", "LinkedIn", "https://se.linkedin.com/jobs", None)

Record = dict[str, Any]


class Cases:
    """The company; `now` is the clock of its world."""

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.sandbox = Sandbox(candidates=0, rules=Rules(key=KEY), clock=lambda: self.now)
        self.world: World = self.sandbox.world
        self.stages: dict[str, list[str]] = {}  # of each job, in order
        self._numbers = count()

    def at(self, days: float) -> None:
        """Set the clock to this many days after the first sync, or before it if negative."""
        self.now = NOW + timedelta(days=days)

    def job(self, names: tuple[str, ...] = ENGLISH, attributes: Record | None = None) -> str:
        """Open a job with stages of these names."""
        world = self.world
        types = {
            each["attributes"]["name"]: id_ for id_, each in world.table("stage-types").items()
        }
        department = next(iter(world.table("departments")))
        user = next(iter(world.table("users")))
        opened: Record = {"status": "open", "human-status": "published", "start-date": self.now}
        opened |= {"created-at": self.now} | (attributes or {})
        job = world.add("jobs", opened, {"department": department, "user": user})
        self.stages[job] = [
            world.add(
                "stages",
                {"name": name, "row-order": order, "legacy-stage-type-name": type_},
                {"job": job, "stage-type": types[type_]},
            )
            for order, (name, type_) in enumerate(zip(names, TYPES, strict=True))
        ]
        return job

    def apply(self, job: str, person: Record | None = None) -> str:
        """Add an application of a new person."""
        person, number = person or {}, next(self._numbers)
        names = {"first-name": f"First {number}", "email": f"{number}@mail.example"}
        site = {"referring-site": person.get("referring-site")}
        return self.world.add(
            "job-applications",
            site | {"sourced": person.get("sourced", False)},
            {
                "candidate": self.world.add("candidates", names | person),
                "job": job,
                "stage": self.stages[job][INBOX],
            },
        )

    def move(self, application: str, stage: int) -> None:
        """Move it to a stage of its job."""
        job = self.world.table("job-applications")[application]["relationships"]["job"]["id"]
        moved = {"stage": self.stages[job][stage]}
        self.world.change("job-applications", application, {}, moved)

    def reject(self, application: str) -> None:
        """Reject it, for the first of the reasons."""
        reason = next(iter(self.world.table("reject-reasons")))
        rejected = {"rejected-at": self.now}
        self.world.change("job-applications", application, rejected, {"reject-reason": reason})

    def reopen(self, application: str) -> None:
        """Take a rejection back."""
        undone = {"reject-reason": None}
        self.world.change("job-applications", application, {"rejected-at": None}, undone)

    def offer(self, application: str, status: str) -> None:
        """Send an offer that is answered a day later, or has another status."""
        answered = status in ("accepted", "declined")
        attributes = {
            "status": status,
            "response": status if answered else None,
            "sent-at": self.now,
            "answered-at": self.now + timedelta(days=1) if answered else None,
        }
        self.world.add("job-offers", attributes, {"job-application": application})

    def score(self, application: str, score: int) -> None:
        """Let the person say how likely they recommend the company."""
        related = self.world.table("job-applications")[application]["relationships"]
        about = {name: related[name]["id"] for name in ("candidate", "stage")}
        said = {"score": score, "sent-at": self.now, "scored-at": self.now}
        self.world.add("nps-responses", said, about | {"job-application": application})


class Story(Cases):
    """What happens before each of the syncs."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, list[str]] = {}  # the applications of each job; "jobs" has the jobs

    @property
    def weeks(self) -> list[Callable[[], None]]:
        """What happens, week by week; the first before all syncs."""
        return [
            self.before, self.first, self.second, self.third, self.fourth, self.fifth, self.last,
        ]  # fmt: skip

    def before(self) -> None:
        """People apply, and some get far, before anybody looks."""
        self.at(-420)
        english, swedish, untold = self.job(), self.job(SWEDISH), self.job(UNTOLD)
        closed = [
            self.job(attributes={"human-status": "expired"}),
            self.job(attributes={"status": "archived", "human-status": "archived"}),
            self.job(attributes={"end-date": NOW - timedelta(days=3)}),
            self.job(attributes={"human-status": "scheduled", "start-date": LATER}),
        ]
        self.made["jobs"] = [english, swedish, untold, *closed]
        for number, job in enumerate([english, swedish, untold] * 10):
            self.at(-400 + 9 * number)
            person: Record = {"referred": number % 5 == 0, "internal": number % 7 == 0}
            person |= {"sourced": number % 6 == 1, "referring-site": SITES[number % len(SITES)]}
            self.made.setdefault(job, []).append(self.apply(job, person))
        for number, job in enumerate(closed):
            self.at(-40 - number)
            self.apply(job)
        for job in (english, swedish, untold):
            one, two, three, *_ = self.made[job]
            self.at(-60)
            self.move(one, HIRED)
            self.move(two, HIRED)
            self.move(three, OFFER)
            self.offer(one, "accepted")
            self.at(-30)
            self.reject(self.made[job][3])

    def first(self) -> None:
        """Most are moved on, and a rejection is taken back."""
        for days, job in zip((1.0, 2.5, 4.25), self.made["jobs"], strict=False):
            self.at(days)
            for application in self.made[job][4:7]:
                self.move(application, SCREENING)
            self.reopen(self.made[job][3])

    def second(self) -> None:
        """Hires are undone, and offers answered."""
        self.at(7.5)
        for job in self.made["jobs"][:3]:
            for application in self.made[job][7:]:
                self.move(application, SCREENING)
        self.at(8)
        for job in self.made["jobs"][:3]:
            one, two, three, *_ = self.made[job]
            self.move(one, OFFER)  # a hire is undone
            self.reject(two)  # and one rejected
            self.offer(three, "declined")
        self.at(9)
        for job in self.made["jobs"][:3]:
            self.move(self.made[job][5], INTERVIEW)
            self.reject(self.made[job][6])
            self.offer(self.made[job][2], "accepted")  # the second offer
            self.offer(self.made[job][5], "withdrawn")

    def third(self) -> None:
        """Somebody goes back, and a job is advertised again."""
        self.at(15)
        for job in self.made["jobs"][:3]:
            self.move(self.made[job][2], HIRED)
            self.move(self.made[job][5], SCREENING)  # back
            self.reject(self.made[job][4])
            self.offer(self.made[job][7], "expired")
        self.at(17)
        english = self.made["jobs"][0]
        self.world.change("jobs", english, {"start-date": self.now})  # advertised again
        self.world.remove("job-applications", self.made[english][7])

    def fourth(self) -> None:
        """Somebody goes forth, and people are asked."""
        self.at(22)
        for job in self.made["jobs"][:3]:
            self.move(self.made[job][5], INTERVIEW)  # and forth
            self.move(self.made[job][0], HIRED)  # hired again
        self.move(self.made[self.made["jobs"][1]][6], INTERVIEW)  # though rejected
        self.at(23)
        for number in range(6):
            self.score(self.made[self.made["jobs"][0]][number], 10 - number)
            self.score(self.made[self.made["jobs"][1]][0], number)

    def fifth(self) -> None:
        """Hires are undone once more, and a stage gets another name."""
        self.at(29)
        for job in self.made["jobs"][:3]:
            self.move(self.made[job][0], OFFER)  # undone once more
            self.offer(self.made[job][3], "sent")
        self.world.change(
            "stages", self.stages[self.made["jobs"][0]][SCREENING], {"name": "Sifting"}
        )
        for number in range(4):
            self.apply(self.made["jobs"][0], {"referring-site": SITES[number]})

    def last(self) -> None:
        """Somebody is rejected and reopened between two syncs."""
        self.at(36)
        self.reject(self.made[self.made["jobs"][0]][5])
        self.at(37)
        self.reopen(self.made[self.made["jobs"][0]][5])  # between two syncs, so that nobody sees it


def live_cases(path: Path) -> Year:
    """Let it all happen, and sync it into a database at this path."""
    cases, log = Story(), []
    with cases.sandbox.serve():
        for number, happen in enumerate(cases.weeks):
            happen()
            cases.at(7 * number)
            names = WEEKLY if number < WEEKS else EVERYTHING
            cases.sandbox.rules.without = REFUSED.get(number, {})
            log += sync_all(cases.sandbox, path, number, cases.now, names)
        return with_all_told(Year(path, log), cases.sandbox)
