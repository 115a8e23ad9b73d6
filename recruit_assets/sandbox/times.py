"""The invented company's present, and how the API writes and reads times.

Times inside the world are stored as the API shows them: text with milliseconds and the offset of
Stockholm at that instant. Generation uses epoch milliseconds and never reads a clock.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")

# The default present: fixed, so that a seed gives the same company on every day; in the past, so
# that later changes get a later time from the real clock.
NOW = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def wire(moment: datetime) -> str:
    """Return an aware time in the API's format."""
    return moment.astimezone(STOCKHOLM).isoformat(timespec="milliseconds")


def in_ms(moment: datetime) -> int:
    """Return an aware time as epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def wire_ms(milliseconds: int) -> str:
    """Return epoch milliseconds as a time in the API's format."""
    return wire(datetime.fromtimestamp(milliseconds / 1000, STOCKHOLM))


def wire_date(milliseconds: int) -> str:
    """Return epoch milliseconds as a plain date."""
    return datetime.fromtimestamp(milliseconds / 1000, STOCKHOLM).date().isoformat()


def instant(text: str) -> datetime:
    """Parse ISO text; without an offset it is UTC, and a bare date is midnight.

    Raises:
        ValueError: the text is not an ISO time.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def instant_or_none(value: object) -> datetime | None:
    """Return the time in a stored value, or None if it is not a time."""
    if not isinstance(value, str):
        return None
    try:
        return instant(value)
    except ValueError:
        return None
