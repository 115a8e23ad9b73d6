"""The marts and the report as Dagster assets, downstream of the endpoint assets that they read.

All marts are one step: they are built in one transaction, from one snapshot of the tables. If one
is wrong, none is replaced.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import duckdb

from recruit_assets.account import Account
from recruit_assets.errors import BadSetting
from recruit_assets.load.layout import check_layout
from recruit_assets.load.schema import SCHEMA
from recruit_assets.load.sql import literal
from recruit_assets.marts.build import MARTS_SCHEMA, Built, build, inspect
from recruit_assets.marts.charts import ChartData, as_markdown, query_chart
from recruit_assets.marts.mart import MARTS, Mart, marts_of
from recruit_assets.marts.report import gather, render, report_path, write
from recruit_assets.marts.stage_rules import read_rules, rules_path
from recruit_assets.resources import RecruitDatabase, as_dagster_failure

GROUP, REPORT = "marts", "report"
ABOUT_REPORT = (
    "One page that answers the questions of hiring: funnel, time to hire, sources, offers, "
    "what candidates say, what is stuck, and how fresh the tables are. It needs no network."
)
CHECK, ENOUGH = "mart_is_correct", "enough_is_known"
PROMISE = (
    "The grain is unique, rates are between 0 and 1, and totals agree with the endpoints' tables."
)
WARNING = (
    "Warns if the stage of more than 1 % of the applications is not known, so that nobody can say "
    "who is hired, or if the last moves of more than 1 % do not lead to where they are. The report "
    "shows none of the figures that depend on an unknown stage."
)


def mart_specs(account: Account, endpoints: Collection[str]) -> dict[str, dg.AssetSpec]:
    """Return the specs of the marts' assets and of the report's, by name, without dependencies.

    A mart is left out if it reads an endpoint that is not among these; the report needs all marts.
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
    if len(kept) < len(MARTS):
        return specs
    report = dg.AssetSpec(
        account.key(REPORT), group_name=group, description=ABOUT_REPORT, kinds={"html"}
    )
    return specs | {REPORT: report}


def build_mart_assets(
    account: Account, specs: Mapping[str, dg.AssetSpec], tables: Mapping[str, dg.AssetKey]
) -> list[dg.AssetsDefinition]:
    """Build the asset of all marts, and that of the report, as far as there are specs.

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
    marts = [_build_marts(account, with_deps, by_key)] if kept else []
    if REPORT not in specs:
        return marts
    report = specs[REPORT].merge_attributes(deps=list(by_key))
    return [*marts, _build_report(account, report)]


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
        with as_dagster_failure(), _opened(resource) as database:
            inspected = {key: inspect(database, by_key[key]) for key in asked}
            rules = read_rules(rules_path(resource.database))
            built = dict(zip(chosen, build(database, chosen.values(), rules), strict=True))
            wrong = [each for each in built.values() if each.wrong]
            charts = {k: query_chart(database, m) for k, m in chosen.items() if not wrong}
        yield from check_results(inspected | built, checks)
        if wrong:
            raise dg.Failure(explanation(wrong), allow_retries=False)
        for key, each in built.items():
            yield dg.MaterializeResult(asset_key=key, metadata=metadata(each, charts[key]))

    return marts


def _build_report(account: Account, spec: dg.AssetSpec) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=account.op(REPORT), specs=[spec], required_resource_keys={account.database}
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        """Write the page next to the database; replace the old page once the new is complete."""
        resource: RecruitDatabase = getattr(context.resources, account.database)
        with as_dagster_failure(), _opened(resource) as database:
            contents = gather(database)
        with as_dagster_failure():
            path = write(render(contents), report_path(resource.database))
        context.log.info(f"The hiring report is in {path}.")
        return dg.MaterializeResult(
            metadata={"path": dg.MetadataValue.path(path), "size_bytes": path.stat().st_size}
        )

    return report


@contextmanager
def _opened(resource: RecruitDatabase) -> Iterator[duckdb.DuckDBPyConnection]:
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
    }
