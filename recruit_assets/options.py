"""What can be chosen for one sync, and what follows from it: from when on changes are read.

What lives here: no reading and no writing; both ask here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.state import State
from recruit_assets.load.sweep import DeletionPolicy

OVERLAP = timedelta(minutes=10)  # that an incremental read begins before its cursor


class Mode(Enum):
    """What is read; lower case, as the launchpad shows it."""

    auto = "auto"  # what has changed, where the API can tell and the last whole reading is recent
    incremental = "incremental"  # what has changed, where the API can tell
    full = "full"  # all


@dataclass(frozen=True)
class Options:
    """The options of one sync."""

    mode: Mode = Mode.auto
    full_after_hours: float = 24
    refresh_volatile: bool = False
    allow_mass_delete: bool = False
    dry_run: bool = False
    deletion_policy: DeletionPolicy = DeletionPolicy.erase


def since(endpoint: Endpoint, options: Options, state: State, now: datetime) -> datetime | None:
    """Return from when on changes are asked for; None for the whole list."""
    whole = options.mode is Mode.full or options.allow_mass_delete or options.dry_run
    if whole or not endpoint.dated or state.cursor is None:
        return None
    if options.mode is Mode.auto:
        longest = timedelta(hours=options.full_after_hours)
        if state.filter_refused or state.complete_at is None or now - state.complete_at > longest:
            return None
    # Whole seconds, as the API may cut the times that it compares.
    return (state.cursor - OVERLAP).replace(microsecond=0)
