"""The next readings of a run begin while an endpoint is merged, and nothing else changes."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Semaphore
from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets import DuckDBMergeIOManager, RecruitApi, RecruitDatabase, Settings, build_defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.background import PAGES_AHEAD
from recruit_assets.extract.client import Client
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.load.sync_state import SyncState
from recruit_assets.options import Mode, Options
from recruit_assets.read_ahead import MAX_AGE, READINGS_AHEAD, Plan, ReadAhead
from recruit_assets.reading import Reading
from recruit_assets_tests.conftest import BY_NAME, Project, settings_for
from recruit_assets_tests.rings import FULL

CONCURRENCY = 4
GUARD = 20.0  # seconds that no wait comes near
LOG = logging.getLogger("read ahead")


def run(
    project: Project,
    *endpoints: str,
    before_merge: Callable[[], object] = lambda: None,
    **config: Any,
) -> dg.ExecuteInProcessResult:
    """Sync endpoints (all, unless named) with the definitions of an account."""

    class WatchedDatabase(RecruitDatabase):
        @contextmanager
        def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
            before_merge()
            with super().get_connection() as database:
                yield database

    path = str(project.path)
    defs = build_defs(
        Settings(database=path),
        endpoints=endpoints or ENDPOINTS,
        marts=False,
        resources={
            "api": RecruitApi(first_wait=0, **settings_for(project.sandbox)),
            "io_manager": DuckDBMergeIOManager(database=WatchedDatabase(database=path)),
        },
    )
    return defs.resolve_job_def("sync").execute_in_process(
        instance=project.instance,
        raise_on_error=False,
        run_config={"ops": {name: {"config": config} for name in endpoints}} if config else None,
    )


def requests(project: Project) -> Counter[str]:
    """How many requests the sandbox has counted, by endpoint."""
    names = {each.path: each.name for each in ENDPOINTS}
    return Counter(names[each.path.partition("/")[0]] for each in project.sandbox.requests)


def recorded(project: Project) -> dict[str, int]:
    sql = "SELECT endpoint, sum(requests)::INT FROM recruit_meta.syncs GROUP BY ALL"
    return dict(project.query(sql))


def join() -> None:
    """Wait until nothing is read in the background."""
    for thread in threading.enumerate():
        if thread.name == "read ahead":
            thread.join(GUARD)
            assert not thread.is_alive()


def test_the_next_endpoints_are_requested_before_one_is_merged(project: Project) -> None:
    asked = Semaphore(0)
    for path in ("locations", "regions"):
        project.sandbox.before(path, lambda _: asked.release())

    def wait() -> None:
        if requests(project)["regions"] == 0:
            assert all(asked.acquire(timeout=GUARD) for _ in range(2))

    result = run(project, "departments", "locations", "regions", before_merge=wait)
    assert result.success
    assert requests(project) == {"departments": 1, "locations": 1, "regions": 1}


@FULL
def test_a_run_asks_as_much_as_it_records_and_as_much_as_without(project: Project) -> None:
    names = ("departments", "jobs", "regions", "users")
    for _ in range(2):  # the whole lists, then changes and deletions
        assert run(project, *names).success
        assert requests(project) == recorded(project)
    join()
    ahead = requests(project)
    project.path.unlink()
    project.sandbox.clear_requests()
    for _ in range(2):
        assert project.materialize(*names).success  # of assets that know of no others
    assert requests(project) == ahead


def test_a_failure_belongs_to_its_own_endpoint(project: Project) -> None:
    project.sandbox.fail("locations", times=None, status=400)
    project.sandbox.fail("regions", times=1, status=503)
    result = run(project, "departments", "locations", "regions")
    (failed,) = [each for each in result.all_events if each.is_step_failure]
    assert failed.step_key == "locations"
    verdicts = dict(project.query("SELECT endpoint, verdict FROM recruit_meta.syncs"))
    assert verdicts == {"departments": "complete", "locations": "failed", "regions": "complete"}
    assert requests(project) == recorded(project)
    messages = [each for each in project.instance.all_logs(result.run_id) if not each.dagster_event]
    (retried,) = [each for each in messages if "retrying" in each.user_message]
    assert retried.step_key == "regions"


def test_a_run_that_is_interrupted_in_a_merge_asks_nothing_more(project: Project) -> None:
    asked = Event()
    project.sandbox.fail("users", times=None, status=503, headers={"Retry-After": "300"})
    project.sandbox.before("users", lambda _: asked.set())

    def interrupt() -> None:
        assert asked.wait(GUARD)
        raise KeyboardInterrupt

    assert not run(project, "departments", "users", before_merge=interrupt).success
    join()  # it would wait for five minutes, were it not stopped
    assert requests(project) == {"departments": 1, "users": 1}


def test_what_changes_after_it_was_requested_comes_with_the_next_sync(project: Project) -> None:
    world, asked, changed_at = project.sandbox.world, Event(), list[datetime]()
    (job, *_) = world.records("jobs")
    project.sandbox.before("jobs", lambda _: asked.set())

    def change() -> None:
        if not changed_at:
            assert asked.wait(GUARD)
            join()  # all jobs fit into the pages that are held
            changed_at.append(datetime.now(UTC))
            world.change("jobs", job["id"], {"title": "Changed"})

    titles = f"SELECT title FROM recruit.jobs WHERE id = '{job['id']}'"
    assert run(project, "departments", "jobs", before_merge=change).success
    ((cursor,),) = project.query("SELECT cursor FROM recruit_meta.syncs WHERE endpoint = 'jobs'")
    assert cursor <= changed_at[0]
    assert project.query(titles) == [(job["attributes"]["title"],)]
    assert run(project, "departments", "jobs", mode="incremental").success
    assert project.query(titles) == [("Changed",)]


def test_an_endpoint_that_was_synced_in_between_is_read_again(project: Project) -> None:
    asked = Event()
    project.sandbox.before("regions", lambda _: asked.set())

    def sync_in_between() -> None:
        if not project.path.exists():
            assert asked.wait(GUARD)
            join()
            project.sync("regions")

    assert run(project, "departments", "regions", before_merge=sync_in_between).success
    syncs = "SELECT requests, verdict, reason FROM recruit_meta.syncs WHERE endpoint = 'regions'"
    assert project.query(f"{syncs} ORDER BY sync_number") == [
        (1, "complete", None),
        (2, "complete", None),
    ]
    assert requests(project)["regions"] == 3


@pytest.fixture
def client(project: Project) -> Iterator[Client]:
    client = Client(ApiSettings(**settings_for(project.sandbox)))
    yield client
    client.close()


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ahead(client: Client, clock: Clock) -> Iterator[ReadAhead]:
    """Readings of pages with a single record."""

    def reading(plan: Plan, log: logging.Logger) -> Reading:
        limits = RetryLimits(first_wait=0, default_wait=0)
        return Reading(Source(client, plan.endpoint, limits, log, 1), plan.state, plan.options)

    ahead = ReadAhead(reading, clock)
    yield ahead
    ahead.stop()


PLAN = Plan(BY_NAME["regions"], SyncState(), Options())


def ids(reading: Reading) -> set[str]:
    return {id_ for table in reading for id_ in table["id"].to_pylist()}


@pytest.mark.parametrize(
    "wanted",
    [
        (PLAN, MAX_AGE, True),
        (PLAN, MAX_AGE + 1, False),
        (replace(PLAN, state=SyncState(columns={})), 0, True),
        (replace(PLAN, state=SyncState(void=True)), 0, False),
        (replace(PLAN, options=Options(Mode.full)), 0, False),
    ],
    ids=["same", "too old", "equal state", "other state", "other options"],
)
def test_a_reading_is_used_if_it_is_the_one_that_is_wanted(
    project: Project, ahead: ReadAhead, clock: Clock, wanted: tuple[Plan, float, bool]
) -> None:
    plan, seconds, used = wanted
    ahead.plan([PLAN])
    ahead.begin()
    join()  # there are fewer regions than pages that are held
    once = requests(project)["regions"]
    clock.now += seconds
    reading = ahead.take(plan, LOG)
    assert ids(reading) == {each["id"] for each in project.sandbox.world.records("regions")}
    assert reading.report.verdict is Verdict.COMPLETE
    assert reading.source.stats.requests == requests(project)["regions"] == once * (2 - used)


def test_a_reading_began_before_its_first_request(project: Project, ahead: ReadAhead) -> None:
    asked: list[datetime] = []
    project.sandbox.before("regions", lambda _: asked.append(datetime.now(UTC)), times=None)
    ahead.plan([PLAN])
    ahead.begin()
    join()
    reading = ahead.take(PLAN, LOG)
    ids(reading)
    assert max(reading.report.began, reading.started) <= asked[0]


def test_a_long_list_waits_for_its_step(project: Project, ahead: ReadAhead) -> None:
    plan, enough = Plan(BY_NAME["stages"], SyncState(), Options()), Event()
    count = project.sandbox.world.count("stages")
    assert count > PAGES_AHEAD + 2 * CONCURRENCY

    def hear(_: object) -> None:
        if requests(project)["stages"] + CONCURRENCY >= PAGES_AHEAD:
            enough.set()

    project.sandbox.before("stages", hear, times=None)
    ahead.plan([plan])
    ahead.begin()
    assert enough.wait(GUARD)
    held = PAGES_AHEAD + 1 + CONCURRENCY  # and the next one, and those on their way
    assert requests(project)["stages"] <= held
    assert len(ids(ahead.take(plan, LOG))) == count
    assert requests(project)["stages"] >= count


@pytest.mark.ring(2)
def test_no_more_readings_begin_than_are_allowed(project: Project) -> None:
    names = sorted(each.name for each in ENDPOINTS)
    last = BY_NAME[names[READINGS_AHEAD]].path
    asked = Event()
    project.sandbox.before(last, lambda _: asked.set())

    def interrupt() -> None:
        assert asked.wait(GUARD)
        raise KeyboardInterrupt

    run(project, before_merge=interrupt)
    assert requests(project).keys() <= set(names[: READINGS_AHEAD + 1])


def test_messages_are_held_until_the_step(project: Project, ahead: ReadAhead, caplog: Any) -> None:
    project.sandbox.fail("regions", times=1, status=503)
    ahead.plan([PLAN])
    ahead.begin()
    join()
    assert not caplog.messages
    reading = ahead.take(PLAN, LOG)
    assert [each for each in caplog.messages if "retrying" in each]
    reading.source.log.warning("Said\nlater")
    assert caplog.messages[-1] == "Said later"
    assert caplog.records[-1].levelno == logging.WARNING
    assert timedelta(0) <= datetime.now(UTC) - reading.started
