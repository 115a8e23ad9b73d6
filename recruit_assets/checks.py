"""The checks: what is proven of a table each time that its asset is materialized.

What lives here: the checks of an endpoint, and what they find in its table. To add one: its spec,
and what it finds. They run in the step of the asset (see `assets`), as a step of their own costs
more than what they look at. A blocking check stops what lies downstream.
"""

from collections.abc import Iterator

import dagster as dg

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.schema import count, existing_table, repeated_ids, rows_in_file
from recruit_assets.resources import RecruitDatabase, explained

SMALL = 100_000  # rows that a table may keep in the file before anybody minds


def build_checks(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    """The checks of an endpoint's table."""
    return [
        dg.AssetCheckSpec(
            "ids_are_unique",
            asset=endpoint.name,
            description="No id stands in the table twice, as there is no key that forces it.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "is_compact",
            asset=endpoint.name,
            description=(
                "Rows that were replaced or deleted take less room in the file than those that "
                "are there. If not, run the job `compact` when nobody else uses the file."
            ),
        ),
    ]


def look(endpoint: Endpoint, duckdb: RecruitDatabase) -> Iterator[dg.AssetCheckResult]:
    """What the checks find in the table as it is now.

    Raises:
        dagster.Failure: the asset was never materialized, or the database cannot be used.
    """
    with explained(), duckdb.get_connection() as database:
        table = existing_table(database, endpoint.name)
        repeated = repeated_ids(database, table)
        rows, kept = count(database, table), rows_in_file(database, endpoint.name)
    yield dg.AssetCheckResult(
        check_name="ids_are_unique", passed=not repeated, metadata={"repeated_ids": repeated}
    )
    yield dg.AssetCheckResult(
        check_name="is_compact",
        passed=kept <= max(2 * rows, SMALL),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": rows, "rows_in_file": kept},
    )
