"""Stored rows after a change of the column policy: hashed, emptied, and without dropped columns.

Scope: SQL over one table, in one statement. `column_policies` says what has changed. The result
equals what a sync stores under the policy, so that the next one finds no difference.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import duckdb

from recruit_assets.catalogue import UNPARSED, WITHHELD, Endpoint, Kind
from recruit_assets.load.endpoint_table import refill
from recruit_assets.load.salt import hashed
from recruit_assets.load.schema import count, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.unparsed import entries_of

_MISPLACED = tuple(
    prefix + name for prefix in ("", "record/") for name in ("attributes", "relationships", "links")
)


@dataclass(frozen=True)
class Change:
    """Hold what becomes of the columns of a table.

    Args:
        hashed: the columns to hash, with their kinds.
        emptied: the columns whose values are void, and come back with the next sync.
        dropped: the columns to remove.
        known: the columns of the catalogue, if all values of others are to go.
    """

    hashed: Mapping[str, Kind]
    emptied: Collection[str]
    dropped: Collection[str]
    known: Collection[str] | None = None


def rewrite(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, change: Change) -> int:
    """Rewrite the rows of a table, and return how many of them had values that were changed.

    Args:
        database: open for writing, in a transaction, within `salt.hashing`.
        endpoint: the endpoint of the table, which is prepared.
        change: what becomes of its columns.
    """
    table = table_name(database, endpoint.name)
    unparsed = _unparsed(change)
    new = {name: _hashed(name, kind) for name, kind in change.hashed.items()}
    new |= dict.fromkeys(change.emptied, "NULL") | {UNPARSED: unparsed}
    replaced = ", ".join(f"{value} AS {quoted(name)}" for name, value in new.items())
    filled = [f"{quoted(name)} IS NOT NULL" for name in {*new, *change.dropped} - {UNPARSED}]
    touched = " OR ".join([*filled, f"{UNPARSED}::VARCHAR IS DISTINCT FROM ({unparsed})::VARCHAR"])
    rows = count(database, f"{table} WHERE {touched}")
    refill(
        database, endpoint, f"(SELECT * REPLACE ({replaced}), rowid FROM {table})", change.dropped
    )
    return rows


def _hashed(name: str, kind: Kind) -> str:
    """Return SQL for the hashes of a column; a value that did not fit the column is a text now."""
    value = quoted(name)
    if kind is Kind.TEXTS:
        return f"list_transform({value}, lambda each: {hashed('each')})"
    text = _text(value) if kind is Kind.JSON else value
    text = hashed(f"coalesce({text}, {_text(f'json_extract({UNPARSED}, {literal(name)})')})")
    return f"to_json({text})" if kind is Kind.JSON else text


def _text(json: str) -> str:
    """Return SQL for the text of a JSON value: a text as it is, anything else as JSON."""
    return f"CASE json_type({json}) WHEN 'VARCHAR' THEN {json}->>'$' ELSE {json}::VARCHAR END"


def _unparsed(change: Change) -> str:
    """Return SQL for the values that do not fit a column after the change."""
    lists = [name for name, kind in change.hashed.items() if kind is Kind.TEXTS]
    gone = [
        name for name in (*change.hashed, *change.emptied, *change.dropped) if name not in lists
    ]
    kept = f"NOT {_is_in('e.key', gone)}"
    if change.known is not None:
        kept += f" AND {_is_in('e.key', [*change.known, *_MISPLACED])}"
    value = (
        f"CASE WHEN {_is_in('e.key', lists)} THEN to_json({hashed(_text('e.value'))}) "
        f"WHEN {_is_in('e.key', _MISPLACED)} THEN to_json({literal(WITHHELD)}) ELSE e.value END"
    )
    entries = f"list_filter({entries_of(UNPARSED)}, lambda e: {kept})"
    changed = f"list_transform({entries}, lambda e: {{'key': e.key, 'value': {value}}})"
    return f"CASE WHEN len({entries}) > 0 THEN to_json(map_from_entries({changed})) END"


def _is_in(name: str, names: Collection[str]) -> str:
    return f"list_contains([{', '.join(map(literal, names))}]::VARCHAR[], {name})"
