"""Erasure: personal values that left the tables stay in the file until it is compacted.

DuckDB does not overwrite the values that it replaces. So the transaction that empties or replaces
personal values also notes it in `recruit_meta.erasures`, and the file is compacted at the end of
the run (see `compact`). The compacted copy has no such note.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind
from recruit_assets.load.layout import META
from recruit_assets.load.schema import columns_found, columns_of, table_exists, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.table import Table
from recruit_assets.load.tables import check_is_table, ensure

ERASURES, COMPACTIONS = "erasures", "compactions"
OVERDUE = timedelta(hours=48)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOTED = Table(
    META,
    ERASURES,
    "Rows whose erased personal values remain in the file until it is compacted",
    {
        "endpoint": ("VARCHAR", "Name of the endpoint and of its table"),
        "rows": ("BIGINT", "Number of rows"),
        "since": ("TIMESTAMP WITH TIME ZONE", "When their values were erased"),
    },
)
COMPACTED = Table(
    META,
    COMPACTIONS,
    "When the file was last compacted after an erasure",
    {"finished": ("TIMESTAMP WITH TIME ZONE", "When the copy was complete")},
)
# Blank values, as JSON: null, an object without members, a text of white space and invisible
# characters, and a list of these.
_SPACE = r"[\s\p{Z}\p{Cc}\p{Cf}]"
_ESCAPED = r"\\(?:[bfnrtv]|u00[01][0-9a-fA-F])"
_NOTHING = rf'null|\{{{_SPACE}*\}}|"(?:{_SPACE}|{_ESCAPED})*"'
BLANK = rf"{_NOTHING}|\[(?:{_SPACE}|[\[\],]|{_NOTHING})*\]"
_WORDS = (Kind.TEXT, Kind.TEXTS, Kind.JSON)


@dataclass(frozen=True)
class Pending:
    """Count the rows that lost personal values which the file still holds, and since when."""

    rows: int
    since: datetime

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the erasure has been pending for longer than allowed."""
        return now - self.since > OVERDUE


def pending(database: duckdb.DuckDBPyConnection) -> Pending | None:
    """Return the erasures that no compaction has made final yet, or None.

    Lost or altered columns hide none: an erasure counts as long ago if its time is unknown, or was
    written by a wrong clock.
    """
    present = {name for name, _ in columns_found(database, ERASURES, META)}
    if not present:
        return None
    rows = "sum(TRY_CAST(rows::VARCHAR AS BIGINT))" if "rows" in present else "NULL"
    since = "TRY_CAST(since::VARCHAR AS TIMESTAMP WITH TIME ZONE)" if "since" in present else "NULL"
    ((noted, lost, first),) = database.execute(
        f"SELECT count(*), {rows}, min(CASE WHEN {since} BETWEEN $long_ago AND $now THEN {since} "
        f"ELSE $long_ago END) FROM {table_name(database, ERASURES, META)}",
        {"now": datetime.now(UTC), "long_ago": LONG_AGO},
    ).fetchall()
    return Pending(int(lost or noted), first) if noted else None


def was_compacted_on(database: duckdb.DuckDBPyConnection, day: datetime) -> bool:
    """Return whether the file was compacted on that day (UTC), and not in the future."""
    last = compacted_at(database, day)
    return last is not None and last.astimezone(UTC).date() == day.astimezone(UTC).date()


def compacted_at(database: duckdb.DuckDBPyConnection, now: datetime) -> datetime | None:
    """Return when the file was last compacted after an erasure; a time in the future is ignored."""
    if "finished" not in {name for name, _ in columns_found(database, COMPACTIONS, META)}:
        return None
    ((last,),) = database.execute(
        "SELECT max(moment) FROM (SELECT TRY_CAST(finished::VARCHAR AS TIMESTAMP WITH TIME ZONE) "
        f"AS moment FROM {table_name(database, COMPACTIONS, META)}) WHERE moment BETWEEN ? AND ?",
        [LONG_AGO, now],
    ).fetchall()
    return last  # type: ignore[no-any-return]


def note_erasure(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, rows: int) -> None:
    """Note that rows lost personal values, in the transaction in which they do."""
    if not rows:
        return
    ensure(database, NOTED)
    database.execute(
        f"INSERT INTO {table_name(database, ERASURES, META)} (endpoint, rows, since) "
        "VALUES (?, ?, ?)",
        [endpoint.name, rows, datetime.now(UTC)],
    )


