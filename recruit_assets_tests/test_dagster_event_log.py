"""The event log beside Dagster's own, which reads and goes on with the same files."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from shutil import copy
from threading import Event
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from recruit_assets.dagster_event_log import FILES_OPEN, EventLog

pytestmark = pytest.mark.ring(2)

DESCRIPTORS = Path("/proc/self/fd")
HOME = Path(__file__).parents[1] / "dagster_home"
Events = Counter[str]
Opened = Callable[..., AbstractContextManager[dg.DagsterInstance]]


@dg.asset(check_specs=[dg.AssetCheckSpec("is_well", asset="stock")])
def stock() -> Iterator[dg.Output[int] | dg.AssetCheckResult]:
    yield dg.Output(1)
    yield dg.AssetCheckResult(passed=True)


JOB = dg.Definitions([stock], jobs=[dg.define_asset_job("take_stock")]).resolve_job_def(
    "take_stock"
)


def materialize(instance: dg.DagsterInstance) -> str:
    result = dg.materialize([stock], instance=instance)
    assert result.success
    return result.run_id


def events(instance: dg.DagsterInstance, run_id: str) -> Events:
    # Plain messages depend on the level that dagster.yaml sets.
    logged = (entry.dagster_event for entry in instance.all_logs(run_id))
    return Counter(event.event_type_value for event in logged if event)


def known(instance: dg.DagsterInstance) -> tuple[str, str]:
    """The runs of the last materialization and of the last check, as the index has them."""
    latest = instance.get_latest_materialization_event(stock.key)
    key = dg.AssetCheckKey(stock.key, "is_well")
    checked = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert latest is not None
    return latest.run_id, checked.run_id


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens an instance on one folder: with the project's `dagster.yaml`, or without."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    @contextmanager
    def start(*, ours: bool) -> Iterator[dg.DagsterInstance]:
        (tmp_path / "dagster.yaml").unlink(missing_ok=True)
        if ours:
            copy(HOME / "dagster.yaml", tmp_path)
        with dg.DagsterInstance.get() as instance:
            kind = EventLog if ours else SqliteEventLogStorage
            assert type(instance.event_log_storage) is kind
            yield instance

    return start


def test_it_and_dagsters_own_go_on_with_each_others_files(opened: Opened) -> None:
    runs: dict[str, Events] = {}
    for ours in (False, True, False, True):
        with opened(ours=ours) as instance:
            assert {run_id: events(instance, run_id) for run_id in runs} == runs
            latest = materialize(instance)
            runs[latest] = events(instance, latest)
            assert known(instance) == (latest, latest)
    first, *others = runs.values()
    assert others == [first] * 3
    assert first["ASSET_MATERIALIZATION"] == first["ASSET_CHECK_EVALUATION"] == 1


def test_threads_write_to_more_runs_than_files_are_kept_open(opened: Opened) -> None:
    with opened(ours=True) as instance:
        runs = [instance.create_run_for_job(JOB) for _ in range(FILES_OPEN + 4)]

        def report(run: dg.DagsterRun) -> None:
            instance.report_engine_event("told", run)
            instance.report_runless_asset_event(dg.AssetMaterialization(stock.key))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(report, runs * 3))
        assert [events(instance, run.run_id)["ENGINE_EVENT"] for run in runs] == [3] * len(runs)
        assert len(instance.fetch_materializations(stock.key, 100).records) == 3 * len(runs)


def files_open(folder: Path) -> set[str]:
    """The databases in a folder that this process has open."""
    found = set()
    for each in DESCRIPTORS.iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add(os.readlink(each))
    return {path for path in found if path.startswith(str(folder)) and path.endswith(".db")}


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="only Linux tells which files are open")
def test_few_files_stay_open_and_none_in_the_end(opened: Opened, tmp_path: Path) -> None:
    with opened(ours=True) as instance:
        for _ in range(FILES_OPEN + 4):
            instance.report_engine_event("told", instance.create_run_for_job(JOB))
        assert len(files_open(tmp_path / "history" / "runs")) == FILES_OPEN
    assert not files_open(tmp_path / "history" / "runs")


def test_a_deleted_run_and_a_wiped_log(opened: Opened) -> None:
    with opened(ours=True) as instance:
        deleted, wiped = materialize(instance), materialize(instance)
        instance.delete_run(deleted)
        assert (events(instance, deleted), events(instance, wiped).total() > 0) == (Counter(), True)
        instance.wipe()
        assert events(instance, wiped) == Counter()
        latest = materialize(instance)
        assert known(instance) == (latest, latest)
    with opened(ours=False) as instance:
        assert known(instance) == (latest, latest)
        assert events(instance, latest).total() > 0


def test_who_watches_a_run_sees_it_end(opened: Opened) -> None:
    seen: Events = Counter()
    ended = Event()

    def see(entry: dg.EventLogEntry, _: str) -> None:
        assert entry.dagster_event
        seen[entry.dagster_event.event_type_value] += 1
        if entry.dagster_event.is_job_success:
            ended.set()

    run_id = str(uuid4())
    with opened(ours=True) as instance:
        instance.watch_event_logs(run_id, None, see)
        JOB.execute_in_process(instance=instance, run_id=run_id)
        assert ended.wait(60)
        assert seen["ASSET_MATERIALIZATION"] == seen["ASSET_CHECK_EVALUATION"] == 1
