"""History equals what was visible at each sync, row by row, over a year of weekly syncs.

The company's year is told in plain Python: what changes in a week, and a snapshot of what the API
shows when it is synced. From the snapshots alone follows which versions there must be.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import duckdb
import pytest

from recruit_assets.catalogue import Kind
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.retries import Patience
from recruit_assets.extract.source import Source
from recruit_assets.load.sweep import Remains
from recruit_assets.sandbox import Rules, Sandbox, World
from recruit_assets.sync import Mode, Options, Sync
from recruit_assets_tests.conftest import BY_NAME, KEY, settings_for

TRACKED = {each.name: each for each in BY_NAME.values() if each.history}
BEGAN = datetime(2025, 1, 6, 9, tzinfo=UTC)
WEEKS = 52
LOG = logging.getLogger("year")
Version = tuple[Any, ...]


@dataclass(frozen=True)
class Seen:
    """What one sync of one endpoint saw, and between which moments it wrote it down."""

    endpoint: str
    records: dict[str, Version]  # tracked values by id
    whole: bool  # whether what is not there is gone
    earliest: datetime
    latest: datetime


@dataclass
class Year:
    """A company in front of a database of its own."""

    sandbox: Sandbox
    database: duckdb.DuckDBPyConnection
    log: list[Seen] = field(default_factory=list)
    remains: Remains = Remains.erase
    runs: Iterator[int] = field(default_factory=count)

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.database

    def sync(self, name: str, mode: Mode = Mode.full, **options: Any) -> None:
        client = Client(ApiSettings(**settings_for(self.sandbox)))
        source = Source(client, BY_NAME[name], Patience(first_wait=0, unsaid_wait=0), LOG)
        chosen = Options(mode=mode, remains=self.remains, **options)
        earliest = datetime.now(UTC)
        try:
            run = f"run {next(self.runs)}"
            outcome = Sync(source, self.opened, lambda: True, chosen, run).run()
        finally:
            client.close()
        if chosen.dry_run:
            return
        whole = outcome.mode is Mode.full
        seen = self.visible(name)
        self.log.append(Seen(name, seen, whole, earliest, datetime.now(UTC)))

    def visible(self, name: str) -> dict[str, Version]:
        """The tracked values of each record that the API shows."""
        endpoint = BY_NAME[name]
        attributes = {each.name.replace("-", "_"): each for each in endpoint.attributes}
        found = {}
        for record in self.sandbox.world.records(endpoint.path):
            values: list[Any] = []
            for column in endpoint.history:
                if column in attributes:
                    value = record["attributes"].get(attributes[column].name)
                    dated = attributes[column].kind is Kind.TIMESTAMP and value
                    values.append(datetime.fromisoformat(value) if dated else value)
                else:
                    related = record["relationships"][column.removesuffix("_id").replace("_", "-")]
                    values.append(related["id"] if related else None)
            found[record["id"]] = tuple(values)
        return found

    def history(self, name: str) -> dict[str, list[Version]]:
        """The versions of each id in their order: tracked values, valid_from, valid_to, seen_at."""
        columns = ", ".join((*BY_NAME[name].history, "valid_from", "valid_to", "seen_at"))
        versions: dict[str, list[Version]] = {}
        for id_, *values in self.database.execute(
            f"SELECT id, {columns} FROM recruit_history.{name} ORDER BY id, seen_at, valid_from"
        ).fetchall():
            versions.setdefault(id_, []).append(tuple(values))
        return versions


@contextmanager
def company(candidates: int) -> Iterator[Year]:
    with (
        Sandbox(candidates=candidates, rules=Rules(key=KEY)).serve() as sandbox,
        duckdb.connect(":memory:") as database,
    ):
        database.execute("SET TimeZone = 'UTC'")
        yield Year(sandbox, database)


def live(year: Year, week: int, dice: Random) -> None:
    """What happens in a week to applications, jobs, stages and offers."""
    world, now = year.sandbox.world, BEGAN + timedelta(weeks=week)
    jobs, stages = world.records("jobs"), world.records("stages")
    by_job: dict[str, list[str]] = {}
    for stage in stages:
        by_job.setdefault(stage["relationships"]["job"]["id"], []).append(stage["id"])

    def at() -> str:
        return (now + timedelta(minutes=dice.randrange(7 * 24 * 60))).isoformat()

    apply_and_move(year.sandbox.world, by_job, at, dice)
    for each in dice.sample(jobs, 2):
        status = dice.choice(["open", "archived", "unlisted", "draft"])
        world.change("jobs", each["id"], {"status": status, "title": f"Title {week}"})
    for each in dice.sample(stages, 3):
        world.change("stages", each["id"], {"name": f"Name {week}", "row-order": dice.randrange(9)})
    for each in dice.sample(world.records("job-offers"), 3):
        answer = {"status": dice.choice(["sent", "accepted", "declined"]), "answered-at": at()}
        world.change("job-offers", each["id"], answer)


def apply_and_move(
    world: World, by_job: dict[str, list[str]], at: Callable[[], str], dice: Random
) -> None:
    """People apply, move through the stages of their job, are rejected, or withdraw."""
    people = [each["id"] for each in world.records("candidates")]
    for _ in range(40):
        job, came = dice.choice(list(by_job)), at()
        stamps = {"created-at": came, "changed-stage-at": came}
        to = {"job": job, "stage": by_job[job][0], "candidate": dice.choice(people)}
        world.add("job-applications", stamps, to)
    applications = world.records("job-applications")
    for each in dice.sample(applications, 60):
        process = by_job[each["relationships"]["job"]["id"]]
        moved = {"changed-stage-at": at()}
        world.change("job-applications", each["id"], moved, {"stage": dice.choice(process)})
    for each in dice.sample(applications, 15):
        world.change("job-applications", each["id"], {"rejected-at": at()})
    for each in dice.sample(applications, 5):
        world.change("job-applications", each["id"], {"rejected-at": None})
        world.change("job-applications", each["id"], {"cover-letter": "planted"})
    for each in dice.sample(applications, 3):
        world.remove("job-applications", each["id"])


@pytest.fixture
def year() -> Iterator[Year]:
    """A year of weekly syncs: most of them of what has changed, each fourth of everything."""
    dice = Random(11)
    with company(candidates=60) as told:
        for week in range(WEEKS):
            live(told, week, dice)
            for name in TRACKED:
                told.sync(name, Mode.full if week % 4 == 0 else Mode.auto)
        yield told


@dataclass
class Expected:
    """A version that there must be; times that are not the source's lie between two moments."""

    values: Version
    begins: tuple[datetime, datetime]
    ends: tuple[datetime, datetime] | None = None


