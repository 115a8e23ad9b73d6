"""Days and months are those of the company, not those of UTC."""

import re
from datetime import datetime
from pathlib import Path
from shutil import copy
from zoneinfo import ZoneInfo, available_timezones

import dagster as dg
import duckdb
import pytest

from recruit_assets.setting_fields import SettingFields
from recruit_assets_tests.marts.conftest import Answers, answer

pytestmark = pytest.mark.ring(2)

KIRITIMATI = "Pacific/Kiritimati"  # 14 hours ahead


@pytest.fixture(scope="module")
def ahead(
    case_answers: Answers, instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    """The answers of the cases with an application in the last hours of a month (UTC)."""
    path = Path(copy(case_answers.path, tmp_path_factory.mktemp("ahead")))
    with duckdb.connect(str(path)) as database:
        database.execute("SET TimeZone = 'UTC'")
        moved = "UPDATE recruit.job_applications SET created_at = ? WHERE id = ?"
        ((id_,),) = database.execute("SELECT max(id) FROM recruit.job_applications").fetchall()
        database.execute(moved, [datetime.fromisoformat("2026-09-30T12:00:00+00:00"), id_])
    return answer(path, instance, time_zone=KIRITIMATI)


def test_months_begin_where_the_company_is(ahead: Answers) -> None:
    applied = "SELECT sum(applications) AS n FROM recruit_marts.source_of_hire WHERE month = "
    ((there,),) = [row.values() for row in ahead.query(f"{applied} '2026-10-01'")]
    moved = [
        row["applied_at"]
        for row in ahead.mart("applications")
        if row["applied_at"].astimezone(ZoneInfo(KIRITIMATI)).strftime("%Y-%m") == "2026-10"
    ]
    assert there == len(moved)
    assert min(moved).strftime("%Y-%m-%d") == "2026-09-30"


def test_the_page_says_which_time_zone_its_times_are_in(
    ahead: Answers, case_answers: Answers
) -> None:
    assert f"whole months ({KIRITIMATI})" in ahead.page
    assert "As of 12 November 2026, 22:00 +14." in ahead.page
    assert "whole months (UTC)" in case_answers.page
    assert re.search(r"As of 12 November 2026, 08:00 UTC\.", case_answers.page)


def test_what_is_a_time_zone_here_is_one_for_the_database() -> None:
    with duckdb.connect() as database:
        known = {
            name for (name,) in database.execute("SELECT name FROM pg_timezone_names()").fetchall()
        }
    names = available_timezones()
    for name in names - known:
        with pytest.raises(ValueError, match="write the name of a time zone"):
            SettingFields(time_zone=name)
    assert "Europe/Stockholm" in known & names
