"""The promise, held against random worlds that change between any two requests.

Each world is a list whose records are added, changed and removed while it is synced, by pages of
any size, several at a time, in either order, with answers that fail. The sandbox is the judge: it
knows what lived when.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.errors import ConfirmationRequired
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.options import Mode, Options
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import Rules, Sandbox, World
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import BY_NAME, KEY, settings_for
from recruit_assets_tests.rings import sized
from recruit_assets_tests.syncing import sync

WORLDS, PARTS = sized(4, 20, 400), sized(1, 2, 8)  # parts can run side by side
ENDPOINT = BY_NAME["job_applications"]
PATH = ENDPOINT.path
LOG = logging.getLogger("truth")
LOG.setLevel(logging.ERROR)  # thousands of retries are no news
FAULTS = ("status", "html", "empty", "truncated", "reset", "null-data", "garbage")
# What happens before a request: how many records are added, and which of those that are there (by
# their place, counted round) are changed and removed.
places = st.lists(st.integers(-3, 60), max_size=3)
moments = st.tuples(st.integers(0, 3), places, places)


@dataclass(frozen=True)
class Scene:
    """One sync while the world changes, moment after moment; then the list of moments is over."""

    moments: list[tuple[int, list[int], list[int]]]
    mode: Mode
    faults: list[tuple[str, int | None, int]]  # kind, page, times in a row


@dataclass(frozen=True)
class Story:
    """A world, how the API shows it, and what happens."""

    records: int
    page_size: int
    concurrency: int
    newest_first: bool
    filter_refused: bool
    deletion_policy: DeletionPolicy
    scenes: list[Scene]


stories = st.builds(
    Story,
    records=st.integers(0, 30),
    page_size=st.sampled_from([1, 2, 3, 5, 8, 30]),
    concurrency=st.sampled_from([1, 2, 3, 4, 5, 8, 16]),
    newest_first=st.booleans(),
    filter_refused=st.booleans(),
    deletion_policy=st.sampled_from(DeletionPolicy),
    scenes=st.lists(
        st.builds(
            Scene,
            moments=st.lists(moments, max_size=12),
            mode=st.sampled_from(Mode),
            faults=st.lists(
                st.tuples(
                    st.sampled_from(FAULTS),
                    st.sampled_from([None, 1, 2, 3]),
                    st.integers(1, 5),
                ),
                max_size=1,
            ),
        ),
        min_size=1,
        max_size=2,
    ),
)


@dataclass
class Judge:
    """Changes the world by the moments, and knows which records lived all the while."""

    world: World
    moments: Iterator[tuple[int, list[int], list[int]]]
    at_first: set[str] = field(default_factory=set)
    died: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.at_first = set(self.world.table(PATH))

    def step(self, world: World) -> None:
        """Let the next moment happen."""
        added, changed, removed = next(self.moments, (0, [], []))
        for _ in range(added):
            world.add(PATH)
        for place in changed:
            if ids := list(world.table(PATH)):
                world.change(PATH, ids[place % len(ids)], {"cover-letter": f"{place}"})
        for place in removed:
            if ids := list(world.table(PATH)):
                self.died.add(ids[place % len(ids)])
                world.remove(PATH, ids[place % len(ids)])

    def lived_throughout(self) -> set[str]:
        return self.at_first - self.died


class Play:
    """A story in front of the sandbox, with a database of its own."""

    def __init__(self, sandbox: Sandbox, database: duckdb.DuckDBPyConnection, story: Story) -> None:
        self.sandbox, self.world, self.story = sandbox, sandbox.world, story
        sandbox.clear_faults()
        sandbox.rules.newest_first = {PATH} if story.newest_first else set()
        refused = {"sort"} if story.newest_first else set()
        sandbox.rules.refuse = {PATH: refused | ({"filter"} if story.filter_refused else set())}
        for id_ in list(self.world.table(PATH)):
            self.world.remove(PATH, id_)
        for _ in range(story.records):
            self.world.add(PATH)
        self.database = database
        for table in ("recruit.job_applications", "recruit_meta.syncs"):
            with suppress(duckdb.CatalogException):  # in the first world it is not there yet
                database.execute(f"DELETE FROM {table}")
        self._runs = count()

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.database

    def sync(self, mode: Mode, *, believe: bool = True) -> SyncResult:
        settings = settings_for(self.sandbox, concurrency=self.story.concurrency)
        client = Client(ApiSettings(**settings))
        limits = RetryLimits(first_wait=0, default_wait=0)
        source = Source(client, ENDPOINT, limits, LOG, self.story.page_size)
        options, policy = Options(mode, allow_mass_delete=believe), self.story.deletion_policy
        try:
            run = f"run {next(self._runs)}"
            return sync(source, self.opened, lambda: True, options, run, deletion_policy=policy)
        finally:
            client.close()

    def current(self) -> set[str]:
        return {row["id"] for row in self.rows("id, _deleted_at") if row["_deleted_at"] is None}

    def rows(self, columns: str = "*") -> list[dict[str, Any]]:
        try:
            found = self.database.execute(f"SELECT {columns} FROM recruit.job_applications")
        except duckdb.CatalogException:
            return []
        names = [name for name, *_ in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def perform(self, scene: Scene) -> None:
        """One sync in a changing world, and what must hold after it."""
        judge = Judge(self.world, iter(scene.moments))
        self.sandbox.before(PATH, judge.step, times=None)
        for kind, page, times in scene.faults:
            self.sandbox.fail(PATH, kind=kind, page=page, times=times)
        before = self.current()
        try:
            result = self.sync(scene.mode, believe=False)
        except ConfirmationRequired:
            assert self.current() == before
            return
        finally:
            self.sandbox.clear_faults()
        current = self.current()
        assert not (before - current) & judge.lived_throughout()
        assert set(result.gone) == before - current
        assert set(result.gone) <= judge.died | (before - judge.at_first)
        if result.report.verdict is Verdict.COMPLETE:
            assert judge.lived_throughout() <= current
        else:
            assert not result.gone


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with Sandbox(candidates=2, rules=Rules(key=KEY)).serve() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    # One thread is what so few rows keep busy; a second one would only be woken in vain.
    with lakes.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("part", range(PARTS))
def test_the_table_is_true_in_every_world(
    served: Sandbox, database: duckdb.DuckDBPyConnection, part: int
) -> None:
    @seed(part)
    @settings(
        max_examples=WORLDS // PARTS,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(story=stories)
    def happen(story: Story) -> None:
        must_be_true(Play(served, database, story))

    happen()


def must_be_true(play: Play) -> None:
    """All scenes, then a sync of the world at rest."""
    for scene in play.story.scenes:
        play.perform(scene)
    at_rest = play.sync(Mode.full)
    assert at_rest.report.verdict is Verdict.COMPLETE
    assert {row["id"]: told(row) for row in play.rows() if row["_deleted_at"] is None} == {
        record["id"]: told_by_the_api(record) for record in play.world.records(PATH)
    }
    deletion_policy = play.story.deletion_policy
    for row in play.rows():
        if row["_deleted_at"] is not None:
            assert deletion_policy is not DeletionPolicy.drop
            assert (
                deletion_policy is DeletionPolicy.keep
                or row["cover_letter"] is row["_row_hash"] is None
            )


def told(row: dict[str, Any]) -> dict[str, Any]:
    """What a row says of its record, in the words of the API."""
    said = {each.name: row[each.name.replace("-", "_")] for each in ENDPOINT.attributes}
    said |= {each.name: row[f"{each.name.replace('-', '_')}_id"] for each in TO_ONE}
    return {name: value for name, value in said.items() if name not in VOLATILE}


def told_by_the_api(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the sandbox in the same words."""
    said = {
        name: datetime.fromisoformat(value) if name.endswith("-at") and value else value
        for name, value in record["attributes"].items()
    }
    said |= {
        each.name: ref["id"] if (ref := record["relationships"][each.name]) else None
        for each in TO_ONE
    }
    return {name: value for name, value in said.items() if name not in VOLATILE}


TO_ONE = [each for each in ENDPOINT.relationships if not each.many]
VOLATILE = {each.name for each in ENDPOINT.attributes if each.volatile}
