"""What syncs of an account at rest request, promised and counted, for `docs/performance.md`.

Run it as `.venv/bin/python -m recruit_assets_tests.benchmarks.at_rest [records ...]`. Each account
is a larger copy of the sandbox's company, read over HTTP. The doctor promises, at the default rate
limit; the sandbox counts, without one. Time is not measured.
"""

import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from recruit_assets.cli.doctor import examine
from recruit_assets.cli.sync_forecast import SyncForecast
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.report import duration
from recruit_assets.options import Mode
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.settings import Settings
from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.test_rolling_syncs import pass_time

RECORDS = (10_000, 100_000, 1_000_000)
LIMIT = Settings().requests_per_10s
OLD = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS_PER_CANDIDATE = 5.2  # in the sandbox's company


@dataclass(frozen=True)
class Requests:
    """The requests of a sync of all endpoints, as promised and as counted."""

    promised: int
    counted: int

    def __str__(self) -> str:
        return f"{self.promised:,} | {self.counted:,} ({duration(self.counted / LIMIT * 10)})"


class Account:
    """An account at rest, with a database.

    Args:
        records: of all lists, roughly.
        folder: of the database.
        instance: of Dagster.
    """

    def __init__(self, records: int, folder: Path, instance: dg.DagsterInstance) -> None:
        candidates = round(records / RECORDS_PER_CANDIDATE)
        sandbox = Sandbox(candidates=candidates, rules=Rules(key=KEY))
        self._project = Project(sandbox, folder / "data.duckdb", instance)

    @cached_property
    def records(self) -> int:
        """How many records it has."""
        world = self._project.sandbox.world
        return sum(world.count(each.path) for each in ENDPOINTS)

    def measure(self) -> Iterator[Requests]:
        """Yield the requests of the first sync, an hourly one and a nightly one."""
        self._rest()
        with self._project.sandbox.serve() as served:
            os.environ |= {
                "RECRUIT_API_BASE_URL": served.base_url,
                "RECRUIT_API_KEY": KEY,
                "RECRUIT_DATABASE": str(self._project.path),
            }
            yield self._sync(Mode.full)
            self._sync(Mode.auto)  # learns what is refused
            yield self._sync(Mode.auto)
            yield self._sync(Mode.audit)

    def _rest(self) -> None:
        world = self._project.sandbox.world
        dated = {"created-at": OLD, "updated-at": OLD}
        for each in ENDPOINTS:
            for id_ in list(world.table(each.path)) if each.dated else ():
                world.change(each.path, id_, dated)

    def _sync(self, mode: Mode) -> Requests:
        told = _forecast()
        estimates = {Mode.full: told.full, Mode.auto: told.hourly, Mode.audit: told.nightly}
        estimate = estimates[mode]
        if estimate is None:
            raise RuntimeError("the doctor promises nothing")
        self._project.sandbox.clear_requests()
        for endpoint in ENDPOINTS:
            found = self._project.sync(endpoint.name, mode=mode, requests_per_10s=LIMIT)
            if not found.report.verdict.proven:
                raise RuntimeError(f"{endpoint.name}: {found.report}")
        made = len(self._project.sandbox.requests)
        pass_time(self._project)
        return Requests(estimate.requests, made)


def _forecast() -> SyncForecast:
    found = examine("", [], lambda _: None)
    if found.api_problem or found.database_problem:
        raise RuntimeError(found.api_problem or found.database_problem)
    return found.forecast


def line(records: int) -> str:
    """Return the line of the table for an account of this size."""
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        account = Account(records, Path(folder), instance)
        found = list(account.measure())
        return f"| {account.records:,} | {' | '.join(map(str, found))} |"


def main() -> int:
    """Print the table for accounts of the sizes that were given."""
    logging.disable()
    print("| records | full: promised | counted | hourly | counted | nightly | counted |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for records in [int(word) for word in sys.argv[1:]] or RECORDS:
        print(line(records), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
