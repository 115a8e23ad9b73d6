"""Candidates by id or e-mail address, and everything that the file holds of one.

Scope: queries. `belonging` says which rows a person has.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import duckdb
import msgspec

from recruit_assets.catalogue import PERSON, Endpoint, Kind
from recruit_assets.load.belonging import (
    BELONGING,
    collect,
    found,
    is_belonging,
    leads,
    to_one,
)
from recruit_assets.load.history import HISTORY
from recruit_assets.load.salt import hashed, hashing, stored_salt
from recruit_assets.load.schema import (
    SCHEMA,
    columns_found,
    table_exists,
    table_name,
)
from recruit_assets.load.syncs import numbered

MARTS = "recruit_marts"
MART_KEYS = {"candidate_id": PERSON, "application_id": "job_applications"}  # columns of marts
ORIGIN = ("_loaded_at", "_run_id", "_deleted_at")  # bookkeeping, shown apart from the values
DIGEST = "_row_hash"  # says nothing that the values do not


@dataclass(frozen=True)
class Match:
    """Describe a candidate without personal data: what tells it from others with its e-mail."""

    id: str
    created_at: datetime | None
    deleted: bool
    erased: bool  # nothing personal is left of the row
    records: int  # rows that belong to it, its own included
    has_row: bool = True  # false if only rows that lead to it are stored


def matches(
    database: duckdb.DuckDBPyConnection, endpoints: Collection[Endpoint], wanted: str
) -> list[Match]:
    """Return the candidate with an id, or those with an e-mail address, whatever its case.

    A text with an @ is an address, unless it is an id; spaces around it do not count. An address
    that the column policy hashes is found as it is written, or in lower case. A candidate without a
    row is found by its id if rows lead to it.

    Args:
        database: open.
        endpoints: the endpoints whose rows may belong to a person.
        wanted: the id or the e-mail address.
    """
    rows = _candidates(database, wanted)
    rows = [row for row in rows if row[0] == wanted] or rows
    has_row = bool(rows)
    if not has_row and "@" not in wanted:
        rows = [(wanted, None, True, False)]
    if not rows:
        return []
    collect(database, endpoints, [(PERSON, id_, id_) for id_, *_ in rows])
    counts = dict(
        database.execute(f"SELECT person, count(*) FROM {BELONGING} GROUP BY person").fetchall()
    )
    found = [Match(*row, counts[row[0]] - (not has_row), has_row) for row in rows]
    return [each for each in found if each.records]


def _candidates(
    database: duckdb.DuckDBPyConnection, wanted: str
) -> list[tuple[str, datetime | None, bool, bool]]:
    """Return the rows of candidates: id, when created, whether deleted, whether erased."""
    if not table_exists(database, PERSON):
        return []
    present = dict(columns_found(database, PERSON))
    created = "created_at" if present.get("created_at") == Kind.TIMESTAMP.sql else "NULL"
    hashes = f"email IN ({hashed('trim($wanted)')}, {hashed('lower(trim($wanted))')})"
    email = f"OR lower(trim(email::VARCHAR)) = lower(trim($wanted)) OR {hashes}"
    is_address = "@" in wanted and "email" in present
    with hashing(database, stored_salt(database)):
        return database.execute(
            f"SELECT id, {created}, _deleted_at IS NOT NULL, "
            f"_deleted_at IS NOT NULL AND {DIGEST} IS NULL FROM {table_name(database, PERSON)} "
            f"WHERE id = $wanted {email if is_address else ''} ORDER BY ALL",
            {"wanted": wanted},
        ).fetchall()


def everything_of(
    database: duckdb.DuckDBPyConnection, endpoints: Collection[Endpoint], id_: str
) -> list[dict[str, Any]]:
    """Return all rows of a person in all tables, each with its origin, ready for `msgspec`.

    Args:
        database: open.
        endpoints: the endpoints whose rows may belong to a person.
        id_: the id of the candidate.
    """
    collect(database, endpoints, [(PERSON, id_, id_)])
    return [
        *(row for each in found(database, endpoints) for row in _rows_of(database, each)),
        *_mart_rows(database),
    ]


def _rows_of(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Yield the rows of an endpoint, and the versions of its history that lead to the person."""
    apis = _apis(database, endpoint)
    if table_exists(database, endpoint.name):
        for row in _select(database, SCHEMA, endpoint.name, is_belonging(endpoint.name)):
            loaded, run, deleted = (row.pop(name) for name in ORIGIN)
            api = apis.get(run, apis.get(None))
            yield {
                "table": f"{SCHEMA}.{endpoint.name}",
                "url": api and f"{api.rstrip('/')}/{endpoint.path}/{quote(row['id'], safe='')}",
                "path": f"/{endpoint.path}",
                "loaded_at": loaded,
                "run_id": run,
                "deleted_at": deleted,
                "values": row,
            }
    present = {name for name, _ in columns_found(database, endpoint.name, HISTORY)}
    led = [leads(key) for key in to_one(endpoint) if key.column in present]
    which = " OR ".join([is_belonging(endpoint.name), *led])
    for row in _select(database, HISTORY, endpoint.name, which) if present else ():
        yield {
            "table": f"{HISTORY}.{endpoint.name}",
            "path": f"/{endpoint.path}",
            "loaded_at": row.pop("seen_at"),
            "run_id": row.pop("_run_id"),
            "values": row,
        }


def _mart_rows(database: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """Yield the rows of marts that have an id of the person or of an application."""
    tables = database.execute(
        "SELECT table_name, list(column_name ORDER BY column_name) FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? "
        "AND list_contains(?::VARCHAR[], column_name) GROUP BY table_name ORDER BY table_name",
        [MARTS, list(MART_KEYS)],
    ).fetchall()
    for name, columns in tables:
        which = " OR ".join(is_belonging(MART_KEYS[each], each) for each in columns)
        for row in _select(database, MARTS, name, which):
            yield {"table": f"{MARTS}.{name}", "values": row}


def _apis(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str | None, str]:
    """Return the address of the API by run; under None, that of the last sync."""
    rows: Sequence[tuple[str, str]] = database.execute(
        f"SELECT run_id, split_part(api, ' ', 1) FROM {numbered(database)} "
        "WHERE endpoint = ? AND api IS NOT NULL ORDER BY place",
        [endpoint.name],
    ).fetchall()
    return {**dict(rows), None: rows[-1][1]} if rows else {}


def _select(
    database: duckdb.DuckDBPyConnection, schema: str, table: str, which: str
) -> Iterator[dict[str, Any]]:
    """Yield rows by column; JSON as it is stored, so that no number loses digits."""
    query = database.sql(
        f"SELECT * FROM {table_name(database, table, schema)} WHERE {which} ORDER BY ALL"
    )
    columns = list(zip(query.columns, map(str, query.dtypes), strict=True))
    for row in query.fetchall():
        yield {
            name: msgspec.Raw(value.encode()) if kind == Kind.JSON.sql and value else value
            for (name, kind), value in zip(columns, row, strict=True)
            if name != DIGEST
        }
