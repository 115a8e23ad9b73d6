"""What the page says of nothing, one, few, many and what is not known: it agrees with the marts.

Companies in which everything happens the same number of times, made by SQL alone, with syncs that
are fresh or old, and events in whole months or in the one that is not over.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from playwright.sync_api import Browser, expect

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import connection
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.history import HISTORY
from recruit_assets.load.schema import schema_name
from recruit_assets.load.syncs import prepare_syncs
from recruit_assets.marts.build import ask, build
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.report import Contents, gather, render, report_path, write
from recruit_assets_tests.marts.test_filters import SHOWN
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)
WHOLE, PARTIAL = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ["Inbox", "Interview", "Offer", "Hired"]
TYPES = ["Inbox", "In process", "In process", "Hired"]
# Of each of `n`: one hired with an offer and a score, one rejected, one stuck.
TABLES = {
    "departments": "SELECT '1' AS id, 'Sales' AS name",
    "users": "SELECT '1' AS id",
    "reject_reasons": "SELECT '1' AS id, 'Too far away' AS reason, true AS rejected_by_company",
    "jobs": "SELECT '1' AS id, 'Seller' AS title, 'open' AS status, '1' AS department_id, "
    "'1' AS user_id, TIMESTAMPTZ '2025-06-01' AS created_at",
    "stages": f"SELECT i::VARCHAR AS id, '1' AS job_id, i AS row_order, {NAMES}[i + 1] AS name, "
    f"{TYPES}[i + 1] AS legacy_stage_type_name FROM range(4) t(i)",
    "candidates": "SELECT i::VARCHAR AS id, 'jobs.example' AS referring_site "
    "FROM range(3 * $n) t(i)",
    "job_applications": "SELECT i::VARCHAR AS id, id AS candidate_id, '1' AS job_id, "
    "if(i % 3 = 0, '3', '0') AS stage_id, $at AS created_at, "
    "if(i % 3 = 0, $at + INTERVAL 5 DAY, $at) AS changed_stage_at, "
    "if(i % 3 = 1, $at + INTERVAL 3 DAY, NULL) AS rejected_at, "
    "if(i % 3 = 1, '1', NULL) AS reject_reason_id FROM range(3 * $n) t(i)",
    "job_offers": "SELECT i::VARCHAR AS id, (3 * i)::VARCHAR AS job_application_id, 'accepted' AS "
    "status, $at AS sent_at, $at + INTERVAL 2 DAY AS answered_at FROM range($n) t(i)",
    "nps_responses": "SELECT i::VARCHAR AS id, (3 * i)::VARCHAR AS job_application_id, '0' AS "
    "stage_id, 9.0 AS score, $at AS scored_at, $at AS sent_at FROM range($n) t(i)",
    "todos": "SELECT i::VARCHAR AS id, '1' AS assignee_id, $at::DATE AS due FROM range($n) t(i)",
}
PAST = f"""
    CREATE TABLE {HISTORY}.job_applications AS
    SELECT
        id, '0' AS stage_id, created_at AS changed_stage_at, rejected_at, created_at AS valid_from,
        if(stage_id = '0', NULL, changed_stage_at) AS valid_to, created_at AS seen_at
    FROM recruit.job_applications
    UNION ALL
    SELECT id, stage_id, changed_stage_at, rejected_at, changed_stage_at, NULL, changed_stage_at
    FROM recruit.job_applications WHERE stage_id <> '0'
