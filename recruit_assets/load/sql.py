"""Quoting of names and texts in SQL, whatever they contain; and no downloads by DuckDB."""

from typing import Any
from uuid import uuid4

_OURS = uuid4().hex
OFFLINE: dict[str, Any] = {  # configuration of a DuckDB that downloads nothing
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


def quoted(name: str) -> str:
    """Return a name as SQL identifier, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def unused(name: str) -> str:
    """Return a name, not quoted, that nobody else can have used.

    Use it only for what ends with the statement or the transaction, as each process has other
    names.
    """
    return f"{name} {_OURS}"
