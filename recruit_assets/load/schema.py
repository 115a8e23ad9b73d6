"""Schema of the tables: their names, and the columns that they have now.

Scope: lookups. `tables` creates and repairs tables.
"""

from collections.abc import Container
from weakref import WeakKeyDictionary

import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint, Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.sql import literal, quoted

SCHEMA = "recruit"
UNKNOWN = "Sent by the API, not in the catalogue"

BOOKKEEPING = {
    "_loaded_at": ("TIMESTAMP WITH TIME ZONE", "When this version of the row was written"),
    "_run_id": ("VARCHAR", "The Dagster run that wrote it"),
    "_row_hash": ("VARCHAR", "Digest of the values that count as a change"),
    "_deleted_at": (
        "TIMESTAMP WITH TIME ZONE",
        "When the record was found deleted; null for a current row",
    ),
    UNPARSED: ("JSON", "Raw values that did not fit their column, by column; null if none"),
}
_CATALOGS = WeakKeyDictionary[duckdb.DuckDBPyConnection, str]()  # the catalog of each connection
_KINDS = {kind.sql: kind for kind in reversed(Kind)}  # TEXT before KEY, which has its type


def schema_name(database: duckdb.DuckDBPyConnection, schema: str = SCHEMA) -> str:
    """Return a schema, quoted, with its catalog: a file of the same name makes it ambiguous."""
    if database not in _CATALOGS:
        ((_CATALOGS[database],),) = database.execute("SELECT current_database()").fetchall()
    return f"{quoted(_CATALOGS[database])}.{quoted(schema)}"


def table_name(database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA) -> str:
    """Return the full name of a table, quoted."""
    return f"{schema_name(database, schema)}.{quoted(table)}"


def existing_table(database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA) -> str:
    """Return the full name of a table that must exist, quoted.

    Raises:
        DatabaseProblem: it does not exist.
    """
    if not table_exists(database, table, schema):
        raise missing_table(table, schema)
    return table_name(database, table, schema)


def table_exists(database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA) -> bool:
    """Return whether a table exists."""
    return bool(columns_found(database, table, schema))


def is_table(database: duckdb.DuckDBPyConnection, name: str, schema: str = SCHEMA) -> bool | None:
    """Return whether this name is that of a table, not of a view; None if it does not exist.

    Only tables have row ids, but a view may have a column of that name. As in `columns_found`, the
    query is never run.
    """
    try:
        found = database.sql(f"SELECT rowid, * FROM {table_name(database, name, schema)}")
    except duckdb.CatalogException:
        return None
    except duckdb.BinderException:
        return False
    if "rowid" not in map(str.lower, found.columns[1:]):
        return True
    listed = (
        "duckdb_tables() WHERE database_name = current_database() "
        f"AND lower(schema_name) = {literal(schema)} AND lower(table_name) = {literal(name)}"
    )
    return count(database, listed) > 0


def count(database: duckdb.DuckDBPyConnection, what: str) -> int:
    """Return the number of rows of a FROM clause."""
    ((rows,),) = database.execute(f"SELECT count(*) FROM {what}").fetchall()
    return int(rows)


def missing_table(table: str, schema: str = SCHEMA) -> DatabaseProblem:
    """Return the error for a table that was never created."""
    return DatabaseProblem(f"There is no table {schema}.{table} yet: materialize it first.")


def columns_of(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, Kind]:
    """Return the columns that the endpoint's table has now, without bookkeeping.

    A column has the catalogue's kind if it has the type of that kind: a key and a text are both
    VARCHAR. Without the table there are none. A column of a type that this project never uses is
    left out: a user added it, or altered it, and then the next sync rebuilds it.
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
    """Return a name as we spell it, because DuckDB ignores case."""
    lower = name.lower()
    return lower if lower in known or lower in BOOKKEEPING else name


def columns_found(
    database: duckdb.DuckDBPyConnection, table: str, schema: str = SCHEMA
) -> list[tuple[str, str]]:
    """Return name and type of every column of the table, also added ones; none without the table.

    The query is made and never run. That takes a tenth of the time of a query of the catalog, which
    goes through all tables, and an error leaves the transaction valid, unlike the error of a query
    that is run.
    """
    try:
        found = database.sql(f"FROM {table_name(database, table, schema)}")
    except duckdb.CatalogException:
        return []
    return list(zip(found.columns, map(str, found.dtypes), strict=True))
