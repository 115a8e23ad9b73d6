"""Forecast of the requests of the first sync, an hourly one, and a nightly one.

Scope: which endpoint is read whole, asked for its changes, or read in part by the next syncs.
`extract.forecast` and `extract.rolling` have the arithmetic of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from recruit_assets.catalogue import Endpoint
from recruit_assets.extract.cover import Cover
from recruit_assets.extract.forecast import Estimate
from recruit_assets.extract.probe import Probe
from recruit_assets.extract.query import PAGE_SIZE
from recruit_assets.extract.rolling import AUDITS, SYNCS, Covered, requests_at_rest
from recruit_assets.load.change_support import ChangeSupport
from recruit_assets.load.sync_state import SyncState
from recruit_assets.options import Mode, Options, is_audit, is_long, rolls
from recruit_assets.planning import covered_list


@dataclass
class SyncForecast:
    """Forecast the requests of syncs of all endpoints, if nothing changes.

    Args:
        probes: what each endpoint has answered.
        support: what is known of endpoints that were synced, by name.
        states: the states of their tables.
        options: the options of a sync.
    """

    probes: Sequence[Probe]
    support: Mapping[str, ChangeSupport] = field(default_factory=dict)
    states: Mapping[str, SyncState] = field(default_factory=dict)
    options: Options = field(default_factory=Options)

    @cached_property
    def full(self) -> Estimate | None:
        """Return the requests of a full sync; None if those of any endpoint are unknown."""
        known = list(filter(None, map(_whole, self.probes)))
        return sum(known, Estimate(0)) if known and len(known) == len(self.probes) else None

    @cached_property
    def hourly(self) -> Estimate | None:
        """Return the requests of an hourly sync; None if those of a full one are unknown."""
        if self.full is None:
            return None
        return sum(filter(None, map(self.hourly_of, self.probes)), Estimate(0))

    @cached_property
    def nightly(self) -> Estimate | None:
        """Return the requests of a nightly sync; None if those of a full one are unknown."""
        if self.full is None:
            return None
        return sum(filter(None, map(self.nightly_of, self.probes)), Estimate(0))

    def hourly_of(self, probe: Probe) -> Estimate | None:
        """Return the requests of an hourly sync of an endpoint; None if unknown."""
        if rolling := self._rolling(probe):
            return rolling
        if probe.at_rest is not None:
            return Estimate(probe.at_rest, exact=False)
        if probe.costs is None:
            return _whole(probe)
        known = self.support.get(probe.endpoint.name, ChangeSupport())
        # A refusal that is remembered is not tried again.
        is_known = known.filters is False or probe.takes_filter is None
        return probe.costs.hourly(
            filters=known.filters if is_known else probe.takes_filter,
            sorts=known.sorts,
            searches=known.searches,
        )

    def nightly_of(self, probe: Probe) -> Estimate | None:
        """Return the requests of a nightly sync of an endpoint; None if unknown."""
        hourly = self.hourly_of(probe)
        if probe.requests is None or hourly is None or self.reads_part(probe):
            return hourly
        part = self._audit(probe.endpoint) if probe.costs else None
        return hourly + part if part else _whole(probe)

    def reads_part(self, probe: Probe) -> bool:
        """Return whether an hourly sync reads a part of the list, as it cannot ask for changes."""
        return self._rolling(probe) is not None

    def _rolling(self, probe: Probe) -> Estimate | None:
        """Return the requests of a sync that reads a part; None if it asks for changes or all."""
        endpoint = probe.endpoint
        support, state = self.support.get(endpoint.name), self.states.get(endpoint.name)
        if probe.requests is None or (endpoint.dated and not (support and support.is_undated)):
            return None
        if state is None or state.void:
            found = self._after_first(endpoint, SYNCS)
        elif (known := covered_list(state)) and rolls(
            endpoint, self.options, state, datetime.now(UTC), PAGE_SIZE
        ):
            found = Estimate(requests_at_rest(known, PAGE_SIZE, SYNCS))
        else:
            found = None
        return found and found + Estimate(probe.refusals)

    def _audit(self, endpoint: Endpoint) -> Estimate | None:
        """Return the requests that a nightly sync adds to an hourly one; None: it reads all."""
        state = self.states.get(endpoint.name)
        if state is None or state.void:
            found, end = self._after_first(endpoint, AUDITS), self._after_first(endpoint, None)
            return Estimate(found.requests - end.requests, exact=False) if found and end else None
        known, options = covered_list(state), replace(self.options, mode=Mode.audit)
        if (
            not state.lists_changes(endpoint)
            or known is None
            or not is_audit(options, state, datetime.now(UTC), PAGE_SIZE)
        ):
            return None
        end_alone = requests_at_rest(known, PAGE_SIZE, None)
        return Estimate(requests_at_rest(known, PAGE_SIZE, AUDITS) - end_alone)

    def _after_first(self, endpoint: Endpoint, syncs: int | None) -> Estimate | None:
        """Return the requests of a search after a first sync; None if the list is short.

        If its ids are not one after another, a part may need one page more.
        """
        records = {each.endpoint.name: each.records or 0 for each in self.probes}
        rows = records.get(endpoint.name, 0)
        if not is_long(rows, records.values(), self.options, PAGE_SIZE):
            return None
        known = Covered(range(1, rows + 1), rows, Cover.whole(datetime.now(UTC)))
        return Estimate(requests_at_rest(known, PAGE_SIZE, syncs), exact=False)


def _whole(probe: Probe) -> Estimate | None:
    """Return the requests that read a list whole; None if unknown."""
    return None if probe.requests is None else Estimate(probe.requests, not probe.at_least)
