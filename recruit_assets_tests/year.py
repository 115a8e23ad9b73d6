"""A simulated year: the invented company lives, and is synced every week through real HTTP.

Here: when what is synced, and the log of what the API showed at each sync, in plain Python. The log
is taken from the sandbox's world and knows nothing of how the project reads, merges or stores. What
happens between the syncs is in `life`. The fixture `year` shares one run among all tests.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import time_machine

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.load.connection import connection, exists
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.options import Mode, Options
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests import lakes
from recruit_assets_tests.life import Life
from recruit_assets_tests.rings import sized
from recruit_assets_tests.syncing import sync

KEY = "k3y-of-the-year"
WEEKS = sized(8, 8, 52)  # after the last, all lists are read whole
EVENTS = 140  # a week
WEEKLY = ("jobs", "stages", "job_applications", "job_offers")  # all others in the last week
TOLD = ("requisitions", "activities")  # what an account may name, and marts use
EVERYTHING = tuple(endpoint.name for endpoint in ENDPOINTS)
WINDOWED = "job_applications"  # is asked for changes; the others are read whole
WHOLE_EVERY = 4  # weeks, also of that one
REFUSED = {3: {"stages": 403, "job-offers": 403}, 5: {"job-applications": 403}}  # lists, by week
LOG = logging.getLogger("year")
LOG.setLevel(logging.ERROR)

Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One weekly sync of one endpoint, and what the API would show of it at that moment."""

    endpoint: str
    number: int  # of the sync: 0 at the beginning, WEEKS at the end
    at: datetime  # the time of Python's clock from its beginning to its end
    run_id: str
    complete: bool  # whether deletions were seen
    records: dict[str, dict[str, Any]]  # by id, as the sandbox holds them


@dataclass(frozen=True)
class Year:
    """The database after the year, and the log.

    The file may be read; who wants to write takes a copy of it. `told` is the same year in the
    database of an account that also syncs what the marts can do without.
    """

    path: Path
    log: list[Seen]
    told: "Year | None" = None

    @property
    def end(self) -> datetime:
        """When the last sync was."""
        return self.log[-1].at

    def syncs(self, endpoint: str) -> list[Seen]:
        """The syncs of an endpoint in order."""
        return [seen for seen in self.log if seen.endpoint == endpoint]

    def known(self, endpoint: str) -> list[dict[str, Row]]:
        """After each sync of an endpoint in order, the current rows by id as they must be known.

        A row has `id`, the attributes and the keys of to-one relationships under their names in
        the table; times are datetimes. What is gone is known to be after a complete sync only.
        """
        after: list[dict[str, Row]] = []
        rows: dict[int, Row] = {}  # a record that did not change is the same object in every week
        for seen in self.syncs(endpoint):
            before = after[-1] if after and not seen.complete else {}
            for record in seen.records.values():
                if id(record) not in rows:
                    rows[id(record)] = row(record)
            after.append(before | {key: rows[id(each)] for key, each in seen.records.items()})
        return after

    def current(self, endpoint: str) -> dict[str, Row]:
        """The current rows by id as they must be after the last sync."""
        return self.known(endpoint)[-1]


def row(record: dict[str, Any]) -> Row:
    """A record of the sandbox as a row; to-many relationships are left out."""
    found = {"id": record["id"]}
    for name, value in record["attributes"].items():
        is_time = name.endswith("-at") and value is not None
        found[name.replace("-", "_")] = datetime.fromisoformat(value) if is_time else value
    for name, ref in record["relationships"].items():
        if not isinstance(ref, list):
            found[f"{name.replace('-', '_')}_id"] = ref["id"] if ref else None
    return found


def live(path: Path) -> Year:
    """Let the year pass, and sync it into a database at this path."""
    life, random, log = Life(seed=11), Random(12), []
    sandbox = Sandbox(candidates=150, rules=Rules(key=KEY), clock=lambda: life.now)
    with sandbox.serve():
        for number in range(WEEKS + 1):
            at = NOW + timedelta(weeks=number)
            if number:
                week = sorted(random.uniform(60, 7 * 86_400 - 60) for _ in range(EVENTS))
                for seconds in week:
                    life.happen(sandbox.world, at - timedelta(weeks=1) + timedelta(seconds=seconds))
            life.now = at
            names = WEEKLY if number < WEEKS else EVERYTHING
            sandbox.rules.without = REFUSED.get(number, {})
            log += sync_all(sandbox, path, number, at, names)
        return with_all_told(Year(path, log), sandbox)


def with_all_told(year: Year, sandbox: Sandbox) -> Year:
    """The year, and a copy of its database with what the marts can do without, read at the end."""
    beside = lakes.beside(year.path)
    path = lakes.copied(year.path, beside.with_stem(f"{beside.stem}-told"))
    more = sync_all(sandbox, path, year.log[-1].number, year.end, TOLD)
    return replace(year, told=Year(path, [*year.log, *more]))


def sync_all(
    sandbox: Sandbox, path: Path, number: int, at: datetime, names: Collection[str]
) -> list[Seen]:
    """The sync of a week, of these endpoints: what it saw."""
    settings = ApiSettings(sandbox.base_url, KEY, "20240904", "api", "", 0, 4)
    opened = partial(connection, str(path), {}, 0)
    log = []
    with time_machine.travel(at, tick=False):
        client = Client(settings)
        for endpoint in KNOWN_ENDPOINTS:
            if endpoint.name not in names:
                continue
            whole = endpoint.name != WINDOWED or number % WHOLE_EVERY == 0
            mode, run_id = Mode.full if whole else Mode.incremental, f"week {number}"
            source = Source(client, endpoint, RetryLimits(first_wait=0, default_wait=0), LOG)
            records = dict(sandbox.world.table(endpoint.path))
            result = sync(source, opened, partial(exists, str(path)), Options(mode), run_id)
            is_refused = endpoint.path in sandbox.rules.without
            assert (result.report.verdict is Verdict.UNAVAILABLE) == is_refused
            if is_refused:
                continue
            # It may be cheaper to read a short list whole than to search it for deletions.
            assert result.mode is mode or not whole
            complete = result.report.verdict is Verdict.COMPLETE
            log.append(Seen(endpoint.name, number, at, run_id, complete, records))
        client.close()
    return log