def expected(year: Year, name: str) -> dict[str, list[Expected]]:
    """The versions that follow from what the syncs saw, in plain Python."""
    columns = BY_NAME[name].history
    kinds = {each.name: each.kind for each in BY_NAME[name].columns()}
    times = [place for place, each in enumerate(columns) if kinds[each] is Kind.TIMESTAMP]
    versions: dict[str, list[Expected]] = {}
    for seen in (each for each in year.log if each.endpoint == name):
        for id_, values in seen.records.items():
            earlier = versions.setdefault(id_, [])
            last = earlier[-1] if earlier else None
            if last and last.ends is None and last.values == values:
                continue
            after = (last.ends or last.begins)[1] if last else None
            own = [values[place] for place in times if values[place] is not None]
            own = [each for each in own if each <= seen.latest and (not after or each > after)]
            begins = (max(own), max(own)) if own else (seen.earliest, seen.latest)
            if last and last.ends is None:
                last.ends = begins
            earlier.append(Expected(values, begins))
        for id_, each in versions.items():
            if seen.whole and id_ not in seen.records and each[-1].ends is None:
                each[-1].ends = (seen.earliest, seen.latest)
    return versions


def test_history_is_what_was_visible_at_each_sync(year: Year) -> None:
    history = {name: year.history(name) for name in TRACKED}
    for name, found in history.items():
        due = expected(year, name)
        assert found.keys() == due.keys()
        for id_, versions in due.items():
            must_agree(found[id_], versions)
    applications = history["job_applications"].values()
    assert len(applications) > 2000
    assert max(map(len, applications)) > 3
    assert len([each for each in applications if each[-1][-2] is not None]) > 50  # are gone
    assert all(any(len(each) > 1 for each in found.values()) for found in history.values())
    assert "planted" not in str(history)


