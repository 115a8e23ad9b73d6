"""The marts as Dagster assets, downstream of the endpoint assets that they read.

All marts are one step: they are built in one transaction, from one snapshot of the tables. If one
is wrong, none is replaced.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import duckdb

from recruit_assets.account import Account
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.errors import DatabaseProblem
from recruit_assets.file_assets import (
    build_file_assets,
    file_specs,
    kept_metadata,
    opened,
    unchanged,
)
from recruit_assets.load.schema import SCHEMA
from recruit_assets.marts.build import Built, inspect
from recruit_assets.marts.charts import ChartData, as_markdown, query_chart
from recruit_assets.marts.custom_fields import ensure_custom_views
from recruit_assets.marts.mart import MARTS, MARTS_SCHEMA, Mart, marts_of
from recruit_assets.marts.refresh import refresh_marts
from recruit_assets.marts.rules import Rules
from recruit_assets.resources import RecruitDatabase

GROUP = "marts"
CHECK, ENOUGH = "mart_is_correct", "enough_is_known"
PROMISE = (
    "The grain is unique, rates are between 0 and 1, and totals agree with the endpoints' tables."
)
WARNING = (
    "Warns if the stage of more than 1 % of the applications is not known, so that nobody can say "
    "who is hired, or if the last moves of more than 1 % do not lead to where they are. The report "
    "shows none of the figures that depend on an unknown stage."
)


def mart_specs(
    account: Account, endpoints: Collection[str], *, parquet: bool = False
) -> dict[str, dg.AssetSpec]:
    """Return the specs of the marts' assets and of their files, by name, without dependencies.

    A mart is left out if it reads an endpoint that is not among these.

    Args:
        account: the account, which names assets and groups.
        endpoints: the names of its endpoints.
        parquet: whether the marts are to be Parquet files as well.
    """
    group, kept = account.named(GROUP), marts_of(endpoints)
    specs = {
        mart.name: dg.AssetSpec(
            account.key(mart.name),
            group_name=group,
            description=mart.description,
            kinds={"duckdb", "sql"},
            metadata={
                "dagster/table_name": f"{MARTS_SCHEMA}.{mart.name}",
                "grain": ", ".join(mart.grain),
            },
        )
        for mart in kept
    }
    return specs | file_specs(account, group, kept, parquet=parquet)


def build_mart_assets(
    account: Account, specs: Mapping[str, dg.AssetSpec], tables: Mapping[str, dg.AssetKey]
) -> list[dg.AssetsDefinition]:
    """Build the asset of all marts, and those of their files, as far as there are specs.

    Args:
        account: the account, which names ops and resources.
        specs: those of `mart_specs`, which may have been changed.
        tables: the assets of the account's endpoints, by table.
    """
    keys = {**tables, **{name: spec.key for name, spec in specs.items()}}
    kept = [mart for mart in MARTS if mart.name in specs]
    with_deps = [
        specs[mart.name].merge_attributes(
            deps=sorted(
                keys[name]
                for schema, name in mart.reads
                if schema in {MARTS_SCHEMA, SCHEMA} and name in keys
            )
        )
        for mart in kept
    ]
    by_key = {specs[mart.name].key: mart for mart in kept}
    if not kept:
        return []
    return [_build_marts(account, with_deps, by_key), *build_file_assets(account, specs, by_key)]


def _build_marts(
    account: Account, specs: Sequence[dg.AssetSpec], by_key: Mapping[dg.AssetKey, Mart]
) -> dg.AssetsDefinition:
    """Build the asset of all marts, in order of dependency."""

    @dg.multi_asset(
        name=account.op(GROUP),
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=key, description=PROMISE, blocking=True)
            for key in by_key
        ]
        + [
            dg.AssetCheckSpec(ENOUGH, asset=key, description=WARNING)
            for key, mart in by_key.items()
            if mart.expected
        ],
        can_subset=True,
        required_resource_keys={account.database},
    )
    def marts(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
        """Build the chosen marts; if one of them is wrong, replace none."""
        resource: RecruitDatabase = getattr(context.resources, account.database)
        chosen = {key: mart for key, mart in by_key.items() if key in context.selected_asset_keys}
        checks = context.selected_asset_check_keys
        asked = {key.asset_key for key in checks} - chosen.keys()
        with as_dagster_failure(), opened(resource) as database:
            inspected = dict(
                zip(asked, inspect(database, [by_key[key] for key in asked]), strict=True)
            )
            _make_custom_views(context.log, database, private=resource.private_fields)
            rules = Rules.read(resource.database)
            built = dict(zip(chosen, refresh_marts(database, chosen.values(), rules), strict=True))
            wrong = [each for each in built.values() if each.wrong]
            charts = {k: query_chart(database, m) for k, m in chosen.items() if not wrong}
        yield from check_results(inspected | built, checks)
        if wrong:
            raise dg.Failure(explanation(wrong), allow_retries=False)
        if kept := next((each.kept_since for each in built.values()), None):
            context.log.info(f"The marts were not built again: {unchanged(kept)}")
        for key, each in built.items():
            yield dg.MaterializeResult(asset_key=key, metadata=metadata(each, charts[key]))

    return marts


def _make_custom_views(
    log: dg.DagsterLogManager, database: duckdb.DuckDBPyConnection, *, private: bool
) -> None:
    """Create the views of custom fields; the marts do not need them, so a problem is a warning."""
    try:
        ensure_custom_views(database, private=private)
    except DatabaseProblem as problem:
        log.warning(f"The views of custom fields were not made: {problem}")


def check_results(
    found: Mapping[dg.AssetKey, Built], chosen: Collection[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the chosen checks, of marts that were built or inspected."""
    for key in sorted(chosen, key=str):
        mart = found[key.asset_key]
        by_kind = mart.faults if key.name == CHECK else {"unmet": mart.unmet}
        faults = {kind: each for kind, each in by_kind.items() if each}
        warns = key.name == ENOUGH
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not faults,
            severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
            metadata=faults,
        )


def explanation(wrong: list[Built]) -> str:
    """Return a message that says which marts are wrong, and what to do."""
    found = [
        f"{each.mart.name}: wrong {kind} ({fault} does not hold)"
        for each in wrong
        for kind, faults in each.faults.items()
        for fault in faults
    ]
    return (
        f"{'; '.join(found)}. No mart was replaced. If its SQL was changed, correct it. If a "
        "sync ran at the same time, materialize the marts again."
    )


def metadata(built: Built, chart: ChartData) -> dict[str, Any]:
    """Return the metadata of a mart for Dagster: rows, columns and the picture."""
    meanings = built.mart.columns
    columns = [dg.TableColumn(name, kind, meanings[name]) for name, kind in built.types.items()]
    return {
        "picture": dg.MetadataValue.md(as_markdown(chart)),
        "dagster/row_count": built.rows,
        "dagster/column_schema": dg.TableSchema(columns),
        **kept_metadata(built.kept_since),
    }
