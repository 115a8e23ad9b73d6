"""What the marts and the report were built from, so that they are only built again if it changed.

`recruit_meta.mart_builds` has a digest of what each was built from, and one of what was built. Both
are taken from the rows themselves, never from the record of the syncs. So it does not matter how
something changed: by a sync, an erasure, a restored backup, or by hand.

Only the day of a reading counts, not its time. So marts that are kept still describe the moment of
their own `as_of`, on the same day.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import duckdb

from recruit_assets.load.layout import META
from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.syncs import LATEST_VIEW, SYNCS_TABLE
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure
from recruit_assets.marts.carried_sql import LADDERS, LINK, LISTS, PREPARED, SCOPE, TABLES
from recruit_assets.marts.level_views import has_views
from recruit_assets.marts.mart import MARTS, MARTS_SCHEMA, Mart
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS

BUILDS = Table(
    META,
    "mart_builds",
    "What each mart, and the report, was last built from: it is built again once that has changed",
    {
        "name": ("VARCHAR", "Name of the mart; report for the report"),
        "inputs": ("VARCHAR", "Digest of what it was built from"),
        "content": ("VARCHAR", "Digest of what was built"),
        "built_at": ("TIMESTAMP WITH TIME ZONE", "When it was built"),
    },
)
# Of all syncs, the marts read when the first one of each verdict was.
_FIRST_SYNCS = "(SELECT endpoint, verdict, min(finished) AS finished FROM {} GROUP BY ALL)"
_HERE = Path(__file__).parent
_PAGE = [*PREPARED.values(), *TABLES.values(), *LISTS.values(), LADDERS, SCOPE, LINK]
# Besides the SQL of the marts; that of the page is one text, because its queries read each other.
_TEXTS = [*(text for mart in MARTS for text in (*mart.checks, *mart.expected)), " ".join(_PAGE)]
_SUFFIXES = {".html", ".js", ".py", ".sql", ".toml"}


@dataclass(frozen=True)
class Build:
    """Hold what a mart or the report was built from, and what was built, as digests."""

    name: str
    inputs: str
    content: str
    built_at: datetime


def digest_inputs(database: duckdb.DuckDBPyConnection, marts: Iterable[Mart]) -> dict[str, str]:
    """Return a digest of what each mart is built from, by name; of these, and of all others.

    Args:
        database: within `known_columns`.
        marts: the marts, which may differ from ours.
    """
    common = repr((sources(), today(database), *digest_tables(database)))
    sql = {mart.name: mart.sql for mart in (*MARTS, *marts)}
    return {name: digest(common, text) for name, text in sql.items()}


def digest_content(database: duckdb.DuckDBPyConnection, mart: str) -> str:
    """Return a digest of the rows of a mart; of nothing if its table does not exist."""
    columns = [name for name, _ in columns_found(database, mart, MARTS_SCHEMA)]
    if not columns:
        return digest()
    return _digest_rows(database, table_name(database, mart, MARTS_SCHEMA), map(quoted, columns))


def kept_since(
    database: duckdb.DuckDBPyConnection, marts: Collection[Mart], inputs: Mapping[str, str]
) -> datetime | None:
    """Return when these marts were built, if building them again would change nothing.

    That is so if they, their views, and the marts that they read are still what was built, and
    would be built from the same.
    """
    known, needed = builds(database), _with_those_read(marts)
    for name in needed:
        if name not in known or known[name].inputs != inputs[name]:
            return None
    if not all(has_views(database, mart) for mart in marts):
        return None
    for name in needed:  # only then, as this reads all marts
        if digest_content(database, name) != known[name].content:
            return None
    return min(known[mart.name].built_at for mart in marts)


def builds(database: duckdb.DuckDBPyConnection) -> dict[str, Build]:
    """Return what is known of the last builds, by name."""
    if BUILDS.defects(columns_found(database, BUILDS.name, META)):
        return {}
    found = database.execute(
        f"SELECT name, inputs, content, built_at FROM {table_name(database, BUILDS.name, META)} "
        "WHERE built_at IS NOT NULL"
    ).fetchall()
    return {build[0]: Build(*build) for build in found}


def remember_builds(
    database: duckdb.DuckDBPyConnection, built: Iterable[Build], replaced: Iterable[str]
) -> None:
    """Store what was built.

    Args:
        database: open for writing, in a transaction.
        built: the builds.
        replaced: the names whose earlier builds no longer count.
    """
    ensure(database, BUILDS)
    table = table_name(database, BUILDS.name, META)
    database.execute(f"DELETE FROM {table} WHERE list_contains(?, name)", [list(replaced)])
    for each in built:
        database.execute(
            f"INSERT INTO {table} (name, inputs, content, built_at) VALUES (?, ?, ?, ?)",
            list(astuple(each)),
        )


@cache
def sources() -> str:
    """Return a digest of the code that builds marts and report, and of what runs it."""
    files = sorted(path for path in _HERE.rglob("*") if path.suffix in _SUFFIXES)
    texts = [(str(path.relative_to(_HERE)), path.read_bytes()) for path in files]
    return digest(version("recruit-assets"), duckdb.__version__, texts)


def today(database: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """Return the time zone of days in a database, and the present day in it."""
    now = f"TIMESTAMPTZ {literal(datetime.now(UTC).isoformat())}"
    ((zone, day),) = database.execute(
        f"SELECT current_setting('TimeZone'), {now}::DATE::VARCHAR"
    ).fetchall()
    return zone, day


def digest_tables(database: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield each table that marts read, with a digest of the columns that they may read of it.

    It is that of the marts and the report: what only one of them reads counts for both. Of syncs,
    those of endpoints that no mart names do not count.

    Args:
        database: within `known_columns`.
    """
    for schema, table in sorted({each for mart in MARTS for each in mart.reads}):
        if schema == MARTS_SCHEMA:
            continue
        name = f"{schema}.{quoted(table)}"
        source = _FIRST_SYNCS.format(name) if (schema, table) == (META, SYNCS_TABLE) else name
        if endpoints := endpoints_read(schema, table):
            source = f"(FROM {source} WHERE endpoint IN ({', '.join(map(literal, endpoints))}))"
        found = database.sql(f"FROM {source}")
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        read = [column for column in types if column in words_of(schema, table)]
        if (schema, table) == (META, LATEST_VIEW):
            columns = [_of_the_day(column, types[column]) for column in read]
        else:
            columns = list(map(quoted, read))
        yield name, _digest_rows(database, source, columns)


