"""The doctor: what a sync would find, before there is one.

What lives here: the questions, and what the answers mean for a sync. Nothing is changed, neither
in the database nor at the API, and no endpoint is asked more than twice. How it is shown is in
`display`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import IntEnum
from os import environ
from typing import TypeVar

from recruit_assets import settings
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import BadSetting, DatabaseProblem, RecruitError
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.probe import Probe, State, probe_all
from recruit_assets.extract.rate_limit import WINDOW_SECONDS
from recruit_assets.load.overview import TableStatus, overview
from recruit_assets.load.quality import rows_in_file
from recruit_assets.load.reading import check_writable, is_made, reading
from recruit_assets.load.sweep import DeletionPolicy
from recruit_assets.settings import Setting

Number = TypeVar("Number", int, float)

WAIT_SECONDS = 1.0  # for a database that is being written to
# What the tables of the sandbox take, by size: DuckDB gives each table blocks of its own, and
# packs what is in them. Real texts repeat less, so this is an estimate.
BYTES_OF_A_TABLE = 270_000
FEW_ROWS = 100_000  # that a file may keep before anybody minds
PACKED = 0.35  # of what the rows take in memory


class Readiness(IntEnum):
    """What a sync would come to; the exit code."""

    GOOD = 0
    RESTRICTED = 1
    FAILING = 2


@dataclass(frozen=True)
class SettingShown:
    """A setting, as it may be shown."""

    name: str
    value: str
    origin: str


@dataclass
class Diagnosis:
    """What the doctor found."""

    settings: list[SettingShown]
    database: str  # the file
    setting_problem: str = ""
    api_problem: str = ""  # of all endpoints alike
    probes: list[Probe] = field(default_factory=list)
    database_problem: str = ""
    database_made: bool = False
    tables: list[TableStatus] = field(default_factory=list)  # empty if they could not be read
    is_bloated: bool = False  # whether replaced rows take more room than those that are there
    requests_per_10s: int = 0

    @property
    def requests(self) -> int | None:
        """Of a full sync; None if an endpoint does not tell, or nothing could be asked."""
        return _total([each.requests for each in self.probes])

    @property
    def seconds(self) -> float | None:
        """That the budget makes a full sync take; None without a budget, or if it is not known."""
        if self.requests is None or not self.requests_per_10s:
            return None
        return self.requests / self.requests_per_10s * WINDOW_SECONDS

    @property
    def disk(self) -> float | None:
        """Bytes that the tables will take, as estimated."""
        rows = _total([each.bytes for each in self.probes if each.state is State.READABLE])
        return None if rows is None else len(self.probes) * BYTES_OF_A_TABLE + PACKED * rows

    @property
    def readiness(self) -> Readiness:
        """What a sync would come to."""
        states = {each.state for each in self.probes}
        if self.setting_problem or self.api_problem or self.database_problem:
            return Readiness.FAILING
        if State.FAILING in states:
            return Readiness.FAILING
        if states != {State.READABLE} or any(each.refused for each in self.probes):
            return Readiness.RESTRICTED
        return Readiness.GOOD


def examine(from_file: Collection[str], tell: Callable[[Probe], None]) -> Diagnosis:
    """Ask everything.

    Args:
        from_file: the names that `.env` sets.
        tell: hears of each endpoint as soon as it has answered.
    """
    told = [
        SettingShown(each.name, _shown(each), _origin(each, from_file))
        for each in settings.SETTINGS
    ]
    found = Diagnosis(told, settings.DATABASE.text())
    _examine_database(found, found.database)
    try:
        settings.DELETED_ROWS.one_of(DeletionPolicy)
        settings.owners()
        client = Client(_api_settings(found))
    except BadSetting as error:
        found.setting_problem = str(error)
        return found
    try:
        for each in probe_all(client, ENDPOINTS):
            found.probes.append(each)
            tell(each)
    except RecruitError as error:
        found.api_problem = str(error)
    finally:
        client.close()
    found.probes.sort(key=lambda each: ENDPOINTS.index(each.endpoint))
    return found


def _api_settings(found: Diagnosis) -> ApiSettings:
    found.requests_per_10s = settings.REQUESTS_PER_10S.whole_number()
    return ApiSettings(
        base_url=settings.BASE_URL.text().strip(),
        key=settings.KEY.text(),
        version=settings.VERSION.text().strip(),
        auth_header=settings.AUTH_HEADER.text().strip(),
        auth_prefix=settings.AUTH_PREFIX.text(),
        requests_per_10s=found.requests_per_10s,
        concurrency=settings.CONCURRENCY.whole_number(),
    )


def _shown(setting: Setting) -> str:
    text = setting.text()
    if setting.secret or not text:
        return "set" if text else "not set"
    key = settings.KEY.text().strip()
    if (key and key in text) or (setting is settings.BASE_URL and "@" in text):
        return "not shown, as a secret is in it"
    return text


def _origin(setting: Setting, from_file: Collection[str]) -> str:
    given = environ.get(setting.name, "")
    if setting.name in from_file:
        return ".env" if given.strip() else "empty in .env"
    return "environment" if given.strip() else "default"


def _examine_database(found: Diagnosis, path: str) -> None:
    found.database_made = is_made(path)
    try:
        if found.database_made:
            with reading(path, WAIT_SECONDS) as database:
                found.tables = overview(database, ENDPOINTS)
                rows, kept = rows_in_file(database)
                found.is_bloated = kept > max(2 * rows, FEW_ROWS)
        check_writable(path, WAIT_SECONDS)
    except DatabaseProblem as error:
        found.database_problem = str(error)


def _total(parts: list[Number | None]) -> Number | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None
