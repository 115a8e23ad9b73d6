"""What somebody else has put in the way of our tables, as sentences.

What lives here: what is looked for before anything is asked of the API, and one place for whatever
else DuckDB cannot do with tables as somebody has altered them. Most of what was altered is repaired
(see `tables`).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.erasure import ERASURES
from recruit_assets.load.history import HISTORY
from recruit_assets.load.schema import SCHEMA
from recruit_assets.load.syncs import LATEST_VIEW, META, SCHEMA_VERSION, SYNCS_TABLE
from recruit_assets.load.tables import check_is_table, check_is_view

# Errors of the machine, or of another transaction, which nobody's table is the reason for.
_NOT_OF_A_TABLE = (duckdb.OperationalError, duckdb.InternalError)


def check_names(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Refuse a view in the place of a table that a sync of the endpoint writes to, or the reverse.

    Raises:
        DatabaseProblem: with what to do.
    """
    for schema in (SCHEMA, HISTORY):
        check_is_table(database, endpoint.name, schema)
    for name in (SYNCS_TABLE, SCHEMA_VERSION, ERASURES):
        check_is_table(database, name, META)
    check_is_view(database, LATEST_VIEW, META)


@contextmanager
def explaining_tables(table: str) -> Iterator[None]:
    """Turn what DuckDB cannot do with a table, and what belongs to it, into a sentence.

    Around the transaction, which is undone by then.

    Raises:
        DatabaseProblem: with what DuckDB says, without values, and what to do.
        duckdb.Error: it says something of the machine, or of another transaction.
    """
    try:
        yield
    except _NOT_OF_A_TABLE:
        raise
    except duckdb.Error as error:
        raise DatabaseProblem(
            f"{table} cannot be written as the database is now, and nothing was changed: undo what "
            f"was added or altered in {SCHEMA}, {HISTORY} or {META} (a constraint, a key, a "
            "column that is generated or must have a value), then run again. DuckDB says: "
            f"{_without_values(str(error))}"
        ) from error


def opening(
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], table: str
) -> Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]:
    """Return what opens the database as `opened` does, and explains what it cannot do."""

    @contextmanager
    def explained() -> Iterator[duckdb.DuckDBPyConnection]:
        with opened() as database, explaining_tables(table):
            yield database

    return explained


def _without_values(said: str) -> str:
    """Return DuckDB's words without the values that it found, which may tell of a person."""
    said = re.sub(r'(?s)key "([^":]+):.*"', r'key "\1"', said)
    return re.sub(r"(?s)(string|value|cast) ['\"].*['\"]", r"\1", said)
