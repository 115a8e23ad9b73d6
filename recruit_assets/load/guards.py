"""Guards: does the API show so much less than before that a person must decide?

Scope: the limits, and the sentence that names the difference. Guards judge values: one that did not
fit its column is in `_unparsed`, and counts like any other. `gone` decides what follows from a
doubt; `sweep` finds the missing rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from recruit_assets.api_identity import difference, version_of
from recruit_assets.catalogue import UNPARSED, Endpoint, Kind
from recruit_assets.load.erasure import is_filled
from recruit_assets.load.schema import count, table_name
from recruit_assets.load.sql import quoted
from recruit_assets.load.stage import Stage
from recruit_assets.load.sweep import CURRENT, count_current

MAX_DELETED_SHARE = 0.2  # of the current rows; above this, allow_mass_delete is required
FEW_ROWS = 5  # may be deleted whatever their share, unless they are all
MIN_COMPARED = 20  # rows to compare before a column without values counts as emptied
MAX_NAMED = 5  # columns named in a sentence
KEYS = ("id", "ids")  # suffixes of a relationship's keys
SUFFIXES = (*KEYS, "type", "types")  # suffixes of a relationship's keys and their types


@dataclass(frozen=True)
class Compared:
    """Hold what a reading is compared with, and what it lacks."""

    columns: Mapping[str, Kind]  # of the table, without bookkeeping; none if not all was read
    missing: int  # current rows that the list lacks
    api_before: str  # identity of the API at the last good sync; "" if unknown
    api: str  # identity of the API now


@dataclass(frozen=True)
class Doubt:
    """Describe what the API no longer shows; `refuses` means that a person must accept it."""

    message: str
    refuses: bool = True


def doubts(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, stage: Stage, compared: Compared
) -> Iterator[Doubt]:
    """Yield the reasons to doubt a reading.

    Args:
        database: open, with the endpoint's table as the last sync left it.
        endpoint: the endpoint that was read.
        stage: the rows that were read, flushed.
        compared: what they are compared with.
    """
    name, current = endpoint.name, count_current(database, endpoint)
    changed = difference(compared.api_before, compared.api)
    if too_many(compared.missing, current):
        message = (
            f"{name}: {compared.missing:,} of the {current:,} current rows are not in the "
            "API's list."
        )
        yield Doubt(message + changed)
    if lacking := emptied(database, endpoint, stage, compared.columns):
        message = (
            f"{name}: every row has a value in {_listed(lacking)}, but no record that was read "
            "has one: the key may see less than before."
        )
        if new := [each for each in stage.columns if each not in {*compared.columns, UNPARSED}]:
            message += f" New in these records: {_listed(new)}."
        same = version_of(compared.api_before) in ("", version_of(compared.api))
        yield Doubt(message + changed, refuses=same)


def too_many(missing: int, current: int) -> bool:
    """Return whether more current rows are missing than may be deleted without being allowed."""
    if missing == current:
        return missing > 1
    return missing > FEW_ROWS and missing > MAX_DELETED_SHARE * current


def emptied(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    stage: Stage,
    columns: Mapping[str, Kind],
) -> list[str]:
    """Return the columns that had a value in every current row, and have none in the staged rows.

    The same is checked for values that are not blank; an empty text or list is blank.
    """
    if not (stage.files and columns):
        return []
    shared = {name: kind for name, kind in columns.items() if name in stage.columns}
    table = f"(FROM {table_name(database, endpoint.name)} WHERE {CURRENT})"
    rows = count(database, table)
    before = _counted(database, table, shared)
    now = _counted(database, stage.sql, stage.columns)
    lacking = [
        name
        for name in shared
        if any(
            had[name] >= rows and not _has_values(name, has)
            for had, has in zip(before, now, strict=True)
        )
    ]
    # New records, and repeated ones, cannot be compared.
    compared = f"(SELECT DISTINCT id FROM {stage.sql}) SEMI JOIN {table} USING (id)"
    return lacking if lacking and count(database, compared) >= MIN_COMPARED else []


def _counted(
    database: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, Kind]
) -> tuple[Counter[str], Counter[str]]:
    """Count the values of each column, including `_unparsed`: all, and those that are not blank."""
    # Staged JSON is text, and the text [] differs from an empty list.
    values_of = [f"{quoted(name)}::{kind.sql}" for name, kind in columns.items()]
    counts = [f"count({value})" for value in values_of]
    counts += [f"count(*) FILTER ({is_filled(value)})" for value in values_of]
    (found,) = database.execute(f"SELECT {', '.join(counts)} FROM {source}").fetchall()
    values = Counter(dict(zip(columns, found[: len(columns)], strict=True)))
    filled_values = Counter(dict(zip(columns, found[len(columns) :], strict=True)))
    for name, all_, filled in database.execute(
        "SELECT misfit.key, count(*), "
        f"count(*) FILTER ({is_filled('misfit.value')}) "
        f"FROM {source}, json_each({UNPARSED}) AS misfit GROUP BY misfit.key"
    ).fetchall():
        values[name] += all_
        filled_values[name] += filled
    return values, filled_values


def _has_values(column: str, values: Counter[str]) -> bool:
    """Return whether a column has values, or the keys of the same relationship have."""
    stem, _, suffix = column.rpartition("_")
    keys = [f"{stem}_{each}" for each in KEYS] if suffix in SUFFIXES else []
    return any(values[each] for each in (column, *keys))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
