"""Text for the place where it is shown: escaping of external text, and counts in sentences.

Job titles, stage names, ids and error bodies are untrusted; applicants write some of them. So each
text from the API or the environment passes through one of these functions before it is shown:
`one_line` for a log, an error, the terminal or a cell of the report; `markdown` for Dagster's
metadata; `message` for the webhook; `label` for a picture. The tables keep texts unchanged.
"""

import logging
import re
from collections.abc import MutableMapping
from html import escape
from typing import Any
from unicodedata import category
from urllib.parse import unquote

LAKE = "ducklake:"  # beginning of the address of a lake
BLANK = "(blank)"  # replaces a text without any printable character
MAX_LINE = 2000  # characters of a line in a log, or of an error
MAX_LABEL = 60  # characters of a name in a picture
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
EXAMINED_PER_SHOWN = (
    16  # characters examined per character shown, which bounds the cost of long texts
)

# Marks and letters without a glyph: they could hide in a word, or make a name invisible.
_INVISIBLE = {
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164,
    *range(0xFE00, 0xFE10), 0xFFA0, 0x16FE4, 0x1D159, *range(0xE0100, 0xE01F0),
}  # fmt: skip
_PASSWORD = re.compile(r"(passw|secret)\w*\s*=|://.*:.*@", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(r"[\\`*_{}\[\]<>|~&$]")  # special anywhere in Markdown and GFM
_BLOCK = re.compile(r"^(\d*)([-+=#.)])")  # special at the start of a line: lists, headings, rules
# Where GFM would detect an address, escaped or not: Dagster's renderer searches again after it has
# resolved the escapes, so only a space prevents a link.
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)", re.IGNORECASE)


def is_lake_address(address: str) -> bool:
    """Return whether the address of a database is that of a lake."""
    return address.strip().lower().startswith(LAKE)


def has_password(address: str) -> bool:
    """Return whether the address of a database contains a password."""
    return _PASSWORD.search(unquote(address)) is not None


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Return a text as one line of printable characters, at most `limit` of them.

    Whitespace and control characters become one space, characters that reorder or hide text are
    removed, and those without a glyph (halves of surrogate pairs, unassigned and private
    characters) become U+FFFD. The line is empty if nothing is left.
    """
    examined = text[: limit * EXAMINED_PER_SHOWN]
    line = " ".join(examined.translate(_PRINTABLE).split())
    if len(line) <= limit and len(examined) == len(text):
        return line
    return line[: limit - 1].rstrip() + "…"


def markdown(text: str, limit: int = MAX_LINE) -> str:
    """Return one line that Markdown renders as plain text: no link, image, HTML or code.

    `limit` counts the visible characters, not the escaping ones.
    """
    shown = _ADDRESS.sub(" ", one_line(text, limit) or BLANK)
    return _BLOCK.sub(r"\1\\\2", _ESCAPED.sub(r"\\\g<0>", shown))


def unescaped(text: str) -> str:
    """Return a text from `markdown` without its escapes, for a terminal."""
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", text)


def message(text: str, limit: int = MAX_LINE) -> str:
    """Return one line for a chat, with Slack's three control characters escaped (`&`, `<`, `>`).

    This keeps a text from becoming a mention (`<!channel>`) or a link with its own label.
    """
    return escape(one_line(text, limit), quote=False)


def label(text: str) -> str:
    """Return a text that a picture can show: valid in XML, at most 60 characters."""
    return one_line(text, MAX_LABEL) or BLANK


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, such as `1 row` or `1,200 rows`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def were(number: int) -> str:
    """Return the verb for a number of things: was or were."""
    return "was" if number == 1 else "were"


class OneLineLog(logging.LoggerAdapter[logging.Logger]):
    """Log each message as one line, whatever it contains."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[str, MutableMapping[str, Any]]:
        """Return the message as one line."""
        return one_line(str(msg)), kwargs


class _Printable:
    """Map each character to its replacement, for `str.translate`."""

    def __getitem__(self, code: int) -> int | str | None:
        kind = category(chr(code))
        if kind == "Cc" or kind.startswith("Z"):
            return " "
        if kind == "Cf" or code in _INVISIBLE:
            return None
        return REPLACEMENT if kind in ("Cs", "Co", "Cn") else code


_PRINTABLE = _Printable()
