"""The invented candidates, their progress through the stages, and all their records.

Adds candidates, applications, offers, survey answers, notes, todos and referrals to the `Draft`
that `company` started. Most applications are rejected early and few lead to a hire; every key
resolves, and a stage belongs to the application's job.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from recruit_assets.sandbox import words
from recruit_assets.sandbox.draft import Draft, Opening, Ref
from recruit_assets.sandbox.times import DAY, HOUR, MINUTE, wire_date, wire_ms

# Cumulative weights of an application's last stage (index of words.STAGES), and the mean number of
# days in that stage before it is rejected, if it is not hired.
_REACHED = (45, 70, 83, 92, 96, 100)
_PATIENCE = (20, 30, 35, 40, 60)
_OFFER, _HIRED = 4, 5
_SCORES = (3, 1, 1, 2, 2, 4, 5, 9, 14, 12, 10)


@dataclass(frozen=True, slots=True)
class Application:
    """Hold a candidate's application to a job, before it is added to the draft."""

    at: int
    candidate: Ref
    opening: Opening


def build_people(draft: Draft, candidates: int) -> None:
    """Add that many candidates, and all their records."""
    rng = draft.rng
    arrivals = sorted(draft.now - HOUR - rng.randrange(700 * DAY) for _ in range(candidates))
    opened = [opening.opened for opening in draft.openings]
    applications: list[Application] = []
    for number, at in enumerate(arrivals):
        count = rng.choices((0, 1, 2, 3), cum_weights=(6, 74, 92, 100))[0]
        candidate = _candidate(draft, number, at, sourced=count == 0)
        taken = set()
        for turn in range(count):
            later = at + 200 if turn == 0 else rng.randrange(at, draft.now - MINUTE)
            opening = _choose(draft, opened, later)
            if opening.job["id"] not in taken:
                taken.add(opening.job["id"])
                applications.append(Application(later, candidate, opening))
        _around(draft, candidate, at, _choose(draft, opened, at))
    # In order of time, as an API assigns ids.
    for application in sorted(applications, key=lambda each: each.at):
        _application(draft, application)
    for number, question in enumerate(draft.tables["questions"].values()):
        if candidates and number % 10 == 9:
            question["relationships"]["candidate"] = rng.choice(draft.refs("candidates"))


def _choose(draft: Draft, opened: list[int], at: int) -> Opening:
    """Return one of the jobs open at that time; later ones are more likely."""
    known = max(1, bisect_right(opened, at))
    return draft.openings[known - 1 - int(draft.rng.random() ** 2 * min(known, 40))]


def _candidate(draft: Draft, number: int, at: int, *, sourced: bool) -> Ref:
    rng = draft.rng
    first, last = rng.choice(words.FIRST_NAMES), words.surname(rng)
    city, country = rng.choice(words.CITIES)
    changed = at + int(min(rng.expovariate(1 / (20 * DAY)), draft.now - at))
    resume = None if number % 12 == 5 else f"https://files.example/resumes/{number}.pdf"
    site = rng.choice(words.SITES) if rng.random() < 0.6 else None
    attributes = {
        "first-name": first,
        "last-name": last,
        "email": None if number % 40 == 17 else f"{first}.{last}.{number}@mail.example".lower(),
        "phone": words.phone(rng) if rng.random() < 0.8 else None,
        "city": city,
        "country": country,
        "connected": rng.random() < 0.3,
        "internal": rng.random() < 0.04,
        "referred": rng.random() < 0.1,
        "sourced": sourced,
        "unsubscribed": rng.random() < 0.05,
        "tags": rng.sample(words.TAGS, rng.randint(0, 3)) if rng.random() < 0.5 else [],
        "pitch": "I have always looked up." if number % 9 == 0 else None,
        "picture": f"https://images.example/people/{number}.png" if number % 4 == 0 else None,
        "resume": resume,
        "original-resume": resume and resume.replace(".pdf", ".docx"),
        "resume-updated-at": resume and wire_ms(at),
        "resume-summary": "Knots, kettles, clouds." if number % 6 == 0 else None,
        "referring-site": site,
        "referring-url": site and f"https://{site}/ad/{number % 50}?source=board",
        "consent-future-jobs-at": wire_ms(at) if rng.random() < 0.4 else None,
        "restricted-at": wire_ms(changed) if number % 97 == 50 else None,
        "created-at": wire_ms(at),
        "updated-at": wire_ms(changed),
    }
    return draft.new(
        "candidates",
        attributes,
        department=rng.choice(draft.refs("departments")) if number % 3 == 0 else None,
        role=rng.choice(draft.refs("roles")) if number % 5 == 0 else None,
        division=rng.choice(draft.refs("divisions")) if number % 7 == 0 else None,
        locations=draft.some(draft.refs("locations"), 2),
        regions=draft.some(draft.refs("regions"), 1),
    )


