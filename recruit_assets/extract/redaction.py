"""The one place that decides what of an answer may be shown in a message or a log.

The shape of a broken answer helps; the people in it must not appear. So JSON keys, markup and
status words stay; JSON values, e-mail addresses, long numbers and the key go.
"""

import base64
import html
import re

from recruit_assets.text import one_line

LONGEST = 161  # characters shown of a body, or of a sentence of the API

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"(?P<key>\s*:)?|\\?$)', re.DOTALL)
_EMAIL = re.compile(r"[^\s<>\"'=:;,]+@[^\s<>\"',;]+")
_PHONE = re.compile(r"(?:\+|\b0)\d(?:[\s().-]?\d){5,}")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){5,}")


class Redaction:
    """Knows the key, in the spellings in which a server may send it back.

    Args:
        key: what must not be shown.
    """

    def __init__(self, key: str) -> None:
        encoded = base64.b64encode(key.encode()).decode().rstrip("=")
        spelled = "".join(f"(?:{'|'.join(_spellings(letter))})" for letter in key)
        self._key = re.compile(f"{spelled}|{re.escape(encoded)}", re.IGNORECASE)

    def __repr__(self) -> str:
        return "Redaction(…)"

    def excerpt(self, body: bytes) -> str:
        """The start of a body, without values, addresses, long numbers or the key."""
        # The key goes first, from all of it: a cut could leave a part of it unrecognized.
        text = body.replace(b"\0", b"").decode("utf-8", errors="replace")
        text = self._key.sub("…", text)[: LONGEST * 4]
        text = _JSON_STRING.sub(lambda found: found.group() if found["key"] else "…", text)
        return one_line(_LONG_NUMBER.sub("…", _EMAIL.sub("…", text)), LONGEST)

    def sentence(self, text: str) -> str:
        """What the API says of a parameter, without addresses, phone numbers or the key."""
        text = self._key.sub("…", text)[: LONGEST * 2]
        return one_line(_PHONE.sub("…", _EMAIL.sub("…", text)), LONGEST).rstrip(".")


def _spellings(letter: str) -> list[str]:
    """Patterns of a letter: itself, percent-encoded once or twice, and escaped for HTML or JSON."""
    code = ord(letter)
    plain = [letter, f"%{code:02x}", f"%25{code:02x}", f"&#{code};", html.escape(letter)]
    plain += [f"\\u{code:04x}", f"\\{letter}", f"&#x{code:x};"]
    return [re.escape(each) for each in sorted(plain, key=len, reverse=True)]
