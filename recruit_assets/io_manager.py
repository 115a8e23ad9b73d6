"""The IO manager: merges what an asset returns into DuckDB by a key, and reports it to Dagster.

Contains the log messages of a merge. `sync` merges a reading of the API, `load.upsert` any other
rows; `metadata` has the numbers in the UI.
"""

import sys
from collections.abc import Mapping
from datetime import UTC
from difflib import get_close_matches
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.errors import BadSetting
from recruit_assets.extract.report import Verdict
from recruit_assets.load.connection import exists
from recruit_assets.load.lease import lease
from recruit_assets.load.schema import BOOKKEEPING, existing_table, missing_table
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.upsert import Target, UpsertResult, upsert_rows
from recruit_assets.metadata import CROWDED, ELSEWHERE, counts, facts, stored, upserted
from recruit_assets.options import Mode
from recruit_assets.reading import Reading
from recruit_assets.result import SyncResult
from recruit_assets.settings import Settings
from recruit_assets.sync import Sync
from recruit_assets.text import OneLineLog

DEFAULT_WAIT = 60.0  # seconds, for a database resource that does not say
DEFAULT_SCHEMA = "main"  # of an asset whose metadata names none
METADATA = ("schema", "merge_key", "on_duplicate")  # that an asset may have for its table