def _around(draft: Draft, candidate: Ref, at: int, opening: Opening) -> None:
    """Add notes, todos, a referral and other records, more for some candidates than others."""
    rng, users = draft.rng, draft.refs("users")
    for _ in range(rng.choices((0, 1, 2, 4), cum_weights=(40, 70, 88, 100))[0]):
        _note(draft, candidate, rng.randrange(at, draft.now))
    for _ in range(rng.choices((0, 1, 2), cum_weights=(52, 88, 100))[0]):
        _todo(draft, candidate, rng.randrange(at, draft.now))
    if rng.random() < 0.12:
        _referral(draft, candidate, at, opening.job)
    chance = rng.random()
    if chance < 0.3:
        text = draft.refs("custom-fields")[0]
        attributes = {"field-type": "CustomField::Text", "value": f"{rng.randint(1, 6)} months"}
        draft.new("custom-field-values", attributes, custom_field=text, owner=candidate)
    if chance < 0.1:
        attributes = {"code": "created", "created-at": wire_ms(at), "data": "{}"}
        draft.new("activities", attributes, candidate=candidate, user=rng.choice(users))
        question = rng.choice(draft.refs("questions"))
        attributes = {"text": "Yes, very.", "question-type": "Text", "updated-at": wire_ms(at)}
        draft.new("answers", attributes, candidate=candidate, question=question)
    if chance < 0.03:
        attributes = {"file-name": "letter.pdf", "created-at": wire_ms(at)}
        draft.new("uploads", attributes, candidate=candidate)
        result: dict[str, Any] = {"assessment-score": rng.randint(1, 100), "status": "completed"}
        result |= {"partner-name": "Cloudtest", "created-at": wire_ms(at)}
        draft.new("partner-results", result, candidate=candidate)


def _note(draft: Draft, candidate: Ref, at: int) -> None:
    rng, users = draft.rng, draft.refs("users")
    author = rng.choice(users)
    attributes = {
        "note": rng.choice(words.REMARKS),
        "private-note": rng.random() < 0.1,
        "created-by-trigger": rng.random() < 0.05,
        "mentioned-user-ids": [int(user["id"]) for user in draft.some(users, 1)],
        "candidate-id": int(candidate["id"]),
        "user-id": int(author["id"]),
        "created-at": wire_ms(at),
        "updated-at": wire_ms(at if rng.random() < 0.8 else min(draft.now, at + DAY)),
    }
    draft.new("notes", attributes, candidate=candidate, user=author)


def _todo(draft: Draft, candidate: Ref, at: int) -> None:
    rng, users = draft.rng, draft.refs("users")
    done = rng.random() < 0.6
    attributes = {
        "value": rng.choice(words.TASKS),
        "due": wire_date(at + rng.randrange(14) * DAY) if rng.random() < 0.8 else None,
        "completed-at": wire_ms(min(draft.now, at + rng.randrange(9 * DAY))) if done else None,
        "created-at": wire_ms(at),
    }
    creator = rng.choice(users)
    assignee = rng.choice(users)
    draft.new(
        "todos", attributes, user=creator, assigner=creator, assignee=assignee, candidate=candidate
    )


