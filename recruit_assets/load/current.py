"""The views in `recruit_now`: the current rows of each endpoint, without bookkeeping columns.

A view lists its columns, so it is renewed when those of the table change. Comparing them takes a
fraction of a millisecond, which is all that most syncs do. A view of ours is known by its comment.
"""

import duckdb

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.schema import BOOKKEEPING, SCHEMA, columns_found, schema_name, table_name
from recruit_assets.load.sql import quoted
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.table import describe_view
from recruit_assets.load.tables import check_is_view

NOW = "recruit_now"


def ensure_view(database: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create the view of an endpoint's table, or renew it if its columns differ from the table's.

    Args:
        database: open for writing.
        name: the name of the endpoint, whose table must exist.

    Raises:
        DatabaseProblem: a user's own table or view has its name.
    """
    if _shown(database, name) != _columns(database, name):
        check_view(database, name)
        create_view(database, name)


def create_view(database: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create the view of an endpoint's table, or replace the one that there is.

    It names the table without the file: DuckDB 1.5 would store the name that the file has here.
    """
    view = table_name(database, name, NOW)
    selected = ", ".join(quoted(column) for column, _ in _columns(database, name))
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, NOW)}")
    database.execute(
        f"CREATE OR REPLACE VIEW {view} AS "
        f"SELECT {selected} FROM {quoted(SCHEMA)}.{quoted(name)} WHERE {CURRENT}"
    )
    describe_view(database, view, _comment(name), {})


def check_view(database: duckdb.DuckDBPyConnection, name: str) -> None:
    """Refuse a table or view of a user's own in place of the view of an endpoint.

    A view or table with the right columns is left as it is, even if a user made it.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    if _shown(database, name) == _columns(database, name):
        return
    if comments_of(database, name) not in ([], [_comment(name)]):
        raise DatabaseProblem(
            f"{NOW}.{name} is a view that somebody else created, in place of one that each sync "
            "maintains: rename or drop the view, then run again. Nothing was changed."
        )


def comments_of(database: duckdb.DuckDBPyConnection, name: str) -> list[str | None]:
    """Return the comment of a view in the schema of current rows; nothing if there is none.

    Raises:
        DatabaseProblem: a table has its name.
    """
    check_is_view(database, name, NOW)
    found = database.execute(
        "SELECT comment FROM duckdb_views() WHERE database_name = current_database() "
        "AND lower(schema_name) = ? AND lower(view_name) = ?",
        [NOW, name],
    ).fetchall()
    return [comment for (comment,) in found]


def _comment(name: str) -> str:
    return f"The current rows of {SCHEMA}.{name}"


def _columns(database: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    """Return the columns that the view should have."""
    found = columns_found(database, name)
    return [(column, sql_type) for column, sql_type in found if column.lower() not in BOOKKEEPING]


def _shown(database: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    """Return the columns that the view has; none if it is missing, or reads what no longer is."""
    try:
        return columns_found(database, name, NOW)
    except duckdb.BinderException:
        return []
