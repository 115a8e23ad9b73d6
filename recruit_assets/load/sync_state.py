"""What earlier syncs of an endpoint have left, from which the next reading is planned.

Scope: what a state means. `state` queries it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from recruit_assets.api_identity import is_other_key
from recruit_assets.catalogue import Endpoint, Kind
from recruit_assets.load.cover import StoredCover
from recruit_assets.load.forgotten import Forgotten
from recruit_assets.load.known import OVERLAP, KnownIds
from recruit_assets.load.unfinished import Rest


@dataclass(frozen=True)
class SyncState:
    """Hold what earlier syncs of an endpoint have left.

    `stored` is the number and the run of the last stored sync; `last_api` is the identity of the
    API that it read, None before the first sync; `columns` are the kinds of the table's columns;
    `known` are the ids of its current rows, if an incremental sync can search for those that are
    gone; `rest` is left of a reading of the whole list that was interrupted;
    `cover` is since when they are known, if a sync can read a part of the list;
    `account` is the account that syncs, empty if it has no name; `salt` is the key of hashes, empty
    if the column policy has none; `rewritten` is the number of rows that a changed policy has
    changed, and `note` a sentence about it; `forgotten` are the records to leave out. `rekeyed`
    says that all this is known from another key of the same API.
    """

    cursor: datetime | None = None
    complete_at: datetime | None = None  # when the last complete sync began
    whole_at: datetime | None = None  # when the last one began that read the whole list
    filter_refused: bool = False
    sort_refused: bool = False
    dated_rows: int | None = None  # current rows; None if one of them has no updated_at
    void: bool = False  # whether the stored state does not match the table
    rekeyed: bool = False
    api: str = ""  # identity of the API at the last good sync
    stored: tuple[int, str] | None = None
    last_api: str | None = None
    columns: Mapping[str, Kind] = field(default_factory=dict)
    account: str = ""
    salt: bytes = field(default=b"", repr=False)
    rewritten: int = 0
    note: str = ""
    forgotten: Forgotten = field(default_factory=Forgotten)
    known: KnownIds | None = None
    rest: Rest | None = None
    cover: StoredCover | None = None

    @property
    def since(self) -> datetime | None:
        """Return the start of an incremental read, which overlaps with the last one."""
        # Whole seconds, because the API may truncate the times that it compares.
        return (self.cursor - OVERLAP).replace(microsecond=0) if self.cursor else None

    @property
    def sorts_changes(self) -> bool:
        """Return whether changes can be read from the end of the list, sorted by updated-at."""
        return not self.sort_refused and self.dated_rows is not None

    def lists_changes(self, endpoint: Endpoint) -> bool:
        """Return whether the list can be asked for its changes, as far as is known."""
        return endpoint.dated and (self.sorts_changes or not self.filter_refused)

    def at(self, api: str) -> "SyncState":
        """Return the state as it counts for an API: void if the rows are of another."""
        if self.last_api in (None, api):
            return self
        if not self.void and self.last_api and is_other_key(self.last_api, api):
            return replace(self, rekeyed=True)
        return self.voided()

    def voided(self) -> "SyncState":
        """Return a state from which everything is read."""
        void = SyncState(void=True, api=self.api, stored=self.stored, last_api=self.last_api)
        return replace(
            void,
            columns=self.columns,
            account=self.account,
            salt=self.salt,
            rewritten=self.rewritten,
            forgotten=self.forgotten,
            rest=self.rest,
        )