def check_notes(database: duckdb.DuckDBPyConnection) -> None:
    """Refuse a view in place of a table that a compaction writes to.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    for name in (ERASURES, COMPACTIONS):
        check_is_table(database, name, META)


def note_compaction(database: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Note in a compacted copy that no erasure is pending in it, if any ever was.

    Args:
        database: a DuckDB with the copy attached.
        catalog: the name of the copy in it.
    """
    with database.cursor() as copy:
        copy.execute(f"USE {quoted(catalog)}")
        if not table_exists(copy, ERASURES, META):
            return
        compactions = table_name(copy, COMPACTIONS, META)
        ensure(copy, COMPACTED)
        copy.execute(f"DELETE FROM {table_name(copy, ERASURES, META)}")
        copy.execute(f"DELETE FROM {compactions}")
        copy.execute(f"INSERT INTO {compactions} (finished) VALUES (?)", [datetime.now(UTC)])


def personal_columns(endpoint: Endpoint, columns: Iterable[str]) -> list[str]:
    """Return the columns that may hold personal data, or that the catalogue does not know."""
    harmless = {column.name for column in endpoint.columns() if not column.personal}
    return [*(name for name in columns if name not in harmless), UNPARSED]


def note_deleted(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, which: str) -> None:
    """Note the rows that are about to lose all their personal values.

    Args:
        database: open for writing, in the transaction of the merge.
        endpoint: the endpoint of the table.
        which: SQL that is true of these rows.
    """
    names = personal_columns(endpoint, columns_of(database, endpoint))
    filled = " OR ".join(is_filled(quoted(name)) for name in names)
    rows = f"{table_name(database, endpoint.name)} WHERE {which}"
    note_erasure(database, endpoint, _count_if(database, filled, rows))


def note_replaced(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    source: str,
    staged: Iterable[str],
    names: Iterable[str] | None = None,
) -> None:
    """Note the rows that are about to lose personal values to the staged ones.

    A row does if a value becomes blank, if a part of a list or of JSON is removed or changed, or if
    three or at least half of its texts are replaced at once, as by "Anonymous".

    Args:
        database: open for writing, in the transaction of the merge.
        endpoint: the endpoint of the table.
        source: the staged rows to be written, as SQL to read from.
        staged: their columns.
        names: the columns to be written; all by default.
    """
    kinds = {**columns_of(database, endpoint), UNPARSED: Kind.JSON}
    personal = personal_columns(endpoint, kinds.keys() - {UNPARSED})
    # Signed links differ in every response, so they are no sign of an erasure.
    changing = {UNPARSED, *(each.name for each in endpoint.columns() if each.volatile)}
    written = personal if names is None else [name for name in personal if name in set(names)]
    present = {*staged, UNPARSED}
    lost, words = [], []
    for name in written:
        old, new = f"t.{quoted(name)}", f"s.{quoted(name)}" if name in present else "NULL"
        lost.append(f"({is_filled(old)} AND {_is_lost(kinds[name], old, new)})")
        if kinds[name] in _WORDS and name not in changing:
            words.append((is_filled(old), f"{old} IS DISTINCT FROM {new}"))
    if names is None and words:
        had = " + ".join(f"({filled})::INTEGER" for filled, _ in words)
        gone = " + ".join(f"({filled} AND {differs})::INTEGER" for filled, differs in words)
        lost.append(f"({had} > 0 AND ({gone} >= 3 OR 2 * ({gone}) >= {had}))")
    if lost:
        rows = f"{table_name(database, endpoint.name)} t JOIN {source} s ON t.id = s.id"
        note_erasure(database, endpoint, _count_if(database, " OR ".join(lost), rows))


def _count_if(database: duckdb.DuckDBPyConnection, condition: str, rows: str) -> int:
    """Return how many rows of a FROM clause meet a condition over all columns.

    In a WHERE clause, DuckDB's planner takes minutes to analyse it for a few hundred columns.
    """
    counted = f"SELECT count(*) FILTER (WHERE {condition}) FROM {rows}"
    ((met,),) = database.execute(counted).fetchall()
    return int(met)


def _is_lost(kind: Kind, old: str, new: str) -> str:
    if kind is Kind.TEXTS:
        return f"NOT list_has_all(coalesce({new}, []), {old})"
    if kind is Kind.JSON:
        return f"{old} IS DISTINCT FROM {new}"
    return f"NOT {is_filled(new)}"


def is_filled(value: str) -> str:
    """Return SQL that is true if a value, given as SQL, is not blank."""
    # As JSON, the text NULL differs from no value.
    json = f"coalesce(to_json({value})::VARCHAR, 'null')"
    return f"NOT regexp_full_match({json}, {literal(BLANK)})"
