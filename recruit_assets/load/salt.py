"""The account's salt in `recruit_meta.salt`, and SQL for hashes with it.

A hash is HMAC-SHA-256 with the salt as key, as 64 hexadecimal digits: equal values have equal
hashes in all tables of the file, and other hashes in any other file. The salt never leaves the file
but in memory. `extract.privacy` hashes the values of records in the same way.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_bytes

import duckdb

from recruit_assets.load.layout import META
from recruit_assets.load.schema import columns_found, table_name
from recruit_assets.load.table import Table
from recruit_assets.load.tables import ensure

SALT = "salt"
SALTED = Table(
    META,
    SALT,
    "The secret with which values of this file are hashed; copies for others must not have it",
    {"salt": ("VARCHAR", "32 random bytes, as hexadecimal digits")},
)
_BYTES, _BLOCK = 32, 64  # of the salt, and of what SHA-256 digests at a time
_INNER, _OUTER = "recruit_salt_inner", "recruit_salt_outer"


def salt(database: duckdb.DuckDBPyConnection) -> bytes:
    """Return the salt of the file, 32 bytes; make it if there is none.

    Args:
        database: open for writing, in a transaction, so that two processes never make two.

    Raises:
        DatabaseProblem: a user's view has the table's name.
    """
    ensure(database, SALTED)
    if found := stored_salt(database):
        return found
    table, made = table_name(database, SALT, META), new_salt()
    database.execute(f"DELETE FROM {table}")
    database.execute(f"INSERT INTO {table} (salt) VALUES (?)", [made.hex()])
    return made


def stored_salt(database: duckdb.DuckDBPyConnection) -> bytes:
    """Return the salt of the file, empty if there is none; nothing is changed."""
    if "salt" not in {name for name, _ in columns_found(database, SALT, META)}:
        return b""
    found = database.execute(
        f"SELECT salt FROM {table_name(database, SALT, META)} "
        f"WHERE regexp_full_match(salt, '[0-9a-f]{{{2 * _BYTES}}}') ORDER BY salt LIMIT 1"
    ).fetchall()
    return bytes.fromhex(found[0][0]) if found else b""


def new_salt() -> bytes:
    """Return 32 random bytes."""
    return token_bytes(_BYTES)


def mark_of(value: bytes) -> str:
    """Return a mark by which a salt is recognized, but that does not reveal it."""
    return hashlib.sha256(b"recruit-assets salt" + value).hexdigest()[:12]


@contextmanager
def hashing(database: duckdb.DuckDBPyConnection, value: bytes) -> Iterator[None]:
    """Let SQL of `hashed` use a salt in the block; no statement contains it."""
    padded = value.ljust(_BLOCK, b"\0")
    try:
        for name, byte in ((_INNER, 0x36), (_OUTER, 0x5C)):  # as RFC 2104 defines HMAC
            database.execute(f"SET VARIABLE {name} = ?::BLOB", [bytes(b ^ byte for b in padded)])
        yield
    finally:
        with suppress(duckdb.Error):  # after an error, until the transaction is rolled back
            database.execute(f"RESET VARIABLE {_INNER}")
            database.execute(f"RESET VARIABLE {_OUTER}")


def hashed(text: str) -> str:
    """Return SQL for the hash of a text, given as SQL; null and the empty text stay."""
    inner = f"unhex(sha256(getvariable('{_INNER}') || encode({text})))"
    return f"CASE WHEN {text} = '' THEN '' ELSE sha256(getvariable('{_OUTER}') || {inner}) END"
