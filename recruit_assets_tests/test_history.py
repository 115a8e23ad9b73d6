"""The history after a simulated year is what the API showed at each sync, row by row.

What must be there is computed here in plain Python from the log of `year`; the rules of writing it
down are specified in `load/test_history`.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from recruit_assets_tests import lakes
from recruit_assets_tests.life import PLANTED
from recruit_assets_tests.year import WEEKLY, WEEKS, Row, Year

pytestmark = pytest.mark.ring(2)

PAGE = Path(__file__).parents[1] / "docs" / "history.md"
STORY = {
    "job_applications": (
        "candidate_id job_id stage_id reject_reason_id created_at changed_stage_at rejected_at"
    ),
    "jobs": "title status human_status internal department_id location_id user_id created_at",
    "job_offers": "job_application_id user_id status response created_at sent_at answered_at",
    "stages": ("job_id name row_order legacy_stage_type_name stage_type stage_type_id created_at"),
}
Version = dict[str, Any]


def story(endpoint: str, row: Row) -> Row:
    """Of a row what its history tells."""
    return {name: row.get(name) for name in ("id", *STORY[endpoint].split())}


def begins(row: Row, before: Version | None, at: datetime) -> datetime:
    """Since when a version holds that was seen at this time, after another or none."""
    ended = (
        (before["valid_to"] or before["valid_from"]) if before else datetime.min.replace(tzinfo=UTC)
    )
    own = [each for each in row.values() if isinstance(each, datetime) and ended < each <= at]
    return max(own, default=at)


def expected(year: Year, endpoint: str) -> list[Version]:
    """Every version, from the log alone."""
    versions: dict[str, list[Version]] = {}
    for seen, known in zip(year.syncs(endpoint), year.known(endpoint), strict=True):
        for id_ in known.keys() | versions.keys():
            last = versions[id_][-1] if id_ in versions else None
            holds = last is not None and last["valid_to"] is None
            if id_ not in known:
                if last and holds:
                    last["valid_to"] = seen.at
                continue
            row = story(endpoint, known[id_])
            if last and holds and row.items() <= last.items():
                continue
            since = begins(row, last, seen.at)
            if last and holds:
                last["valid_to"] = since
            span = {"valid_from": since, "valid_to": None, "seen_at": seen.at}
            versions.setdefault(id_, []).append(row | span | {"_run_id": seen.run_id})
    return [version for each in versions.values() for version in each]


def found(year: Year, sql: str) -> list[dict[str, Any]]:
    with lakes.connect(year.path, read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        rows: list[dict[str, Any]] = database.sql(sql).to_arrow_table().to_pylist()
        return rows


def in_order(versions: list[Version]) -> list[Version]:
    return sorted(versions, key=lambda each: (each["id"], each["seen_at"]))


@pytest.mark.parametrize("endpoint", WEEKLY)
def test_the_history_is_what_was_visible_at_each_sync(year: Year, endpoint: str) -> None:
    written = found(year, f"FROM recruit_history.{endpoint}")
    assert in_order(written) == in_order(expected(year, endpoint))


def test_the_query_of_the_docs(year: Year) -> None:
    _, _, block = PAGE.read_text().partition("```sql\n")
    day = datetime(2026, 12, 1, tzinfo=UTC)

    def held(endpoint: str) -> dict[str, Version]:
        return {
            each["id"]: each
            for each in expected(year, endpoint)
            if each["valid_from"] <= day and (each["valid_to"] is None or each["valid_to"] > day)
        }

    stages = held("stages")
    active = [each for each in held("job_applications").values() if not each["rejected_at"]]
    names = Counter(stages[each["stage_id"]]["name"] for each in active)
    assert len(names) > 5
    assert {
        each["stage"]: each["applications"] for each in found(year, block.partition("```")[0])
    } == names


def test_before_the_first_sync_nothing_is_counted_and_that_is_said(year: Year) -> None:
    first = year.log[0].at
    stood = "SELECT application_id, stage_id, rejected_at FROM recruit_history.stood_at"
    with pytest.raises(duckdb.InvalidInputException, match="first read completely on 2026-10-01"):
        found(year, f"{stood}(TIMESTAMPTZ '{first - timedelta(seconds=1)}')")
    assert len(found(year, f"{stood}(TIMESTAMPTZ '{first}')")) == len(
        year.known("job_applications")[0]
    )
    syncs = list(zip(year.syncs("job_applications"), year.known("job_applications"), strict=True))
    for number, (seen, known) in enumerate(syncs):
        rows = found(year, f"{stood}(TIMESTAMPTZ '{seen.at}')")
        stood_at = {row["application_id"]: row["stage_id"] for row in rows}
        assert {id_: row["stage_id"] for id_, row in known.items()}.items() <= stood_at.items()
        # A record that was removed, and has returned, counts from its own time.
        returned = {id_ for _, later in syncs[number + 1 :] for id_ in later}
        assert stood_at.keys() - known.keys() <= returned


def test_much_happens_in_the_year(year: Year) -> None:
    versions = {endpoint: expected(year, endpoint) for endpoint in WEEKLY}
    assert len(versions["job_applications"]) > 77 * WEEKS
    assert {endpoint for endpoint in WEEKLY if len(versions[endpoint]) > 2 * WEEKS} == set(WEEKLY)
    applications = versions["job_applications"]
    ids = {each["id"] for each in applications}
    gone = ids - {each["id"] for each in applications if each["valid_to"] is None}
    starts = {(each["id"], each["valid_from"]) for each in applications}
    gaps = [
        each["id"]
        for each in applications
        if each["valid_to"] and (each["id"], each["valid_to"]) not in starts
    ]
    assert len(gone) > WEEKS // 5
    assert len(set(gaps) - gone) > WEEKS // 10  # they came back


@pytest.mark.parametrize("endpoint", WEEKLY)
def test_what_is_known_at_the_end_is_what_lives(year: Year, endpoint: str) -> None:
    rows = found(year, f"FROM recruit.{endpoint} WHERE _deleted_at IS NULL")
    current = {each["id"]: story(endpoint, each) for each in rows}
    assert current == {id_: story(endpoint, row) for id_, row in year.current(endpoint).items()}


def test_nothing_of_a_person_is_in_the_history(year: Year) -> None:
    def holding(schema: str, table: str) -> int:
        rows = f"FROM {schema}.{table} t WHERE contains(t::VARCHAR, '{PLANTED}')"
        return len(found(year, rows))

    assert holding("recruit", "job_applications") > 20 * WEEKS
    assert holding("recruit", "job_offers") > 2 * WEEKS
    assert sum(holding("recruit_history", table) for table in WEEKLY) == 0
