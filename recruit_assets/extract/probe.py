"""What two requests tell of an endpoint: whether a sync could read it, and what that would take.

The first page is asked for as a sync asks, once more if it did not come or came to a refusal; what
is left of the two requests asks for changed records. What lives here: which of the two asks what,
and when there is no use in asking for more. How parameters are given up is told in `query`, how
many requests a list takes in `forecast`.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import ParameterRefused, RequestFailed, Transient, Unavailable
from recruit_assets.extract import http_errors
from recruit_assets.extract.client import Client
from recruit_assets.extract.forecast import requests_for
from recruit_assets.extract.query import WINDOW, Query
from recruit_assets.extract.records import RecordTable
from recruit_assets.extract.retries import ONCE
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.threads import DaemonPool

MOST_REQUESTS = 2  # for one endpoint
FOR_EVERY_KEY = ("jobs", "departments")  # paths that every key may read
IF_UNAVAILABLE = 2  # requests of a sync: the list, and one of those, which answers


class State(Enum):
    """Whether a sync could read an endpoint."""

    READABLE = "readable"
    UNAVAILABLE = "unavailable"  # the key or the account lacks it; the others go on
    UNCLEAR = "unclear"  # it refuses more parameters than two requests can tell
    FAILING = "failing"


@dataclass
class Probe:
    """What was found of one endpoint."""

    endpoint: Endpoint
    state: State = State.UNCLEAR
    error: RequestFailed | None = None  # why it is not readable
    records: int | None = None  # as the API counts them
    pages: int | None = None
    requests: int | None = None  # of a full sync
    bytes: float | None = None  # of all rows in memory, if all records are like the first page's
    refused: list[str] = field(default_factory=list)  # optional parameters, each in a sentence
    takes_filter: bool | None = None  # the one for changed records; None if that is not known


def probe_all(client: Client, endpoints: Sequence[Endpoint]) -> Iterator[Probe]:
    """Ask each endpoint, twice at most, several at a time; those for every key come first.

    Raises:
        RequestFailed: not even those answer, so it is the address, the key, the version or the
            network; the others were not asked.
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
    """Ask an endpoint, twice at most; `source` is one without retries."""
    found = Probe(source.endpoint)
    try:
        with source:
            _ask(found, source)
    except Unavailable as error:
        found.state, found.error, found.requests = State.UNAVAILABLE, error, IF_UNAVAILABLE
    except RequestFailed as error:
        found.state, found.error = State.FAILING, error
    return found


def _ask(found: Probe, source: Source) -> None:
    query, refusals = Query.everything(source.endpoint, source.page_size), 0
    while source.stats.requests < MOST_REQUESTS:
        try:
            page = source.page(query, 1)
        except ParameterRefused as refused:
            query, dropped = query.without(refused)
            found.refused += dropped
            found.state, found.error = State.UNCLEAR, refused
            refusals += 1
        except Transient as error:
            found.state, found.error = State.FAILING, error
        else:
            _measure(found, query, page, refusals, source.url)
            _ask_for_changes(found, query, source)
            return


def _measure(found: Probe, query: Query, page: Page, refusals: int, url: str) -> None:
    """Note what a first page tells of the whole list."""
    found.state, found.error = State.READABLE, None
    found.records = page.document.record_count
    requests = requests_for(page, query.size, url)
    found.requests = None if requests is None else refusals + requests
    if not page.records:
        found.pages, found.bytes = 1, 0.0
    elif found.records is not None:
        found.pages = -(-found.records // len(page.records))
        rows = RecordTable(found.endpoint).table(page.records)
        found.bytes = rows.nbytes / len(page.records) * found.records


def _ask_for_changes(found: Probe, query: Query, source: Source) -> None:
    """Whether the list takes the filter for changed records, if a request is left to ask."""
    if not found.endpoint.dated or source.stats.requests >= MOST_REQUESTS:
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
        return  # the list itself was there, and this tells nothing of the filter


def _common(probes: Sequence[Probe], base_url: str) -> RequestFailed | None:
    """The error that all of several endpoints answer with alike, if they do."""
    errors = [each.error for each in probes if each.state in (State.UNAVAILABLE, State.FAILING)]
    if len(errors) < len(probes) or len({type(each) for each in errors}) != 1:
        return None
    error = errors[0]
    if isinstance(error, Unavailable):
        other = probes[-1].endpoint
        return http_errors.nothing_there(error, base_url + probes[0].endpoint.path, other.name)
    return error
