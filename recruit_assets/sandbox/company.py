"""The invented company itself: departments, locations, users, teams, jobs and their stages.

Adds everything that exists before a candidate applies to a `Draft`. `people` adds the candidates
and their records.
"""

from typing import Any

from recruit_assets.sandbox import words
from recruit_assets.sandbox.draft import Draft, Opening, Ref
from recruit_assets.sandbox.times import DAY, wire_ms

# (status, human-status) of jobs in turn: the two vocabularies of the API differ.
_STATUSES = (
    ("open", "published"), ("open", "published"), ("archived", "archived"), ("draft", "draft"),
    ("open", "published"), ("unlisted", "unlisted"), ("open", "scheduled"), ("temp", "unsaved"),
    ("archived", "archived"), ("open", "published"), ("open", "expired"), ("open", "published"),
)  # fmt: skip
_NEVER_OPEN = {"draft", "scheduled", "unsaved"}


def build_company(draft: Draft, candidates: int) -> None:
    """Add everything that exists before the first candidate."""
    _small_tables(draft)
    _places(draft)
    _users(draft, max(12, candidates // 40))
    _teams(draft)
    for number in range(len(words.QUESTIONS) * 12):
        _question(draft, number)
    jobs = max(2 * len(_STATUSES), candidates // 16)
    span = 760 * DAY
    for number in range(jobs):
        opened = draft.now - span + int(span * (number + draft.rng.random()) / (jobs + 1))
        _job(draft, number, opened)


def _small_tables(draft: Draft) -> None:
    for name in words.DIVISIONS:
        draft.new("divisions", {"name": name})
    for name in words.STAGE_TYPES:
        draft.new("stage-types", {"name": name})
    for reason, ours in words.REJECT_REASONS:
        draft.new("reject-reasons", {"reason": reason, "rejected-by-company": ours})
    for number, (name, kind) in enumerate(words.FIELDS):
        at = wire_ms(draft.now - (900 - number) * DAY)
        attributes = {
            "name": name,
            "api-name": name.lower().replace(" ", "-"),
            "field-type": f"CustomField::{kind}",
            "owner-type": "Job" if name == "Cost centre" else "Candidate",
            "is-searchable": number % 2 == 0,
            "created-at": at,
            "updated-at": at,
        }
        draft.new("custom-fields", attributes)


def _places(draft: Draft) -> None:
    for number, (city, country) in enumerate(words.CITIES):
        attributes = {
            "city": city,
            "country": country,
            "name": "" if number % 2 else f"{city} Hangar",
            "address": "" if number == 3 else f"{number + 1} Mooring Lane",
            "zip": f"{number}{number}0 0{number}",
            "email": f"{city.lower().replace(' ', '-')}@{words.DOMAIN}",
            "phone": words.phone(draft.rng),
            "headquarters": number == 0,
            "lat": f"{draft.rng.uniform(50, 65):.6f}",
            "long": f"{draft.rng.uniform(-20, 25):.6f}",
        }
        draft.new("locations", attributes)
    locations = draft.refs("locations")
    for number, name in enumerate(words.REGIONS):
        attributes = {"name": name, "created-at": wire_ms(draft.now - (880 + number) * DAY)}
        draft.new("regions", attributes, locations=locations[number::4])
    for number, (name, roles) in enumerate(words.DEPARTMENTS.items()):
        attributes = {"name": name, "headline": f"Life in {name}", "row-order": number}
        department = draft.new("departments", attributes | {"pictures": []})
        for role in roles:
            draft.new("roles", {"name": role}, department=department)


def _users(draft: Draft, count: int) -> None:
    rng = draft.rng
    departments, locations = draft.refs("departments"), draft.refs("locations")
    for number in range(count):
        name = f"{rng.choice(words.FIRST_NAMES)} {words.surname(rng)}"
        handle = f"{name.lower().replace(' ', '.')}.{number}"
        settings = draft.new("notification-settings", {"mention": True, "daily-digest": False})
        attributes = {
            "name": name,
            "email": f"{handle}@{words.DOMAIN}",
            "login-email": None if number % 9 == 8 else f"{handle}@{words.DOMAIN}",
            "username": handle,
            "external-id": f"Q-{number:05}" if number % 3 else None,
            "role": rng.choice(("user", "recruiter", "admin", "designer", "no_access")),
            "role-addons": ["requisitions"] if number % 5 == 0 else [],
            "title": rng.choice(words.DEPARTMENTS["Office"]),
            "phone": words.phone(rng),
            "description": f"<p>Flies with {words.COMPANY}.</p>",
            "picture": {"standard": f"https://images.example/users/{number}.png"},
            "visible": number % 7 != 0,
            "notification-mention": True,
        }
        draft.new(
            "users",
            attributes,
            department=rng.choice(departments),
            location=rng.choice(locations),
            notification_settings=settings,
        )
    for number, department in enumerate(draft.tables["departments"].values()):
        department["relationships"]["manager"] = draft.refs("users")[number % count]


def _teams(draft: Draft) -> None:
    users = draft.refs("users")
    for number, name in enumerate(words.TEAMS):
        members = draft.rng.sample(users, min(6, len(users)))
        team = draft.new(
            "teams",
            {"name": name, "emoji": "\N{BALLOON}", "no-department": number == 0},
            user=members[0],
            users=members,
            departments=draft.some(draft.refs("departments"), 3),
            locations=draft.some(draft.refs("locations"), 3),
            roles=draft.some(draft.refs("roles"), 4),
        )
        for member in members:
            draft.new("team-memberships", {}, user=member, team=team)


def _question(draft: Draft, number: int) -> None:
    title, kind = words.QUESTIONS[number % len(words.QUESTIONS)]
    attributes: dict[str, Any] = {"title": title, "question-type": kind, "description": ""}
    attributes |= {"alternatives": None, "multiple": None, "single-line": None}
    match kind:
        case "Choice":
            alternatives = [{"id": index, "title": name} for index, name in enumerate("ABC", 1)]
            attributes |= {"alternatives": alternatives, "multiple": number % 2 == 0}
        case "Range":
            attributes |= {"start-with": 0, "end-with": 10, "unit": "knots"}
        case "Text":
            attributes |= {"single-line": number % 2 == 0}
    draft.new("questions", attributes)


def _job(draft: Draft, number: int, opened: int) -> None:
    rng = draft.rng
    status = _STATUSES[number % len(_STATUSES)]
    role = rng.choice(draft.refs("roles"))
    department = draft.tables["roles"][role["id"]]["relationships"]["department"]
    title = draft.tables["roles"][role["id"]]["attributes"]["name"]
    places = draft.some(draft.refs("locations"), 2)
    recruiter = rng.choice(draft.refs("users"))
    requisition = None
    if number % 10 == 0:
        attributes = {"job-title": title, "number-of-openings": 1 + number % 3}
        attributes["requisition-status"] = "approved"
        requisition = draft.new("requisitions", attributes, department=department)
    job = draft.new(
        "jobs",
        _job_attributes(draft, number, title, opened, status),
        department=department,
        role=role,
        division=rng.choice(draft.refs("divisions")),
        location=places[0] if places else None,
        locations=places,
        regions=draft.some(draft.refs("regions"), 1),
        user=recruiter,
        team=rng.choice(draft.refs("teams")) if number % 3 == 0 else None,
        colleagues=draft.some(draft.refs("users"), 3),
        questions=draft.some(draft.refs("questions"), 3),
        requisition=requisition,
    )
    for member in [recruiter, *draft.some(draft.refs("users"), 2)]:
        draft.new("team-memberships", {}, user=member, team=job)
    stages = _stages(draft, number, job, opened)
    if status[1] not in _NEVER_OPEN:
        draft.openings.append(Opening(opened, job, recruiter, stages))


def _job_attributes(
    draft: Draft, number: int, title: str, opened: int, statuses: tuple[str, str]
) -> dict[str, Any]:
    rng, now = draft.rng, draft.now
    status, human = statuses
    picture = f"https://images.example/jobs/{number}"
    ends = {"expired": now - 5 * DAY, "published": opened + 900 * DAY}.get(human)
    starts = now + 20 * DAY if human == "scheduled" else opened
    salary = rng.randrange(25, 70) * 1000
    return {
        "title": title,
        "internal-name": f"{title} ({number})" if number % 4 == 0 else None,
        "pitch": f"Rise with us as {title}.",
        "body": f"<p>{title} wanted.</p><p>Bring tea &amp; a head for heights.</p>",
        "status": status,
        "human-status": human,
        "internal": number % 5 == 1,
        "pinned": number % 11 == 0,
        "tags": rng.sample(words.TAGS, rng.randint(0, 3)),
        "company-name": words.COMPANY,
        "language-code": "en",
        "mailbox": f"job-{number}@{words.DOMAIN}",
        "recruiter-email": f"recruiting@{words.DOMAIN}",
        "picture": {size: f"{picture}-{size}.png" for size in ("original", "standard", "thumb")},
        "remote-status": rng.choice(("none", "temporary", "hybrid", "fully")),
        "resume-requirement": "required",
        "cover-letter-requirement": rng.choice(("off", "optional", "required")),
        "phone-requirement": "optional",
        "name-requirement": "required",
        "employment-type": rng.choice(("full-time", "part-time")),
        "currency": "SEK",
        "min-salary": salary,
        "max-salary": salary + 8000,
        "salary-time-unit": "monthly",
        "start-date": wire_ms(starts),
        "end-date": wire_ms(ends) if ends else None,
        "created-at": wire_ms(opened - DAY),
        "updated-at": wire_ms(min(now, opened + rng.randrange(30 * DAY))),
    }


def _stages(draft: Draft, number: int, job: Ref, opened: int) -> tuple[Ref, ...]:
    types = dict(zip(words.STAGE_TYPES, draft.refs("stage-types"), strict=True))
    created = wire_ms(opened - DAY)
    stages = []
    for order, (name, kind) in enumerate(words.STAGES):
        attributes = {
            "name": name,
            "legacy-stage-type-name": kind,
            "row-order": order - number % 2,
            "created-at": created,
            "updated-at": created,
        }
        stages.append(draft.new("stages", attributes, job=job, stage_type=types[kind]))
    draft.new("triggers", {"trigger-type": "reject"}, stage=stages[0])
    return tuple(stages)
