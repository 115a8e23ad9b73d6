"""The doctor: a check of settings, API and database before a sync.

Runs the probes, and decides what their results mean for a sync. Nothing is changed, neither in the
database nor at the API, and each endpoint gets two requests at most. `doctor_report` prints the
result.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import IntEnum
from os import environ
from pathlib import Path

from recruit_assets.cli.sync_forecast import SyncForecast
from recruit_assets.column_policy import limits_of, under_policy
from recruit_assets.environment import account_names
from recruit_assets.errors import BadSetting, DatabaseProblem, RecruitError, naming_settings
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.probe import Probe, ProbeState, probe_all
from recruit_assets.load.change_support import ChangeSupport, change_support
from recruit_assets.load.destination import shared_catalogue
from recruit_assets.load.overview import TableStatus, left_over, overview
from recruit_assets.load.quality import rows_in_file
from recruit_assets.load.read_copy import CopyStatus, check_target, published_at
from recruit_assets.load.reading import check_writable, is_made, reading
from recruit_assets.load.state import states
from recruit_assets.load.sync_state import SyncState
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.parquet import check_folder
from recruit_assets.options import Options
from recruit_assets.settings import Settings
from recruit_assets.text import has_password
from recruit_assets.variables import (
    Variable,
    Wrong,
    holds_a_secret,
    parsed,
    unknown_variables,
    variables,
)

WAIT_SECONDS = 1.0  # for a database that another process is writing to
PLACES = (
    "base_url",
    "database",
    "column_policy",
    "read_copy",
    "parquet_folder",
)  # settings that messages show
FEW_ROWS = 100_000  # a file with fewer rows needs no compaction


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
    folder: Path  # in which `.env` is looked for
    has_env_file: bool
    unknown: Mapping[str, str]  # variables that are no setting, each with the nearest one, or ""
    setting_problems: list[str] = field(default_factory=list)  # one sentence each
    api_problem: str = ""  # affects all endpoints
    probes: list[Probe] = field(default_factory=list)
    database_problem: str = ""
    database_made: bool = False
    tables: list[TableStatus] = field(default_factory=list)  # empty if they could not be read
    left_over: list[TableStatus] = field(default_factory=list)  # tables that are not synced
    support: Mapping[str, ChangeSupport] = field(default_factory=dict)  # of endpoints synced before
    read_copy: CopyStatus | None = None  # None if there is to be none
    parquet_problem: str = ""  # why the marts cannot become Parquet files, if they are to
    is_bloated: bool = False  # whether replaced rows take more space than current ones
    states: Mapping[str, SyncState] = field(default_factory=dict)  # of tables synced before
    options: Options = field(default_factory=Options)  # of a sync
    limited: Mapping[str, Sequence[str]] = field(default_factory=dict)  # columns by policy
    requests_per_10s: int = 0
    accept_unavailable: bool = False  # whether missing endpoints are no restriction

    @property
    def forecast(self) -> SyncForecast:
        """Return the forecast of syncs."""
        return SyncForecast(self.probes, self.support, self.states, self.options)

    @property
    def unavailable(self) -> list[str]:
        """Return the endpoints that the key or the account lacks."""
        return [each.endpoint.name for each in self.probes if each.state is ProbeState.UNAVAILABLE]

    @property
    def readiness(self) -> Readiness:
        """Return the outcome of a sync."""
        states = {each.state for each in self.probes}
        if self.setting_problems or self.api_problem or self.database_problem:
            return Readiness.FAILING
        if ProbeState.FAILING in states:
            return Readiness.FAILING
        good = (
            {ProbeState.READABLE, ProbeState.UNAVAILABLE}
            if self.accept_unavailable
            else {ProbeState.READABLE}
        )
        no_copy = self.read_copy and self.read_copy.problem
        no_file = no_copy or self.parquet_problem
        if self.unknown or no_file or states - good or any(each.refused for each in self.probes):
            return Readiness.RESTRICTED
        return Readiness.GOOD


def examine(
    account: str,
    from_file: Collection[str],
    tell: Callable[[Probe], None],
    *,
    accept_unavailable: bool = False,
) -> Diagnosis:
    """Examine the database, the settings and all endpoints of an account.

    Args:
        account: its name in the environment; empty if there is only one.
        from_file: the names that `.env` sets.
        tell: called with the probe of each endpoint as soon as it has responded.
        accept_unavailable: whether endpoints that the key or the account lacks are no restriction.
    """
    settings = Settings.from_environment(account)
    shown = {each.field: _shown(each, from_file) for each in variables(account)}
    found = Diagnosis(
        list(shown.values()),
        shown["database"].value,
        Path.cwd(),
        Path(".env").is_file(),
        unknown_variables(environ, account_names()),
        setting_problems(settings, account),
        requests_per_10s=settings.requests_per_10s,
        options=Options(rolling=settings.rolling, requests_per_10s=settings.requests_per_10s),
        accept_unavailable=accept_unavailable,
    )
    if not found.setting_problems:
        found.limited = limits_of(
            under_policy(each, settings.column_policy) for each in settings.endpoints
        )
    if any(misplaced_secrets(account)):
        found.database_problem = "It was not examined, as messages show its path."
    else:
        _examine_database(found, settings)
        if settings.read_copy:
            found.read_copy = _examined_copy(settings)
        if settings.parquet_folder:
            found.parquet_problem = _parquet_problem(settings, account)
    if not found.setting_problems:
        _examine_api(found, settings, tell)
    return found


def setting_problems(settings: Settings, account: str) -> list[str]:
    """Return a sentence for each setting that a sync of an account could not use."""
    found = [
        *settings.problems,
        *misplaced_secrets(account),
        *settings.policy_problems(),
    ]
    try:
        _api_settings(settings)
    except BadSetting as error:
        found += error.args
    return list(dict.fromkeys(found))  # both miss a key


def misplaced_secrets(account: str) -> Iterator[str]:
    """Yield a sentence for each address or path that contains a secret, as messages show these."""
    for each in variables(account):
        if each.field in PLACES and holds_a_secret(each.text, only_known=True):
            yield f"{each.name} contains the value of a secret variable: take it out."
        elif each.field == "database" and isinstance(wrong := parsed(each, each.text), Wrong):
            yield wrong.sentence


def _examine_api(found: Diagnosis, settings: Settings, tell: Callable[[Probe], None]) -> None:
    endpoints = settings.endpoints
    try:
        with closing(Client(_api_settings(settings))) as client:
            found.support = {name: each.at(client.identity) for name, each in found.support.items()}
            states = {name: each.at(client.identity) for name, each in found.states.items()}
            found.states = {
                name: each.voided() if each.rekeyed else each for name, each in states.items()
            }
            for each in probe_all(client, endpoints):
                found.probes.append(each)
                tell(each)
    except RecruitError as error:
        found.api_problem = str(error)
    found.probes.sort(key=lambda each: endpoints.index(each.endpoint))


def _api_settings(settings: Settings) -> ApiSettings:
    also = {"key": settings.key, "names": settings.names}
    also["shared_budget"] = shared_catalogue(settings.database)
    return ApiSettings.written_as({**dict(settings), **also})


def _shown(variable: Variable, from_file: Collection[str]) -> SettingShown:
    return SettingShown(variable.name, _value(variable), _origin(variable, from_file))


def _value(variable: Variable) -> str:
    text = variable.text or variable.default
    if variable.secret or not text:
        return "set" if text else "not set"
    is_place = variable.field in PLACES
    if (
        has_password(text)
        or holds_a_secret(text, only_known=is_place)
        or (variable.field == "base_url" and set("@?#") & set(text))
    ):
        return "not shown, as a secret may be in it"
    return text


def _origin(variable: Variable, from_file: Collection[str]) -> str:
    if variable.name in from_file:
        return ".env" if variable.text else "empty in .env"
    return "environment" if variable.text else "default"


def _examined_copy(settings: Settings) -> CopyStatus:
    path = settings.read_copy
    try:
        with naming_settings(settings.names):
            check_target(settings.database, path, WAIT_SECONDS)
            return CopyStatus(path, published_at(path, WAIT_SECONDS))
    except DatabaseProblem as error:
        return CopyStatus(path, problem=str(error))


def _parquet_problem(settings: Settings, account: str) -> str:
    try:
        with naming_settings(settings.names):
            check_folder(Path(settings.parquet_folder), MARTS, account)
    except DatabaseProblem as error:
        return str(error)
    return ""


def _examine_database(found: Diagnosis, settings: Settings) -> None:
    path = settings.database
    try:
        with naming_settings(settings.names):
            found.database_made = is_made(path)
            if found.database_made:
                with reading(path, WAIT_SECONDS) as database:
                    found.tables = overview(database, settings.endpoints)
                    found.left_over = left_over(database, settings.unnamed)
                    found.support = change_support(database, settings.endpoints)
                    found.states = states(database, settings.endpoints)
                    rows, kept = rows_in_file(database)
                    found.is_bloated = kept > max(2 * rows, FEW_ROWS)
            check_writable(path, WAIT_SECONDS)
    except DatabaseProblem as error:
        found.database_problem = str(error)
