"""The forecast of requests is what a walk then makes."""

import logging
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.probe import MAX_REQUESTS, Probe, ProbeState, probe
from recruit_assets.extract.retries import ONCE
from recruit_assets.extract.source import Source
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
