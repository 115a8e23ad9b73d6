"""Marts and report are built again once something has changed for them, and only then."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from shutil import copy
from typing import Any

import dagster as dg
import duckdb
import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import connection
from recruit_assets.load.layout import META
from recruit_assets.load.syncs import SYNCS, SYNCS_TABLE
from recruit_assets.marts.build import build
from recruit_assets.marts.changes import digest_inputs, kept_since
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.refresh import (
    digest_report_inputs,
    refresh_marts,
    refresh_report,
    report_kept_since,
)
from recruit_assets.marts.report import report_path
from recruit_assets.marts.rules import Rules, rules_path
from recruit_assets.marts.views import known_columns
from recruit_assets.person import File, find, forget, only
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import metadata
from recruit_assets_tests.marts.cases import HIRED, INTERVIEW, SCREENING, Cases
from recruit_assets_tests.marts.conftest import READ, answer
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.year import sync_all

BUILT = NOW + timedelta(minutes=10)
pytestmark = pytest.mark.ring(2)


@dataclass
class Company:
    """A company with a few applications, its database, and the marts of it."""

    path: Path
    cases: Cases = field(default_factory=Cases)
    zone: str = "UTC"
    number: int = 0  # of the sync: every fourth reads all lists whole
    applications: list[str] = field(default_factory=list)
    backup: Path = Path()  # before the marts were built
    copies: Iterator[int] = field(default_factory=count)

    def begin(self) -> None:
        """Let people apply, and read it."""
        self.cases.at(-5)
        job = self.cases.job()
        self.applications = [self.cases.apply(job) for _ in range(6)]
        self.cases.world.add("todos", {"value": "Call them"})
        self.cases.at(0)
        for place, stage in enumerate((SCREENING, INTERVIEW, HIRED)):
            self.cases.move(self.applications[place], stage)
        self.sync(READ)
        self.backup = lakes.copied(self.path, self._beside(".backup"))
        self.refresh()

    def _beside(self, suffix: str) -> Path:
        return lakes.beside(self.path).with_suffix(suffix)

    @property
    def now(self) -> datetime:
        return self.cases.now

    def later(self, **by: float) -> None:
        self.cases.now += timedelta(**by)

    def sync(self, names: Collection[str] = ("job_applications",), *, whole: bool = False) -> None:
        """Read these endpoints ten minutes later."""
        self.later(minutes=10)
        self.number += 4 - self.number % 4 if whole else 1
        sync_all(self.cases.sandbox, self.path, self.number, self.now, names)

    def execute(self, sql: str) -> None:
        with connection(str(self.path), {}, 0.1) as database:
            database.execute(sql)

    def kept_since(self) -> datetime | None:
        """Since when the marts would be kept."""
        with self._opened(self.path) as (database, rules), known_columns(database, rules):
            return kept_since(database, MARTS, digest_inputs(database, MARTS))

    def refresh(self, *names: str) -> datetime | None:
        """Build all marts, or these, if needed; the answer is since when they are kept."""
        chosen = [mart for mart in MARTS if not names or mart.name in names]
        with self._opened(self.path) as (database, rules):
            built = refresh_marts(database, chosen, rules)
        assert not [each for each in built if each.wrong]
        return built[0].kept_since

    def forced(self, kept: datetime | None) -> dict[str, list[Any]]:
        """The marts if they are built anyway; as of the time when they were built, if kept."""
        path = lakes.copied(self.path, self._beside(f".forced{next(self.copies)}"))
        if kept:
            with connection(str(path), {}, 0.1) as database:
                database.execute("DELETE FROM recruit_meta.syncs WHERE finished > ?", [kept])
        with self._opened(path) as (database, rules):
            build(database, MARTS, rules)
        return marts_in(path)

    def refresh_report(self) -> datetime | None:
        """Write the report if needed; the answer is since when it is kept."""
        with self._opened(self.path) as (database, _):
            return refresh_report(database, report_path(str(self.path)))

    def report_kept_since(self) -> datetime | None:
        """Since when the report would be kept."""
        with self._opened(self.path) as (database, _):
            inputs = digest_report_inputs(database)
            return report_kept_since(database, report_path(str(self.path)), inputs)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Rules]]:
        with (
            time_machine.travel(self.now, tick=False),
            connection(str(path), {}, 0.1) as database,
        ):
            database.execute(f"SET TimeZone = '{self.zone}'")
            yield database, Rules.read(str(self.path))


def marts_in(path: Path) -> dict[str, list[Any]]:
    with lakes.connect(path, read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        return {
            mart.name: sorted(
                database.execute(f"FROM recruit_marts.{mart.name}").fetchall(), key=str
            )
            for mart in MARTS
        }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company whose marts have just been built."""
    company = Company(lakes.database_at(tmp_path_factory.mktemp("built") / "company.duckdb"))
    with company.cases.sandbox.serve():
        company.begin()
        yield company


