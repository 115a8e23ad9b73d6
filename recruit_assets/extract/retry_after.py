"""The wait that the API asks for in the headers of a response."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

NONSENSE = 366 * 86_400  # seconds; no server means to ask for a year
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def wait_asked_for(response: requests.Response) -> float | None:
    """Return the seconds to wait before a retry, or None if the response does not say.

    That is Retry-After, in seconds or as a date; after a 429 without it, the rest of the window.
    Nonsense counts as absent: a negative or endless number, a date without a zone, a year or more.
    """
    headers = response.headers
    # Use the clock of the server that sent the date; ours may be wrong.
    now = moment_of(headers.get("Date", "")) or datetime.now(UTC)
    wait = _seconds(headers.get("Retry-After", ""), now)
    if wait is None and response.status_code == 429:
        wait = _seconds(headers.get("X-Rate-Limit-Reset", ""), now)
    return wait


def _seconds(text: str, now: datetime) -> float | None:
    if _SECONDS.fullmatch(text.strip()):
        seconds = float(text)
    elif moment := moment_of(text):
        seconds = (moment - now).total_seconds()
    else:
        return None
    return max(0.0, seconds) if abs(seconds) < NONSENSE else None


def moment_of(text: str) -> datetime | None:
    """Return the time of an HTTP date; None if it is invalid or has no zone."""
    try:
        moment = parsedate_to_datetime(text)
        moment.timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else None
