"""What the tables look like: made, found, and widened; never narrowed.

What lives here: DDL and what is known of columns. Rows are moved in `merge` alone.
"""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import duckdb

from recruit_assets.catalogue import EXTRAS, UNPARSED, Endpoint, Kind
from recruit_assets.errors import DatabaseChanged, DatabaseProblem
from recruit_assets.load.names import literal, quoted

SCHEMA = "recruit"
UNKNOWN = "Sent by the API, not in the catalogue"

BOOKKEEPING = {
    "_loaded_at": ("TIMESTAMP WITH TIME ZONE", "When this version of the row was written"),
    "_run_id": ("VARCHAR", "The Dagster run that wrote it"),
    "_row_hash": ("VARCHAR", "Digest of what counts as a change"),
    "_deleted_at": ("TIMESTAMP WITH TIME ZONE", "When it was found gone; null while it lives"),
    UNPARSED: ("JSON", "Raw values that did not fit their column, by column; null if none"),
}
_CATALOGS = WeakKeyDictionary[duckdb.DuckDBPyConnection, str]()  # which each connection uses
_KINDS = {kind.sql: kind for kind in reversed(Kind)}  # TEXT wins over KEY, which has its type


def schema_name(database: duckdb.DuckDBPyConnection, schema: str = SCHEMA) -> str:
    """A schema, quoted, with its catalog: a file named like the schema makes it ambiguous."""
    if database not in _CATALOGS:
        ((_CATALOGS[database],),) = database.execute("SELECT current_database()").fetchall()
    return f"{quoted(_CATALOGS[database])}.{quoted(schema)}"


def table_name(database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA) -> str:
    """The full name of a table, quoted."""
    return f"{schema_name(database, schema)}.{quoted(table)}"


def existing_table(database: duckdb.DuckDBPyConnection, table: str) -> str:
    """The full name of a table that must be there, quoted.

    Raises:
        DatabaseProblem: it is not there.
    """
    if not is_there(database, table):
        raise missing_table(table)
    return table_name(database, table)


def is_there(database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA) -> bool:
    """Whether a table exists."""
    return bool(columns_found(database, table, schema))


def count(database: duckdb.DuckDBPyConnection, what: str) -> int:
    """How many rows there are of what stands behind FROM."""
    ((rows,),) = database.execute(f"SELECT count(*) FROM {what}").fetchall()
    return int(rows)


def missing_table(table: str) -> DatabaseProblem:
    """The error for a table that was never made."""
    return DatabaseProblem(f"There is no table {SCHEMA}.{table} yet: materialize it first.")


def columns_of(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, Kind]:
    """The columns that the endpoint's table has by now, bookkeeping left out.

    Where the catalogue's kind has the type that the column has, it is that kind: a key and a text
    are both VARCHAR. Without the table there are none. A column of a type that this project never
    gives is somebody's own, and left out.

    Raises:
        DatabaseProblem: somebody gave a column of the catalogue such a type.
    """
    return _kinds_of(endpoint, columns_found(database, endpoint.name))


def _kinds_of(endpoint: Endpoint, found: Sequence[tuple[str, str]]) -> dict[str, Kind]:
    known = {column.name: column.kind for column in endpoint.columns()}
    kinds = {}
    for name, sql_type in found:
        if name in known and known[name].sql == sql_type:
            kinds[name] = known[name]
        elif name in known or (name not in BOOKKEEPING and sql_type in _KINDS):
            kinds[name] = _kind(endpoint, name, sql_type)
    return kinds


def _kind(endpoint: Endpoint, name: str, sql_type: str) -> Kind:
    if sql_type not in _KINDS:
        raise DatabaseProblem(
            f"{endpoint.name}.{name} has the type {sql_type}, which this project never gives: "
            f"ALTER it back to one of {', '.join(sorted(_KINDS))}."
        )
    return _KINDS[sql_type]


def prepare(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, staged: Mapping[str, Kind]
) -> None:
    """Make the endpoint's table if it is missing, and add the columns that it lacks.

    Raises:
        DatabaseChanged: another run gave a column another type since `staged` was made.
    """
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database)}")
    found = columns_found(database, endpoint.name)
    if not found:
        _create(database, endpoint)
        found = columns_found(database, endpoint.name)
    present = _kinds_of(endpoint, found)
    taken = {name.lower() for name, _ in found}  # as DuckDB compares names
    for name, kind in staged.items():
        if name in BOOKKEEPING:
            continue
        if name not in present and name in taken:
            raise DatabaseProblem(
                f"{endpoint.name} has a column {name} of somebody's own, and the API sends one of "
                "that name: rename or drop it, then run again."
            )
        if name not in present:
            _add(database, endpoint, name, kind)
        elif present[name].sql != kind.sql:
            raise DatabaseChanged(
                f"Another run made {endpoint.name}.{name} a {present[name].sql} while this one "
                f"read it as {kind.sql}: run it again."
            )


def columns_found(
    database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA
) -> list[tuple[str, str]]:
    """Name and type of every column that the table has, somebody's own included; none without it.

    A query is made and never run: that takes a tenth of a look into the catalog, which goes through
    all tables, and, unlike the error of one that is run, its error leaves a transaction alive.
    """
    try:
        found = database.sql(f"FROM {table_name(database, table, schema)}")
    except duckdb.CatalogException:
        return []
    return list(zip(found.columns, map(str, found.dtypes), strict=True))


def _create(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    table = table_name(database, endpoint.name)
    columns = list(endpoint.columns())
    lines = [f"{quoted(column.name)} {column.kind.sql}" for column in columns]
    lines += [f"{quoted(name)} {sql_type}" for name, (sql_type, _) in BOOKKEEPING.items()]
    database.execute(f"CREATE TABLE {table} ({', '.join(lines)})")
    database.execute(f"COMMENT ON TABLE {table} IS {literal(endpoint.description)}")
    meanings = {column.name: column.meaning for column in columns}
    meanings |= {name: meaning for name, (_, meaning) in BOOKKEEPING.items()}
    for name, meaning in meanings.items():
        _comment(database, table, name, meaning)


def _add(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, name: str, kind: Kind) -> None:
    table = table_name(database, endpoint.name)
    database.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind.sql}")
    meanings = {column.name: column.meaning for column in endpoint.columns()}
    _comment(database, table, name, meanings.get(name, EXTRAS.get(name, UNKNOWN)))


def _comment(database: duckdb.DuckDBPyConnection, table: str, name: str, meaning: str) -> None:
    database.execute(f"COMMENT ON COLUMN {table}.{quoted(name)} IS {literal(meaning)}")
