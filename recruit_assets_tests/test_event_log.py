"""The event log beside Dagster's own, which reads and goes on with the same files."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shutil import copy

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from recruit_assets.event_log import FILES_OPEN, EventLog

HOME = Path(__file__).parents[1] / "dagster_home"
Events = Counter[str | None]
Opened = Callable[..., AbstractContextManager[dg.DagsterInstance]]


@dg.asset(check_specs=[dg.AssetCheckSpec("is_well", asset="stock")])
def stock() -> Iterator[dg.Output[int] | dg.AssetCheckResult]:
    yield dg.Output(1)
    yield dg.AssetCheckResult(passed=True)


def materialize(instance: dg.DagsterInstance) -> str:
    result = dg.materialize([stock], instance=instance)
    assert result.success
    return result.run_id


def events(instance: dg.DagsterInstance, run_id: str) -> Events:
    return Counter(
        entry.dagster_event.event_type_value if entry.dagster_event else None
        for entry in instance.all_logs(run_id)
    )


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


def test_more_runs_at_once_than_files_are_kept_open(opened: Opened) -> None:
    with opened(ours=True) as instance, ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(materialize, [instance] * (FILES_OPEN + 4)))
        first, *others = (events(instance, run_id) for run_id in runs)
        assert others == [first] * (len(runs) - 1)
        records = instance.fetch_materializations(stock.key, limit=100).records
        assert sorted(record.run_id for record in records) == sorted(runs)


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
