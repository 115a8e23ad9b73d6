"""The IO manager: syncs an endpoint into DuckDB, merging by `id`, and reports it to Dagster.

Contains the log messages of a sync. `sync` defines the order of its steps, `metadata` the numbers
in the UI.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster_duckdb import DuckDBResource
from pydantic import Field

from recruit_assets import settings
from recruit_assets.catalogue import Endpoint
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.source import Source
from recruit_assets.load.connection import check_path
from recruit_assets.load.schema import existing_table, missing_table
from recruit_assets.load.sweep import DeletionPolicy
from recruit_assets.metadata import CROWDED, counts, facts, look_of, stored
from recruit_assets.options import Options
from recruit_assets.resources import explained
from recruit_assets.store import SyncResult
from recruit_assets.sync import Sync
from recruit_assets.text import OneLineLog


@dataclass(frozen=True)
class Delivery:
    """Hold the output of an asset: an endpoint that is not read yet, and its sync options."""

    source: Source
    options: Options


class DuckDBMergeIOManager(dg.ConfigurableIOManager):
    """Store an endpoint by merging it by `id` into `recruit.<asset>`; load the table as Arrow.

    The database is open while the table is inspected and while rows are merged, not while the API
    is read. A failure leaves the table unchanged.
    """

    database: dg.ResourceDependency[DuckDBResource]
    deleted_rows: DeletionPolicy = Field(
        default=DeletionPolicy.erase, description=settings.DELETED_ROWS.meaning
    )

    def handle_output(self, context: dg.OutputContext, obj: Delivery) -> None:
        """Sync the endpoint: read, merge in one transaction, and report.

        Raises:
            dagster.Failure: the sync failed; the message says what happened and what to do.
        """
        if not isinstance(obj, Delivery):
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} returned a {type(obj).__name__}, and this "
                "IO manager stores walks of the API only: give the asset another io_manager_key.",
                allow_retries=False,
            )
        with explained():
            self._store(context, obj)

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Return the current rows of an upstream asset's table, with every column.

        Raises:
            dagster.Failure: the asset was never materialized, or the database cannot be used.
        """
        name = context.asset_key.path[-1]
        with explained():
            if not self._is_there():
                raise missing_table(name)
            with self.database.get_connection() as database:
                table = existing_table(database, name)
                current = f"SELECT * FROM {table} WHERE _deleted_at IS NULL"
                return database.sql(current).to_arrow_table()

    def _store(self, context: dg.OutputContext, delivery: Delivery) -> None:
        endpoint = delivery.source.endpoint
        options = replace(delivery.options, deletion_policy=self.deleted_rows)
        connect, exists = self.database.get_connection, self._is_there
        result = Sync(delivery.source, connect, exists, options, context.run_id).run()
        _log(context, endpoint, result, options)
        context.add_output_metadata(
            {
                **facts(result),
                **counts(result, delivery.source.stats),
                **(
                    {"would_be_deleted": result.gone}
                    if options.dry_run
                    else stored(endpoint, result) | self._shown(endpoint)
                ),
            }
        )

    def _shown(self, endpoint: Endpoint) -> dict[str, Any]:
        with self.database.get_connection() as database:
            return look_of(database, endpoint)

    def _is_there(self) -> bool:
        """Return whether the database exists, without opening it, which would create it."""
        check_path(self.database.database)
        return Path(self.database.database).exists()


def _log(
    context: dg.OutputContext, endpoint: Endpoint, result: SyncResult, options: Options
) -> None:
    name, report, merged = endpoint.name, result.report, result.merged
    log = OneLineLog(context.log)
    if report.verdict is Verdict.UNAVAILABLE:
        log.warning(f"{report.reason} The rows of {name} stay as they are.")
        if last := result.state.complete_at:
            log.warning(
                f"{name} could be read until {last:%Y-%m-%d %H:%M} UTC. Was the key's scope "
                "reduced, or did an add-on end?"
            )
        return
    for column, times in sorted(result.unparsed.items()):
        log.warning(
            f"{name}.{column}: {times} values did not fit the column and are kept in _unparsed"
        )
    if result.crowded:
        context.log.warning(f"{name}: {CROWDED}")
    if report.verdict is Verdict.INCOMPLETE:
        log.warning(
            f"{name}: what came is stored, but it cannot be proven complete ({report.reason}): "
            "nothing is marked deleted. The next sync tries again."
        )
    dry = "dry run, nothing was written: " if options.dry_run else ""
    log.info(
        f"{name}: {dry}{report.verdict.value}; "
        f"{report.records:,} records, pages: {report.pages:,}; "
        f"{merged.inserted:,} inserted, {merged.updated:,} updated, {merged.unchanged:,} "
        f"unchanged, {result.deleted:,} deleted, {merged.undeleted:,} undeleted"
    )
    if result.kept:
        log.info(f"{name}: {result.kept:,} rows were not in the list, and are there")