"""
AGES = {"fresh": AS_OF - timedelta(hours=2), "old": AS_OF - timedelta(days=2)}


@dataclass(frozen=True)
class Company:
    """How often each thing happens, None if nothing could be read; when; and when it was read."""

    n: int | None
    at: datetime = WHOLE
    read: datetime = AGES["fresh"]


def contents(company: Company, path: Path) -> tuple[Contents, dict[str, list[dict[str, Any]]]]:
    """What the page says of a company, and the marts."""
    n = company.n or 0
    with time_machine.travel(AS_OF), connection(str(path), {}, 0.1) as database:
        database.execute("SET TimeZone = 'UTC'")
        prepare_syncs(database)
        verdict = "unavailable" if company.n is None else "complete"
        for endpoint in ENDPOINTS:
            prepare(database, endpoint, {})
            database.execute(
                "INSERT INTO recruit_meta.syncs BY NAME SELECT 1 AS sync_number, ? AS endpoint, "
                "? AS verdict, ? AS started, ? AS finished, 0 AS rows",
                [endpoint.name, verdict, company.read, company.read],
            )
            if company.n is not None and (sql := TABLES.get(endpoint.name)):
                values = {"n": n, "at": company.at}
                used = {key: value for key, value in values.items() if f"${key}" in sql}
                insert = f"INSERT INTO recruit.{endpoint.name} BY NAME {sql}"
                database.execute(insert, used or None)
        database.execute(f"CREATE SCHEMA {schema_name(database, HISTORY)}")
        database.execute(PAST)
        assert not [each.mart.name for each in build(database, MARTS) if each.wrong]
        found = gather(database)
        write(render(found), report_path(str(path)))
        return found, {m.name: ask(database, f"FROM recruit_marts.{m.name}") for m in MARTS}


COMPANIES = {
    "unknown": Company(None),
    "few": Company(4, PARTIAL),
    **{
        f"{name}, {when}, {age}": pytest.param(Company(n, at, read), marks=FULL)
        for name, n in {"unknown": None, "none": 0, "one": 1, "few": 4, "many": 12}.items()
        for when, at in {"whole": WHOLE, "partial": PARTIAL}.items()
        for age, read in AGES.items()
    },
}


@pytest.mark.parametrize("company", COMPANIES.values(), ids=COMPANIES)
def test_no_sentence_contradicts_the_marts(
    company: Company, browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "company.duckdb"
    found, marts = contents(company, path)
    said = {each.section["mart"]: each.sentence or each.nothing for each in found.answers}
    n = company.n
    is_old = company.read < AS_OF - timedelta(days=1)
    assert any("Last read on" in each for each in found.warnings) == (is_old and n is not None)
    if n is None:
        assert all(each.startswith("Not known: ") for each in said.values())
        assert {each["value"] for each in found.headlines.numbers.values()} == {None}
    elif n == 0:
        assert said.pop("recruiter_load").startswith("1 person has work: 0 active applications and")
        assert not any(re.search(r"\d", each) for each in said.values())  # of an open job
    else:
        agrees(said, marts, n)
    counted = 0 if company.at == PARTIAL else n
    if n is not None:
        numbers = found.headlines.numbers
        assert numbers["Applications"]["value"] == str(3 * (counted or 0))
        assert numbers["Hires"]["value"] == str(counted)
    with browser.new_page() as page:
        page.goto(report_path(str(path)).as_uri())
        if not n:
            expect(page.locator("#filters")).to_be_hidden()
            return
        page.locator("select[name=period]").select_option("All time")
        shown = page.evaluate(SHOWN)
        for name, each in shown["answers"].items():
            assert each["sentence"] == said[name]
        assert shown["headlines"]["Hires"][0] == str(n)
        page.locator("select[name=period]").select_option("Last 12 whole months")
        shown = page.evaluate(SHOWN)["answers"]
        assert shown["time_to_hire"]["sentence"].startswith(
            "No hire in this selection." if company.at == PARTIAL else said["time_to_hire"]
        )


def agrees(said: dict[str, str], marts: dict[str, list[dict[str, Any]]], n: int) -> None:
    """Compare each sentence with its mart."""
    things = {
        "funnel": f"Hired: {n} application",
        "time_to_hire": "The one hire took 5 days" if n == 1 else f"Half of {n} hires took 5 days",
        "applications": f"Received: {3 * n} applications. Active now: {n}.",
        "offers": f"Of {n} application{'s' * (n > 1)} with an offer, {n} accepted",
        "source_of_hire": f"The largest source of hires is job boards: {n} of {n}.",
        "rejections": f"Rejected: {n} application{'s' * (n > 1)}. The most common reason: Too far",
        "candidate_nps": f"score is +100, from {n} answers"
        if n >= 5
        else f"Answers so far: {n} to {n}",
        "recruiter_load": f"{n} active application{'s' * (n > 1)} and {n} open todo",
        "stuck_applications": f"{n} active application",
        "responsiveness": f"did something with 67% of {3 * n} applications. Unanswered now: {n}.",
        "stage_spells": f"longest in Inbox: half of {n} for 5.0" if n >= 10 else "Not known yet",
    }
    for name, thing in things.items():
        assert thing in said[name], said[name]
    assert not any(re.search(r"\b1 \w+s\b", each) for each in said.values())
    (hires,) = [row["hires"] for row in marts["time_to_hire"] if row["level"] == "company"]
    (offers,) = [row["accepted"] for row in marts["offers"] if row["level"] == "company"]
    assert hires == offers == sum(row["rejections"] for row in marts["rejections"]) == n
    assert len(marts["stuck_applications"]) == n
