"""The table `recruit_meta.schema_version`: version of the layout of all our tables, and account.

Scope: whether this project, and this account, may write to a file.
"""

import duckdb

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.sql import literal
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure
from recruit_assets.text import one_line

META = "recruit_meta"
SCHEMA_VERSION = "schema_version"
VERSION = 2  # of the layout; files of release 0.1.0, which was version 1, store none
_TABLE = Table(
    META,
    SCHEMA_VERSION,
    "The version of the layout of all tables of recruit-assets, and whose records they have",
    {
        "version": ("BIGINT", "Layout version of this file"),
        "account": ("VARCHAR", "Key prefix of the account; null if it has none"),
    },
)


def layout_version(database: duckdb.DuckDBPyConnection) -> float:
    """Return the version of the layout, however large it is; 1 if none is stored."""
    if "version" not in _columns(database):
        return 1
    ((found,),) = database.execute(
        "SELECT max(number) FILTER (isfinite(number)) FROM (SELECT "
        "TRY_CAST(version::VARCHAR AS DOUBLE) AS number "
        f"FROM {table_name(database, SCHEMA_VERSION, META)})"
    ).fetchall()
    return float(found or 1)


def check_version(database: duckdb.DuckDBPyConnection) -> None:
    """Refuse a file whose layout is from a later version of this project.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    found = layout_version(database)
    if found > VERSION:
        raise DatabaseProblem(
            f"The tables have layout version {found:g}, and this recruit-assets supports "
            f"versions up to {VERSION}: upgrade recruit-assets. Nothing was changed."
        )


def check_account(database: duckdb.DuckDBPyConnection, account: str) -> None:
    """Refuse a file that has the records of another account, which a sync would replace.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    if (found := _account(database)) and found != account:
        this = f"the account {account}" if account else "an account without a key prefix"
        raise DatabaseProblem(
            f"The file has the records of the account {one_line(found)}, and this is {this}: give "
            "each account a file of its own. If it is the same account under a new name, run "
            f"UPDATE {META}.{SCHEMA_VERSION} SET account = {literal(account)} in the file. "
            "Nothing was changed."
        )


def prepare_layout(database: duckdb.DuckDBPyConnection, account: str) -> None:
    """Store the version of this project, and the account if it has a name.

    Raises:
        DatabaseProblem: the file has the records of another account.
    """
    check_account(database, account)
    found = layout_version(database), _account(database)
    ensure(database, _TABLE)
    if found != (VERSION, account):
        table = table_name(database, SCHEMA_VERSION, META)
        database.execute(f"DELETE FROM {table}")
        database.execute(f"INSERT INTO {table} VALUES (?, nullif(?, ''))", [VERSION, account])


def _account(database: duckdb.DuckDBPyConnection) -> str:
    """Return the account whose records a file has; empty if none is stored."""
    if "account" not in _columns(database):
        return ""
    table = table_name(database, SCHEMA_VERSION, META)
    ((found,),) = database.execute(f"SELECT max(account::VARCHAR) FROM {table}").fetchall()
    return found or ""


def _columns(database: duckdb.DuckDBPyConnection) -> set[str]:
    return {name.lower() for name, _ in columns_found(database, SCHEMA_VERSION, META)}
