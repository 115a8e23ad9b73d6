"""The IO manager: drains a walk and merges it by `id` into DuckDB.

What lives here: the order of things (look at the table, read the API, merge) and what the run
reports of it. How rows are made is in `extract.records`, how they are merged in `load.merge`.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
from dagster_duckdb import DuckDBResource

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.extract.pages import Report, Walk
from recruit_assets.extract.records import Flattener
from recruit_assets.load.connection import check_path
from recruit_assets.load.merge import Merged, merge
from recruit_assets.load.schema import (
    BOOKKEEPING,
    UNKNOWN,
    columns_of,
    existing_table,
    missing_table,
)
from recruit_assets.load.stage import Stage
from recruit_assets.resources import explained


@dataclass(frozen=True)
class Delivery:
    """What an asset hands over: a walk that has not begun, and how to merge it."""

    walk: Walk
    refresh_volatile: bool = False


class DuckDBMergeIOManager(dg.ConfigurableIOManager):
    """Stores a walk by merging it by `id` into `recruit.<asset>`; loads the table as Arrow.

    The database is open while the table is looked at and while rows are merged, not while the API
    is read. Whatever fails leaves the table as it was.
    """

    database: dg.ResourceDependency[DuckDBResource]

    def handle_output(self, context: dg.OutputContext, obj: Delivery) -> None:
        """Read the API to the end, then merge in one transaction and report.

        Raises:
            dagster.Failure: with what happened and what to do.
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
        """The living rows of an upstream asset's table, every column.

        Raises:
            dagster.Failure: the asset was never materialized, or the database cannot be used.
        """
        name = context.asset_key.path[-1]
        with explained():
            if not self._is_there():
                raise missing_table(name)
            with self.database.get_connection() as database:
                table = existing_table(database, name)
                living = f"SELECT * FROM {table} WHERE _deleted_at IS NULL"
                return database.sql(living).to_arrow_table()

    def _store(self, context: dg.OutputContext, delivery: Delivery) -> None:
        walk = delivery.walk
        flattener = Flattener(walk.endpoint, self._columns_so_far(walk.endpoint))
        with Stage() as stage:
            for page in walk:
                stage.add(flattener.rows(page.records), flattener.columns, page.answer)
            with self.database.get_connection() as database:
                merged = merge(
                    database,
                    walk.endpoint,
                    stage,
                    context.run_id,
                    refresh_volatile=delivery.refresh_volatile,
                )
                columns = columns_of(database, walk.endpoint)
        _log(context, walk, flattener, merged)
        context.add_output_metadata(
            {
                "dagster/row_count": merged.total,
                "dagster/column_schema": column_schema(walk.endpoint, columns),
                "status": "unavailable" if walk.report.unavailable else "read",
                **counts(walk.report, flattener, merged),
                "refused_parameters": walk.report.dropped,
            }
        )

    def _columns_so_far(self, endpoint: Endpoint) -> dict[str, Kind]:
        """The columns of the table by now; shows what is wrong with the database before a read."""
        if not self._is_there():
            return {}
        with self.database.get_connection() as database:
            return columns_of(database, endpoint)

    def _is_there(self) -> bool:
        """Whether the database exists, which opening it would change."""
        check_path(self.database.database)
        return Path(self.database.database).exists()


def counts(report: Report, flattener: Flattener, merged: Merged) -> dict[str, float]:
    """The numbers of a sync, plain so that Dagster plots them over time."""
    rows = {name: value for name, value in asdict(merged).items() if name != "total"}
    return {
        **rows,
        "unparsed": flattener.unparsed.total(),
        "pages": report.pages,
        "requests": report.effort.requests,
        "retries": report.effort.retries,
        "waited_seconds": round(report.effort.waited, 1),
    } | ({} if report.record_count is None else {"record_count": report.record_count})


def column_schema(endpoint: Endpoint, found: dict[str, Kind] | None = None) -> dg.TableSchema:
    """The columns of an endpoint's table for Dagster's UI: the catalogue's, or those found."""
    known = {column.name: column for column in endpoint.columns()}
    kinds = found or {column.name: column.kind for column in known.values()}
    columns = [
        dg.TableColumn(
            name,
            kind.sql,
            known[name].meaning if name in known else UNKNOWN,
            tags={"personal": ""} if name in known and known[name].personal else None,
        )
        for name, kind in kinds.items()
    ]
    columns += [dg.TableColumn(name, *rest) for name, rest in BOOKKEEPING.items()]
    return dg.TableSchema(columns)


def _log(context: dg.OutputContext, walk: Walk, flattener: Flattener, merged: Merged) -> None:
    name = walk.endpoint.name
    if walk.report.unavailable:
        context.log.warning(f"{walk.report.unavailable} The rows of {name} stay as they are.")
        return
    for column, times in sorted(flattener.unparsed.items()):
        context.log.warning(
            f"{name}.{column}: {times} values did not fit the column and are kept in _unparsed"
        )
    came = merged.inserted + merged.updated + merged.unchanged
    if walk.report.record_count not in (None, came):
        context.log.warning(
            f"{name}: the API counts {walk.report.record_count:,} records and {came:,} came. If "
            "records were added or removed meanwhile, the next sync brings what is missing."
        )
    context.log.info(
        f"{name}: {walk.report.records:,} records, pages: {walk.report.pages:,}; "
        f"{merged.inserted:,} inserted, {merged.updated:,} updated, {merged.unchanged:,} unchanged"
    )
