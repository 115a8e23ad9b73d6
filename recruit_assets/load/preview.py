"""Preview of an endpoint's table: its newest rows, and when a record last changed at the source.

Scope: the queries, in the transaction of the merge. `metadata` formats the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.load.schema import columns_of, table_name
from recruit_assets.load.sql import quoted
from recruit_assets.load.sweep import CURRENT

ROWS = 5  # more do not fit into the UI
SHOWN_FIRST = (Kind.TEXT, Kind.KEY, Kind.TEXTS)  # shown before flags and times


@dataclass(frozen=True)
class Preview:
    """Hold the newest current rows, and the time of the newest change if the table has one.

    `columns` are the values of each column without personal data, by its name; without rows there
    are none.
    """

    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    changed_at: datetime | None = None


def preview(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> Preview:
    """Return the preview of a table, which must exist."""
    table, present = table_name(database, endpoint.name), columns_of(database, endpoint)
    by_interest = sorted(endpoint.columns(), key=lambda column: column.kind not in SHOWN_FIRST)
    harmless = [each.name for each in by_interest if not (each.personal or each.kind is Kind.JSON)]
    names = ["_run_id", *(name for name in harmless if name in present)]
    rows = database.execute(
        f"SELECT {', '.join(map(quoted, names))} FROM {table} WHERE {CURRENT} "
        f"ORDER BY _loaded_at DESC, id LIMIT {ROWS}"
    ).fetchall()
    newest = None
    if present.get("updated_at") is Kind.TIMESTAMP:
        ((newest,),) = database.execute(f"SELECT max(updated_at) FROM {table}").fetchall()
    return Preview(dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}, newest)
