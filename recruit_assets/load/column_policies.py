"""The column policies in force: `recruit_meta.column_policies`, and stored rows that follow them.

A changed policy is applied to the stored rows before anything is read: values are hashed or
emptied, and dropped columns leave the table. What cannot be computed from the table (the values of
a column that was dropped or hashed) comes back with the next complete read. So a changed policy is
stored as incomplete, and until a complete read every sync of the endpoint reads the whole list. A
table that does not exist yet lacks nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import duckdb

from recruit_assets.catalogue import UNKNOWN_COLUMNS, ColumnPolicy, Endpoint
from recruit_assets.errors import DatabaseChanged, DatabaseProblem
from recruit_assets.load.connection import transaction
from recruit_assets.load.endpoint_table import columns_added, prepare
from recruit_assets.load.erasure import note_erasure
from recruit_assets.load.layout import META
from recruit_assets.load.rewrite import Change, rewrite
from recruit_assets.load.salt import hashing, mark_of, salt
from recruit_assets.load.schema import columns_found, count, table_exists, table_name
from recruit_assets.load.sql import literal
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure
from recruit_assets.text import counted, were

COLUMN_POLICIES = "column_policies"
FOLLOWED = Table(
    META,
    COLUMN_POLICIES,
    "The columns whose values are not stored as the API sends them",
    {
        "endpoint": ("VARCHAR", "Name of the endpoint and of its table"),
        "column_name": ("VARCHAR", "The column; unknown: all that the catalogue does not know"),
        "policy": ("VARCHAR", "hash or drop; keep if values are not back yet"),
        "salt": ("VARCHAR", "Mark of the salt of the hashes"),
        "complete": ("BOOLEAN", "Whether a complete sync has read the column under this policy"),
    },
)
_KEEP = ColumnPolicy.keep.value


@dataclass(frozen=True)
class Rule:
    """Hold the policy of one column, and the mark of the salt if it is hashed."""

    policy: str = _KEEP
    salt: str = ""


@dataclass(frozen=True)
class Followed:
    """Hold what a sync needs to follow the policy of its endpoint.

    `salt` is the key of the hashes, empty if there are none; `complete` says whether all values are
    stored under the policy; `rewritten` is the number of stored rows whose values were changed, and
    `note` a sentence about it.
    """

    salt: bytes = field(default=b"", repr=False)
    complete: bool = True
    rewritten: int = 0
    note: str = ""


def follow(
    database: duckdb.DuckDBPyConnection, endpoint: Endpoint, *, dry_run: bool = False
) -> Followed:
    """Apply the policy of an endpoint to its stored rows, if it has changed.

    Args:
        database: open for writing.
        endpoint: the endpoint, with its policy.
        dry_run: whether nothing may be changed.

    Raises:
        DatabaseProblem: the policy has changed, and this is a dry run.
    """
    if not endpoint.policy and not columns_found(database, COLUMN_POLICIES, META):
        return Followed()
    with transaction(database, keep=not dry_run):
        ensure(database, FOLLOWED)
        key = salt(database) if endpoint.hashes else b""
        before, now = _stored(database, endpoint), _rules(endpoint, key)
        rules = {name: now.get(name, Rule()) for name in {**before, **now}}
        changed = {name: rule for name, rule in rules.items() if rule != before.get(name, Rule())}
        if not changed:
            return Followed(key, complete=_is_complete(database, endpoint))
        rows, note = 0, ""
        if is_stored := table_exists(database, endpoint.name):
            if dry_run:
                raise DatabaseProblem(
                    f"The column policy of {endpoint.name} has changed, which a dry run cannot "
                    "apply: sync it once without dry_run. Nothing was changed."
                )
            rows = _apply(database, endpoint, changed, before, key)
            named = ", ".join(f"{name}: {rule.policy}" for name, rule in sorted(changed.items()))
            note = (
                f"{endpoint.name}: the column policy has changed ({named}). "
                f"{counted(rows, 'row')} {were(rows)} rewritten, and this sync reads the whole "
                "list."
            )
        _store(database, endpoint, rules, complete=not is_stored)  # of no rows, none is missing
    return Followed(key, complete=False, rewritten=rows, note=note)


def check_followed(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, key: bytes) -> None:
    """Refuse to merge rows that were read under another policy or salt than the table follows.

    Raises:
        DatabaseChanged: a backup was restored, or a sync with another policy was faster.
    """
    limited = {name: rule for name, rule in _stored(database, endpoint).items() if rule != Rule()}
    if limited != _rules(endpoint, key):
        raise DatabaseChanged(
            f"The column policy of {endpoint.name} changed in the file while this sync was reading."
        )


def note_complete(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Note that a complete sync has read all values, in the transaction of the merge."""
    if _stored(database, endpoint):
        table, name = table_name(database, COLUMN_POLICIES, META), [endpoint.name]
        database.execute(f"DELETE FROM {table} WHERE endpoint = ? AND policy = '{_KEEP}'", name)
        database.execute(
            f"UPDATE {table} SET complete = true WHERE endpoint = ? AND complete IS NOT true", name
        )


