"""The views of marts that have rows of several levels: one view per level, such as `funnel_month`.

A view has the rows of its level, without the columns that only other levels use. A mart's header
names its levels, and the columns that each alone uses.
"""

from collections.abc import Sequence

import duckdb

from recruit_assets.load.schema import table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.table import describe_view
from recruit_assets.load.tables import check_is_view
from recruit_assets.marts.mart import MARTS_SCHEMA, Mart

LEVEL = "level"


def level_views(mart: Mart) -> dict[str, list[str]]:
    """Return the columns of each view of a mart, by its name."""
    return {view_name(mart, level): _columns(mart, own) for level, own in mart.levels.items()}


def view_name(mart: Mart, level: str) -> str:
    """Return the name of the view of a level."""
    return f"{mart.name}_{level}"


def create_views(database: duckdb.DuckDBPyConnection, mart: Mart) -> None:
    """Create the views of a mart, whose table exists, or replace them.

    They name the table without the file, whose name DuckDB would store.

    Raises:
        DatabaseProblem: a user's table has the name of one.
    """
    views = level_views(mart)
    for level in mart.levels:
        name = view_name(mart, level)
        check_is_view(database, name, MARTS_SCHEMA)
        view = table_name(database, name, MARTS_SCHEMA)
        database.execute(f"CREATE OR REPLACE VIEW {view} AS {_rows(mart, level)}")
        about = f"The rows of {MARTS_SCHEMA}.{mart.name} whose level is {level}"
        meanings = {column: mart.columns[column] for column in views[name]}
        describe_view(database, view, about, meanings)


def has_views(database: duckdb.DuckDBPyConnection, mart: Mart) -> bool:
    """Return whether all views of a mart exist, as `create_views` creates them."""
    return all(
        _found(database, view_name(mart, level)) == _normal(database, _rows(mart, level))
        for level in mart.levels
    )


def _rows(mart: Mart, level: str) -> str:
    """Return SQL for the rows of a level."""
    columns = ", ".join(map(quoted, _columns(mart, mart.levels[level])))
    return (
        f"SELECT {columns} FROM {MARTS_SCHEMA}.{quoted(mart.name)} WHERE {LEVEL} = {literal(level)}"
    )


def _columns(mart: Mart, own: Sequence[str]) -> list[str]:
    """Return the columns of a level that uses these alone."""
    of_levels = {column for columns in mart.levels.values() for column in columns}
    others = of_levels.difference(own) | {LEVEL}
    return [column for column in mart.columns if column not in others]


def _found(database: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the SQL of a view as DuckDB writes it; nothing if there is no such view."""
    found = database.execute(
        "SELECT sql FROM duckdb_views() WHERE database_name = current_database() "
        "AND schema_name = ? AND view_name = ?",
        [MARTS_SCHEMA, name],
    ).fetchall()
    return found[0][0].partition(" AS ")[2] if found else ""  # a lake leaves out the schema


def _normal(database: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return SQL as DuckDB writes it in a view."""
    normal = "SELECT json_deserialize_sql(json_serialize_sql(?))"
    return f"{database.execute(normal, [sql]).fetchall()[0][0]};"
