"""What the tables look like: their names, and the columns that they have by now.

What lives here: looking. Tables are made and repaired in `tables`.
"""

from collections.abc import Container
from weakref import WeakKeyDictionary

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.sql import quoted

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


def is_table(database: duckdb.DuckDBPyConnection, name: str, schema: str = SCHEMA) -> bool | None:
    """Return whether what has this name is a table and no view; None if there is nothing.

    Only tables have row ids. As in `columns_found`, the query is never run.
    """
    try:
        database.sql(f"SELECT rowid FROM {table_name(database, name, schema)}")
    except duckdb.CatalogException:
        return None
    except duckdb.BinderException:
        return False
    return True


def count(database: duckdb.DuckDBPyConnection, what: str) -> int:
    """How many rows there are of what stands behind FROM."""
    ((rows,),) = database.execute(f"SELECT count(*) FROM {what}").fetchall()
    return int(rows)


def missing_table(table: str) -> DatabaseProblem:
    """The error for a table that was never made."""
    return DatabaseProblem(f"There is no table {SCHEMA}.{table} yet: materialize it first.")


def columns_of(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, Kind]:
    """Return the columns that the endpoint's table has by now, bookkeeping left out.

    Where the catalogue's kind has the type that the column has, it is that kind: a key and a text
    are both VARCHAR. Without the table there are none. A column of a type that this project never
    gives is left out: it is somebody's own, or was altered and is rebuilt by the next sync.
    """
    known = {column.name: column.kind for column in endpoint.columns()}
    kinds = {}
    for name, sql_type in columns_found(database, endpoint.name):
        column = _as_known(name, known)
        if column in known and known[column].sql == sql_type:
            kinds[column] = known[column]
        elif column not in BOOKKEEPING and sql_type in _KINDS:
            kinds[column] = _KINDS[sql_type]
    return kinds


def _as_known(name: str, known: Container[str]) -> str:
    """Return a name as we spell it: DuckDB does not tell upper from lower case."""
    lower = name.lower()
    return lower if lower in known or lower in BOOKKEEPING else name


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
