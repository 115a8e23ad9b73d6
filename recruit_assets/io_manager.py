"""The IO manager: syncs an endpoint into DuckDB, merging by `id`, and reports it to Dagster.

Contains the log messages of a sync. `sync` defines the order of its steps, `metadata` the numbers
in the UI.
"""

from typing import Any

import dagster as dg
import pyarrow as pa
from dagster_duckdb import DuckDBResource
from pydantic import Field

from recruit_assets.catalogue import DeletionPolicy, Endpoint
from recruit_assets.extract.report import Verdict
from recruit_assets.load.connection import exists
from recruit_assets.load.schema import existing_table, missing_table
from recruit_assets.metadata import CROWDED, counts, facts, look_of, stored
from recruit_assets.reading import Reading
from recruit_assets.resources import as_dagster_failure
from recruit_assets.settings import Settings
from recruit_assets.store import SyncResult
from recruit_assets.sync import Sync
from recruit_assets.text import OneLineLog


class DuckDBMergeIOManager(dg.ConfigurableIOManager):
    """Store an endpoint by merging it by `id` into `recruit.<asset>`; load the table as Arrow.

    The database is open while the table is inspected and while rows are merged, not while the API
    is read. A failure leaves the table unchanged.
    """

    database: dg.ResourceDependency[DuckDBResource]
    deleted_rows: DeletionPolicy = Field(
        default=DeletionPolicy.erase, description=Settings.model_fields["deleted_rows"].description
    )

    def handle_output(self, context: dg.OutputContext, obj: Reading) -> None:
        """Sync the endpoint: read, merge in one transaction, and report.

        Raises:
            dagster.Failure: the sync failed; the message says what happened and what to do.
        """
        if not isinstance(obj, Reading):
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} returned a {type(obj).__name__}, and this "
                "IO manager stores walks of the API only: give the asset another io_manager_key.",
                allow_retries=False,
            )
        with as_dagster_failure():
            self._sync(context, obj)

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Return the current rows of an upstream asset's table, with every column.

        Raises:
            dagster.Failure: the asset was never materialized, or the database cannot be used.
        """
        name = context.asset_key.path[-1]
        with as_dagster_failure():
            if not self._exists():
                raise missing_table(name)
            with self.database.get_connection() as database:
                table = existing_table(database, name)
                current = f"SELECT * FROM {table} WHERE _deleted_at IS NULL"
                return database.sql(current).to_arrow_table()

    def _sync(self, context: dg.OutputContext, reading: Reading) -> None:
        result = Sync(
            reading, self.database.get_connection, self._exists, context.run_id, self.deleted_rows
        ).run()
        _log(context, result)
        context.add_output_metadata(
            {
                **facts(result),
                **counts(result),
                **(
                    {"would_be_deleted": result.gone}
                    if reading.options.dry_run
                    else stored(reading.endpoint, result) | self._shown(reading.endpoint)
                ),
            }
        )

    def _shown(self, endpoint: Endpoint) -> dict[str, Any]:
        with self.database.get_connection() as database:
            return look_of(database, endpoint)

    def _exists(self) -> bool:
        return exists(self.database.database)


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
            f"{name}: what came is stored, but it cannot be proven complete ({report.reason}): "
            "nothing is marked deleted. The next sync tries again."
        )
    dry = "dry run, nothing was written: " if reading.options.dry_run else ""
    log.info(
        f"{name}: {dry}{report.verdict.value}; "
        f"{report.records:,} records, pages: {report.pages:,}; "
        f"{merged.inserted:,} inserted, {merged.updated:,} updated, {merged.unchanged:,} "
        f"unchanged, {result.deleted:,} deleted, {merged.undeleted:,} undeleted"
    )
    if result.kept:
        log.info(f"{name}: {result.kept:,} rows were not in the list, and are there")
