"""The checks: what is proven of a table each time that its asset is materialized.

To add one: a spec in `build_checks`, and what it finds. The checks of an asset are one step, as a
step of its own costs more than what it looks at. A blocking check stops what lies downstream.
"""

from collections.abc import Iterator

import dagster as dg

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.schema import count, existing_table, repeated_ids, rows_in_file
from recruit_assets.resources import RecruitDatabase, explained

SMALL = 100_000  # rows that a table may keep in the file before anybody minds


def build_checks(endpoint: Endpoint) -> dg.AssetChecksDefinition:
    """The checks of an endpoint's table."""
    unique = dg.AssetCheckSpec(
        "ids_are_unique",
        asset=endpoint.name,
        description="No id stands in the table twice, as there is no key that forces it.",
        blocking=True,
    )
    compact = dg.AssetCheckSpec(
        "is_compact",
        asset=endpoint.name,
        description=(
            "Rows that were replaced or deleted take less room in the file than those that are "
            "there. If not, run the job `compact` when nobody else uses the file."
        ),
    )

    @dg.multi_asset_check(name=f"{endpoint.name}_checks", specs=[unique, compact], can_subset=True)
    def checks(
        context: dg.AssetCheckExecutionContext, duckdb: RecruitDatabase
    ) -> Iterator[dg.AssetCheckResult]:
        with explained(), duckdb.get_connection() as database:
            table = existing_table(database, endpoint.name)
            repeated = repeated_ids(database, table)
            rows, kept = count(database, table), rows_in_file(database, endpoint.name)
        found = [
            dg.AssetCheckResult(
                check_name=unique.name, passed=not repeated, metadata={"repeated_ids": repeated}
            ),
            dg.AssetCheckResult(
                check_name=compact.name,
                passed=kept <= max(2 * rows, SMALL),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"rows": rows, "rows_in_file": kept},
            ),
        ]
        chosen = {key.name for key in context.selected_asset_check_keys}
        yield from (each for each in found if each.check_name in chosen)

    return checks


CHECKS = [build_checks(endpoint) for endpoint in ENDPOINTS]