@pytest.fixture
def company(built: Company, tmp_path: Path) -> Company:
    """The same in a file that may be changed; a test may let more happen in the company."""
    built.cases.now = BUILT
    return replace(built, path=lakes.copied(built.path, tmp_path))


Change = Callable[[Company], None]


def nothing(_: Company) -> None:
    """The marts are asked for again."""


def a_sync_without_news(company: Company) -> None:
    company.sync()


def a_full_refresh(company: Company) -> None:
    company.sync(whole=True)


def news_that_no_mart_reads(company: Company) -> None:
    world = company.cases.sandbox.world
    texts = {"candidates": "phone", "locations": "address", "todos": "value"}
    for table, attribute in texts.items():
        world.change(table, next(iter(world.table(table))), {attribute: "+46 1"})
    company.sync(texts)


def endpoints_that_no_mart_reads(company: Company) -> None:
    company.cases.sandbox.rules.without = {"regions": 403}
    company.sync(["regions"])
    company.cases.sandbox.rules.without = {}
    company.sync(["regions"])


def a_move(company: Company) -> None:
    stage = SCREENING if company.number % 2 else INTERVIEW
    company.cases.move(company.applications[-1], stage)
    company.sync()


def as_many_as_before(company: Company) -> None:
    """One application goes, and another one comes."""
    world = company.cases.sandbox.world
    job = next(reversed(world.table("jobs")))
    world.remove("job-applications", next(iter(world.table("job-applications"))))
    company.cases.apply(job)
    company.sync(whole=True)


def a_deletion(company: Company) -> None:
    world = company.cases.sandbox.world
    if len(world.table("job-applications")) > 1:
        world.remove("job-applications", next(iter(world.table("job-applications"))))
    else:
        company.cases.apply(next(reversed(world.table("jobs"))))
    company.sync(whole=True)


def a_person_is_forgotten(company: Company) -> None:
    current = "SELECT min(id) FROM recruit.candidates WHERE _deleted_at IS NULL"
    with lakes.connect(company.path, read_only=True) as database:
        ((id_,),) = database.execute(current).fetchall()
    if id_:
        file = File(str(company.path))
        with time_machine.travel(company.now, tick=False):
            forget(file, ENDPOINTS, only(find(file, ENDPOINTS, id_)), "by hand")


def a_backup_is_restored(company: Company) -> None:
    copy(company.backup, company.path)


def a_mart_is_dropped(company: Company) -> None:
    company.execute("DROP TABLE recruit_marts.funnel")


def a_view_of_a_mart_is_dropped(company: Company) -> None:
    company.execute("DROP VIEW recruit_marts.offers_month")


def a_view_of_a_mart_is_replaced(company: Company) -> None:
    with lakes.connect(company.path, read_only=True) as database:
        ((sql,),) = database.execute(
            "SELECT sql FROM duckdb_views() WHERE view_name = 'offers_month'"
        ).fetchall()
    other = sql.replace("CREATE", "CREATE OR REPLACE").replace("'month'", "'company'")
    company.execute(other)


def a_mart_is_edited(company: Company) -> None:
    company.execute("UPDATE recruit_marts.applications SET job = job || '!'")


def a_table_is_edited(company: Company) -> None:
    company.execute("UPDATE recruit.jobs SET title = title || '!'")


def a_record_of_builds_is_lost(company: Company) -> None:
    company.execute("ALTER TABLE recruit_meta.mart_builds DROP COLUMN inputs")


def the_users_file(company: Company) -> None:
    path = rules_path(str(company.path), "stages")
    days = path.read_text().count("1") if path.exists() else 0
    path.write_text(f"stage,stage_group,stuck_after_days\nScreening,Interview,{days + 1}1\n")


def the_users_file_of_sources(company: Company) -> None:
    path = rules_path(str(company.path), "sources")
    lines = path.read_text() if path.exists() else "site,source,source_type\n"
    path.write_text(f"{lines}site{len(lines)}.example,One,\n")


def another_time_zone(company: Company) -> None:
    company.zone = "Pacific/Kiritimati" if company.zone == "UTC" else "UTC"


def another_day(company: Company) -> None:
    company.later(days=1)


def the_clock_goes_back(company: Company) -> None:
    company.later(days=-1)


