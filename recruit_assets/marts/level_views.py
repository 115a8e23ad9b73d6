"""The views of marts that have rows of several levels: one view per level, such as `funnel_month`.

A view has the rows of its level, without the columns that only other levels use. A mart's header
names its levels, and the columns that each alone uses.
"""

from collections.abc import Sequence

import duckdb

from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.table import describe
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
        database.execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT {', '.join(map(quoted, views[name]))} "
            f"FROM {MARTS_SCHEMA}.{quoted(mart.name)} WHERE {LEVEL} = {literal(level)}"
        )
        about = f"The rows of {MARTS_SCHEMA}.{mart.name} whose level is {level}"
        database.execute(f"COMMENT ON VIEW {view} IS {literal(about)}")
        describe(database, view, {column: mart.columns[column] for column in views[name]})


def has_views(database: duckdb.DuckDBPyConnection, mart: Mart) -> bool:
    """Return whether all views of a mart exist, with their columns."""
    return all(_found(database, name) == columns for name, columns in level_views(mart).items())


def _columns(mart: Mart, own: Sequence[str]) -> list[str]:
    """Return the columns of a level that uses these alone."""
    of_levels = {column for columns in mart.levels.values() for column in columns}
    others = of_levels.difference(own) | {LEVEL}
    return [column for column in mart.columns if column not in others]


def _found(database: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    try:
        return [column for column, _ in columns_found(database, name, MARTS_SCHEMA)]
    except duckdb.BinderException:  # it reads a column that is not there
        return []
