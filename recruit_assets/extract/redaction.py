"""Redaction: the one place that decides what part of a response a message or a log may show.

The structure of a broken response helps; personal data must not appear. So JSON keys, markup and
status words are shown; JSON values, e-mail addresses, long numbers and the key are removed.
"""

import base64
import html
import re

from recruit_assets.text import one_line

MAX_EXCERPT = 161  # characters shown of a body, or of a message of the API

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"(?P<key>\s*:)?|\\?$)', re.DOTALL)
_EMAIL = re.compile(r"[^\s<>\"'=:;,]+@[^\s<>\"',;]+")
_PHONE = re.compile(r"(?:\+|\b0)\d(?:[\s().-]?\d){5,}")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){5,}")


class Redaction:
    """Redact the key in every spelling in which a server may send it back.

    Args:
        key: the secret that must not be shown.
    """

    def __init__(self, key: str) -> None:
        encoded = base64.b64encode(key.encode()).decode().rstrip("=")
        spelled = "".join(f"(?:{'|'.join(_spellings(letter))})" for letter in key)
        self._key = re.compile(f"{spelled}|{re.escape(encoded)}", re.IGNORECASE)

    def __repr__(self) -> str:
        return "Redaction(…)"

    def excerpt(self, body: bytes) -> str:
        """Return the start of a body, without values, addresses, long numbers or the key."""
        # Remove the key from the whole body first: a cut could leave part of it unrecognized.
        text = body.replace(b"\0", b"").decode("utf-8", errors="replace")
        text = self._key.sub("…", text)[: MAX_EXCERPT * 4]
        text = _JSON_STRING.sub(lambda found: found.group() if found["key"] else "…", text)
        return one_line(_LONG_NUMBER.sub("…", _EMAIL.sub("…", text)), MAX_EXCERPT)

    def sentence(self, text: str) -> str:
        """Return the API's message on a parameter, without addresses, phone numbers or the key."""
        text = self._key.sub("…", text)[: MAX_EXCERPT * 2]
        return one_line(_PHONE.sub("…", _EMAIL.sub("…", text)), MAX_EXCERPT).rstrip(".")


def _spellings(letter: str) -> list[str]:
    """Return patterns of a letter: plain, percent-encoded once or twice, HTML or JSON escape."""
    code = ord(letter)
    plain = [letter, f"%{code:02x}", f"%25{code:02x}", f"&#{code};", html.escape(letter)]
    plain += [f"\\u{code:04x}", f"\\{letter}", f"&#x{code:x};"]
    return [re.escape(each) for each in sorted(plain, key=len, reverse=True)]
