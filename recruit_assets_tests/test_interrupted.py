"""Syncs of many tables, in processes of their own: killed at any moment, and two at once.

The API is served by the process of the tests; what syncs reaches it by its address. A process that
has imported everything, and has one thread only, forks those that sync: each would take longer to
start than to run.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import SimpleQueue
from random import Random
from time import monotonic
from typing import Any

import dagster as dg
import duckdb
import pytest

from recruit_assets.assets import SyncConfig
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.sandbox import Sandbox, World
from recruit_assets_tests.conftest import BY_NAME, Project, settings_for
from recruit_assets_tests.rings import FULL, sized
from recruit_assets_tests.syncing import ASSETS, resources

pytestmark = pytest.mark.ring(2)

KILLS = sized(2, 2, 24)  # an even number
TABLES = {each.name: each.path for each in ENDPOINTS[:: sized(4, 4, 1)]}
SYNCED = [each for each in ASSETS if each.key.path[-1] in TABLES]


@dataclass(frozen=True)
class Run:
    """A sync of the assets into a file."""

    path: Path
    settings: dict[str, Any]
    mode: Mode = Mode.full
    longest: float | None = None  # seconds until it is killed


@dataclass(frozen=True)
class End:
    """How runs that began together have ended."""

    seconds: float
    codes: list[int | None]


Start = Callable[..., End]


def sync(run: Run, together: Barrier) -> None:
    """Materialize the assets, as soon as all that begin together are there."""
    database = RecruitDatabase(database=str(run.path), wait_seconds=60)
    config = dg.RunConfig(
        {each.key.path[-1]: SyncConfig(mode=run.mode) for each in SYNCED},
        loggers={"console": {"config": {"log_level": "ERROR"}}},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        together.wait()
        dg.materialize(
            SYNCED,
            selection=dg.AssetSelection.assets(*SYNCED).without_checks(),  # which only read
            resources=resources(database, RecruitApi(first_wait=0, **run.settings)),
            instance=instance,
            run_config=config,
        )


def fork(folder: Path, orders: Connection) -> None:
    """Start runs together as told, and kill those that last too long."""
    tempfile.tempdir = str(folder)  # killed runs cannot clean up
    processes = multiprocessing.get_context("fork")
    for runs in iter(orders.recv, None):
        together = processes.Barrier(len(runs))
        started = [processes.Process(target=sync, args=(run, together)) for run in runs]
        begun = monotonic()
        for process in started:
            process.start()
        orders.send([process.pid for process in started])
        for run, process in zip(runs, started, strict=True):
            if run.longest is not None:
                process.join(max(0, begun + run.longest - monotonic()))
                process.kill()
            process.join()
        orders.send(End(monotonic() - begun, [process.exitcode for process in started]))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts runs together, hands on their ids, and tells when all have ended or were killed."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    processes = multiprocessing.get_context("spawn")
    orders, theirs = processes.Pipe()
    forks = processes.Process(target=fork, args=(folder, theirs))
    forks.start()
    theirs.close()

    def run(runs: Sequence[Run], pids: SimpleQueue[int] | None = None) -> End:
        orders.send(runs)
        for pid in orders.recv():
            if pids:
                pids.put(pid)
        end: End = orders.recv()
        return end

    yield run
    orders.send(None)
    forks.join()
    orders.close()


def mark(sandbox: Sandbox, version: int) -> None:
    """Let every record of every endpoint tell its version."""
    with sandbox.world.lock:
        for path in TABLES.values():
            for id_ in list(sandbox.world.table(path)):
                sandbox.world.change(path, id_, {"version": f"v{version}"})


def ids_of(sandbox: Sandbox) -> dict[str, list[str]]:
    """The ids that the API has, by table."""
    return {
        name: sorted(record["id"] for record in sandbox.world.records(path))
        for name, path in TABLES.items()
    }


def living_ids(project: Project) -> dict[str, list[str]]:
    """The ids of current rows, each as often as it is there, by table."""
    return {
        name: sorted(
            id_
            for (id_,) in project.query(f"SELECT id FROM recruit.{name} WHERE _deleted_at IS NULL")
        )
        for name in TABLES
    }


def whole_versions(path: Path, ids: dict[str, list[str]]) -> dict[str, str]:
    """The version of each table that is there, each proven to be one whole version."""
    with duckdb.connect(str(path), read_only=True) as database:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return database.execute(sql).fetchall()

        tables = {
            f"{schema}.{name}"
            for schema, name in rows("SELECT schema_name, table_name FROM duckdb_tables()")
        }
        present = [name for name in TABLES if f"recruit.{name}" in tables]
        histories = {f"recruit_history.{name}" for name in present if BY_NAME[name].history}
        assert histories == {name for name in tables if name.startswith("recruit_history.")}
        assert tables - {f"recruit.{name}" for name in present} <= {
            "recruit_meta.compactions",
            "recruit_meta.cover",
            "recruit_meta.erasures",
            "recruit_meta.schema_version",
            "recruit_meta.syncs",
            *histories,
        }
        assert bool(present) == ("recruit_meta.syncs" in tables)
        versions = {}
        for name in present:
            found = rows(
                "SELECT version, _run_id, _deleted_at, list_sort(list(id)) "
                f"FROM recruit.{name} GROUP BY ALL"
            )
            assert len(found) == 1, name
            ((versions[name], run_id, deleted_at, there),) = found
            assert (there, deleted_at) == (ids[name], None), name
            if BY_NAME[name].history:
                held = f"FROM recruit_history.{name} WHERE valid_to IS NULL"
                assert rows(f"SELECT list_sort(list(id)) {held}") == [(there,)], name
            # What is remembered was written with the rows: their run, and as many runs as merged.
            remembered = rows(
                "SELECT run_id, rows, inserted + updated FROM recruit_meta.syncs "
                f"WHERE endpoint = '{name}' ORDER BY finished"
            )
            assert remembered[-1] == (run_id, len(there), len(there)), name
        return versions


def kill_in_the_middle(sandbox: Sandbox, pids: SimpleQueue[int]) -> None:
    """Let a run be killed when it asks for the fourth of its lists."""
    lists = count(1)

    def ask(_: World) -> None:
        if next(lists) == 4:
            os.kill(pids.get(), signal.SIGKILL)

    for path in TABLES.values():
        sandbox.before(path, ask)


def test_a_sync_of_many_tables_killed_at_any_moment(
    sandbox: Sandbox, tmp_path: Path, start: Start
) -> None:
    settings, ids, random = settings_for(sandbox), ids_of(sandbox), Random(7)
    mark(sandbox, 0)
    measured = start([Run(tmp_path / f"{name}.measured", settings) for name in "ab"])
    assert measured.codes == [0, 0]

    paths = [tmp_path / "a.duckdb", tmp_path / "b.duckdb"]
    before: dict[Path, dict[str, str]] = {path: {} for path in paths}

    def written(version: int) -> list[int]:
        """How many tables of each file tell this version; all others tell what they told."""
        told = []
        for path in paths:
            after = whole_versions(path, ids) if path.exists() else {}
            assert before[path].keys() <= after.keys()
            changed = {name for name in after if after[name] != before[path].get(name)}
            assert {after[name] for name in changed} <= {f"v{version}"}
            before[path] = after
            told.append(len(changed))
        return told

    # Two files at a time, to use two cores, with runs that are killed at about the same time.
    moments = sorted(random.uniform(0, measured.seconds) for _ in range(KILLS))
    pairs = list(zip(moments[::2], moments[1::2], strict=True))
    random.shuffle(pairs)
    for version, pair in enumerate(pairs, start=1):
        mark(sandbox, version)
        modes = random.choices([Mode.auto, Mode.full], k=2)
        kills = zip(paths, modes, pair, strict=True)
        start([Run(path, settings, mode, longest) for path, mode, longest in kills])
        written(version)

    # Whatever the machine makes of these moments, one is after some tables and before others.
    mark(sandbox, len(pairs) + 1)
    pids = SimpleQueue[int]()
    kill_in_the_middle(sandbox, pids)
    assert start([Run(paths[0], settings)], pids).codes == [-signal.SIGKILL]
    assert 0 < written(len(pairs) + 1)[0] < len(TABLES)

    last = len(pairs) + 2
    mark(sandbox, last)
    assert start([Run(path, settings) for path in paths]).codes == [0, 0]
    for path in paths:
        assert whole_versions(path, ids) == dict.fromkeys(TABLES, f"v{last}")


@FULL
def test_two_syncs_at_once_in_two_processes(project: Project, start: Start) -> None:
    world, earlier = project.sandbox.world, set[str]()
    run = Run(project.path, settings_for(project.sandbox))

    def sync_twice(inserted: dict[str, int], deleted: dict[str, int]) -> None:
        assert start([run, run]).codes == [0, 0]
        ids = ids_of(project.sandbox)
        assert living_ids(project) == ids
        for name in TABLES:
            rows = [
                row
                for row in project.query(
                    "SELECT run_id, verdict, inserted + updated + unchanged + undeleted, "
                    f"inserted, deleted FROM recruit_meta.syncs WHERE endpoint = '{name}'"
                )
                if row[0] not in earlier
            ]
            assert len({run_id for run_id, *_ in rows}) == len(rows) == 2
            assert {row[1:3] for row in rows} == {("complete", len(ids[name]))}, name
            assert sum(row[3] for row in rows) == inserted.get(name, 0), name
            assert sum(row[4] for row in rows) == deleted.get(name, 0), name
        earlier.update(
            run_id for (run_id,) in project.query("SELECT run_id FROM recruit_meta.syncs")
        )

    sync_twice({name: world.count(path) for name, path in TABLES.items()}, {})
    tombstones = " UNION ALL ".join(
        f"SELECT '{name}', id FROM recruit.{name} WHERE _deleted_at IS NOT NULL" for name in TABLES
    )
    assert project.query(tombstones) == []

    gone = sorted(world.table("candidates"))[3:5]
    for id_ in gone:
        world.remove("candidates", id_)
    world.add("candidates")
    sync_twice({"candidates": 1}, {"candidates": 2})
    assert sorted(project.query(tombstones)) == [("candidates", id_) for id_ in gone]
    assert len(earlier) == 4
