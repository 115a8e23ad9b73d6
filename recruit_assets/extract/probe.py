"""Probe of an endpoint with two requests: whether a sync could read it, and at what cost.

The first request asks for the first page as a sync does, and is repeated once after a failure or
refusal. A request that is left over asks for changed records.

Scope: which request asks for what, and when another is pointless. Dropping parameters is in
`query`, counting requests in `forecast`.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from threading import Event

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import (
    ParameterRefused,
    RateLimited,
    RequestFailed,
    Transient,
    Unavailable,
)
from recruit_assets.extract import http_errors
from recruit_assets.extract.by_parent import filtered, parents_of
from recruit_assets.extract.client import Client
from recruit_assets.extract.forecast import Costs, costs, requests_for
from recruit_assets.extract.nested import nested
from recruit_assets.extract.nested import parents_of as holders_of
from recruit_assets.extract.query import WINDOW, Query
from recruit_assets.extract.rate_limit import WINDOW_SECONDS
from recruit_assets.extract.retries import ONCE, RetryLimits
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.threads import DaemonPool
from recruit_assets.extract.waits import sleep

MAX_REQUESTS = 2  # per endpoint
FOR_EVERY_KEY = ("jobs", "departments")  # paths that every key may read


class ProbeState(Enum):
    """Classify whether a sync could read an endpoint."""

    READABLE = "readable"
    UNAVAILABLE = "unavailable"  # the key or the account lacks it; the others continue
    UNCLEAR = "unclear"  # it refuses more parameters than two requests show, or is at its limit
    FAILING = "failing"


@dataclass
class Probe:
    """Hold the findings about one endpoint."""

    endpoint: Endpoint
    state: ProbeState = ProbeState.UNCLEAR
    error: RequestFailed | None = None  # why it is not readable
    records: int | None = None  # by the API's count
    pages: int | None = None
    requests: int | None = None  # of a full sync
    at_least: bool = False  # whether these may be more
    costs: Costs | None = None  # of an incremental sync; None if every sync is full
    at_rest: int | None = None  # requests of an incremental sync of nested lists
    refusals: int = 0  # requests that every sync repeats, as the account refuses them
    refused: list[str] = field(default_factory=list)  # optional parameters, one sentence each
    takes_filter: bool | None = None  # whether it accepts the filter; None if unknown


def probe_all(client: Client, endpoints: Sequence[Endpoint]) -> Iterator[Probe]:
    """Probe endpoints with at most two requests each, several at a time, those for every key first.

    Raises:
        RequestFailed: not even those answer, so the address, the key, the version or the network is
            at fault; the others were not requested.
    """

    def ask(endpoint: Endpoint) -> Probe:
        return probe(Source(client, endpoint, ONCE, logging.getLogger(__name__)))

    first = [ask(each) for each in endpoints if each.path in FOR_EVERY_KEY]
    if error := _common(first, client.base_url):
        raise error
    yield from first
    rest = [each for each in endpoints if each.path not in FOR_EVERY_KEY]
    with DaemonPool(client.concurrency) as pool:
        yield from pool.map(ask, rest)


def probe(source: Source) -> Probe:
    """Probe an endpoint with at most two requests; `source` must not retry."""
    found = Probe(source.endpoint)
    try:
        with source:
            ask = _ask_by_parent if source.endpoint.parent else _ask
            ask(found, source)
    except Unavailable as error:
        found.state, found.error = ProbeState.UNAVAILABLE, error
        found.requests = source.stats.requests + 1  # a sync also requests another list
    except RequestFailed as error:
        found.state, found.error = ProbeState.FAILING, error
    return found


def _ask_by_parent(found: Probe, source: Source) -> None:
    """Ask for the other list and for one filtered or nested list, each at least a request.

    A sync reads the other list twice, unless it is empty. Of filtered lists it also counts the
    whole; if no nested list has changed, it asks for the other list, and what has changed.
    """
    endpoint = source.endpoint
    parents = source.of(holders_of(endpoint) if endpoint.nested_in else parents_of(endpoint))
    first = parents.page(Query.everything(parents.endpoint, source.page_size), 1)
    listed, count = requests_for(first, source.page_size), first.document.record_count
    if listed is not None and count is not None:
        more = 0 if endpoint.nested_in else 1
        found.requests = listed * (2 if count else 1) + count + more
        found.at_rest = listed + 1 if endpoint.nested_in else None
    found.at_least = True
    for record in first.records[:1]:
        one = nested if endpoint.nested_in else filtered
        other = source.of(one(endpoint, str(record.id)))
        other.page(Query.everything(other.endpoint, source.page_size), 1)
    found.state = ProbeState.READABLE


def _ask(found: Probe, source: Source) -> None:
    query, refusals = Query.everything(source.endpoint, source.page_size), 0
    while source.stats.requests < MAX_REQUESTS:
        try:
            page = source.page(query, 1)
        except RequestFailed as error:
            is_limit = isinstance(error, RateLimited)  # a sync waits it out
            if _may_clear(error) and source.stats.requests < MAX_REQUESTS:
                sleep(min(error.wait or 0, WINDOW_SECONDS) if is_limit else 0, Event())
                continue
            if is_limit:
                found.state, found.error = ProbeState.UNCLEAR, error
                return
            if not isinstance(error, ParameterRefused):
                raise
            query, dropped = query.without(error)
            found.refused += dropped
            found.state, found.error = ProbeState.UNCLEAR, error
            refusals += 1
        else:
            _measure(found, query, page, refusals)
            _ask_for_changes(found, query, source)
            return


def _may_clear(error: RequestFailed) -> bool:
    """Return whether a sync would ask again: also after a refusal, if the wait is not too long."""
    heeded = error.wait is not None and error.wait < RetryLimits.max_total_wait
    return isinstance(error, Transient) or heeded


def _measure(found: Probe, query: Query, page: Page, refusals: int) -> None:
    """Note what a first page shows about the whole list."""
    found.state, found.error = ProbeState.READABLE, None
    found.records, found.refusals = page.document.record_count, refusals
    requests = requests_for(page, query.size)
    found.requests = None if requests is None else refusals + requests
    # Without a count nothing is proven, so that there is never a cursor.
    if found.requests is not None and found.endpoint.dated and found.records is not None:
        found.costs = costs(page, query, found.requests, refusals)
    if not page.records:
        found.pages = 1
    elif found.records is not None:
        found.pages = -(-found.records // len(page.records))


def _ask_for_changes(found: Probe, query: Query, source: Source) -> None:
    """Check whether the list accepts the filter for changed records, if a request is left."""
    if not found.endpoint.dated or source.stats.requests >= MAX_REQUESTS:
        return
    recent = replace(query, since=datetime.now(UTC).replace(microsecond=0))
    try:
        source.page(recent, 1)
        found.takes_filter = True
    except ParameterRefused as refused:
        _, dropped = recent.without(refused)
        if any(each.startswith(WINDOW) for each in dropped):
            found.takes_filter = False
    except RequestFailed:
        return  # the list is readable; this failure shows nothing about the filter


def _common(probes: Sequence[Probe], base_url: str) -> RequestFailed | None:
    """Return the error that all of several endpoints share, or None."""
    errors = [
        each.error for each in probes if each.state in (ProbeState.UNAVAILABLE, ProbeState.FAILING)
    ]
    if len(errors) < len(probes) or len({type(each) for each in errors}) != 1:
        return None
    error = errors[0]
    if isinstance(error, Unavailable):
        other = probes[-1].endpoint
        return http_errors.nothing_there(error, base_url + probes[0].endpoint.path, other.name)
    return error
