"""Text from outside, prepared for the place where it is shown.

Others write job titles, stage names, ids and error bodies; applicants write some of them. So each
text from the API or the environment passes one of these functions on its way out: `one_line` to a
log, an error, the terminal or a cell of the report; `markdown` to Dagster's metadata; `message` to
the webhook; `label` into a picture. The tables keep texts unchanged.
"""

import logging
import re
from collections.abc import MutableMapping
from html import escape
from typing import Any
from unicodedata import category

BLANK = "(blank)"  # in the place of a text of which nothing can be shown
LONGEST_LINE = 2000  # characters of a line in a log, or of an error
LONGEST_LABEL = 60  # characters; measuring longer ones takes the drawing library seconds
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LOOKED_AT = 16  # characters of the original for each one shown: no text costs more for its length

# Marks and letters that show nothing: they would hide in a word, or make a name of nothing.
_INVISIBLE = {
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164,
    *range(0xFE00, 0xFE10), 0xFFA0, 0x16FE4, 0x1D159, *range(0xE0100, 0xE01F0),
}  # fmt: skip
_ESCAPED = re.compile(r"[\\`*_{}\[\]<>|~&$]")  # what Markdown and GFM give a meaning anywhere
_BLOCK = re.compile(r"^(\d*)([-+=#.)])")  # and at the start of a line: lists, headings, rules
# Where GFM would see an address, escaped or not: Dagster's renderer looks for them once more after
# it has resolved the escapes, so that only a blank keeps a link from being made.
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)", re.IGNORECASE)


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """Return a text as one line of printable characters, at most `limit` of them.

    Blanks and controls become one blank, what reorders or hides text is left out, and what has no
    glyph (halves of surrogate pairs, unassigned and private characters) becomes U+FFFD. The line is
    empty if nothing is left.
    """
    looked_at = text[: limit * LOOKED_AT]
    line = " ".join(looked_at.translate(_PRINTABLE).split())
    if len(line) <= limit and len(looked_at) == len(text):
        return line
    return line[: limit - 1].rstrip() + "…"


def markdown(text: str, limit: int = LONGEST_LINE) -> str:
    """Return one line that Markdown shows as text: no link, image, HTML or code comes of it.

    `limit` counts the characters that are shown; those that escape them come on top.
    """
    shown = _ADDRESS.sub(" ", one_line(text, limit) or BLANK)
    return _BLOCK.sub(r"\1\\\2", _ESCAPED.sub(r"\\\g<0>", shown))


def message(text: str, limit: int = LONGEST_LINE) -> str:
    """Return one line for a chat, with the three characters escaped that Slack takes for its own.

    Without them nothing is a mention (`<!channel>`) or a link with a text of its own.
    """
    return escape(one_line(text, limit), quote=False)


def label(text: str) -> str:
    """Return a text as a picture can show it: what XML allows, 60 characters at most."""
    return one_line(text, LONGEST_LABEL) or BLANK


class OneLineLog(logging.LoggerAdapter[logging.Logger]):
    """A log in which each message stays one line, whatever is in it."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[str, MutableMapping[str, Any]]:
        """Return the message as one line."""
        return one_line(str(msg)), kwargs


class _Printable:
    """What `str.translate` puts in the place of each character."""

    def __getitem__(self, code: int) -> int | str | None:
        kind = category(chr(code))
        if kind == "Cc" or kind.startswith("Z"):
            return " "
        if kind == "Cf" or code in _INVISIBLE:
            return None
        return REPLACEMENT if kind in ("Cs", "Co", "Cn") else code


_PRINTABLE = _Printable()
