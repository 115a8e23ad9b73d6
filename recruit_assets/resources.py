"""The Dagster resources: the one API that all assets share, and the database.

Contains the Dagster side of settings and errors. `extract` and `load` use the settings.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field, PrivateAttr

from recruit_assets.catalogue import Endpoint, Rolling
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.errors import BadSetting, RecruitError, naming_settings
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.rate_limit import WINDOW_SECONDS
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.interrupts import Listener
from recruit_assets.load.compact import make_erasure_final
from recruit_assets.load.connection import connection, exists
from recruit_assets.load.obstacles import with_translated_errors
from recruit_assets.load.read_copy import publish
from recruit_assets.load.run_totals import run_totals
from recruit_assets.load.schema import SCHEMA
from recruit_assets.load.state import is_current, read_state
from recruit_assets.load.sync_state import SyncState
from recruit_assets.options import Options
from recruit_assets.read_ahead import Plan, ReadAhead
from recruit_assets.reading import Reading
from recruit_assets.run_progress import has_ended, is_over, was_stopped
from recruit_assets.settings import Settings


def _setting(name: str) -> Any:
    """Return a config field with the default and the meaning of a field of `Settings`."""
    field = Settings.model_fields[name]
    return Field(default=field.default, description=field.description)


class RecruitApi(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Share the recruitment API among the assets of a run: one session, one rate limit.

    An invalid setting fails the run before any step; the message says what to do.
    """

    base_url: str = _setting("base_url")
    key: str = Field(description="The API key; secret", repr=False)
    version: str = _setting("version")
    auth_header: str = _setting("auth_header")
    auth_prefix: str = _setting("auth_prefix")
    requests_per_10s: int = _setting("requests_per_10s")
    concurrency: int = _setting("concurrency")
    rolling: Rolling = _setting("rolling")
    shared_budget: str = Field(
        default="",
        description="Connection string, without password, of the PostgreSQL in which all machines "
        "count the requests of a key; each machine counts its own if empty",
    )
    first_wait: float = Field(
        default=1.0,
        description="Longest wait before a first retry, in seconds; all other waits grow with it",
    )
    problems: list[str] = Field(
        default=[], description="Settings that could not be used; any of them fails the run"
    )
    names: dict[str, str] = Field(
        default={}, description="Names of settings in messages, by environment variable"
    )

    _client: Client = PrivateAttr()
    _ahead: ReadAhead = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Check the settings and open the session.

        Raises:
            dagster.Failure: a setting is invalid.
        """
        with as_dagster_failure():
            self._client = Client(self._checked())
        self._ahead = ReadAhead(self._reading)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the session."""
        self._ahead.stop()
        self._client.close()

    def _checked(self) -> ApiSettings:
        """Return the settings; raise one error for all that cannot work."""
        # Without a key, one of the problems says so, and names the variable.
        key = self.key or ("missing" if self.problems else "")
        try:
            checked = ApiSettings.written_as({**dict(self), "key": key})
        except BadSetting as error:
            raise BadSetting(*self.problems, *error.args) from None
        if self.problems:
            raise BadSetting(*self.problems)
        return checked

    def read(
        self, endpoint: Endpoint, state: SyncState, options: Options, log: logging.Logger
    ) -> Reading:
        """Return a reading of an endpoint, without sending a request.

        Args:
            endpoint: the endpoint to read.
            state: the state of its table (see `RecruitDatabase.state`).
            options: the options of the sync.
            log: receives warnings and progress.
        """
        reading = self._ahead.take(Plan(endpoint, state, options), log)
        reading.followers = self._ahead
        return reading

    @property
    def ahead(self) -> ReadAhead:
        """Return the readings that begin before their steps."""
        return self._ahead

    def _reading(self, plan: Plan, log: logging.Logger) -> Reading:
        limits = RetryLimits(
            outage=plan.options.outage_minutes * 60,
            first_wait=self.first_wait,
            default_wait=self.first_wait * WINDOW_SECONDS,
        )
        known = replace(plan.options, rolling=self.rolling, requests_per_10s=self.requests_per_10s)
        return Reading(Source(self._client, plan.endpoint, limits, log), plan.state, known)


