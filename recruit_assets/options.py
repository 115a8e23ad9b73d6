"""The options of one sync, and what it reads, which follows from them.

Reads and writes nothing: `sync` reads and `store` writes by these options.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from recruit_assets.catalogue import Endpoint, Rolling
from recruit_assets.load.state import SyncState

WHOLE_PAGES = 5  # a list of so many pages is read whole by each sync
WHOLE_SECONDS = 60  # and so are all lists of an account that can be read in this time


class Mode(Enum):
    """Choose what a sync reads; in lower case, as the launchpad shows it."""

    auto = "auto"  # incremental where possible, but full if the last full one is too old
    incremental = "incremental"  # changed records, where the API filters or sorts by that
    full = "full"  # all records


@dataclass(frozen=True)
class Options:
    """Hold the options of one sync."""

    mode: Mode = Mode.auto
    full_after_hours: float = 24
    refresh_volatile: bool = False
    allow_mass_delete: bool = False
    dry_run: bool = False
    outage_minutes: float = 0  # how long to wait for an API that is down
    rolling: Rolling = Rolling.auto
    requests_per_10s: int = 0  # the rate limit; 0 for none

    @property
    def whole(self) -> bool:
        """Return whether the whole list is to be read, whatever is known of it."""
        return self.mode is Mode.full or self.allow_mass_delete or self.dry_run


def since(endpoint: Endpoint, options: Options, state: SyncState, now: datetime) -> datetime | None:
    """Return the start of an incremental read; None for a full read."""
    if options.whole or not endpoint.dated:
        return None
    if options.mode is Mode.auto:
        longest = timedelta(hours=options.full_after_hours)
        unlisted = not state.lists_changes(endpoint)
        if unlisted or state.whole_at is None or now - state.whole_at > longest:
            return None
    return state.since


def rolls(
    endpoint: Endpoint, options: Options, state: SyncState, now: datetime, page_size: int
) -> bool:
    """Return whether a sync reads a part of a list that cannot be asked for its changes."""
    known = state.cover
    if options.whole or known is None or state.lists_changes(endpoint):
        return False
    if options.mode is Mode.incremental and endpoint.dated:
        return False  # it asks for changes once more
    longest = 2 * timedelta(hours=options.full_after_hours)
    oldest = min(since for _, _, since in known.ranges)
    if options.mode is Mode.auto and now - oldest > longest:
        return False
    ids, settled = known.known.ids, known.known.settled
    if bisect_right(ids, settled) < len(ids) / 2:
        return False  # all records that may be new are read, and that is most of the list
    return _is_long(len(ids), known.rows, options, page_size)


def _is_long(rows: int, others: Iterable[int], options: Options, page_size: int) -> bool:
    """Return whether a list is too long to be read whole by each sync.

    Args:
        rows: the number of its rows.
        others: the numbers of rows of all lists of the account.
        options: the options of the sync.
        page_size: records of a page.
    """
    if options.rolling is not Rolling.auto:
        return options.rolling is Rolling.always and rows > page_size
    pages = sum(-(-each // page_size) for each in others)
    in_time = options.requests_per_10s * WHOLE_SECONDS // 10 or pages
    return rows > WHOLE_PAGES * page_size and pages > in_time
