"""The options of one sync, and what it reads, which follows from them.

Reads and writes nothing: `sync` reads and `store` writes by these options.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from recruit_assets.catalogue import Endpoint, Rolling
from recruit_assets.load.sync_state import SyncState

WHOLE_PAGES = 5  # lists of up to this many pages are read whole by each sync
WHOLE_SECONDS = 60  # and so are all lists of an account that can be read in this time


class Mode(Enum):
    """Choose what a sync reads; in lower case, as the launchpad shows it."""

    auto = "auto"  # incremental where possible, but full if the last full one is too old
    audit = "audit"  # all records of a short list; of a long one as in auto, and a part besides
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


def since(
    endpoint: Endpoint, options: Options, state: SyncState, now: datetime, page_size: int
) -> datetime | None:
    """Return the start of an incremental read; None for a full read."""
    if options.whole or not endpoint.dated:
        return None
    if options.mode is Mode.incremental:
        return state.since
    longest = timedelta(hours=options.full_after_hours)
    if not state.lists_changes(endpoint) or state.whole_at is None:
        return None
    is_new = options.mode is Mode.auto and now - state.whole_at <= longest
    return state.since if is_new or reads_in_parts(options, state, page_size) else None


def is_audit(options: Options, state: SyncState, now: datetime, page_size: int) -> bool:
    """Return whether an incremental sync also reads a part of the list, instead of the whole."""
    cover = state.cover
    if cover is None or not reads_in_parts(options, state, page_size):
        return False
    last = max((since for _, _, since in cover.ranges[:-1]), default=cover.top)
    longest = timedelta(hours=options.full_after_hours)
    return options.mode is Mode.audit or (options.mode is Mode.auto and now - last > longest)


def rolls(
    endpoint: Endpoint, options: Options, state: SyncState, now: datetime, page_size: int
) -> bool:
    """Return whether a sync reads a part of a list that cannot be asked for its changes."""
    known, cover = state.known, state.cover
    if options.whole or not (known and cover) or state.lists_changes(endpoint):
        return False
    if options.mode is Mode.incremental and endpoint.dated:
        return False  # it asks for changes once more
    longest = 2 * timedelta(hours=options.full_after_hours)
    oldest = min(since for _, _, since in cover.ranges)
    if options.mode is not Mode.incremental and now - oldest > longest:
        return False
    if bisect_right(known.ids, known.settled) < len(known.ids) / 2:
        return False  # all records that may be new are read, and that is most of the list
    return reads_in_parts(options, state, page_size)


def reads_in_parts(options: Options, state: SyncState, page_size: int) -> bool:
    """Return whether a list is known well enough, and long enough, to read a part of it."""
    known, cover = state.known, state.cover
    if known is None or cover is None:
        return False
    return is_long(len(known.ids), cover.rows, options, page_size)


def is_long(rows: int, others: Iterable[int], options: Options, page_size: int) -> bool:
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