def endpoints_read(schema: str, table: str) -> list[str]:
    """Return the endpoints whose syncs marts read, if the table is one of syncs."""
    of_syncs = (schema, table) in ((META, SYNCS_TABLE), (META, LATEST_VIEW))
    words = words_of(schema, table) if of_syncs else ()
    return [each.name for each in KNOWN_ENDPOINTS if each.name in words]


@cache
def words_of(schema: str, table: str) -> frozenset[str]:
    """Return the words of all SQL that reads a table: the columns that it reads are among them."""
    sql = [mart.sql for mart in MARTS if (schema, table) in mart.reads]
    sql += [text for text in _TEXTS if f"{schema}.{table}" in text]
    return frozenset(re.findall(r"\w+", " ".join(sql)))


def _of_the_day(column: str, sql_type: str) -> str:
    """Return SQL for what counts of a column of the latest syncs."""
    if sql_type.startswith("TIMESTAMP"):
        return f"{quoted(column)}::DATE"
    return f"{quoted(column)} IS NULL" if sql_type == "BIGINT" else quoted(column)


def _digest_rows(database: duckdb.DuckDBPyConnection, source: str, columns: Iterable[str]) -> str:
    """Return a digest of the rows of a source, in any order: the sum of a hash of each."""
    values = ", ".join(columns)
    rows = database.sql(f"SELECT {values} FROM {source}")
    found = database.execute(
        f"SELECT count(*), sum(hash({values})), sum(hash({values}, 1)) FROM {source}"
    )
    return digest(rows.columns, list(map(str, rows.types)), found.fetchall())


def _with_those_read(marts: Iterable[Mart]) -> set[str]:
    """Return the names of marts, and of those that they read, and so on."""
    found, ahead = set[str](), list(marts)
    while ahead:
        mart = ahead.pop()
        found.add(mart.name)
        ahead += [each for each in MARTS if (MARTS_SCHEMA, each.name) in mart.reads]
    return found


def digest(*parts: object) -> str:
    """Return a digest of values, by their representation."""
    return sha256(repr(parts).encode()).hexdigest()