class DuckDBMergeIOManager(dg.ConfigurableIOManager):
    """Merge what an asset returns into a DuckDB table by a key; load tables for other assets.

    An asset may return an Arrow table or reader, anything with `__arrow_c_stream__` (a DataFrame of
    polars or pandas, a DuckDB relation), or an iterable of dictionaries or of Arrow data. Its table
    is the last part of its key. Its metadata may name the `schema` (`main` by default), the
    `merge_key` (`id` by default) and `on_duplicate` (`refuse`, or `last` to let the last row win).
    Rows are inserted and updated, never deleted. Only a `Reading`, which an endpoint's asset
    returns, can prove that records are gone.

    The database is open while a table is inspected and while rows are merged, not while they are
    read. A failure leaves the table unchanged.
    """

    database: dg.ResourceDependency[DuckDBResource]
    deleted_rows: DeletionPolicy = Field(
        default=DeletionPolicy.erase, description=Settings.model_fields["deleted_rows"].description
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Check the database, which Dagster does not.

        Raises:
            dagster.Failure: it is no resource for DuckDB.
        """
        if not isinstance(self.database, DuckDBResource):
            raise dg.Failure(
                f"The database of DuckDBMergeIOManager is of type {type(self.database).__name__}: "
                'pass RecruitDatabase(database="x.duckdb"), or another DuckDBResource.',
                allow_retries=False,
            )

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Merge the rows that an asset returned, in one transaction, and report the counts.

        Raises:
            dagster.Failure: the merge failed; the message says what happened and what to do.
        """
        with as_dagster_failure(self._setting_names()):
            if isinstance(obj, Reading):
                self._sync(context, obj)
            else:
                self._upsert(context, obj)

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the current rows of an upstream asset's table, without bookkeeping columns.

        They are a DataFrame of polars or pandas if the input is annotated so, else an Arrow table.
        The database is closed again before the step begins.

        Raises:
            dagster.Failure: the asset was never materialized, or the database cannot be used.
        """
        schema, name = _loaded_from(context)
        with as_dagster_failure(self._setting_names()):
            if not self._exists():
                raise missing_table(name, schema)
            with self.database.get_connection() as database:
                rows = database.sql(f"SELECT * FROM {existing_table(database, name, schema)}")
                if BOOKKEEPING.keys() <= set(rows.columns):
                    rows = rows.filter(CURRENT)
                    rows = rows.project(f"* EXCLUDE ({', '.join(BOOKKEEPING)})")
                return _as(context.dagster_type.typing_type, rows)

    def _upsert(self, context: dg.OutputContext, rows: object) -> None:
        about = context.definition_metadata or {}
        _refuse_misspelled(context.asset_key.to_user_string(), about)
        target = Target(
            schema=_said(about, "schema", DEFAULT_SCHEMA),
            table=context.asset_key.path[-1],
            owner=context.asset_key.to_user_string(),
            key=_said(about, "merge_key", "id"),
            on_duplicate=_said(about, "on_duplicate", "refuse"),  # type: ignore[arg-type]
        )
        result = upsert_rows(self.database.get_connection, target, rows, context.run_id)
        _log_upsert(context, target, result)
        context.add_output_metadata(upserted(target, result))

    def _sync(self, context: dg.OutputContext, reading: Reading) -> None:
        name, log = reading.endpoint.name, OneLineLog(context.log)
        wait, waited = getattr(self.database, "wait_seconds", DEFAULT_WAIT), list[bool]()

        def waiting() -> None:
            waited.append(True)
            log.info(f"{name}: another sync of it is running; waiting for {wait:.0f} s at most.")

        with reading, lease(self.database.database, name, wait, waiting) as is_ours:
            if not is_ours:
                context.add_output_metadata(_left_to_another(log, reading))
                return
            result = Sync(
                reading,
                self.database.get_connection,
                self._exists,
                context.run_id,
                self.deleted_rows,
            ).run(again=bool(waited))
        _log(context, result)
        context.add_output_metadata(
            {
                **facts(result),
                **counts(result),
                **(
                    {"would_be_deleted": result.gone}
                    if reading.options.dry_run
                    else stored(reading.endpoint, result)
                ),
            }
        )

    def _setting_names(self) -> dict[str, str]:
        return getattr(self.database, "setting_names", {})

    def _exists(self) -> bool:
        return exists(self.database.database)


def _refuse_misspelled(asset: str, metadata: Mapping[str, Any]) -> None:
    """Refuse metadata with a name that is nearly one of ours.

    Raises:
        BadSetting: as if ignored, the rows would be merged in another way than was meant.
    """
    for name in sorted(metadata.keys() - set(METADATA)):
        if near := get_close_matches(name.lower(), METADATA, 1, 0.8):
            raise BadSetting(
                f"The metadata of the asset {asset} has {name}: do you mean {near[0]}? Nothing was "
                "written."
            )


def _said(metadata: Mapping[str, Any], name: str, default: str) -> str:
    """Return a text of an asset's metadata, which Dagster may have wrapped."""
    value = metadata.get(name)
    value = getattr(value, "value", value)
    return default if value is None else str(value)


def _loaded_from(context: dg.InputContext) -> tuple[str, str]:
    """Return schema and table of an input, from the metadata of the asset or of the input."""
    upstream = context.upstream_output.definition_metadata if context.upstream_output else None
    about = {**(upstream or {}), **(context.definition_metadata or {})}
    named = _said(about, "dagster/table_name", "").rpartition(".")
    if named[0]:  # an asset of ours, whatever its key has become
        return named[0], named[2]
    return _said(about, "schema", DEFAULT_SCHEMA), context.asset_key.path[-1]


def _as(kind: object, rows: duckdb.DuckDBPyRelation) -> Any:
    """Return rows as the type of an input; only a module that is imported can be its type."""
    polars, pandas = sys.modules.get("polars"), sys.modules.get("pandas")
    if polars and kind is polars.DataFrame:
        return rows.pl()
    if polars and kind is polars.LazyFrame:
        return rows.pl().lazy()
    if pandas and kind is pandas.DataFrame:
        return rows.df()
    return rows.to_arrow_table()


def _log_upsert(context: dg.OutputContext, target: Target, result: UpsertResult) -> None:
    name, merged, log = f"{target.schema}.{target.table}", result.merged, OneLineLog(context.log)
    for column, times in sorted(result.unparsed.items()):
        log.warning(
            f"{name}.{column}: {times:,} values did not fit the column and are kept in _unparsed"
        )
    log.info(
        f"{name}: {merged.inserted:,} inserted, {merged.updated:,} updated, {merged.unchanged:,} "
        f"unchanged, {merged.undeleted:,} undeleted"
    )


def _left_to_another(log: OneLineLog, reading: Reading) -> dict[str, Any]:
    """Say that another sync of the endpoint goes on; return the metadata of this one."""
    reason = f"Another sync of {reading.endpoint.name} is running, so this one has stored nothing."
    log.warning(reason)
    return {"verdict": ELSEWHERE, "reason": reason}


def _log(context: dg.OutputContext, result: SyncResult) -> None:
    reading, report, merged = result.reading, result.report, result.merged
    name = reading.endpoint.name
    log = OneLineLog(context.log)
    if report.verdict is Verdict.UNAVAILABLE:
        log.warning(f"{report.reason} The rows of {name} stay as they are.")
        if last := reading.state.complete_at:
            log.warning(
                f"{name} could be read until {last:%Y-%m-%d %H:%M} UTC. Was the key's scope "
                "reduced, or did an add-on end?"
            )
        return
    for column, times in sorted(result.unparsed.items()):
        log.warning(
            f"{name}.{column}: {times} values did not fit the column and are kept in _unparsed"
        )
    if reading.crowded:
        context.log.warning(f"{name}: {CROWDED}")
    if report.verdict is Verdict.INCOMPLETE:
        log.warning(
            f"{name}: the records that were read are stored, but cannot be proven complete "
            f"({report.reason}): nothing is marked deleted. The next sync tries again."
        )
    again = f" ({merged.repeated:,} of them read twice)" if merged.repeated else ""
    dry = "dry run, nothing was written: " if reading.options.dry_run else ""
    log.info(
        f"{name}: {dry}{report.verdict.value}; "
        f"{report.records - merged.repeated:,} records{again}, pages: {report.pages:,}; "
        f"{merged.inserted:,} inserted, {merged.updated:,} updated, {merged.unchanged:,} "
        f"unchanged, {result.deleted:,} deleted, {merged.undeleted:,} undeleted"
    )
    if result.cover and result.read_as_of and reading.mode is Mode.incremental:
        log.info(
            f"{name}: a part of the list was read again, so every record was read at "
            f"{result.read_as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC or later"
        )
    if result.kept:
        log.info(f"{name}: {result.kept:,} rows were not in the list, and are there")
