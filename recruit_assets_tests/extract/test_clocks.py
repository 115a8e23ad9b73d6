"""The beginning of a reading by the earliest clock, whatever this machine's clock shows."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import time_machine
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.extract.clocks import Clocks

NOW = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
OFFSETS = st.integers(-86_400, 86_400).map(lambda seconds: timedelta(seconds=seconds))
DATE = format_datetime(NOW, usegmt=True)
SOON = timedelta(seconds=5)  # longer than an example takes


@given(st.lists(OFFSETS, min_size=1, max_size=4), st.booleans())
def test_what_begins_is_not_later_than_by_any_clock(offsets: list[timedelta], dated: bool) -> None:
    clocks, begun = Clocks(), monotonic()
    with time_machine.travel(NOW, tick=True) as machine:
        for off in offsets:
            machine.move_to(NOW + off)
            clocks.compare(DATE if dated else "")
        found = clocks.earliest(begun)
    earliest = min([*offsets, timedelta(0)] if dated else offsets)
    assert NOW + earliest - SOON < found <= NOW + earliest
    assert abs(clocks.ahead - (offsets[-1] if dated else timedelta(0))) < SOON


def test_a_date_that_is_none_does_not_count() -> None:
    clocks, begun = Clocks(), monotonic()
    with time_machine.travel(NOW, tick=True):
        clocks.compare("Thu, 01 Jan 1970 00:00:00")  # without a zone
        assert NOW - SOON < clocks.earliest(begun) <= NOW
