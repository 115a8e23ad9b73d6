"""The options of one sync, and the start of an incremental read, which follows from them.

Reads and writes nothing: `sync` reads and `store` writes by these options.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.state import SyncState


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


def since(endpoint: Endpoint, options: Options, state: SyncState, now: datetime) -> datetime | None:
    """Return the start of an incremental read; None for a full read."""
    whole = options.mode is Mode.full or options.allow_mass_delete or options.dry_run
    if whole or not endpoint.dated:
        return None
    if options.mode is Mode.auto:
        longest = timedelta(hours=options.full_after_hours)
        refused = state.filter_refused and not state.sorts_changes
        if refused or state.whole_at is None or now - state.whole_at > longest:
            return None
    return state.since
