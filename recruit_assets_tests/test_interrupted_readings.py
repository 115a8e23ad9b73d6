"""Long readings that are interrupted: what was read is in the table, and the next sync goes on."""

import logging
import multiprocessing
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from random import Random
from signal import SIGKILL
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from recruit_assets import parts, reading
from recruit_assets.errors import RequestFailed
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.load.connection import connection, exists
from recruit_assets.load.lease import lease
from recruit_assets.options import Mode, Options
from recruit_assets.sandbox import World
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import BY_NAME, Project, metadata, settings_for
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.old_candidates import (
    NAME,
    OLD,
    SIZE,
    current,
    ids,
    listed,
    remove,
    requests,
)
from recruit_assets_tests.rings import FULL, first, sized
from recruit_assets_tests.syncing import sync

pytestmark = pytest.mark.ring(2)

LONG = 100  # pages; shorter lists are stored in one transaction
PAGES = LONG + 10
RECORDS = PAGES * SIZE
READ = 70  # pages before the interruption
LANES = 4
KILLS = sized(2, 3, 10)


def grow(world: World, records: int) -> None:
    for id_ in ids(world):
        world.change(NAME, id_, OLD)
    while world.count(NAME) < records:
        world.add(NAME, OLD)


@pytest.fixture
def broken(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose first sync of many candidates ended after two thirds of the pages."""
    monkeypatch.setattr(reading, "MIN_PAGES_TO_DIVIDE", LONG)
    project.settings["concurrency"] = LANES
    grow(project.sandbox.world, RECORDS)
    interrupt(project, READ)
    return project


def interrupt(project: Project, after: int, **options: Any) -> None:
    """Sync, and let the API fail after some pages."""
    project.sandbox.clear_requests()
    left = iter(range(after))

    def fail_at_last(_: World) -> None:
        if next(left, None) is None:
            project.sandbox.fail(NAME, status=403, times=None)

    project.sandbox.before(NAME, fail_at_last, times=None)
    with pytest.raises(RequestFailed):
        project.sync(NAME, **options)
    project.sandbox.clear_faults()
    project.sandbox.clear_requests()


def verdicts(project: Project) -> list[str]:
    found = "SELECT verdict FROM recruit_meta.syncs WHERE endpoint = ? ORDER BY sync_number"
    return [each for (each,) in project.query(found.replace("?", f"'{NAME}'"))]


def test_what_was_read_before_an_outage_is_stored_and_not_read_again(
    broken: Project, caplog: pytest.LogCaptureFixture
) -> None:
    stored = len(current(broken))
    assert 50 * SIZE < stored < RECORDS
    assert verdicts(broken) == ["partial", "failed"]
    ((reason,),) = broken.query("SELECT reason FROM recruit_meta.latest")
    assert re.search(
        r" The next sync goes on: \d\d% since .+ UTC, \d,\d\d\d of 3,300 records\.", reason
    )
    with caplog.at_level(logging.INFO):
        result = broken.sync(NAME)
    assert result.report.verdict is Verdict.COMPLETE
    assert current(broken) == listed(broken)
    pages, _ = requests(broken)
    assert pages <= (RECORDS - stored) / SIZE + 2 * LANES + 2
    assert "goes on with a reading that was interrupted (" in caplog.text
    assert verdicts(broken) == ["partial", "failed", "complete"]
    assert not broken.query("FROM recruit_meta.unfinished")


@FULL
def test_what_the_old_key_has_read_of_a_list_does_not_count_with_a_new_one(
    broken: Project,
) -> None:
    broken.sandbox.rules.key = "rotated"
    broken.settings = {"key": "rotated"}
    broken.sandbox.rules.without = {NAME: 403}
    assert broken.sync(NAME).report.verdict is Verdict.UNAVAILABLE
    broken.sandbox.rules.without = {}
    broken.sandbox.clear_requests()
    assert broken.sync(NAME).report.verdict is Verdict.COMPLETE
    assert requests(broken)[0] >= RECORDS / SIZE


@FULL
def test_rows_deleted_before_and_after_the_interruption_are_found(broken: Project) -> None:
    """A full sync that is interrupted, with deletions in what was read and what was not."""
    broken.sync(NAME)
    world, random = broken.sandbox.world, Random(1)
    remove(world, random.sample(ids(world), 40))
    interrupt(broken, READ, mode=Mode.full)
    before = set(ids(world))
    remove(world, random.sample(ids(world), 40))
    for _ in range(20):
        world.add(NAME, OLD)
    result = broken.sync(NAME, mode=Mode.full)
    assert result.report.verdict is Verdict.COMPLETE
    assert len(result.gone) >= 40
    assert not set(result.gone) & set(ids(world))
    rows = set(current(broken))
    assert set(ids(world)) <= rows
    assert rows <= before | set(ids(world))  # later ones are found by the next sync
    broken.sync(NAME)
    assert current(broken) == listed(broken)


def voids() -> Iterator[tuple[str, Callable[[Project], Any], dict[str, Any]]]:
    """What makes a reading begin again, what the log says of it, and the options of the sync."""

    def execute(project: Project, sql: str) -> None:
        with lakes.connect(project.path) as database:
            database.execute(sql)

    def change_key(project: Project) -> None:
        project.sandbox.rules.key = project.settings["key"] = "another-key"

    def drop_rows(project: Project) -> None:
        execute(project, f"DELETE FROM recruit.{NAME} WHERE id = '{max(current(project))}'")

    def refuse(project: Project) -> None:
        project.sandbox.rules.refuse = {NAME: {"fields"}}

    def age(project: Project) -> None:
        execute(project, "UPDATE recruit_meta.unfinished SET began = began - INTERVAL 8 DAY")

    yield "the key have changed", change_key, {}
    yield "its rows or columns, the API's address", drop_rows, {}
    yield "the parameters of its requests were others", refuse, {}
    yield "it began more than 7 days ago", age, {}
    yield "it did not refresh volatile values", lambda _: None, {"refresh_volatile": True}


@pytest.mark.parametrize(("said", "change", "options"), first(1, voids()))
def test_a_reading_that_no_longer_fits_begins_again_and_says_why(
    broken: Project,
    caplog: pytest.LogCaptureFixture,
    said: str,
    change: Callable[[Project], Any],
    options: dict[str, Any],
) -> None:
    change(broken)
    result = broken.sync(NAME, **options)
    assert said in caplog.text
    assert result.report.verdict is Verdict.COMPLETE
    assert current(broken) == listed(broken)
    assert requests(broken)[0] >= PAGES


@pytest.mark.only_files("a lake is not busy while another process has it open")
def test_a_file_that_is_busy_when_a_part_is_due_is_written_later(
    broken: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """What was missing from the part that could not be written is found by the next one."""
    world = broken.sandbox.world
    broken.sync(NAME, mode=Mode.full)
    gone = [*ids(world)[:3], *ids(world)[RECORDS // 2 : RECORDS // 2 + 3], *ids(world)[-3:]]
    remove(world, gone)
    with ExitStack() as holders, patch.object(parts, "PART_ROWS", 20 * SIZE):
        holds = iter(range(PAGES))

        def hold_at_first(_: World) -> None:
            number = next(holds, None)
            if number == 0:
                holders.enter_context(held_elsewhere(broken.path))
            elif number == 60:
                holders.close()

        broken.sandbox.before(NAME, hold_at_first, times=None)
        with caplog.at_level(logging.INFO):
            result = broken.sync(NAME, mode=Mode.full)
    assert "the file is in use elsewhere" in caplog.text
    assert (result.report.verdict, result.deleted) == (Verdict.COMPLETE, len(gone))
    assert current(broken) == listed(broken)


def test_a_sync_that_is_stored_between_two_parts_is_not_undone(broken: Project) -> None:
    """The part that was being read is read again, from the last one that was stored."""
    world = broken.sandbox.world
    gone = ids(world)[:5]

    def sync_all_the_same(_: World) -> None:
        remove(world, gone)
        broken.sync(NAME, mode=Mode.full)

    broken.sandbox.before(NAME, sync_all_the_same, page=20)
    with patch.object(parts, "PART_ROWS", 35 * SIZE):
        result = broken.sync(NAME, mode=Mode.full)
    assert result.report.verdict is Verdict.COMPLETE
    assert current(broken) == listed(broken)


@pytest.mark.parametrize(
    "change", first(1, ["DELETE FROM {}", "ALTER TABLE {} DROP COLUMN first_name"])
)
def test_a_table_that_is_changed_between_two_parts_is_read_again(
    broken: Project, change: str
) -> None:
    def spoil(_: World) -> None:
        with lakes.connect(broken.path) as database:
            database.execute(change.format(f"recruit.{NAME}"))

    broken.sync(NAME)
    broken.sandbox.before(NAME, spoil, page=20)
    with patch.object(parts, "PART_ROWS", 35 * SIZE):
        result = broken.sync(NAME, mode=Mode.full)
    assert result.report.verdict is Verdict.COMPLETE
    assert current(broken) == listed(broken)
    ((sent,),) = broken.query("SELECT sum(requests) FROM recruit_meta.syncs")
    before = READ + 1 + LANES  # that were cleared, at most
    assert len(broken.sandbox.requests) < sent <= len(broken.sandbox.requests) + before


@FULL
def test_values_that_do_not_fit_are_counted_over_all_parts(broken: Project) -> None:
    world = broken.sandbox.world
    for id_ in ids(world):
        world.change(NAME, id_, {"connected": "maybe"})
    with patch.object(parts, "PART_ROWS", 35 * SIZE):
        broken.sync(NAME, mode=Mode.full, refresh_volatile=True)
    ((found,),) = broken.query(
        "SELECT sum(unparsed) FROM recruit_meta.syncs WHERE verdict IN ('partial', 'complete')"
    )
    ((rows,),) = broken.query(f"SELECT count(*) FROM recruit.{NAME} WHERE _unparsed IS NOT NULL")
    assert rows == RECORDS
    assert rows <= found <= rows + SIZE  # page 1 is in the first part and in the last


def read_all(settings: dict[str, Any], database: str, rows: int) -> None:
    """Sync in a process of its own, in parts of so many rows."""
    with patch.object(parts, "PART_ROWS", rows):
        client = Client(ApiSettings(**settings))
        source = Source(client, BY_NAME[NAME], RetryLimits(), logging.getLogger("child"))
        opened = partial(connection, database, {}, wait_seconds=60)
        sync(source, opened, partial(exists, database), Options(), str(uuid4()))


def test_kills_cost_only_what_was_read_since_the_last_part(project: Project) -> None:
    records, part = sized(12_000, 12_000, 200_000), sized(1_000, 1_000, 5_000)
    world, sandbox, random = project.sandbox.world, project.sandbox, Random(2)
    grow(world, records)
    processes = multiprocessing.get_context("forkserver")
    arguments = settings_for(sandbox, concurrency=LANES), str(project.path), part
    seen = list[int]()
    for kill in range(KILLS):
        process = processes.Process(target=read_all, args=arguments)
        left = iter(range((random.randint(0, 4 * part) if kill else 3 * part) // SIZE))

        def kill_at_last(_: World, doomed: Any = process, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                doomed.kill()

        sandbox.before(NAME, kill_at_last, times=None)
        process.start()
        process.join()
        assert process.exitcode == -SIGKILL
        sandbox.clear_faults()
        seen.append(len(current(project)))
    assert seen == sorted(seen)
    assert seen[0] >= part, "the rows of the first part are there"
    read_all(*arguments)
    assert current(project) == listed(project)
    assert requests(project)[0] <= records / SIZE + KILLS * (1.5 * part / SIZE + 2 * LANES)


def test_a_sync_that_meets_another_one_says_so_and_ends_well(
    broken: Project, caplog: pytest.LogCaptureFixture
) -> None:
    with lease(str(broken.path), NAME, 0, lambda: None) as is_ours:
        assert is_ours
        result = broken.materialize(NAME)
    assert result.success
    assert not broken.sandbox.requests
    said = metadata(result, NAME)
    assert said["verdict"] == "running elsewhere"
    expected = "Another sync of candidates is running, so this one has stored nothing."
    assert said["reason"] == expected
    assert metadata(broken.materialize(NAME), NAME)["verdict"] == "complete"
    assert current(broken) == listed(broken)
