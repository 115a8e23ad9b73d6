"""The table `recruit_meta.schema_version`: version of the layout of all our tables, and account.

Scope: whether this project, and this account, may write to a file.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Layout:
    """Hold the version of a file's layout, and its account, which is empty if it has no name."""

    version: float = 1
    account: str = ""


def read_layout(database: duckdb.DuckDBPyConnection) -> Layout:
    """Return the layout of a file, however large its version; 1 if none is stored."""
    columns = {name.lower() for name, _ in columns_found(database, SCHEMA_VERSION, META)}
    if not columns:
        return Layout()
    version, account = (
        f"{name}::VARCHAR" if name in columns else "NULL" for name in ("version", "account")
    )
    ((found, whose),) = database.execute(
        "SELECT max(number) FILTER (isfinite(number)), max(account) FROM (SELECT "
        f"TRY_CAST({version} AS DOUBLE) AS number, {account} AS account "
        f"FROM {table_name(database, SCHEMA_VERSION, META)})"
    ).fetchall()
    return Layout(float(found or 1), whose or "")


def check_version(database: duckdb.DuckDBPyConnection) -> Layout:
    """Return the layout of a file, unless it is from a later version of this project.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    found = read_layout(database)
    if found.version > VERSION:
        raise DatabaseProblem(
            f"The tables have layout version {found.version:g}, and this recruit-assets supports "
            f"versions up to {VERSION}: upgrade recruit-assets. Nothing was changed."
        )
    return found


def check_layout(database: duckdb.DuckDBPyConnection, account: str) -> Layout:
    """Return the layout of a file, unless the account may not write to it.

    Raises:
        DatabaseProblem: it is from a later version of this project, or has the records of another
            account, which would be replaced.
    """
    found = check_version(database)
    if found.account not in ("", account):
        this = f"the account {account}" if account else "an account without a key prefix"
        raise DatabaseProblem(
            f"The file has the records of the account {one_line(found.account)}, and this is "
            f"{this}: give each account a file of its own. If it is the same account under a new "
            f"name, run UPDATE {META}.{SCHEMA_VERSION} SET account = {literal(account)} in the "
            "file. Nothing was changed."
        )
    return found


def store_layout(database: duckdb.DuckDBPyConnection, account: str, found: Layout) -> None:
    """Store the version of this project, and the account, where `found` differs."""
    ensure(database, _TABLE)
    if found != Layout(VERSION, account):
        table = table_name(database, SCHEMA_VERSION, META)
        database.execute(f"DELETE FROM {table}")
        database.execute(
            f"INSERT INTO {table} (version, account) VALUES (?, nullif(?, ''))", [VERSION, account]
        )
