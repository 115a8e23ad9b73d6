"""The options of one sync, and the start of an incremental read, which follows from them.

Reads and writes nothing: `sync` reads and `store` writes by these options.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.state import SyncState

OVERLAP = timedelta(minutes=10)  # an incremental read starts this long before its cursor


class Mode(Enum):
    """Choose what a sync reads; in lower case, as the launchpad shows it."""

    auto = "auto"  # incremental where possible, but full if the last complete read is too old
    incremental = "incremental"  # changed records, where the API can filter them
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
    if whole or not endpoint.dated or state.cursor is None:
        return None
    if options.mode is Mode.auto:
        longest = timedelta(hours=options.full_after_hours)
        if state.filter_refused or state.complete_at is None or now - state.complete_at > longest:
            return None
    # Whole seconds, because the API may truncate the times that it compares.
    return (state.cursor - OVERLAP).replace(microsecond=0)
