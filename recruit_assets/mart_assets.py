"""The marts and the report as Dagster assets, downstream of the endpoint assets that they read.

All marts are one step: they are built in one transaction, from one snapshot of the tables. If one
is wrong, none is replaced.
"""

from collections.abc import Collection, Iterator
from typing import Any

import dagster as dg

from recruit_assets.load.schema import SCHEMA
from recruit_assets.marts.build import MARTS_SCHEMA, Built, build, inspect
from recruit_assets.marts.charts import ChartData, as_markdown, look
from recruit_assets.marts.mart import MARTS, Mart
from recruit_assets.marts.report import gather, render, report_path, write
from recruit_assets.resources import RecruitDatabase, explained

GROUP = "marts"
CHECKED = {
    "grain_is_unique": "No two rows stand for the same, as when a join finds several.",
    "rates_are_rates": "What is a part of a whole is between 0 and 1.",
    "totals_agree": "What is added up agrees with the endpoints' tables.",
}


def mart_spec(mart: Mart) -> dg.AssetSpec:
    """Return the spec of a mart's asset, which depends on the tables that its SQL names."""
    return dg.AssetSpec(
        mart.name,
        group_name=GROUP,
        description=mart.description,
        deps=sorted(name for schema, name in mart.reads if schema in {MARTS_SCHEMA, SCHEMA}),
        kinds={"duckdb", "sql"},
        metadata={
            "dagster/table_name": f"{MARTS_SCHEMA}.{mart.name}",
            "grain": ", ".join(mart.grain),
        },
    )


@dg.multi_asset(
    name=GROUP,
    specs=[mart_spec(mart) for mart in MARTS],
    check_specs=[
        dg.AssetCheckSpec(check, asset=mart.name, description=meaning, blocking=True)
        for mart in MARTS
        for check, meaning in CHECKED.items()
    ],
    can_subset=True,
)
def marts(
    context: dg.AssetExecutionContext, duckdb: RecruitDatabase
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """Build the chosen marts; if one of them is wrong, replace none."""
    chosen = [mart for mart in MARTS if dg.AssetKey(mart.name) in context.selected_asset_keys]
    checks = context.selected_asset_check_keys
    asked = {key.asset_key for key in checks} - context.selected_asset_keys
    with explained(), duckdb.get_connection() as database:
        faults = {m.name: inspect(database, m) for m in MARTS if dg.AssetKey(m.name) in asked}
        built = build(database, chosen)
        wrong = [each for each in built if each.wrong]
        seen = {} if wrong else {each.name: look(database, each) for each in chosen}
    faults |= {each.mart.name: each.faults for each in built}
    yield from check_results(faults, checks)
    if wrong:
        raise dg.Failure(explanation(wrong), allow_retries=False)
    for each in built:
        yield dg.MaterializeResult(
            asset_key=each.mart.name, metadata=metadata(each, seen[each.mart.name])
        )


def check_results(
    found: dict[str, dict[str, list[str]]], chosen: Collection[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the chosen checks; `found` holds the faults by mart and check."""
    for key in sorted(chosen, key=str):
        faults = found[key.asset_key.path[-1]][key.name]
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not faults,
            metadata={"does_not_hold": faults} if faults else {},
        )


def explanation(wrong: list[Built]) -> str:
    """Return a message that says which marts are wrong, and what to do."""
    found = [
        f"{each.mart.name}: {check} ({fault})"
        for each in wrong
        for check, faults in each.faults.items()
        for fault in faults
    ]
    return (
        f"{'; '.join(found)}. No mart was replaced. If somebody changed the SQL, look there; if a "
        "sync ran at the same time, materialize the marts again."
    )


def metadata(built: Built, seen: ChartData) -> dict[str, Any]:
    """Return the metadata of a mart for Dagster: rows, columns and the picture."""
    meanings = built.mart.columns
    columns = [dg.TableColumn(name, kind, meanings[name]) for name, kind in built.types.items()]
    return {
        "picture": dg.MetadataValue.md(as_markdown(seen)),
        "dagster/row_count": built.rows,
        "dagster/column_schema": dg.TableSchema(columns),
    }


@dg.asset(
    group_name=GROUP,
    deps=[mart.name for mart in MARTS],
    kinds={"html"},
    description=(
        "One page that answers the questions of hiring: funnel, time to hire, sources, offers, "
        "what candidates say, what is stuck, and how fresh the tables are. It needs no network."
    ),
)
def report(duckdb: RecruitDatabase) -> dg.MaterializeResult[None]:
    """Write the page next to the database; replace the old page once the new one is complete."""
    with explained(), duckdb.get_connection() as database:
        contents = gather(database)
    with explained():
        path = write(render(contents), report_path(duckdb.database))
    return dg.MaterializeResult(
        metadata={"path": dg.MetadataValue.path(path), "size_bytes": path.stat().st_size}
    )


MART_ASSETS = [marts, report]
