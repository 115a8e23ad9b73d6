"""The files that are made of the marts, as Dagster assets: the report, and the marts as Parquet.

Contains also what they share with the marts: opening the database, and what was not made again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from recruit_assets.account import Account
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.errors import BadSetting
from recruit_assets.load.layout import check_layout
from recruit_assets.load.sql import literal
from recruit_assets.marts.mart import MARTS, Mart
from recruit_assets.marts.parquet import write_files
from recruit_assets.marts.refresh import REPORT, refresh_report
from recruit_assets.marts.report import report_path
from recruit_assets.resources import RecruitDatabase

PARQUET = "parquet"
ABOUT_REPORT = (
    "One page that answers the questions of hiring: funnel, time to hire, sources, offers, "
    "what candidates say, what is stuck, and how fresh the tables are. It needs no network."
)
ABOUT_PARQUET = (
    "One Parquet file of each mart, in the folder of the setting `parquet_folder`. They have the "
    "rows of the tables, and nothing personal."
)


def file_specs(
    account: Account, group: str, marts: Collection[Mart], *, parquet: bool
) -> dict[str, dg.AssetSpec]:
    """Return the specs of the files' assets, by name; the report needs all marts."""
    kinds = {REPORT: (ABOUT_REPORT, "html")} if len(marts) == len(MARTS) else {}
    if parquet and marts:
        kinds[PARQUET] = (ABOUT_PARQUET, "parquet")
    return {
        name: dg.AssetSpec(
            account.key(name), group_name=group, description=description, kinds={kind}
        )
        for name, (description, kind) in kinds.items()
    }


def build_file_assets(
    account: Account, specs: Mapping[str, dg.AssetSpec], marts: Mapping[dg.AssetKey, Mart]
) -> list[dg.AssetsDefinition]:
    """Build the assets of the files that have specs, downstream of these marts."""
    built = []
    for name, making in ((REPORT, _write_report), (PARQUET, _write_parquet)):
        if name in specs:
            spec = specs[name].merge_attributes(deps=list(marts))
            built.append(_build(account, name, spec, making, list(marts.values())))
    return built


def _build(
    account: Account,
    name: str,
    spec: dg.AssetSpec,
    making: Callable[..., dict[str, Any]],
    marts: Collection[Mart],
) -> dg.AssetsDefinition:
    """Build the asset of a file; `making` writes it, and returns the metadata."""

    @dg.multi_asset(name=account.op(name), specs=[spec], required_resource_keys={account.database})
    def file(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        """Write the file; replace the old one once the new one is complete."""
        resource: RecruitDatabase = getattr(context.resources, account.database)
        with as_dagster_failure(), opened(resource) as database:
            metadata = making(database, resource, marts, context.log)
        return dg.MaterializeResult(metadata=metadata)

    return file


def _write_report(
    database: duckdb.DuckDBPyConnection,
    resource: RecruitDatabase,
    _: Collection[Mart],
    log: dg.DagsterLogManager,
) -> dict[str, Any]:
    path = report_path(resource.database)
    kept = refresh_report(database, path, names=resource.report_names)
    log.info(
        f"The hiring report is in {path}."
        + (f" It was not written again: {unchanged(kept)}" if kept else "")
    )
    return {
        "path": dg.MetadataValue.path(path),
        "size_bytes": path.stat().st_size,
        **kept_metadata(kept),
    }


def _write_parquet(
    database: duckdb.DuckDBPyConnection,
    resource: RecruitDatabase,
    marts: Collection[Mart],
    log: dg.DagsterLogManager,
) -> dict[str, Any]:
    folder = Path(resource.parquet_folder)
    written = write_files(database, marts, folder, resource.account)
    log.info(
        f"The marts are Parquet files in {folder}."
        + ("" if written else " They were not written again: they have the same rows.")
    )
    return {"path": dg.MetadataValue.path(folder), "files": len(marts), "written": written}


@contextmanager
def opened(resource: RecruitDatabase) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the account's database for marts, with days in its time zone.

    Raises:
        BadSetting: the time zone is not known.
    """
    if resource.time_zone_problems:
        raise BadSetting(*resource.time_zone_problems)
    with resource.get_connection() as database:
        check_layout(database, resource.account)
        database.execute(f"SET TimeZone = {literal(resource.time_zone)}")
        yield database


def unchanged(since: datetime) -> str:
    """Return a sentence about what was built before, and would be the same now."""
    return f"nothing has changed since {since.astimezone(UTC):%-d %B %Y, %H:%M} UTC."


def kept_metadata(since: datetime | None) -> dict[str, Any]:
    """Return the metadata of what was not built again."""
    return {"unchanged_since": dg.MetadataValue.timestamp(since)} if since else {}
