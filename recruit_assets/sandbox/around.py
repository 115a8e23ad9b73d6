"""The records around the company that a key may lead to: values, options, files, answers, results.

Adds to a finished `Draft`, by a random generator of its own, so that the other records do not
depend on it.
"""

from random import Random
from typing import Any

from recruit_assets.sandbox import words
from recruit_assets.sandbox.draft import Draft, Record, Ref
from recruit_assets.sandbox.times import DAY, wire_date, wire_ms

_FILES = ("letter.pdf", "certificate.png", "licence.pdf", "portfolio.docx")


def build_around(draft: Draft, rng: Random) -> None:
    """Complete the records that candidates and jobs have, and add more of them."""
    _requisitions(draft, rng)
    _options(draft)
    for number, candidate in enumerate(draft.refs("candidates")):
        _around_person(draft, rng, number, candidate)
    for job in draft.refs("jobs")[::2]:
        _value(draft, rng, draft.refs("custom-fields")[-1], job)
    for number, result in enumerate(draft.tables["partner-results"].values()):
        _complete_result(draft, rng, number, result)
    for number, upload in enumerate(draft.tables["uploads"].values()):
        _complete_upload(draft, rng, number, upload)


def _around_person(draft: Draft, rng: Random, number: int, candidate: Ref) -> None:
    for field in draft.refs("custom-fields")[1:-1]:
        if rng.random() < 0.1:
            _value(draft, rng, field, candidate)
    if number % 9 == 0:
        _upload(draft, rng, candidate)
    if number % 4 == 0:
        for question in rng.sample(draft.refs("questions"), 2):
            _answer(draft, rng, question, candidate)
    if number % 12 == 0:
        draft.new("partner-results", {"assessment-score": None}, candidate=candidate)


def _requisitions(draft: Draft, rng: Random) -> None:
    users = draft.refs("users")
    for number, requisition in enumerate(draft.tables["requisitions"].values()):
        salary = rng.randrange(25, 70) * 1000
        requisition["attributes"] |= {
            "job-description": "Somebody who keeps us in the air.",
            "country": words.CITIES[number % len(words.CITIES)][1],
            "min-salary": salary,
            "max-salary": salary + 8000,
            "currency": "SEK",
            "salary-time-unit": "monthly",
            "custom-form-answers": {"division": "Ships", "comments": "As soon as possible."},
            "hired-count": number % 2,
            "created-at": wire_ms(draft.now - (700 - number % 700) * DAY),
        }
        requisition["relationships"] |= {
            "location": rng.choice(draft.refs("locations")),
            "recruiter": rng.choice(users),
            "user": rng.choice(users),
        }


def _options(draft: Draft) -> None:
    for field in draft.refs("custom-fields"):
        for option in _options_of(draft, field):
            draft.new("custom-field-options", {"value": option}, custom_field=field)


def _options_of(draft: Draft, field: Ref) -> tuple[str, ...]:
    kind = draft.tables["custom-fields"][field["id"]]["attributes"]["field-type"]
    options = {"Select": words.CLOUDS, "MultiSelect": words.LANGUAGES}
    return options.get(kind.removeprefix("CustomField::"), ())


def _value(draft: Draft, rng: Random, field: Ref, owner: Ref) -> None:
    """Add a value as the API shows it: each is a text, but that of a multi-select is a list."""
    kind = draft.tables["custom-fields"][field["id"]]["attributes"]["field-type"]
    values: dict[str, Any] = {
        "Text": f"C-{rng.randrange(100, 1000)}",
        "Email": f"{words.surname(rng).lower()}@mail.example",
        "Url": f"https://portfolio.example/{rng.randrange(1000)}",
        "Phone": words.phone(rng),
        "Date": wire_date(draft.now + rng.randrange(90) * DAY),
        "Checkbox": rng.choice(("true", "false")),
        "Number": str(rng.randrange(5000)),
        "Select": rng.choice(words.CLOUDS),
        "MultiSelect": rng.sample(words.LANGUAGES, rng.randint(1, 3)),
    }
    attributes = {"field-type": kind, "value": values[kind.removeprefix("CustomField::")]}
    draft.new("custom-field-values", attributes, custom_field=field, owner=owner)


def _answer(draft: Draft, rng: Random, question: Ref, candidate: Ref) -> None:
    kind = draft.tables["questions"][question["id"]]["attributes"]["question-type"]
    values: dict[str, dict[str, Any]] = {
        "Boolean": {"boolean": rng.random() < 0.7},
        "Choice": {"choices": rng.sample(range(4), rng.randint(1, 2))},
        "Text": {"text": rng.choice(words.FEEDBACK)},
        "Range": {"range": rng.randint(0, 10)},
        "Video": {"video-token": f"video-{rng.randrange(10_000)}"},
    }
    at = draft.now - rng.randrange(600 * DAY)
    attributes = values[kind] | {"question-type": kind.lower(), "updated-at": wire_ms(at)}
    draft.new("answers", attributes, candidate=candidate, question=question)


def _upload(draft: Draft, rng: Random, candidate: Ref) -> None:
    at = wire_ms(draft.now - rng.randrange(600 * DAY))
    attributes = {"file-name": rng.choice(_FILES), "created-at": at}
    draft.new("uploads", attributes, candidate=candidate, job=rng.choice(draft.refs("jobs")))


def _complete_upload(draft: Draft, rng: Random, number: int, upload: Record) -> None:
    attributes = upload["attributes"]
    attributes["url"] = f"https://files.example/uploads/{number}/{attributes['file-name']}"
    attributes["internal"] = number % 5 == 0
    attributes["updated-at"] = attributes["created-at"]
    if number % 6 == 0 and (answers := draft.refs("answers")):
        upload["relationships"]["answer"] = rng.choice(answers)


def _complete_result(draft: Draft, rng: Random, number: int, result: Record) -> None:
    attributes = result["attributes"]
    attributes |= {
        "partner-name": "Cloudtest",
        "status": "completed" if number % 3 else "pending",
        "created-at": attributes["created-at"] or wire_ms(draft.now - rng.randrange(600 * DAY)),
        "details": "{}",
        "summary": "Knows up from down." if number % 2 else None,
        "url": f"https://cloudtest.example/results/{number}",
        "attachments": [{"url": "https://cloudtest.example/scale", "description": "The scale"}]
        if number % 2
        else [],
    }
    result["relationships"]["job"] = rng.choice(draft.refs("jobs"))
