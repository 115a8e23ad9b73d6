"""How names and texts are written in SQL, whatever is in them."""

from uuid import uuid4

_OURS = uuid4().hex


def quoted(name: str) -> str:
    """A name as SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def unused(name: str) -> str:
    """Return a name, not quoted, that nobody can have given to anything of their own.

    It is for what is gone with the statement or the transaction, as each process has others.
    """
    return f"{name} {_OURS}"
