"""The list of forgotten persons: `recruit_meta.forgotten`.

Scope: the list, which has salted hashes only: of each person, and of all records that lead to one.
`forget` erases rows; `extract.forgotten` leaves out what is on the list before it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb

from recruit_assets.catalogue import PERSON, Endpoint
from recruit_assets.errors import DatabaseChanged, DatabaseProblem
from recruit_assets.load.belonging import BELONGING, to_one
from recruit_assets.load.layout import META
from recruit_assets.load.salt import hashed, hashing, mark_of, stored_salt
from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.sql import literal
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure

FORGOTTEN = "forgotten"
LISTED = Table(
    META,
    FORGOTTEN,
    "The persons whom syncs leave out, and the records that lead to them, as salted hashes",
    {
        "endpoint": ("VARCHAR", "Name of the endpoint of the record"),
        "id_hash": ("VARCHAR", "Salted hash of the id of the record"),
        "person_hash": ("VARCHAR", "Salted hash of the id of the candidate to whom it leads"),
        "salt": ("VARCHAR", "Mark of the salt of the hashes"),
        "since": ("TIMESTAMP WITH TIME ZONE", "When it was put on the list"),
    },
)
_ROOT = f"endpoint = {literal(PERSON)} AND id_hash = person_hash"  # a person's own record


@dataclass(frozen=True)
class Forgotten:
    """Hold what a sync of one endpoint needs of the list.

    `persons` has the hashes of persons by the hash of a record's id, by endpoint: of the endpoint
    itself, and of those that its records lead to. `salt` is the key of the hashes, empty if there
    are none.
    """

    persons: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    salt: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class ForgottenCount:
    """Count the persons on the list, and all records."""

    persons: int = 0
    records: int = 0


def listed(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> Forgotten:
    """Return what a sync of an endpoint needs of the list.

    Raises:
        DatabaseProblem: the list can no longer be compared with records.
    """
    if not _is_usable(database):
        return Forgotten()
    names = sorted({endpoint.name, *(key.table for key in to_one(endpoint))})
    found = database.execute(
        "SELECT endpoint, id_hash, salt, list(DISTINCT person_hash) "
        f"FROM {table_name(database, FORGOTTEN, META)} "
        "WHERE list_contains(?::VARCHAR[], endpoint) GROUP BY ALL",
        [names],
    ).fetchall()
    if not found:
        return Forgotten()
    key = stored_salt(database)
    persons: dict[str, dict[str, frozenset[str]]] = {}
    for name, id_hash, mark, whose in found:
        if mark != mark_of(key):
            raise DatabaseProblem(
                f"The list of forgotten persons, {META}.{FORGOTTEN}, was made with another salt "
                f"than {META}.salt has now: restore that table from a backup. If there is none, "
                "drop both tables and forget the persons again. Nothing was changed."
            )
        persons.setdefault(name, {})[id_hash] = frozenset(whose)
    return Forgotten(persons, key)


def check_listed(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, planned: Forgotten
) -> None:
    """Refuse to merge rows that were read by another list.

    Raises:
        DatabaseChanged: a person was forgotten, or is no longer, since the reading was planned.
    """
    if listed(database, endpoint) != planned:
        raise DatabaseChanged(
            "The list of forgotten persons changed in the file while this sync was reading."
        )


def count_forgotten(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint | None = None
) -> ForgottenCount:
    """Return how many persons and records are on the list, of one endpoint or of all."""
    if not _is_usable(database):
        return ForgottenCount()
    which = f"endpoint = {literal(endpoint.name)}" if endpoint else "true"
    ((persons, records),) = database.execute(
        f"SELECT count(*) FILTER ({_ROOT}), count(DISTINCT (endpoint, id_hash)) "
        f"FROM {table_name(database, FORGOTTEN, META)} WHERE {which}"
    ).fetchall()
    return ForgottenCount(persons, records)


def forgotten_since(database: duckdb.DuckDBPyConnection, id_: str) -> datetime | None:
    """Return since when a candidate is on the list, or None."""
    if not _is_usable(database):
        return None
    with hashing(database, stored_salt(database)):
        ((since,),) = database.execute(
            f"SELECT min(since) FROM {table_name(database, FORGOTTEN, META)} "
            f"WHERE {_ROOT} AND id_hash = {hashed(literal(id_))}"
        ).fetchall()
    return since  # type: ignore[no-any-return]


def put_on_list(database: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Put the records in `belonging` on the list; their `person` is the hash of a person's id.

    Args:
        database: open for writing, in a transaction, within `salt.hashing`.
        key: the salt.

    Raises:
        DatabaseProblem: a user's view has the name of the list.
    """
    ensure(database, LISTED)
    table = table_name(database, FORGOTTEN, META)
    database.execute(
        f"INSERT INTO {table} SELECT *, $mark, $now FROM (SELECT DISTINCT endpoint, "
        f"{hashed('id')} AS id_hash, person AS person_hash FROM {BELONGING}) "
        f"ANTI JOIN {table} USING (endpoint, id_hash, person_hash)",
        {"mark": mark_of(key), "now": datetime.now(UTC)},
    )


def take_off_list(database: duckdb.DuckDBPyConnection, which: str) -> list[str]:
    """Take records off the list; return the names of their endpoints.

    Args:
        database: open for writing, in a transaction.
        which: SQL that is true of them.
    """
    if not _is_usable(database):
        return []
    found = database.execute(
        f"DELETE FROM {table_name(database, FORGOTTEN, META)} WHERE {which} RETURNING endpoint"
    ).fetchall()
    return sorted({name for (name,) in found})


def _is_usable(database: duckdb.DuckDBPyConnection) -> bool:
    """Return whether there is a list.

    Raises:
        DatabaseProblem: it was altered, so that nobody knows who is on it.
    """
    found = columns_found(database, FORGOTTEN, META)
    if found and (lost := LISTED.defects(found)):
        raise DatabaseProblem(
            f"{META}.{FORGOTTEN} lacks {', '.join(lost)}, or has it in another type, so syncs "
            "would bring forgotten persons back: restore the table from a backup. If there is "
            "none, drop it and forget the persons again. Nothing was changed."
        )
    return bool(found)