class RecruitDatabase(DuckDBResource):
    """Open DuckDB as dagster-duckdb's resource does, but also close it and explain errors.

    If another process holds the file, a connection waits for `wait_seconds` at most.
    """

    wait_seconds: float = Field(default=60.0, description="How long to wait for a busy file")
    account: str = Field(
        default="", description="Key prefix of the account, the only one that may sync into it"
    )
    setting_names: dict[str, str] = Field(
        default={}, description="Names of settings in messages, by environment variable"
    )
    time_zone: str = _setting("time_zone")
    time_zone_problems: list[str] = Field(
        default=[], description="Why that is not the time zone that was set; any fails the marts"
    )
    private_fields: bool = _setting("private_fields")
    report_names: bool = _setting("report_names")
    parquet_folder: str = _setting("parquet_folder")
    read_copy: str = _setting("read_copy")
    read_copy_personal: bool = _setting("read_copy_personal")
    read_copy_columns: dict[str, list[str]] = Field(
        default={},
        description="Columns that a copy without personal data has, by table; `build_defs` sets it",
    )

    _interrupts: Listener | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Notice from now on that the process is told to stop."""
        if not _is_of_io_manager(context):
            self._interrupts = Listener()

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the database for writing.

        Raises:
            DatabaseProblem: it cannot be opened, or DuckDB failed while it was open.
        """
        with (
            naming_settings(self.setting_names),
            connection(self.database, self.connection_config, self.wait_seconds) as database,
        ):
            yield database

    def state(
        self, endpoint: Endpoint, *, dry_run: bool = False, known: SyncState | None = None
    ) -> SyncState:
        """Return what earlier syncs of an endpoint have left, from which a reading is planned.

        Rows that were stored under another column policy are rewritten first.

        Args:
            endpoint: the endpoint.
            dry_run: whether nothing may be changed.
            known: its state at an earlier time, which is returned if it still holds.

        Raises:
            dagster.Failure: a sync could not write to the database.
        """
        opened = with_translated_errors(self.get_connection, f"{SCHEMA}.{endpoint.name}")
        with as_dagster_failure(self.setting_names):
            if known is not None and exists(self.database):
                with opened() as database:
                    if is_current(database, endpoint, known):
                        return known
            return read_state(
                opened, lambda: exists(self.database), endpoint, self.account, dry_run=dry_run
            )

    def states(self, endpoints: Iterable[Endpoint]) -> dict[str, SyncState]:
        """Return the states of several endpoints by name, without changing anything (see `state`).

        An endpoint that a sync could not write is left out.

        Raises:
            dagster.Failure: the database cannot be used.
        """
        found = {}
        there = exists(self.database)
        with (
            as_dagster_failure(self.setting_names),
            self.get_connection() if there else nullcontext() as database,
        ):
            opened: Any = partial(nullcontext, database)
            for endpoint in endpoints:
                with suppress(RecruitError):
                    found[endpoint.name] = read_state(
                        opened, lambda: there, endpoint, self.account, dry_run=True
                    )
        return found

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Remove erased data, of this run or an earlier one, from the file; publish the read copy.

        Then log what the run did. An executor that runs each step in its own process calls this
        after each step; the last call does all three. If the last steps are skipped, or the run was
        stopped, nothing is logged, and the next run compacts and publishes.
        """
        if self._interrupts:
            self._interrupts.close()
        if not (context.run and context.instance and context.log) or _is_of_io_manager(context):
            return
        if was_stopped(context.run, context.instance) or has_ended(context.run, context.instance):
            return
        over, log = is_over(context.run, context.instance), context.log
        self._compact(log, within_run=not over)
        if over:
            self._log_totals(log, context.run.run_id)
        if over and self.read_copy:
            self._publish(log)

    def _log_totals(self, log: dg.DagsterLogManager, run_id: str) -> None:
        """Log what a run did; it is over, so a database that is busy must not fail it."""
        try:
            if exists(self.database):
                with self.get_connection() as database:
                    if totals := run_totals(database, run_id):
                        log.info(f"{totals}. The tables are in {self.database}.")
        except RecruitError as error:
            log.warning(f"The totals of this run are not known: {error}")

    def _compact(self, log: dg.DagsterLogManager, *, within_run: bool) -> None:
        try:
            sizes = make_erasure_final(
                self.database, self.wait_seconds, self.connection_config, within_run=within_run
            )
        except (RecruitError, duckdb.Error, OSError) as error:
            log.warning(
                f"Erased personal data, if there is any, is still in the bytes of the database, as "
                f"it could not be compacted: {error} The next run tries again."
            )
            return
        if sizes:
            log.info(
                "Personal data was erased, so the database was compacted: "
                f"{sizes.before:,} bytes have become {sizes.after:,}."
            )

    def _publish(self, log: dg.DagsterLogManager) -> None:
        """Publish the read copy; log an error if that fails, as what was synced is committed."""
        files, config = (self.database, self.read_copy), self.connection_config
        columns = None if self.read_copy_personal else self.read_copy_columns
        try:
            with naming_settings(self.setting_names):
                publish(*files, self.wait_seconds, config, columns)
        except (RecruitError, duckdb.Error, OSError) as error:
            log.error(
                f"The read copy was not published, so readers have the old one, if any: {error} "
                "The next run tries again."
            )
        else:
            log.info(f"The read copy was published: {self.read_copy}")


def _is_of_io_manager(context: dg.InitResourceContext) -> bool:
    """Return whether a database is the IO manager's; the run has another."""
    return isinstance(context.resource_def, dg.IOManagerDefinition)
