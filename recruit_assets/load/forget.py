"""Forgetting: rows of a person become deleted and erased, and syncs leave them out from then on.

Scope: what becomes of stored rows, in the transaction of a request or of a merge. Each row loses
what a deletion at the source takes from it under the policy `erase`. `forgotten` has the list.
"""

from collections.abc import Collection, Mapping, Sequence

import duckdb

from recruit_assets.catalogue import PERSON, Endpoint
from recruit_assets.load.belonging import Record, collect, found, is_belonging, to_one
from recruit_assets.load.cover import drop_cover
from recruit_assets.load.erasure import note_deleted
from recruit_assets.load.forgotten import put_on_list, take_off_list
from recruit_assets.load.history import HISTORY, end_versions
from recruit_assets.load.layout import META
from recruit_assets.load.salt import hashed, hashing, salt, stored_salt
from recruit_assets.load.schema import columns_found, columns_of, count, table_exists, table_name
from recruit_assets.load.sql import literal
from recruit_assets.load.sweep import CURRENT, erase, mark_deleted
from recruit_assets.load.syncs import SYNCS_TABLE, latest, numbered
from recruit_assets.load.unfinished import drop


def forget_person(
    database: duckdb.DuckDBPyConnection, endpoints: Collection[Endpoint], id_: str, run_id: str
) -> dict[str, int]:
    """Erase a candidate and all rows that lead to it, and put them on the list.

    Args:
        database: open for writing, in a transaction.
        endpoints: the endpoints whose rows may belong to a person.
        id_: the id of the candidate.
        run_id: is stored with each row that was current.

    Returns:
        The number of rows that belong to the person, by endpoint.
    """
    key = salt(database)
    with hashing(database, key):
        ((person,),) = database.execute(f"SELECT {hashed(literal(id_))}").fetchall()
        return _forget(database, endpoints, [(PERSON, id_, person)], key, run_id)


def remember_person(database: duckdb.DuckDBPyConnection, id_: str) -> list[str]:
    """Take a candidate and all that leads to it off the list; the next syncs read whole lists.

    Returns:
        The names of the endpoints that had records on the list; none if the person was not on it.
    """
    with hashing(database, stored_salt(database)):
        names = take_off_list(database, f"person_hash = {hashed(literal(id_))}")
    _read_whole(database, names)
    return names


def forget_more(
    database: duckdb.DuckDBPyConnection,
    endpoints: Collection[Endpoint],
    endpoint: Endpoint,
    *,
    key: bytes,
    left_out: Mapping[str, frozenset[str]],
    returned: Collection[str],
    run_id: str,
) -> None:
    """Erase stored rows that lead to records which a sync left out, and bring the list up to date.

    Args:
        database: open for writing, in the transaction of the merge, after it.
        endpoints: the endpoints whose rows may belong to a person.
        endpoint: the endpoint that was read.
        key: the salt.
        left_out: the hashes of persons by the id of each record that was left out.
        returned: ids on the list whose records lead to other persons now.
        run_id: is stored with each row that was current.
    """
    start = [(endpoint.name, id_, each) for id_, persons in left_out.items() for each in persons]
    if not start and not returned:
        return
    with hashing(database, key):
        if _take_off_stale(database, endpoint, start, returned):
            _read_whole(database, [each.name for each in endpoints if _leads_to(each, endpoint)])
        if start:
            _forget(database, endpoints, start, key, run_id)


def _forget(
    database: duckdb.DuckDBPyConnection,
    endpoints: Collection[Endpoint],
    start: Collection[Record],
    key: bytes,
    run_id: str,
) -> dict[str, int]:
    collect(database, endpoints, start)
    put_on_list(database, key)
    stored = [each for each in found(database, endpoints) if table_exists(database, each.name)]
    return {each.name: _erase(database, each, run_id) for each in stored}


def _erase(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, run_id: str) -> int:
    """Erase the rows in `belonging`, and mark them deleted; return their number."""
    which = is_belonging(endpoint.name)
    table = table_name(database, endpoint.name)
    if not count(database, f"{table} WHERE {which} AND ({CURRENT} OR _row_hash IS NOT NULL)"):
        return 0  # as in most syncs
    note_deleted(database, endpoint, which)
    drop_cover(database, endpoint.name)  # a range may end with one of the ids
    fewer = mark_deleted(database, endpoint, which, run_id)
    rows = erase(database, endpoint, columns_of(database, endpoint), which)
    if table_exists(database, endpoint.name, HISTORY):
        end_versions(database, endpoint, which)
    if fewer:
        _note_forgotten(database, endpoint, fewer)
    return max(rows, fewer)


def _take_off_stale(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    left_out: Collection[Record],
    returned: Collection[str],
) -> list[str]:
    """Take records off the list for persons to whom they no longer lead."""
    pairs = [(id_, person) for _, id_, person in left_out] + [(id_, None) for id_ in returned]
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE seen AS SELECT {hashed('id')} AS id_hash, person_hash "
        "FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($whose::VARCHAR[]) AS person_hash)",
        {"ids": [id_ for id_, _ in pairs], "whose": [person for _, person in pairs]},
    )
    return take_off_list(
        database,
        f"endpoint = {literal(endpoint.name)} AND id_hash IN (SELECT id_hash FROM seen) "
        "AND id_hash || person_hash NOT IN "
        "(SELECT id_hash || person_hash FROM seen WHERE person_hash IS NOT NULL)",
    )


def _leads_to(endpoint: Endpoint, other: Endpoint) -> bool:
    return any(key.table == other.name for key in to_one(endpoint))


def _read_whole(database: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Let the next syncs of endpoints read whole lists from the beginning."""
    drop(database, names)
    for name in names:
        drop_cover(database, name)
    for name in names if "cursor" in _columns(database) else ():
        database.execute(
            f"UPDATE {table_name(database, SYNCS_TABLE, META)} SET cursor = NULL "
            "WHERE endpoint = $name AND sync_number = "
            f"(SELECT stored_number FROM {latest(database)} WHERE endpoint = $name)",
            {"name": name},
        )


def _note_forgotten(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, rows: int) -> None:
    """Note with the last sync how many of its current rows are gone, as that is no surprise."""
    if {"current_rows", "forgotten"} <= _columns(database):
        database.execute(
            f"UPDATE {table_name(database, SYNCS_TABLE, META)} AS syncs "
            "SET forgotten = coalesce(syncs.forgotten, 0) + $rows FROM "
            f"(SELECT rowid AS number FROM {numbered(database)} WHERE endpoint = $name "
            "AND current_rows IS NOT NULL ORDER BY place DESC LIMIT 1) AS last "
            "WHERE syncs.rowid = last.number",
            {"rows": rows, "name": endpoint.name},
        )


def _columns(database: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the columns of the log of syncs, which an older file may lack."""
    return {name for name, _ in columns_found(database, SYNCS_TABLE, META)}
