"""The syncs alone, as assets without checks, previews and metadata: what `speed` compares with."""

from pathlib import Path

import dagster as dg

from recruit_assets import definitions
from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.options import Options
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.sync import Sync


def build_asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of an endpoint, bare."""

    @dg.asset(name=endpoint.name)
    def read(
        context: dg.AssetExecutionContext,
        recruit_api: RecruitApi,
        recruit_database: RecruitDatabase,
    ) -> None:
        state = recruit_database.state(endpoint)
        reading = recruit_api.read(endpoint, state, Options(), context.log)
        exists = Path(recruit_database.database).exists
        Sync(reading, recruit_database.get_connection, exists, context.run_id).run()

    return read


defs = dg.Definitions(
    [build_asset(endpoint) for endpoint in ENDPOINTS],
    resources=definitions.defs.resources,
    executor=definitions.defs.executor,
)
