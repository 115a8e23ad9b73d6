"""Nested lists over many syncs, while the company lives, and some lists cannot be read.

Whatever happens, each sync keeps what its verdict promises: `complete`, that the table is what the
lists of all jobs have; `window`, that no application was made, moved or rejected without the table
having it.
"""

import logging
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import time_machine

from recruit_assets.errors import RequestFailed
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import ONCE
from recruit_assets.extract.source import Source
from recruit_assets.load.connection import connection
from recruit_assets.options import Mode, Options
from recruit_assets.result import SyncResult
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.conftest import BY_NAME, settings_for
from recruit_assets_tests.life import Life
from recruit_assets_tests.rings import sized
from recruit_assets_tests.syncing import sync
from recruit_assets_tests.year import KEY

pytestmark = pytest.mark.ring(2)

SYNCS = 7
SHOWN = {"created", "stage", "rejected"}  # what changes the application too


class Company:
    """A company whose activities are synced every few hours."""

    def __init__(self, sandbox: Sandbox, life: Life, path: Path, seed: int) -> None:
        self.sandbox, self.world, self.life, self.path = sandbox, sandbox.world, life, path
        self.random = Random(seed)

    def live(self, hours: float) -> None:
        """Let time pass, and things happen."""
        begun = self.life.now
        for part in sorted(self.random.random() for _ in range(self.random.randrange(12))):
            self.life.happen(self.world, begun + timedelta(hours=hours * part))
        self.life.now = begun + timedelta(hours=hours)
        jobs = list(self.world.table("jobs"))
        if self.random.random() < 0.3:
            note = {"code": "note", "data": "{}"}  # which changes nothing else
            self.world.add("activities", note, {"job": self.random.choice(jobs)})
        applied = self.world.table("job-applications").values()
        free = set(jobs) - {each["relationships"]["job"]["id"] for each in applied}
        if self.random.random() < 0.2 and free:
            self.world.remove("jobs", self.random.choice(sorted(free)))
        if self.random.random() < 0.1:
            self.world.remove("activities", self.random.choice(list(self.listed())))

    def sync_somehow(self) -> Verdict | None:
        """Sync them in some mode, while some lists may fail; None if the sync failed."""
        for job in self.world.table("jobs"):
            if self.random.random() < 0.02:
                self.sandbox.fail(f"jobs/{job}/activities", status=500)
        mode = self.random.choice([Mode.auto, Mode.auto, Mode.incremental, Mode.audit])
        try:
            return self.sync(mode).report.verdict
        except RequestFailed:  # not even the first could be read
            return None
        finally:
            self.sandbox.clear_faults()

    def sync(self, mode: Mode) -> SyncResult:
        opened = partial(connection, str(self.path), {}, 0)
        with time_machine.travel(self.life.now, tick=False):
            client = Client(ApiSettings(**settings_for(self.sandbox, key=KEY)))
            log = logging.getLogger("nested")
            source = Source(client, BY_NAME["activities"], ONCE, log)
            try:
                return sync(source, opened, self.path.exists, Options(mode), f"{self.life.now}")
            finally:
                client.close()

    def listed(self) -> dict[str, str]:
        """What the lists of jobs have: the code of each activity by its id."""
        jobs = self.world.table("jobs")
        owners = {
            id_: each["relationships"]["job"]
            for id_, each in self.world.table("activities").items()
        }
        return {
            id_: self.world.table("activities")[id_]["attributes"]["code"]
            for id_, job in owners.items()
            if job and job["id"] in jobs
        }

    def shown(self) -> set[str]:
        """The activities that have changed an application that is still there."""
        applied = {_about(each) for each in self.world.table("job-applications").values()}
        listed, activities = self.listed(), self.world.table("activities")
        return {
            id_ for id_ in listed if listed[id_] in SHOWN and _about(activities[id_]) in applied
        }

    def stored(self) -> set[str]:
        with connection(str(self.path), {}, 0) as database:
            found = database.execute("SELECT id FROM recruit_now.activities").fetchall()
        return {id_ for (id_,) in found}


def _about(record: dict[str, Any]) -> tuple[str | None, ...]:
    """The ids of the candidate and the job of a record."""
    keys = (record["relationships"][name] for name in ("candidate", "job"))
    return tuple(key["id"] if key else None for key in keys)


@pytest.mark.parametrize("seed", range(sized(1, 1, 20)))
def test_each_verdict_is_true(seed: int, tmp_path: Path) -> None:
    life = Life(seed)
    life.now = NOW
    sandbox = Sandbox(candidates=20, rules=Rules(key=KEY), clock=lambda: life.now)
    with sandbox.serve():
        company = Company(sandbox, life, tmp_path / "nested.duckdb", seed)
        company.sync(Mode.auto)
        for _ in range(SYNCS):
            company.live(company.random.choice([0.1, 1, 5, 30]))
            before, verdict = company.stored(), company.sync_somehow()
            listed, stored = company.listed(), company.stored()
            if verdict is Verdict.COMPLETE:
                assert stored == listed.keys()
            else:
                assert verdict in (Verdict.WINDOW, Verdict.INCOMPLETE, None)
                assert before <= stored  # nothing is deleted
            if verdict is Verdict.WINDOW:
                assert company.shown() <= stored
        assert company.sync(Mode.audit).report.verdict is Verdict.COMPLETE
        assert company.stored() == company.listed().keys()
