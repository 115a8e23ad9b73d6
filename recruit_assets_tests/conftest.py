"""What the tests share: a sandbox with a small company, and a project that syncs it.

Waits between tries are zero here, so nothing sleeps; everything else is the real thing.
"""

import gc
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import dagster as dg
import hypothesis
import pytest
from filelock import FileLock

from recruit_assets.assets import SyncConfig
from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.column_policy import under_policy
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.query import PAGE_SIZE
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets.load.connection import connection, exists
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.options import Options
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests import lakes
from recruit_assets_tests.rings import is_beyond, sized
from recruit_assets_tests.syncing import ASSETS, resources, sync
from recruit_assets_tests.year import Year, live

# The same examples in every run, and none refused because the machine is slow.
hypothesis.settings.register_profile(
    "rings",
    deadline=None,
    derandomize=True,
    max_examples=sized(10, 25, 300),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("rings")

pytest_plugins = ["recruit_assets_tests.dagster_dev"]

KEY = "k3y-nobody-may-see"
BY_NAME = {endpoint.name: endpoint for endpoint in KNOWN_ENDPOINTS}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a worker often waits, for a process, a page, or a server."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of larger rings, and start with those that share one `dagster dev`.

    So they are neighbours, which `--dist worksteal` gives to one worker.
    """
    for item in items:
        if lakes.LAKE and (only := item.get_closest_marker("only_files")):
            item.add_marker(pytest.mark.skip(f"only a file: {only.args[0]}"))
    beyond = [item for item in items if is_beyond(item)]
    config.hook.pytest_deselected(items=beyond)
    items[:] = [item for item in items if not is_beyond(item)]
    items.sort(key=lambda item: "dagster_dev" not in getattr(item, "fixturenames", ()))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the browser's tests keep the pictures of the documentation; see `make pictures`."""
    parser.addoption("--pictures", metavar="FOLDER", help="keep pictures of the UI there")


def pytest_configure() -> None:
    """Start PostgreSQL if lakes stand in for files."""
    lakes.start_cluster()


def pytest_unconfigure() -> None:
    """Take away a hook of hypothesis that keeps DuckDB from cleaning up at exit."""
    gc.callbacks.clear()
    lakes.stop_cluster()


@contextmanager
def served(sandbox: Sandbox, certificate: Path | None = None) -> Iterator[Sandbox]:
    """A sandbox that is served while the block runs; nobody waits until its server has ended."""
    serving = ExitStack()
    yield serving.enter_context(sandbox.serve(certificate=certificate))
    Thread(target=serving.close).start()  # which takes a server 0.2 s


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The API, served on loopback, with about 40 candidates."""
    with served(Sandbox(candidates=40, rules=Rules(key=KEY))) as sandbox:
        yield sandbox


def settings_for(sandbox: Sandbox, **changed: Any) -> dict[str, Any]:
    """Settings that fit a sandbox."""
    return {
        "base_url": sandbox.base_url,
        "key": KEY,
        "version": "20240904",
        "auth_header": "api",
        "auth_prefix": "",
        "requests_per_10s": 0,
        "concurrency": 4,
        **changed,
    }


@pytest.fixture
def walk(sandbox: Sandbox) -> Iterator[Callable[..., Walk]]:
    """Makes walks over an endpoint of the sandbox; settings can be changed by keyword."""
    clients: list[Client] = []

    def start(
        name: str,
        *,
        limits: RetryLimits | None = None,
        timeout: tuple[float, float] = (10.0, 60.0),
        max_seconds: float = 120.0,
        since: datetime | None = None,
        page_size: int = PAGE_SIZE,
        **changed: Any,
    ) -> Walk:
        client = Client(ApiSettings(**settings_for(sandbox, **changed)), timeout, max_seconds)
        clients.append(client)
        limits = limits or RetryLimits(first_wait=0, default_wait=0)
        log = logging.getLogger("walk")
        return Walk(Source(client, BY_NAME[name], limits, log, page_size), since)

    yield start
    for client in clients:
        client.close()


@dataclass
class Project:
    """The code location, in front of a sandbox, with a database of its own."""

    sandbox: Sandbox
    path: Path
    instance: dg.DagsterInstance
    settings: dict[str, Any] = field(default_factory=dict)
    deleted_rows: DeletionPolicy = DeletionPolicy.erase
    policy: dict[str, Any] = field(default_factory=dict)  # of columns
    config: dict[str, Any] = field(default_factory=dict)  # of DuckDB, for `sync`

    def materialize(
        self, *names: str, raises: bool = True, **config: Any
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets (all, unless named) in a real run; `config` is a `SyncConfig`."""
        selected = [each for each in ASSETS if not names or each.key.path[-1] in names]
        return dg.materialize(
            selected,
            resources=self.resources(),
            instance=self.instance,
            raise_on_error=raises,
            run_config=dg.RunConfig({each.key.path[-1]: SyncConfig(**config) for each in selected}),
        )

    def sync(self, name: str, **options: Any) -> SyncResult:
        """Sync one endpoint without a Dagster run, which takes three times as long."""
        client = Client(ApiSettings(**settings_for(self.sandbox, **self.settings)))
        limits = RetryLimits(first_wait=0, default_wait=0)
        endpoint = under_policy(BY_NAME[name], self.policy)
        source = Source(client, endpoint, limits, logging.getLogger("sync"))
        opened = partial(connection, str(self.path), self.config, wait_seconds=0.1)
        there, chosen = partial(exists, str(self.path)), Options(**options)
        try:
            return sync(
                source, opened, there, chosen, str(uuid4()), deletion_policy=self.deleted_rows
            )
        finally:
            client.close()

    def sync_all(self) -> None:
        """Sync every endpoint without a Dagster run."""
        for endpoint in ENDPOINTS:
            self.sync(endpoint.name)

    def resources(self) -> dict[str, Any]:
        """The resources of `definitions`, pointed at the sandbox and the database."""
        database = RecruitDatabase(database=str(self.path), wait_seconds=0.1)
        api = RecruitApi(first_wait=0, **settings_for(self.sandbox, **self.settings))
        return resources(database, api, self.deleted_rows)

    def failure(self, *names: str, **config: Any) -> str:
        """What the run says that fails while materializing; only its first failed step."""
        result = self.materialize(*names, raises=False, **config)
        assert not result.success
        (data, *_) = [
            event.step_failure_data for event in result.all_node_events if event.is_step_failure
        ]
        assert data.user_failure_data is not None, data.error
        return data.user_failure_data.description or ""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database, times in UTC."""
        with lakes.connect(self.path, read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            return database.execute(sql).fetchall()

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        names: Sequence[str] = [endpoint.name for endpoint in ENDPOINTS]
        union = " UNION ALL ".join(
            f"SELECT '{name}', count(*) FROM recruit.{name}" for name in names
        )
        return dict(self.query(union))

    def counts_of(self, name: str) -> int:
        """Rows of one table."""
        return int(self.query(f"SELECT count(*) FROM recruit.{name}")[0][0])


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """Keeps the events of all runs in memory; to make one takes longer than a run."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """The project in front of the sandbox."""
    return Project(sandbox, lakes.database_at(tmp_path / "test.duckdb"), instance)


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """The simulated year, lived once for all tests, also where they run side by side."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    kept = folder / "year.pickle"
    with FileLock(folder / "year.lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(live(lakes.database_at(folder / "year.duckdb"))))
        found: Year = pickle.loads(kept.read_bytes())
    return found


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    """The values of an asset's metadata in a run."""
    (event,) = [
        each
        for each in result.get_asset_materialization_events()
        if each.asset_key == dg.AssetKey(name)
    ]
    return {key: value.value for key, value in event.materialization.metadata.items()}
