"""Databases that released versions made, and the company that they were made of.

`0.1.0.duckdb.xz` is a file of version 0.1.0 (commit 751cb08): all tables after a first sync, a life
of 120 events and a second full sync, so that it has versions and tombstones, then the marts. To
make the file of another version, check that version out, copy this module into it, and run
`python -m recruit_assets_tests.released FILE`.
"""

import lzma
from datetime import datetime, timedelta
from pathlib import Path

from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests.life import Life

KEY = "k3y-nobody-may-see"
EVENTS, EVENTS_APART = 120, timedelta(hours=1)


class Company:
    """The invented company; `live` is what happened between the two syncs of a file."""

    def __init__(self) -> None:
        self._life = Life(seed=5)
        rules = Rules(key=KEY)
        self.sandbox = Sandbox(candidates=15, rules=rules, clock=lambda: self._now)
        self._now: datetime = NOW

    def live(self) -> None:
        """Let the events take place."""
        for _ in range(EVENTS):
            self._now += EVENTS_APART
            self._life.happen(self.sandbox.world, self._now)


def unpack(version: str, path: Path) -> Path:
    """Write the database that a version made to a path, and return the path."""
    packed = Path(__file__).with_name(f"{version}.duckdb.xz")
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path