KEEPS: list[Change] = [
    nothing, a_sync_without_news, a_full_refresh, news_that_no_mart_reads,
    endpoints_that_no_mart_reads,
]  # fmt: skip
CHANGES: list[Change] = [
    a_move, as_many_as_before, a_deletion, a_person_is_forgotten, a_mart_is_dropped,
    *([] if lakes.LAKE else [a_backup_is_restored]), a_view_of_a_mart_is_dropped,
    a_view_of_a_mart_is_replaced, a_mart_is_edited, a_table_is_edited, a_record_of_builds_is_lost,
    the_users_file, the_users_file_of_sources, another_time_zone, another_day, the_clock_goes_back,
]  # fmt: skip


# If no reading counts, because all of them are in the future, marts are as of their building.
LASTING = [each for each in KEEPS + CHANGES if each is not the_clock_goes_back]


@pytest.mark.parametrize("change", KEEPS + CHANGES)
def test_it_is_seen_what_changes_marts(company: Company, change: Change) -> None:
    change(company)
    assert company.kept_since() == (BUILT if change in KEEPS else None)


def test_what_is_kept_is_shown_as_it_is(company: Company) -> None:
    kept = marts_in(company.path)
    company.later(hours=1)
    assert company.refresh() == BUILT
    assert marts_in(company.path) == kept
    a_move(company)
    assert company.refresh() is None
    assert marts_in(company.path) != kept


@pytest.mark.ring(3)
@settings(max_examples=6)
@given(changes=st.lists(st.sampled_from(LASTING), min_size=2, max_size=8))
def test_what_is_kept_is_what_would_be_built(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Change]
) -> None:
    company = Company(lakes.database_at(tmp_path_factory.mktemp("company") / "company.duckdb"))
    with company.cases.sandbox.serve():
        company.begin()
        for change in changes:
            change(company)
            if kept := company.refresh():
                assert marts_in(company.path) == company.forced(kept)


@pytest.mark.ring(3)
def test_a_mart_that_was_built_alone_is_not_taken_for_one_of_the_others(company: Company) -> None:
    assert company.refresh("offers") == BUILT
    a_move(company)
    assert company.refresh("time_to_hire") is None  # from applications as they were before
    assert company.refresh("time_to_hire") is None  # as those may have been built again by now
    assert company.refresh("applications") is None
    assert company.refresh("time_to_hire") is None
    assert company.refresh() is None
    assert company.refresh("time_to_hire") is not None


def test_of_all_syncs_only_the_first_ones_count() -> None:
    for mart in MARTS:
        words = set(re.findall(r"\w+", mart.sql)) & SYNCS.keys()
        if (META, SYNCS_TABLE) in mart.reads:
            assert words - {"rejected"} <= {"endpoint", "verdict", "finished"}, mart.name


@pytest.mark.only_files("restores the file")
@FULL
def test_the_report_is_written_again_for_every_sync_and_if_it_was_changed(company: Company) -> None:
    page = report_path(str(company.path))
    assert company.refresh_report() is None
    assert company.refresh_report() == BUILT
    company.later(hours=15)
    assert company.report_kept_since() == BUILT
    files = {path: path.read_bytes() for path in (company.path, page)}
    for change in (
        lambda: company.later(hours=16),  # another day
        lambda: page.write_text("mine"),
        page.unlink,
        lambda: company.execute("UPDATE recruit_marts.applications SET outcome = 'unknown'"),
        lambda: company.execute("UPDATE recruit.candidates SET profile_url = 'https://a.se/1'"),
        lambda: company.sync(["regions"]),
    ):
        company.cases.now = BUILT
        change()
        assert company.report_kept_since() is None
        for path, content in files.items():
            path.write_bytes(content)


def test_the_report_warns_in_time_of_tables_that_are_not_read_any_more(company: Company) -> None:
    company.later(hours=16)  # another day
    assert company.refresh_report() is None
    company.later(hours=7)
    assert company.report_kept_since() is not None
    company.later(hours=2)  # a day after they were read
    assert company.report_kept_since() is None


def test_the_assets_say_since_when_nothing_has_changed(
    company: Company, instance: dg.DagsterInstance
) -> None:
    a_mart_is_dropped(company)
    with time_machine.travel(company.now, tick=False):
        first, second = (answer(company.path, instance).result for _ in range(2))
    for name in ("funnel", "report"):
        found = metadata(second, name)
        assert found.pop("unchanged_since") == company.now.timestamp()
        assert found == metadata(first, name)
    assert all(each.passed for each in second.get_asset_check_evaluations())
