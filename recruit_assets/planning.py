"""What the next reading of an endpoint requests: all of it, its changes, or a part of it.

Scope: the choice, from what is known of the list. `options` has the rules on how long a list must
be, and how old a reading; `reading` iterates what is chosen.
"""

from datetime import datetime, timedelta
from functools import partial

from recruit_assets.extract.by_parent import WalkByParent
from recruit_assets.extract.counted import CountedWalk
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.nested import KnownLists, NestedWalk
from recruit_assets.extract.rolling import AUDITS, SYNCS, Covered, RollingWalk
from recruit_assets.extract.source import Source
from recruit_assets.extract.unfinished import Unfinished
from recruit_assets.extract.walk import Walk
from recruit_assets.load.known import OVERLAP
from recruit_assets.load.sync_state import SyncState
from recruit_assets.options import Mode, Options, is_audit, reads_in_parts, rolls, since

MAX_PAUSE = timedelta(days=7)  # older parts are dear to bring up to date


def plan(
    source: Source, state: SyncState, options: Options, now: datetime
) -> Walk | WalkByParent | NestedWalk | CountedWalk | RollingWalk:
    """Return what to read: everything, or changes or a part and, if possible, what is gone.

    Args:
        source: the endpoint.
        state: what is known of its list.
        options: the options of the sync.
        now: when the reading begins.
    """
    endpoint, size = source.endpoint, source.page_size
    if endpoint.parent:
        known_lists = _known_lists(state, options, now)
        return NestedWalk(source, known_lists) if endpoint.nested_in else WalkByParent(source)
    known, covered = state.known, covered_list(state)
    is_short = options.mode is Mode.auto and known and len(known.ids) < size
    if is_short or (state.rekeyed and not _confirms_key(state, options, size)):
        return Walk(source)  # of one page, or no part of the list could confirm what is known
    if covered and rolls(endpoint, options, state, now, size):
        return RollingWalk(source, covered, OVERLAP, SYNCS, sample=state.rekeyed)
    start = since(endpoint, options, state, now, size)
    if start is None:
        return Walk(source, unfinished=_unfinished(source, state, options, now))
    changes = partial(
        Walk,
        source,
        start,
        filtered=not (state.filter_refused and state.sorts_changes),
        rows=state.dated_rows,
    )
    if known is None:
        return changes()
    parts = AUDITS if is_audit(options, state, now, size) else None
    covered = covered or Covered(known.ids, known.settled, Cover.whole(start))
    return CountedWalk(source, changes, covered, OVERLAP, parts, sample=state.rekeyed)


def _known_lists(state: SyncState, options: Options, now: datetime) -> KnownLists:
    """Return the nested lists that are known; none if all are to be read, whatever is known."""
    cover, longest = state.cover, timedelta(hours=options.full_after_hours)
    is_late = state.whole_at is not None and now - state.whole_at > longest
    by_age = options.mode is Mode.auto
    if cover is None or options.whole or options.mode is Mode.audit or (by_age and is_late):
        return KnownLists()
    stale = now - longest if by_age else None
    since = {str(high): moment for _, high, moment in cover.ranges}
    return KnownLists(since, stale, OVERLAP, cover.listed)


def covered_list(state: SyncState) -> Covered | None:
    """Return what is known of a list; None if a part of it is not enough to know the rest."""
    known, stored = state.known, state.cover
    cover = Cover.of(stored.ranges) if stored else None
    if known and stored and cover:
        return Covered(known.ids, known.settled, cover, stored.listed)
    return None


def _confirms_key(state: SyncState, options: Options, size: int) -> bool:
    """Return whether a part of a list can confirm that a new key shows what is known of it."""
    long = reads_in_parts(options, state, size)
    return long and covered_list(state) is not None and state.rest is None


def _unfinished(
    source: Source, state: SyncState, options: Options, now: datetime
) -> Unfinished | None:
    """Return the reading that was interrupted, if this one can go on with it."""
    rest = state.rest
    if rest is None or options.dry_run:
        return None
    left = Unfinished(rest.query, rest.began, rest.total, rest.records, rest.lanes)
    why = ""
    if state.void:
        why = "its rows or columns, the API's address or version, or the key have changed"
    elif now - rest.began > MAX_PAUSE:
        why = f"it began more than {MAX_PAUSE.days} days ago"
    elif options.refresh_volatile and not rest.refreshes:
        why = "it did not refresh volatile values"
    if why:
        source.log.warning(
            f"{source.endpoint.name}: a reading that was interrupted ({left.so_far()}) cannot "
            f"go on, because {why}: the whole list is read."
        )
        return None
    return left