def must_agree(found: list[Version], due: list[Expected]) -> None:
    """The versions of a record are those that there must be, and do not overlap."""
    assert [each[:-3] for each in found] == [each.values for each in due]
    ended = None
    for (*_, begins, ends, _), each in zip(found, due, strict=True):
        assert each.begins[0] <= begins <= each.begins[1]
        assert ended is None or ended <= begins
        if each.ends is None:
            assert ends is None
        else:
            assert each.ends[0] <= ends <= each.ends[1]
            assert begins <= ends
        ended = ends


def test_nothing_personal_is_tracked() -> None:
    for endpoint in TRACKED.values():
        personal = {each.name for each in endpoint.columns() if each.personal}
        assert personal.isdisjoint(endpoint.history)


@pytest.fixture
def small() -> Iterator[Year]:
    with company(candidates=20) as told:
        yield told


def test_an_unchanged_company_writes_no_version(small: Year) -> None:
    small.sync("stages")
    before = small.history("stages")
    for mode in Mode:
        small.sync("stages", mode, refresh_volatile=True)
    assert small.history("stages") == before


def test_a_dry_run_writes_no_version(small: Year) -> None:
    small.sync("stages")
    before = small.history("stages")
    small.sandbox.world.change("stages", next(iter(before)), {"name": "Renamed"})
    small.sync("stages", dry_run=True)
    assert small.history("stages") == before


def test_a_history_that_was_dropped_begins_anew(small: Year) -> None:
    small.sync("stages")
    before = small.history("stages")
    small.database.execute("DROP SCHEMA recruit_history CASCADE")
    small.sync("stages")
    again = small.history("stages")
    assert {id_: [each[:-1] for each in versions] for id_, versions in again.items()} == {
        id_: [each[:-1] for each in versions] for id_, versions in before.items()
    }


@pytest.mark.parametrize("remains", Remains)
def test_who_is_gone_and_comes_back_has_a_gap(small: Year, remains: Remains) -> None:
    small.remains = remains
    world = small.sandbox.world
    small.sync("job_applications")
    record = world.records("job-applications")[0]
    related = {name: each["id"] for name, each in record["relationships"].items() if each}
    world.remove("job-applications", record["id"])
    small.sync("job_applications")
    ((*_, ended, _),) = small.history("job_applications")[record["id"]]
    assert ended is not None
    world.add("job-applications", record["attributes"], related, id=record["id"])
    small.sync("job_applications")
    first, second = small.history("job_applications")[record["id"]]
    assert first[-2] == ended <= second[-3]
    assert second[-2] is None
    assert first[:-3] == second[:-3]


def test_a_failure_in_the_merge_leaves_table_and_history_as_they_were(small: Year) -> None:
    small.sync("stages")
    before = small.history("stages"), small.database.sql("FROM recruit.stages").fetchall()
    small.sandbox.world.change("stages", next(iter(before[0])), {"name": "Renamed"})
    small.database.execute("ALTER TABLE recruit_history.stages RENAME COLUMN name TO title")
    small.database.execute("ALTER TABLE recruit_history.stages ADD COLUMN name INTEGER")
    with pytest.raises(Exception, match="Could not convert string"):
        small.sync("stages")
    small.database.execute("ALTER TABLE recruit_history.stages DROP COLUMN name")
    small.database.execute("ALTER TABLE recruit_history.stages RENAME COLUMN title TO name")
    after = small.history("stages"), small.database.sql("FROM recruit.stages").fetchall()
    assert after == before