def limited_columns(database: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the columns that are hashed and dropped, as `table.column`, by policy."""
    if FOLLOWED.defects(columns_found(database, COLUMN_POLICIES, META)):
        return {}
    found: dict[str, list[str]] = {}
    for policy, name in database.execute(
        "SELECT policy, concat_ws('.', endpoint, column_name) "
        f"FROM {table_name(database, COLUMN_POLICIES, META)} WHERE policy <> '{_KEEP}' ORDER BY ALL"
    ).fetchall():
        found.setdefault(policy, []).append(name)
    return found


def _rules(endpoint: Endpoint, key: bytes) -> dict[str, Rule]:
    hashes = Rule(ColumnPolicy.hash.value, mark_of(key))
    return {
        name: hashes if policy is ColumnPolicy.hash else Rule(policy.value)
        for name, policy in endpoint.policy.items()
    }


def _stored(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> dict[str, Rule]:
    """Return the rules that the table follows, by column."""
    if not columns_found(database, COLUMN_POLICIES, META):
        return {}
    found = database.execute(
        "SELECT column_name, coalesce(policy, ''), coalesce(salt, '') "
        f"FROM {table_name(database, COLUMN_POLICIES, META)} WHERE endpoint = ? ORDER BY ALL",
        [endpoint.name],
    ).fetchall()
    return {name: Rule(policy, mark) for name, policy, mark in found}


def _is_complete(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> bool:
    unread = f"{table_name(database, COLUMN_POLICIES, META)} WHERE complete IS NOT true"
    return not count(database, f"{unread} AND endpoint = {literal(endpoint.name)}")


def _store(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    rules: Mapping[str, Rule],
    *,
    complete: bool,
) -> None:
    table = table_name(database, COLUMN_POLICIES, META)
    database.execute(f"DELETE FROM {table} WHERE endpoint = ?", [endpoint.name])
    for name, rule in rules.items():
        database.execute(
            f"INSERT INTO {table} (endpoint, column_name, policy, salt, complete) "
            "VALUES (?, ?, ?, nullif(?, ''), ?)",
            [endpoint.name, name, rule.policy, rule.salt, complete],
        )


def _apply(
    database: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    changed: Collection[str],
    before: Mapping[str, Rule],
    key: bytes,
) -> int:
    """Rewrite the stored rows; return how many have changed.

    Args:
        database: open for writing, in a transaction.
        endpoint: the endpoint, with its policy.
        changed: the names whose policy has changed.
        before: the rules that the rows follow.
        key: the salt.
    """
    prepare(database, endpoint, {})
    present = {name.lower() for name, _ in columns_found(database, endpoint.name)}
    kinds = {column.name: column.kind for column in replace(endpoint, policy={}).columns()}
    by_policy: dict[ColumnPolicy, list[str]] = {each: [] for each in ColumnPolicy}
    for name in changed:
        if name in present and name in kinds:
            by_policy[endpoint.policy.get(name, ColumnPolicy.keep)].append(name)
    hashed = [
        name for name in changed if before.get(name, Rule()).policy == ColumnPolicy.hash.value
    ]
    to_hash = [name for name in by_policy[ColumnPolicy.hash] if name not in hashed]
    kept = by_policy[ColumnPolicy.keep] + by_policy[ColumnPolicy.hash]
    dropped = by_policy[ColumnPolicy.drop]
    no_unknown = UNKNOWN_COLUMNS in changed and UNKNOWN_COLUMNS in endpoint.policy
    if no_unknown:
        dropped += sorted(columns_added(database, endpoint) - kinds.keys())
    change = Change(
        hashed={name: kinds[name] for name in to_hash},
        emptied=[name for name in kept if name in hashed],
        dropped=dropped,
        known=kinds if no_unknown else None,
    )
    with hashing(database, key):
        rows = rewrite(database, endpoint, change)
    if to_hash or dropped:
        note_erasure(database, endpoint, rows)
    return rows
