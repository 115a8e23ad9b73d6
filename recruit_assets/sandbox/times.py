"""Times: the invented company's present, how the API writes times, how it reads them.

Times inside the world are what the API shows: text with milliseconds and the offset that Stockholm
had at that instant. Generation counts in epoch milliseconds and never looks at a clock.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")

# The present if no other is asked for: fixed, so that a seed gives the same company on every day;
# in the past, so that whatever is changed later is stamped by the real clock with a later time.
NOW = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def wire(moment: datetime) -> str:
    """An aware time as the API writes it."""
    return moment.astimezone(STOCKHOLM).isoformat(timespec="milliseconds")


def in_ms(moment: datetime) -> int:
    """An aware time as epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def wire_ms(milliseconds: int) -> str:
    """Epoch milliseconds as the API writes times."""
    return wire(datetime.fromtimestamp(milliseconds / 1000, STOCKHOLM))


def wire_date(milliseconds: int) -> str:
    """Epoch milliseconds as a plain date."""
    return datetime.fromtimestamp(milliseconds / 1000, STOCKHOLM).date().isoformat()


def instant(text: str) -> datetime:
    """Read ISO text; without an offset it is UTC, and a bare date is midnight.

    Raises:
        ValueError: the text is no ISO time.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def instant_or_none(value: object) -> datetime | None:
    """The time that a stored value stands for, if it stands for one."""
    if not isinstance(value, str):
        return None
    try:
        return instant(value)
    except ValueError:
        return None
