"""Where the tables are: in a DuckDB file, or in a lake.

Contains what the two have in common, and which of them an address names. `database_file` and `lake`
have the rest; `engine` attaches them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Protocol

import duckdb

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.database_file import DatabaseFile
from recruit_assets.load.lake import Lake
from recruit_assets.text import is_lake_address


class Destination(Protocol):
    """Describe where tables are, and how DuckDB gets there."""

    @property
    def key(self) -> str:
        """Return what identifies it on this machine, without secrets."""

    @property
    def stays(self) -> bool:
        """Return whether it may stay attached while this process does not use it."""

    @property
    def beside(self) -> Path:
        """Return the path whose folder and name the report and the user's rules share."""

    def check(self) -> None:
        """Raise DatabaseProblem if it can never be used as it is set."""

    def exists(self) -> bool:
        """Return whether there is one, without creating it."""

    def is_made(self) -> bool:
        """Return whether there is one that was ever opened."""

    def attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach it for writing; it is created unless it exists."""

    def attach_read_only(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach it for reading; it must exist."""

    def reach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Check that what is attached can still be reached; raise duckdb.Error if not."""

    def try_to_attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach it for writing if that changes nothing."""

    def writing(
        self, database: duckdb.DuckDBPyConnection, name: str
    ) -> AbstractContextManager[Callable[[], None]]:
        """Return a block in which a transaction may write; it waits for those of others.

        The block gets a function to call before the commit, which raises if the turn was lost.
        """

    def detach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Detach it."""


def destination(address: str) -> Destination:
    """Return the destination at an address: the path of a file, or `ducklake:` and a catalogue.

    Raises:
        DatabaseProblem: the address of a lake cannot be read.
    """
    return Lake.at(address) if is_lake_address(address) else DatabaseFile(address)


def shared_catalogue(address: str) -> str:
    """Return the connection string of the PostgreSQL that the machines of a lake share.

    It is empty if there is none, or the address cannot be read, which opening it reports.
    """
    with suppress(DatabaseProblem):
        place = destination(address)
        return place.catalogue if isinstance(place, Lake) and place.kind == "postgres" else ""
    return ""
