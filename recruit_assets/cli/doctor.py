"""The doctor: a check of settings, API and database before a sync.

Runs the probes, and decides what their results mean for a sync. Nothing is changed, neither in the
database nor at the API, and each endpoint gets two requests at most. `display` formats the result.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import IntEnum
from os import environ
from typing import TypeVar

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import BadSetting, DatabaseProblem, RecruitError
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.probe import Probe, ProbeState, probe_all
from recruit_assets.extract.rate_limit import WINDOW_SECONDS
from recruit_assets.load.overview import TableStatus, overview
from recruit_assets.load.quality import rows_in_file
from recruit_assets.load.reading import check_writable, is_made, reading
from recruit_assets.settings import Settings, Variable, variables

Number = TypeVar("Number", int, float)

WAIT_SECONDS = 1.0  # for a database that another process is writing to
# Measured on the tables of the sandbox: DuckDB gives each table its own blocks, and compresses
# them. Real texts repeat less, so this is an estimate.
BYTES_OF_A_TABLE = 270_000
FEW_ROWS = 100_000  # a file with fewer rows needs no compaction
PACKED = 0.35  # bytes in the file per byte in memory


class Readiness(IntEnum):
    """Rate the outcome of a sync; the value is the exit code."""

    GOOD = 0
    RESTRICTED = 1
    FAILING = 2


@dataclass(frozen=True)
class SettingShown:
    """Hold a setting in a form that may be shown."""

    name: str
    value: str
    origin: str


@dataclass
class Diagnosis:
    """Hold the findings of the doctor."""

    settings: list[SettingShown]
    database: str  # path of the file
    setting_problem: str = ""
    api_problem: str = ""  # affects all endpoints
    probes: list[Probe] = field(default_factory=list)
    database_problem: str = ""
    database_made: bool = False
    tables: list[TableStatus] = field(default_factory=list)  # empty if they could not be read
    is_bloated: bool = False  # whether replaced rows take more space than current ones
    requests_per_10s: int = 0

    @property
    def requests(self) -> int | None:
        """Return the requests of a full sync; None if those of any endpoint are unknown."""
        return _total([each.requests for each in self.probes])

    @property
    def seconds(self) -> float | None:
        """Return the seconds of a full sync at the rate limit; None if it is unset or unknown."""
        if self.requests is None or not self.requests_per_10s:
            return None
        return self.requests / self.requests_per_10s * WINDOW_SECONDS

    @property
    def disk(self) -> float | None:
        """Return an estimate of the bytes that the tables will take."""
        rows = _total([each.bytes for each in self.probes if each.state is ProbeState.READABLE])
        return None if rows is None else len(self.probes) * BYTES_OF_A_TABLE + PACKED * rows

    @property
    def readiness(self) -> Readiness:
        """Return the outcome of a sync."""
        states = {each.state for each in self.probes}
        if self.setting_problem or self.api_problem or self.database_problem:
            return Readiness.FAILING
        if ProbeState.FAILING in states:
            return Readiness.FAILING
        if states != {ProbeState.READABLE} or any(each.refused for each in self.probes):
            return Readiness.RESTRICTED
        return Readiness.GOOD


def examine(from_file: Collection[str], tell: Callable[[Probe], None]) -> Diagnosis:
    """Examine the database, the settings and all endpoints.

    Args:
        from_file: the names that `.env` sets.
        tell: called with the probe of each endpoint as soon as it has responded.
    """
    settings = Settings.from_environment()
    told = [
        SettingShown(each.name, _shown(each, settings), _origin(each, from_file))
        for each in variables()
    ]
    found = Diagnosis(told, settings.database)
    _examine_database(found, found.database)
    try:
        if problems := settings.problems:
            raise BadSetting(" ".join(problems))
        client = Client(_api_settings(settings))
    except BadSetting as error:
        found.setting_problem = str(error)
        return found
    found.requests_per_10s = settings.requests_per_10s
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


def _api_settings(settings: Settings) -> ApiSettings:
    return ApiSettings(
        base_url=settings.base_url.strip(),
        key=settings.key,
        version=settings.version.strip(),
        auth_header=settings.auth_header.strip(),
        auth_prefix=settings.auth_prefix,
        requests_per_10s=settings.requests_per_10s,
        concurrency=settings.concurrency,
    )


def _shown(variable: Variable, settings: Settings) -> str:
    text = environ.get(variable.name, "")
    text = text if text.strip() else variable.default
    if variable.secret or not text:
        return "set" if text else "not set"
    key = settings.key.strip()
    if (key and key in text) or (variable.field == "base_url" and "@" in text):
        return "not shown, as a secret is in it"
    return text


def _origin(setting: Variable, from_file: Collection[str]) -> str:
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
