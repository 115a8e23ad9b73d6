"""How names and texts are written in SQL, whatever is in them."""


def quoted(name: str) -> str:
    """A name as SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"
