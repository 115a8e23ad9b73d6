"""The metadata of a table and of each sync for Dagster: columns, numbers, a preview of rows.

Numbers are plain, so that the UI plots them over time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import dagster as dg

from recruit_assets.catalogue import EXTRAS, MAX_UNKNOWN, MORE, Endpoint, Kind
from recruit_assets.load.preview import Preview
from recruit_assets.load.schema import BOOKKEEPING, SCHEMA, UNKNOWN
from recruit_assets.load.upsert import Target, UpsertResult
from recruit_assets.result import SyncResult
from recruit_assets.text import markdown, one_line

COLUMNS = 6  # of the preview; more do not fit into the UI
MAX_VALUE = 30  # characters of a value; the preview leaves out columns with longer ones

ELSEWHERE = "running elsewhere"  # in place of a verdict: another sync of the endpoint is running
CROWDED = (
    f"The API sends more than {MAX_UNKNOWN} attributes that the catalogue does not know. Those "
    f"beyond are kept by name in the column {MORE}, as JSON: select one with {MORE}->>'its name', "
    "or add those you need to endpoints.py."
)


def definition(endpoint: Endpoint) -> dict[str, Any]:
    """Return the metadata of an asset that is known before its first sync."""
    return {
        "dagster/table_name": f"{SCHEMA}.{endpoint.name}",
        "dagster/column_schema": column_schema(endpoint),
    }


def facts(result: SyncResult) -> dict[str, Any]:
    """Return the verdict and the mode of a sync, and the reasons for the verdict."""
    report = result.report
    known = {
        "reason": one_line(report.reason),
        "refused_parameters": [one_line(each) for each in report.dropped],
    }
    known |= {"unknown_attributes": CROWDED} if result.reading.crowded else {}
    known |= {"proof": report.proof.value} if report.proof else {}
    if report.resumed:
        known["resumed"] = f"{report.resumed:,} records were read before an interruption"
    return {
        "verdict": report.verdict.value,
        "mode": result.mode.value,
        **{name: value for name, value in known.items() if value},
    }


def stored(endpoint: Endpoint, result: SyncResult) -> dict[str, Any]:
    """Return the metadata of the table after a sync that was not a dry run."""
    times = {
        "cursor": result.cursor,
        "values_as_of": result.values_as_of,
        "read_as_of": result.read_as_of,
    }
    return {
        "dagster/row_count": result.current_rows,
        "dagster/column_schema": column_schema(endpoint, result.columns),
        **describe(result.preview),
        **{name: dg.MetadataValue.timestamp(time) for name, time in times.items() if time},
    }


def counts(result: SyncResult) -> dict[str, float]:
    """Return the numbers of a sync."""
    report, merged = result.report, asdict(result.merged)
    stats = result.reading.source.stats
    if not result.merged.superseded:
        del merged["superseded"]  # few syncs have any
    rare = {
        "rewritten": result.reading.state.rewritten,
        "left_out": len(result.reading.left_out.records),
    }
    return {
        "read": report.records,
        **merged,
        "deleted": result.deleted,
        "unparsed": sum(result.unparsed.values()),
        "pages": report.pages,
        "requests": stats.requests,
        "retries": stats.retries,
        "bytes": stats.bytes,
        "seconds": round(result.seconds, 2),
        "records_per_second": round(report.records / result.seconds) if result.seconds else 0,
        "seconds_waited_for_budget": round(stats.seconds_waited_for_budget, 1),
        "seconds_waited_to_retry": round(stats.seconds_waited_to_retry, 1),
        **{name: number for name, number in rare.items() if number},
    } | ({} if report.record_count is None else {"record_count": report.record_count})


def upserted(target: Target, result: UpsertResult) -> dict[str, Any]:
    """Return the metadata of a table after a merge of rows that are not from the API."""
    columns = [dg.TableColumn(one_line(name), kind) for name, kind in result.columns.items()]
    columns += [dg.TableColumn(name, *rest) for name, rest in BOOKKEEPING.items()]
    merged = asdict(result.merged)
    known = {
        "dagster/table_name": f"{target.schema}.{target.table}",
        **{name: merged[name] for name in ("inserted", "updated", "unchanged", "undeleted")},
        "repeated": merged["repeated"],
        "unparsed": sum(result.unparsed.values()),
    }
    if result.current_rows is None:  # nothing was delivered, so the table was not looked at
        return known
    return known | {
        "dagster/row_count": result.current_rows,
        "dagster/column_schema": dg.TableSchema(columns),
    }


def describe(preview: Preview) -> dict[str, Any]:
    """Return the newest rows of a table, and the seconds since the newest change at the source."""
    shown = {"preview": dg.MetadataValue.md(_as_table(preview.columns))}
    if not preview.changed_at:
        return shown
    ago = (datetime.now(UTC) - preview.changed_at).total_seconds()
    return {**shown, "seconds_since_newest_change": round(max(0.0, ago))}


def _as_table(rows: Mapping[str, Sequence[Any]]) -> str:
    """Return rows as a Markdown table, linked to their runs."""
    if not rows:
        return "There are no rows."
    columns = [(name, [_cell(name, value) for value in values]) for name, values in rows.items()]
    shown = [(name, cells) for name, cells in columns if _is_shown(name, cells)][:COLUMNS]
    lines: list[Sequence[str]] = [[markdown(name) for name, _ in shown], ["---"] * len(shown)]
    lines += zip(*(cells for _, cells in shown), strict=True)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def column_schema(endpoint: Endpoint, found: dict[str, Kind] | None = None) -> dg.TableSchema:
    """Return the columns of an endpoint's table for the UI: the catalogue's, or those found."""
    known = {column.name: column for column in endpoint.columns()}
    kinds = found or {column.name: column.kind for column in known.values()}
    columns = [
        dg.TableColumn(
            one_line(name),
            kind.sql,
            known[name].meaning if name in known else EXTRAS.get(name, UNKNOWN),
            constraints=dg.TableColumnConstraints(nullable=name != "id", unique=name == "id"),
            tags={"personal": ""} if name not in known or known[name].personal else None,
        )
        for name, kind in kinds.items()
    ]
    columns += [dg.TableColumn(name, *rest) for name, rest in BOOKKEEPING.items()]
    return dg.TableSchema(columns)


def _is_shown(name: str, cells: Sequence[str]) -> bool:
    """Return whether a column has any values, and all are short enough for the preview."""
    return name == "_run_id" or (any(cells) and all(len(cell) <= MAX_VALUE for cell in cells))


def _cell(name: str, value: Any) -> str:
    """Return a value as Markdown; a run id as a link to the run."""
    if name == "_run_id" and value:
        return f"[{markdown(value[:8])}](/runs/{quote(value, safe='')})"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return "" if value in (None, "") else markdown(str(value), MAX_VALUE + 1)
