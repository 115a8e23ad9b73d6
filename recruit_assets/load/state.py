"""State of an endpoint: what its earlier syncs have left, and whether that still holds.

Scope: the queries on the syncs that `syncs` stores. The last stored sync holds the watermark
(cursor), written in the transaction that merged what was read up to it. `sync_state` says what a
state means.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.column_policies import follow
from recruit_assets.load.connection import snapshot
from recruit_assets.load.cover import stored_cover
from recruit_assets.load.endpoint_table import is_damaged
from recruit_assets.load.forgotten import listed
from recruit_assets.load.known import OVERLAP, count_dated, known_ids
from recruit_assets.load.layout import check_layout
from recruit_assets.load.obstacles import check_names
from recruit_assets.load.salt import new_salt
from recruit_assets.load.schema import columns_of, count, table_exists, table_name
from recruit_assets.load.sync_state import SyncState
from recruit_assets.load.syncs import add_sync, latest, numbered, prepare_syncs
from recruit_assets.load.unfinished import rest_of
from recruit_assets.text import one_line


def read_state(
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    exists: Callable[[], bool],
    endpoint: Endpoint,
    account: str = "",
    *,
    dry_run: bool = False,
) -> SyncState:
    """Return the state of an endpoint, with the columns of its table.

    The stored rows follow the endpoint's column policy from here on. A table that lacks a column,
    has it in another type, or awaits values since its policy changed, gets a full read, because
    changed records alone do not restore the column.

    Args:
        opened: opens the database for writing.
        exists: returns whether the database exists; opening it would create it.
        endpoint: the endpoint.
        account: the account that syncs.
        dry_run: whether nothing may be changed.

    Raises:
        DatabaseProblem: a sync of the account could not write to the database.
    """
    if not exists() and (dry_run or not endpoint.policy):
        return SyncState(account=account, salt=new_salt() if endpoint.hashes else b"")
    with opened() as database:
        with snapshot(database):
            check_layout(database, account)
            check_names(database, endpoint)
            damaged = table_exists(database, endpoint.name) and is_damaged(database, endpoint)
        followed = follow(database, endpoint, dry_run=dry_run)
        with snapshot(database):
            forgotten = listed(database, endpoint)
            state = recall(database, endpoint)
            if damaged or not followed.complete:
                state = replace(state, void=True, cursor=None)
            if not forgotten.persons:  # their records are listed, and are not known
                state = with_rows(database, endpoint, state)
            return replace(
                state,
                columns=columns_of(database, endpoint),
                account=account,
                salt=followed.salt,
                rewritten=followed.rewritten,
                note=followed.note,
                forgotten=forgotten,
                rest=rest_of(database, endpoint),
            )


def with_rows(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, state: SyncState
) -> SyncState:
    """Return a state with what is known of the current rows."""
    if state.cursor and "updated_at" in columns_of(database, endpoint):
        state = replace(state, dated_rows=count_dated(database, endpoint))
    cover = None if state.void else stored_cover(database, endpoint)
    before = state.since if state.lists_changes(endpoint) else cover and cover.top - OVERLAP
    known = known_ids(database, endpoint, before) if before and not endpoint.nested_in else None
    return replace(state, known=known, cover=cover)


def states(
    database: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]
) -> dict[str, SyncState]:
    """Return the states of endpoints that were synced, by name, without changing anything."""
    found = {}
    for endpoint in endpoints:
        state = recall(database, endpoint)
        if state.stored and not state.void and not listed(database, endpoint).persons:
            state = with_rows(database, endpoint, state)
        if state.stored:
            found[endpoint.name] = state
    return found


def is_current(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, state: SyncState) -> bool:
    """Return whether no sync of an endpoint was stored, and nobody forgotten, since its state."""
    columns = ("stored_number", "stored_run_id")
    found = database.execute(
        f"SELECT {', '.join(columns)} FROM {latest(database, *columns, 'endpoint')} "
        "WHERE endpoint = ?",
        [endpoint.name],
    ).fetchone()
    stored = None if found is None or found[0] is None else tuple(found)
    return stored == state.stored and listed(database, endpoint) == state.forgotten


def recall(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> SyncState:
    """Return the state of an endpoint, without the columns of its table.

    It is void if something else added or removed rows. A cursor or a complete reading from a wrong
    clock counts as none.
    """
    columns = (
        "cursor", "complete_at", "whole_at", "filter_refused", "sort_refused", "rows",
        "proven_api", "api", "stored_number", "stored_run_id",
    )  # fmt: skip
    found = database.execute(
        f"SELECT * EXCLUDE (endpoint) FROM {latest(database, *columns, 'endpoint')} "
        "WHERE endpoint = ?",
        [endpoint.name],
    ).fetchall()
    if not found:
        return SyncState()
    ((cursor, complete_at, whole_at, *refused, remembered, good_api, last_api, number, run_id),) = (
        found
    )
    filter_refused, sort_refused = map(bool, refused)
    known = SyncState(
        api=good_api or "",
        stored=None if number is None else (number, run_id),
        last_api=last_api or "",
    )
    if remembered != rows(database, endpoint):
        return replace(known, void=True)
    return replace(
        known,
        cursor=cursor,
        complete_at=complete_at,
        whole_at=whole_at,
        filter_refused=filter_refused,
        sort_refused=sort_refused,
    )


def written_since(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, planned: SyncState, now: SyncState
) -> list[str] | None:
    """Return the runs that have written rows since a state was recalled.

    None means that the rows are not those of later syncs: a backup was restored, or something else
    has written to the table.
    """
    if now.stored == planned.stored:
        return None if now.void and not planned.void else []
    stored = database.execute(
        "SELECT sync_number, run_id, inserted + updated + deleted + undeleted > 0 "
        f"FROM {numbered(database)} WHERE endpoint = ? AND rows IS NOT NULL",
        [endpoint.name],
    ).fetchall()
    known = planned.stored is None or planned.stored in {(number, run) for number, run, _ in stored}
    if now.void or not known:
        return None
    first = planned.stored[0] if planned.stored else 0
    return [run for number, run, wrote in stored if number > first and wrote is not False]


def remember(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    values: Mapping[str, Any],
    account: str = "",
) -> list[str]:
    """Write the row of a sync.

    Args:
        database: open for writing, in a transaction.
        endpoint: the endpoint that was synced.
        values: by column of `SYNCS`; an omitted column is null.
        account: the account that was synced.

    Returns:
        Columns of `recruit_meta.syncs` that were lost and created again.

    Raises:
        DatabaseProblem: the file is from a later version, or of another account.
    """
    defects = prepare_syncs(database, account)
    reason = values.get("reason")
    shown = {"reason": reason and one_line(reason)}
    add_sync(database, {"endpoint": endpoint.name, **values, **shown})
    return defects


def rows(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> int:
    """Return how many rows a table has, including deleted ones; -1 if it does not exist."""
    if not table_exists(database, endpoint.name):
        return -1
    return count(database, table_name(database, endpoint.name))