def _referral(draft: Draft, candidate: Ref, at: int, job: Ref) -> None:
    rng = draft.rng
    person = draft.tables["candidates"][candidate["id"]]["attributes"]
    place = draft.tables["jobs"][job["id"]]["relationships"]
    attributes = {
        "name": f"{person['first-name']} {person['last-name']}",
        "email": person["email"],
        "phone": person["phone"],
        "comment": "We flew together once." if rng.random() < 0.5 else None,
        "created-at": wire_ms(at),
    }
    draft.new(
        "referrals",
        attributes,
        # Linked only once the referred person has applied.
        candidate=candidate if rng.random() < 0.8 else None,
        job=job,
        department=place["department"],
        role=place["role"],
        user=rng.choice(draft.refs("users")),
    )


def _application(draft: Draft, application: Application) -> None:
    rng, at = draft.rng, application.at
    depth = rng.choices(range(len(_REACHED)), cum_weights=_REACHED)[0]
    # A few change stage some milliseconds before they are created, as seen in real data.
    delay = depth * rng.gammavariate(2, 4 * DAY) if depth else rng.randrange(-3, 300)
    moved = min(at + int(delay), draft.now - MINUTE)
    rejected = None
    if depth != _HIRED:
        decided = max(moved, at) + int(rng.expovariate(1 / (_PATIENCE[depth] * DAY)))
        rejected = decided if decided < draft.now else None
    candidate = draft.tables["candidates"][application.candidate["id"]]["attributes"]
    stage = application.opening.stages[depth]
    attributes = {
        "changed-stage-at": wire_ms(moved),
        "cover-letter": "Dear crew, I can tie knots." if rng.random() < 0.3 else None,
        "referring-site": candidate["referring-site"],
        "referring-url": candidate["referring-url"],
        "rejected-at": wire_ms(rejected) if rejected else None,
        "row-order": rng.randrange(-20, 200),
        "sourced": candidate["sourced"],
        "created-at": wire_ms(at),
        "updated-at": wire_ms(max(at, moved, rejected or 0)),
    }
    ref = draft.new(
        "job-applications",
        attributes,
        candidate=application.candidate,
        job=application.opening.job,
        stage=stage,
        reject_reason=rng.choice(draft.refs("reject-reasons")) if rejected else None,
    )
    if depth >= _OFFER:
        _offer(
            draft, ref, application.opening.recruiter, moved, depth, rejected=rejected is not None
        )
    if rng.random() < 0.27:
        _survey(draft, application.candidate, ref, stage, rejected=rejected, moved=moved)


def _offer(
    draft: Draft, application: Ref, user: Ref, at: int, depth: int, *, rejected: bool
) -> None:
    rng = draft.rng
    status = "accepted" if depth == _HIRED else rng.choice(("draft", "sent", "declined"))
    if status == "sent" and rejected:
        status = "declined"
    answered = status in ("accepted", "declined")
    details = {
        "salary": f"{rng.randrange(25, 80)} 000 SEK",
        "start-date": wire_date(at + 60 * DAY),
        "acceptance-message": "With pleasure!" if status == "accepted" else None,
        "rejection-message": "I chose a boat." if status == "declined" else None,
    }
    attributes = {
        "status": status,
        "response": status if answered else None,
        "details": details,
        "created-at": wire_ms(at - HOUR),
        "sent-at": None if status == "draft" else wire_ms(at),
        "answered-at": wire_ms(min(at + DAY, draft.now)) if answered else None,
    }
    draft.new("job-offers", attributes, job_application=application, user=user)


def _survey(
    draft: Draft, candidate: Ref, application: Ref, stage: Ref, *, rejected: int | None, moved: int
) -> None:
    rng = draft.rng
    sent = min((rejected or moved) + HOUR, draft.now)
    scored = min(sent + rng.randrange(5 * DAY), draft.now) if rng.random() < 0.55 else None
    attributes = {
        "score": rng.choices(range(11), _SCORES)[0] if scored else None,
        "feedback": rng.choice(words.FEEDBACK) if scored and rng.random() < 0.5 else None,
        "on-reject": rejected is not None,
        "sent-at": wire_ms(sent),
        "scored-at": wire_ms(scored) if scored else None,
        "created-at": wire_ms(sent),
        "updated-at": wire_ms(scored or sent),
    }
    draft.new(
        "nps-responses", attributes, candidate=candidate, job_application=application, stage=stage
    )
