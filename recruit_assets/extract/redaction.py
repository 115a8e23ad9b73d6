"""The one place that decides what of an answer may be shown in a message or a log.

The shape of a broken answer helps; the people in it must not appear. So JSON keys, markup and
status words stay; JSON values, e-mail addresses, long numbers and the key go.
"""

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

LONGEST = 160  # characters shown of a body, or of a sentence of the API

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"(?P<key>\s*:)?|\\?$)', re.DOTALL)
_EMAIL = re.compile(r"[^\s<>\"'=:;,]+@[^\s<>\"',;]+")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){5,}")


class Redaction:
    """Knows the key, in every spelling in which a server may send it back.

    Args:
        key: what must not be shown.
    """

    def __init__(self, key: str) -> None:
        spellings = {
            key,
            quote(key, safe=""),
            quote_plus(key),
            html.escape(key),
            json.dumps(key)[1:-1],
            json.dumps(key)[1:-1].replace("/", "\\/"),
            base64.b64encode(key.encode()).decode().rstrip("="),
        }
        longest_first = sorted(spellings, key=len, reverse=True)
        self._key = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def __repr__(self) -> str:
        return "Redaction(…)"

    def excerpt(self, body: bytes) -> str:
        """The start of a body, without values, addresses, long numbers or the key."""
        # The key goes first, from all of it: a cut could leave a part of it unrecognized.
        text = self._key.sub("…", body.decode("utf-8", errors="replace"))[: LONGEST * 4]
        text = _JSON_STRING.sub(lambda found: found.group() if found["key"] else "…", text)
        return _one_line(_LONG_NUMBER.sub("…", _EMAIL.sub("…", text)))

    def sentence(self, text: str) -> str:
        """What the API says of a parameter, without addresses or the key."""
        return _one_line(_EMAIL.sub("…", self._key.sub("…", text)[: LONGEST * 2])).rstrip(".")


def _one_line(text: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"
