"""The 18 assets: one per endpoint of `endpoints`, each made by the same function."""

import dagster as dg
from pydantic import Field

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.io_manager import Delivery, column_schema
from recruit_assets.load.schema import SCHEMA
from recruit_assets.resources import RecruitApi


class SyncConfig(dg.Config):
    """What can be chosen for one run, in the launchpad or a job."""

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
        return Delivery(api.walk(endpoint, context.log), config.refresh_volatile)

    return read


ASSETS = [build_asset(endpoint) for endpoint in ENDPOINTS]
