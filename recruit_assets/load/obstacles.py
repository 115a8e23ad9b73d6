"""Errors about tables that users have altered, as sentences.

Scope: the checks before anything is requested from the API, and the translation of DuckDB's errors
about altered tables. Most alterations are repaired (see `tables`).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.current import check_view
from recruit_assets.load.erasure import ERASURES
from recruit_assets.load.history import HISTORY
from recruit_assets.load.layout import META, SCHEMA_VERSION
from recruit_assets.load.messages import is_refused_commit, without_values
from recruit_assets.load.schema import SCHEMA
from recruit_assets.load.syncs import LATEST_VIEW, SYNCS_TABLE
from recruit_assets.load.tables import check_is_table, check_is_view

# Errors of the machine, or of another transaction, which no table causes.
_NOT_OF_A_TABLE = (duckdb.OperationalError, duckdb.InternalError)


def check_names(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Refuse a view in place of a table that a sync of the endpoint writes to, or the reverse.

    Raises:
        DatabaseProblem: the message says what to do.
    """
    for schema in (SCHEMA, HISTORY):
        check_is_table(database, endpoint.name, schema)
    for name in (SYNCS_TABLE, SCHEMA_VERSION, ERASURES):
        check_is_table(database, name, META)
    check_is_view(database, LATEST_VIEW, META)
    check_view(database, endpoint.name)


@contextmanager
def translate_table_errors(table: str) -> Iterator[None]:
    """Translate DuckDB's errors about a table, and what belongs to it, into a sentence.

    Use it around the transaction, which is rolled back by then.

    Raises:
        DatabaseProblem: the message has DuckDB's, without values, and says what to do.
        duckdb.Error: it is about the machine, or another transaction.
    """
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, _NOT_OF_A_TABLE) and not is_refused_commit(error):
            raise
        raise DatabaseProblem(
            f"{table} cannot be written in the database's present state, and nothing was changed: "
            f"undo what was added or altered in {SCHEMA}, {HISTORY} or {META} (a constraint, a "
            "key, an index, a column that is generated or must have a value), then run again. "
            f"DuckDB says: {without_values(error)}"
        ) from error


def with_translated_errors(
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], table: str
) -> Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]:
    """Return a function that opens the database as `opened` does, and translates its errors."""

    @contextmanager
    def translating() -> Iterator[duckdb.DuckDBPyConnection]:
        with opened() as database, translate_table_errors(table):
            yield database

    return translating
