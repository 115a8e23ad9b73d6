"""How the changes of a list can be read, as far as earlier syncs have shown.

Scope: the queries, which change nothing. `state` recalls the same for a sync.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import duckdb

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.forgotten import listed
from recruit_assets.load.schema import columns_of, count, table_name
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.syncs import latest


@dataclass(frozen=True)
class ChangeSupport:
    """Hold what is known of a list: `filters` and `sorts` are None if unknown.

    `filters` is whether the API filters by the last change, and `sorts` whether changes can be read
    from the end of the list. `searches` is whether an incremental sync looks for deletions.
    """

    api: str = ""  # identity of the API that showed it
    filters: bool | None = None
    sorts: bool | None = None
    searches: bool = True

    @property
    def is_undated(self) -> bool:
        """Return whether the list cannot be asked for its changes, as far as is known."""
        return self.filters is False and self.sorts is False

    def at(self, api: str) -> "ChangeSupport":
        """Return what holds for an API: another one, or key, may behave differently."""
        return self if api == self.api else replace(self, api=api, filters=None, sorts=None)


def change_support(
    database: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]
) -> dict[str, ChangeSupport]:
    """Return what is known of each dated endpoint that was synced, by name.

    Raises:
        DatabaseProblem: a sync could not tell which persons are forgotten.
    """
    columns = ("endpoint", "api", "filter_refused", "sort_refused")
    found = database.execute(f"SELECT {', '.join(columns)} FROM {latest(database, *columns)}")
    syncs = {name: known for name, *known in found.fetchall()}
    return {
        each.name: _support(database, each, *syncs[each.name])
        for each in endpoints
        if each.dated and each.name in syncs
    }


def _support(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    api: str | None,
    filter_refused: bool | None,
    sort_refused: bool | None,
) -> ChangeSupport:
    sorts = None if sort_refused is None else not sort_refused
    return ChangeSupport(
        api or "",
        None if filter_refused is None else not filter_refused,
        sorts if _all_dated(database, endpoint) else False,
        not listed(database, endpoint).persons,
    )


def _all_dated(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> bool:
    """Return whether each current row has the time of its last change."""
    columns = columns_of(database, endpoint)
    if "updated_at" not in columns:
        return not columns  # without a table nothing is known
    return not count(
        database, f"{table_name(database, endpoint.name)} WHERE {CURRENT} AND updated_at IS NULL"
    )
