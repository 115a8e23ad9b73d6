"""Upsert: merge of any rows that have a key into a table, without ever deleting one.

The rows are staged first, so the database is open only while they are merged, in one transaction:
find the table and check its owner, convert the rows to its types, refuse bad keys, add new columns,
then find and write what differs (see `changes`).

A column has the type that it has in the table; a new one has the type of the first rows that have a
value in it. Values that do not fit are kept in `_unparsed`. Columns that were not delivered keep
their values. `merge` does the same for the records of the API, whose columns it knows.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

import duckdb

from recruit_assets.catalogue import UNPARSED, Kind
from recruit_assets.errors import BadRows, BadSetting, DatabaseProblem, NotEnoughMemory
from recruit_assets.load.changes import count_unparsed, find_changes, write_changes
from recruit_assets.load.connection import transaction
from recruit_assets.load.current import NOW
from recruit_assets.load.delivery import add_lacking, all_fit, column_types, converted_rows
from recruit_assets.load.digest import digest_of_types
from recruit_assets.load.history import HISTORY
from recruit_assets.load.keys import check_keys
from recruit_assets.load.layout import META
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.merge import MergeCounts
from recruit_assets.load.row_stage import Part, RowStage
from recruit_assets.load.rows import batches
from recruit_assets.load.schema import BOOKKEEPING, SCHEMA, columns_found, count, table_name
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.table import Table
from recruit_assets.load.tables import check_is_table, ensure

Opened = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


RESERVED = (SCHEMA, NOW, HISTORY, META, "recruit_marts")
DUCKDB_OWN = ("temp", "system", "pg_catalog", "information_schema")  # names of its own


@dataclass(frozen=True)
class Target:
    """Describe the table that rows are merged into.

    Args:
        schema: its schema, which is created if it is missing.
        table: its name. As DuckDB ignores case, both are used in lower case.
        owner: the key of the asset whose rows it has; the table of another owner is refused.
        key: the column that identifies a row.
        on_duplicate: whether two rows with one key are refused, or the last of them counts.

    Raises:
        BadSetting: one of them cannot be used.
    """

    schema: str
    table: str
    owner: str
    key: str = "id"
    on_duplicate: Literal["refuse", "last"] = "refuse"

    def __post_init__(self) -> None:
        if self.on_duplicate not in ("refuse", "last"):
            raise BadSetting(
                f'on_duplicate is {self.on_duplicate!r}: set it to "refuse" or "last".'
            )
        if not self.key.strip() or self.key.lower() in BOOKKEEPING:
            raise BadSetting(f"The merge key is {self.key!r}: name a column of the rows.")
        if self.schema.lower() in RESERVED:
            raise BadSetting(f"The schema {self.schema} is for tables of syncs: choose another.")
        if not self.schema.strip() or self.schema.lower() in DUCKDB_OWN:
            raise BadSetting(f"The schema is {self.schema!r}: choose one for tables, such as main.")

    @property
    def comment(self) -> str:
        """Return the comment of the table, which says whose it is."""
        return f"Rows that the asset {self.owner} returned"


@dataclass(frozen=True)
class UpsertResult:
    """Hold the results of a merge.

    Args:
        merged: how many rows were inserted, updated and so on.
        current_rows: rows in the table afterwards, without deleted ones; None if nothing was
            delivered, and the database was not opened.
        unparsed: how many delivered values did not fit, by column.
        columns: SQL type of each column of the table, without bookkeeping.
    """

    merged: MergeCounts = field(default_factory=MergeCounts)
    current_rows: int | None = None
    unparsed: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


def upsert_rows(opened: Opened, target: Target, rows: object, run_id: str) -> UpsertResult:
    """Merge rows into a table by their key; a failure leaves the table as it was.

    Args:
        opened: opens the database for writing, after all rows were read.
        target: the table, which is created if it is missing.
        rows: what `rows.batches` can read.
        run_id: the Dagster run, which is stored with each row written.

    Raises:
        BadRows: they are no rows, have names or types that no table can have, or bad keys.
        DatabaseProblem: the table is not the target's, or the database cannot be written.
    """
    place = replace(target, schema=target.schema.lower(), table=target.table.lower())
    try:
        with RowStage() as stage:
            for batch in batches(rows):
                stage.add(batch)
            stage.flush()
            return _Upsert(place, stage, run_id).run(opened)
    except BadRows as error:
        raise BadRows(f"{place.schema}.{place.table}: {error} Nothing was written.") from error


class _Upsert:
    """Merge staged rows into their table."""

    def __init__(self, target: Target, stage: RowStage, run_id: str) -> None:
        self._target, self._stage, self._run_id = target, stage, run_id

    def run(self, opened: Opened) -> UpsertResult:
        """Merge the rows, if there are any, or a key to create an empty table with."""
        if not self._stage.rows and self._target.key.lower() not in self._stage.columns:
            return UpsertResult()
        try:
            return self._run(opened)
        except NotEnoughMemory:  # the limit was too low for these rows; nothing was changed
            return self._run(opened, bounded=False)

    def _run(self, opened: Opened, *, bounded: bool = True) -> UpsertResult:
        """Merge in one transaction."""
        rows, size = self._stage.rows, self._stage.size
        with (
            opened() as database,
            bounded_memory(database, rows, size) if bounded else nullcontext(),
            transaction(database),
        ):
            return self._merge(database)

    def _merge(self, database: duckdb.DuckDBPyConnection) -> UpsertResult:
        target = self._target
        found = columns_found(database, target.table, target.schema)
        if found:
            _check_table(database, target, found)
        parts = list(self._stage.parts(database))
        columns = column_types(self._stage.columns, parts, found)
        key = next((name for name in columns if name.lower() == target.key.lower()), None)
        if key is None:
            return self._without_keys()
        repeated = check_keys(
            database, parts, key, columns[key], keep_last=target.on_duplicate == "last"
        )
        if self._stage.rows or not found:
            _ensure(database, target, columns, found)
        merged, unparsed = self._write(database, parts, columns, key)
        table = table_name(database, target.table, target.schema)
        return UpsertResult(
            MergeCounts(**merged, repeated=repeated),
            count(database, f"{table} WHERE {CURRENT}"),
            dict(unparsed),
            _data_columns(columns_found(database, target.table, target.schema)),
        )

    def _without_keys(self) -> UpsertResult:
        """Return the result for a table without rows; refuse rows that all lack a key.

        Raises:
            BadRows: there are rows.
        """
        if self._stage.rows:
            raise BadRows(
                f"None of {self._stage.rows:,} rows has a value in the key {self._target.key}. The "
                f"columns are {', '.join(self._stage.columns.values())}: set merge_key in the "
                "metadata of the asset to one of them."
            )
        return UpsertResult()

    def _write(
        self,
        database: duckdb.DuckDBPyConnection,
        parts: Sequence[Part],
        columns: Mapping[str, str],
        key: str,
    ) -> tuple[Counter[str], Counter[str]]:
        """Write what differs; return the counts of rows, and of misfits by column."""
        target = self._target
        table = table_name(database, target.table, target.schema)
        all_ = _data_columns(columns_found(database, target.table, target.schema))
        lacking = [name for name in all_ if name not in columns]
        row_hash = digest_of_types({**all_, UNPARSED: Kind.JSON.sql})
        merged, unparsed = Counter[str](), Counter[str]()
        for part in parts:
            source = converted_rows(part, columns)
            if not all_fit(part, columns):
                unparsed.update(count_unparsed(database, source))
            if lacking:
                source = add_lacking(database, table, source, key, lacking)
            found = find_changes(database, table, source, row_hash, key=key)
            if found.total() > found["unchanged"]:
                names = [*all_, UNPARSED]
                write_changes(database, table, source, names, self._run_id, key=key)
            merged += found
        return merged, unparsed


def _check_table(
    database: duckdb.DuckDBPyConnection, target: Target, found: Sequence[tuple[str, str]]
) -> None:
    """Refuse a table that is not the target's, or has lost its key.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    name = f"{target.schema}.{target.table}"
    check_is_table(database, target.table, target.schema)
    ((comment,),) = database.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() "
        "AND lower(schema_name) = ? AND lower(table_name) = ?",
        [target.schema, target.table],
    ).fetchall()
    if comment != target.comment:
        whose = f'its comment is "{comment}"' if comment else "it has no comment"
        raise DatabaseProblem(
            f"{name} is not the table of the asset {target.owner} ({whose}): choose another schema "
            f'or name for the asset. If the table is right, set its comment to "{target.comment}". '
            "Nothing was written."
        )
    if target.key.lower() not in {each.lower() for each, _ in found}:
        raise DatabaseProblem(
            f"{name} has no column {target.key}, by which its rows are merged: rename the "
            "column back, or drop the table, then run again. Nothing was written."
        )


def _ensure(
    database: duckdb.DuckDBPyConnection,
    target: Target,
    columns: Mapping[str, str],
    found: Sequence[tuple[str, str]],
) -> None:
    """Create the table, or add the columns that it lacks."""
    present = {name for name, _ in found}
    new = {name: (sql_type, "") for name, sql_type in columns.items() if name not in present}
    ensure(database, Table(target.schema, target.table, target.comment, {**new, **BOOKKEEPING}))


def _data_columns(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the columns of a table without bookkeeping."""
    return {name: sql_type for name, sql_type in found if name.lower() not in BOOKKEEPING}
