"""The one place that decides what of an answer may be shown in a message or a log.

The shape of a broken answer helps; the people in it must not appear. So JSON keys, markup and
status words stay; JSON values, e-mail addresses, long numbers and the key go.
"""

import re

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"(?P<key>\s*:)?|\\?$)', re.DOTALL)
_EMAIL = re.compile(r"[^\s<>\"'=:;,]+@[^\s<>\"',;]+")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){5,}")


def excerpt(body: bytes, secret: str, length: int = 160) -> str:
    """The start of a body on one line, without values, addresses, long numbers or the secret."""
    start = body[: length * 4].decode("utf-8", errors="replace")
    start = hide(start, secret)
    start = _JSON_STRING.sub(lambda found: found.group() if found["key"] else "…", start)
    start = _LONG_NUMBER.sub("…", without_people(start))
    line = "".join(letter if letter.isprintable() else " " for letter in start)
    line = " ".join(line.split())
    return line if len(line) <= length else line[:length] + "…"


def without_people(text: str) -> str:
    """The text without e-mail addresses."""
    return _EMAIL.sub("…", text)


def hide(text: str, secret: str) -> str:
    """The text without the secret."""
    return text.replace(secret, "…") if secret else text
