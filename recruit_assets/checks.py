"""The checks: what is proven of a table each time that its asset is materialized.

To add one: a function like `build_check`, and a line in `CHECKS`. A blocking check stops what lies
downstream of its asset.
"""

import dagster as dg

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.schema import existing_table, repeated_ids
from recruit_assets.resources import RecruitDatabase, explained


def build_check(endpoint: Endpoint) -> dg.AssetChecksDefinition:
    """The check that an endpoint's table has each id once, as there is no key that forces it."""

    @dg.asset_check(
        asset=endpoint.name,
        name="ids_are_unique",
        description="No id stands in the table twice.",
        blocking=True,
    )
    def ids_are_unique(duckdb: RecruitDatabase) -> dg.AssetCheckResult:
        with explained(), duckdb.get_connection() as database:
            repeated = repeated_ids(database, existing_table(database, endpoint.name))
        return dg.AssetCheckResult(passed=not repeated, metadata={"repeated_ids": repeated})

    return ids_are_unique


CHECKS = [build_check(endpoint) for endpoint in ENDPOINTS]
