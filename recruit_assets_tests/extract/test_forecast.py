"""The forecast of requests is what a walk then makes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from recruit_assets.extract import jsonapi
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.forecast import Costs, Estimate, costs
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.probe import MAX_REQUESTS, Probe, ProbeState, probe
from recruit_assets.extract.query import Query
from recruit_assets.extract.retries import ONCE
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk
from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox.faults import Document
from recruit_assets_tests.conftest import BY_NAME, settings_for


@pytest.fixture
def found(sandbox: Sandbox) -> Iterator[Callable[..., Probe]]:
    """Probes an endpoint of the sandbox."""
    client = Client(ApiSettings(**settings_for(sandbox)))

    def ask(name: str, page_size: int = 30) -> Probe:
        return probe(Source(client, BY_NAME[name], ONCE, logging.getLogger("probe"), page_size))

    yield ask
    client.close()


def no_change(sandbox: Sandbox) -> None:
    """The sandbox as it is."""


def newest_first(sandbox: Sandbox) -> None:
    sandbox.rules.refuse = {"notes": {"sort"}}
    sandbox.rules.newest_first = {"notes"}


def by_cursor(sandbox: Sandbox) -> None:
    sandbox.rules.cursor_paging = {"notes"}


def own_size(sandbox: Sandbox) -> None:
    sandbox.rules.refuse = {"notes": {"page[size]"}}


def shorter_pages(sandbox: Sandbox) -> None:
    """Pages of ten, whatever is asked for."""
    ids = [record["id"] for record in sandbox.world.records("notes")]
    last = -(-len(ids) // 10)

    def cut(document: Document, number: int) -> None:
        document["data"] = [
            {"id": id_, "type": "notes"} for id_ in ids[10 * number - 10 : 10 * number]
        ]
        document["meta"]["page-count"] = last
        document["links"] = {"next": f"?page[number]={number + 1}"} if number < last else {}

    for number in range(1, last + 1):
        sandbox.alter("notes", partial(cut, number=number), page=number)


def no_order(sandbox: Sandbox) -> None:
    sandbox.rules.refuse = {"notes": {"sort"}}
    sandbox.alter("notes", lambda document: document["data"].reverse(), page=1)
    for page in (1, 2):
        sandbox.alter(
            "notes", lambda document: document["data"].insert(0, document["data"].pop()), page=page
        )


def empty(sandbox: Sandbox) -> None:
    for record in sandbox.world.records("notes"):
        sandbox.world.remove("notes", record["id"])


def unavailable(sandbox: Sandbox) -> None:
    sandbox.rules.without = {"notes": 404}


@pytest.mark.parametrize(
    "account",
    [no_change, newest_first, by_cursor, own_size, shorter_pages, no_order, empty, unavailable],
    ids=lambda account: account.__name__,
)
@pytest.mark.parametrize("page_size", [30, 20])
def test_the_forecast_is_what_a_walk_makes(
    sandbox: Sandbox,
    found: Callable[..., Probe],
    walk: Callable[..., Walk],
    account: Callable[[Sandbox], None],
    page_size: int,
) -> None:
    account(sandbox)
    forecast = found("notes", page_size)
    assert len(sandbox.requests) <= MAX_REQUESTS
    read = walk("notes", page_size=page_size)
    assert forecast.pages in (None, len({page.number for page in read}))
    assert forecast.requests == read.stats.requests


def test_two_refusals_leave_it_unclear(sandbox: Sandbox, found: Callable[..., Probe]) -> None:
    sandbox.rules.refuse = {"notes": {"sort", "page[size]"}}
    told = found("notes")
    assert told.state is ProbeState.UNCLEAR
    assert len(told.refused) == len(sandbox.requests) == MAX_REQUESTS
    assert told.requests is None


def test_an_answer_that_did_not_come_is_asked_for_once_more(
    sandbox: Sandbox, found: Callable[..., Probe]
) -> None:
    sandbox.fail("notes", status=502)
    assert found("notes").state is ProbeState.READABLE
    sandbox.fail("notes", status=502, times=None)
    told = found("notes")
    assert told.state is ProbeState.FAILING
    assert "HTTP 502" in str(told.error)
    assert len(sandbox.requests) == 2 * MAX_REQUESTS


@pytest.mark.parametrize(
    ("name", "takes_it"), [("candidates", True), ("notes", False), ("teams", None)]
)
def test_whether_changes_can_be_asked_for(
    sandbox: Sandbox, found: Callable[..., Probe], name: str, takes_it: bool | None
) -> None:
    assert found(name).takes_filter is takes_it
    assert len(sandbox.requests) == 1 + BY_NAME[name].dated


def first_page(total: int, ids: Sequence[Any] = (), **meta: Any) -> Page:
    """The first page of a list of `total` records, by id unless other ids are given."""
    records = [Record(id_) for id_ in ids or range(1, min(total, 30) + 1)]
    return Page(jsonapi.Document(records, {"record-count": total, **meta}), 1, 0)


NOTES = Query.everything(BY_NAME["notes"])


@pytest.mark.parametrize(("total", "end"), [(0, 1), (1, 1), (29, 1), (30, 2), (31, 1), (60, 2)])
def test_a_full_last_page_takes_another_request_to_be_proven_the_last(total: int, end: int) -> None:
    found = costs(first_page(total), NOTES, 9, 0)
    assert found == Costs(whole=9, search=end, filtered=1, sorted=end, short=total < 30)


@pytest.mark.parametrize(
    ("page", "query", "search", "filtered", "by_sort"),
    [
        (first_page(45), replace(NOTES, include=()), 2, 2, 2),  # an include was refused
        (first_page(45), replace(NOTES, sorted=False), 1, 2, None),
        (first_page(45), replace(NOTES, size=None), 1, 2, None),
    ],
)
def test_each_step_repeats_what_is_refused(
    page: Page, query: Query, search: int, filtered: int, by_sort: int | None
) -> None:
    assert costs(page, query, 9, 1) == Costs(9, search, filtered, by_sort)


@pytest.mark.parametrize("ids", [["a", "b"], ["01", "02"], [1, "x"], ["9" * 19]])
def test_a_list_whose_ids_are_no_numbers_is_not_searched(ids: list[Any]) -> None:
    assert costs(first_page(len(ids), ids), NOTES, 9, 0) == Costs(9, search=0)


@pytest.mark.parametrize(
    "page",
    [
        first_page(30, range(30, 0, -1)),  # newest first
        first_page(30, [*range(2, 31), 1]),
        first_page(45, range(1, 11)),  # shorter than requested
        first_page(35, [1, 2]),
        Page(jsonapi.Document([Record(1)]), 1, 0),  # without a count
    ],
)
def test_the_cost_of_a_search_is_unknown_where_the_list_is_odd(page: Page) -> None:
    assert costs(page, NOTES, 9, 0) == Costs(9)


KNOWN = Costs(whole=9, search=2, filtered=1, sorted=2)


@pytest.mark.parametrize(
    ("known", "filters", "sorts", "searches", "requests", "exact"),
    [
        (KNOWN, True, None, True, 3, True),
        (KNOWN, True, False, True, 3, True),
        (KNOWN, True, None, False, 1, True),
        (replace(KNOWN, whole=1, short=True), None, None, True, 1, True),
        (replace(KNOWN, short=True), True, None, False, 1, True),
        (KNOWN, False, True, True, 4, True),
        (KNOWN, False, True, False, 1, False),
        (KNOWN, False, False, True, 9, True),
        (KNOWN, False, None, True, 4, False),
        (KNOWN, None, None, True, 3, False),
        (KNOWN, None, False, True, 3, False),
        (replace(KNOWN, whole=1), False, None, True, 1, False),
        (replace(KNOWN, whole=4), False, None, True, 4, True),  # either way
        (Costs(9), True, None, True, 1, False),
        (Costs(9), True, None, False, 1, True),
        (Costs(9), False, False, True, 9, True),
        (Costs(9), False, True, True, 1, False),
    ],
)
def test_an_hourly_sync_that_could_read_in_several_ways_takes_at_least_the_fewest(
    known: Costs,
    *,
    filters: bool | None,
    sorts: bool | None,
    searches: bool,
    requests: int,
    exact: bool,
) -> None:
    hourly = known.hourly(filters=filters, sorts=sorts, searches=searches)
    assert hourly == Estimate(requests, exact)
