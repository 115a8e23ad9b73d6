"""The 18 assets: one per endpoint of `endpoints`, each made by the same function."""

import dagster as dg
from pydantic import Field

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.io_manager import Delivery, column_schema
from recruit_assets.load.schema import SCHEMA
from recruit_assets.resources import RecruitApi
from recruit_assets.sync import Mode, Options


class SyncConfig(dg.Config):
    """What can be chosen for one run, in the launchpad or a job."""

    mode: Mode = Field(
        default=Mode.auto,
        description=(
            "full: read the whole list. incremental: read what has changed since the last good "
            "sync, where the API can be asked for that. auto: incremental, but full when the last "
            "complete reading is older than full_after_hours."
        ),
    )
    full_after_hours: float = Field(
        default=Options.full_after_hours,
        description="How old the last complete reading may be, in hours, before auto reads all.",
    )
    allow_mass_delete: bool = Field(
        default=False,
        description=(
            "Believe the API when it shows much less than before: more than a fifth of the rows "
            "gone, or a column that was always filled now empty."
        ),
    )
    dry_run: bool = Field(
        default=False,
        description="Read and compare only: report what would be written and deleted.",
    )
    refresh_volatile: bool = Field(
        default=False,
        description=(
            "Also store the new values of attributes that change by themselves (counters, signed "
            "links) for records that are otherwise unchanged."
        ),
    )


def build_asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of an endpoint: key and table have its name."""

    @dg.asset(
        name=endpoint.name,
        group_name=endpoint.group,
        description=endpoint.description,
        io_manager_key="duckdb_merge",
        kinds={"duckdb"},
        metadata={
            "dagster/table_name": f"{SCHEMA}.{endpoint.name}",
            "dagster/column_schema": column_schema(endpoint),
        },
    )
    def read(context: dg.AssetExecutionContext, config: SyncConfig, api: RecruitApi) -> Delivery:
        options = Options(**dict(config))
        return Delivery(api.source(endpoint, context.log), options)

    return read


ASSETS = [build_asset(endpoint) for endpoint in ENDPOINTS]
