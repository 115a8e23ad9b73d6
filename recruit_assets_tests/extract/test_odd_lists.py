"""Lists that lie: links that lead back, counts that make no sense, pages that repeat themselves.

Whatever they say, what came is kept, a verdict is proven only by counts that hold, an unproven one
says why, and a list that does not end is left after a few requests.
"""

from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from recruit_assets.extract.report import Verdict
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.extract.test_walk import StartWalk, expected, ids

Answer = dict[str, Any]
Edit = Callable[[Answer, int], object]  # of the document of a page, by its number
RECORDS, LAST = 95, 4  # records of the list, and its last page
FEW = 60  # requests, with those for short pages and for lanes
HUGE = 1 << 53


@pytest.fixture
def edited(sandbox: Sandbox) -> Callable[[Edit], list[str]]:
    """Edits all pages of a list of 95 regions on their way out; returns the ids."""

    def edit(change: Edit) -> list[str]:
        while sandbox.world.count("regions") < RECORDS:
            sandbox.world.add("regions")

        def alter(document: Answer) -> None:
            change(document, number_of(document))

        sandbox.alter("regions", alter)
        return expected(sandbox, "regions")

    return edit


def number_of(document: Answer) -> int:
    before = parse_qs(urlsplit(document["links"].get("prev", "")).query)
    return 1 + int(before.get("page[number]", ["0"])[0])


def leads(number: int | None) -> Any:
    return number and f"?page%5Bnumber%5D={number}&page%5Bsize%5D=30&sort=id"


def link_all(target: Callable[[int], Any]) -> Edit:
    return lambda document, number: document["links"].update(next=target(number))


def as_object(document: Answer, number: int) -> None:
    if link := document["links"].pop("next", None):
        document["links"]["next"] = {"href": link, "meta": {"count": 1}}


LINKS: dict[str, Edit] = {
    "the last page to itself": link_all(lambda n: leads(min(n + 1, LAST))),
    "every page to itself": link_all(leads),
    "all to page 1": link_all(lambda n: leads(1)),
    "to each other": link_all(lambda n: leads(n - 1 if n % 2 == 0 else n + 1)),
    "none in the middle": link_all(lambda n: None if n in (2, LAST) else leads(n + 1)),
    "the last page to an empty one": link_all(lambda n: leads(n + 1) if n <= LAST else None),
    "empty pages as well": link_all(lambda n: leads(n + 1)),
    "objects": as_object,
    "an object without an address": link_all(lambda n: {"href": None}),
    "numbers": link_all(lambda n: 5),
    "lists": link_all(lambda n: [leads(n + 1)]),
    "truths": link_all(lambda n: True),
    "blanks": link_all(lambda n: " "),
    "links that are a list": lambda document, n: document.update(links=["next"]),
    "links that are null": lambda document, n: document.update(links=None),
    "links that are a text": lambda document, n: document.update(links="next"),
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("links", LINKS)
def test_counts_prove_a_list_whatever_its_links_say(
    sandbox: Sandbox,
    walk: StartWalk,
    edited: Callable[[Edit], list[str]],
    links: str,
    *,
    newest_first: bool,
) -> None:
    if newest_first:
        sandbox.rules.refuse = {"regions": {"sort"}}
        sandbox.rules.newest_first = {"regions"}
    everything = edited(LINKS[links])
    reading = walk("regions")
    assert ids(reading) == everything
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")
    assert len(sandbox.requests) <= LAST + 5


@pytest.mark.parametrize("counted", [True, False])
def test_a_cursor_that_leads_back_loses_nothing(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]], *, counted: bool
) -> None:
    links: list[str] = []

    def lead_back(document: Answer, number: int) -> None:
        links.append(document["links"].get("next") or links[-1])
        document["links"]["next"] = links[-1]
        if not counted:
            document.pop("meta")

    sandbox.rules.cursor_paging = {"regions"}
    everything = edited(lead_back)
    reading = walk("regions")
    assert ids(reading) == everything
    assert len(sandbox.requests) == LAST
    assert reading.report.verdict is (Verdict.COMPLETE if counted else Verdict.INCOMPLETE)
    assert ("the next link of page 4 points to a page" in reading.report.reason) != counted


COUNTS: list[tuple[Any, int | None]] = [
    ("95", 95),
    (" 95\n", 95),
    (95.0, 95),
    ("95.0", 95),
    ("95.5", None),
    (95.5, None),
    (-95, None),
    ("many", None),
    ("", None),
    ("\uff19\uff15", None),
    (None, None),
    (True, None),
    ({"count": 95}, None),
    ([95], None),
    (10**400, None),
    (HUGE + 1, None),
]


@pytest.mark.parametrize(("said", "counted"), COUNTS)
def test_a_count_is_a_whole_number_or_not_said(
    sandbox: Sandbox,
    walk: StartWalk,
    edited: Callable[[Edit], list[str]],
    said: Any,
    counted: int | None,
) -> None:
    pages = "4" if counted else said
    meta = {"record-count": said, "page-count": pages}
    everything = edited(lambda document, n: document.update(meta=meta))
    reading = walk("regions")
    assert ids(reading) == everything
    assert reading.report.record_count == counted
    assert reading.report.verdict is (Verdict.COMPLETE if counted else Verdict.INCOMPLETE)
    assert reading.stats.retries == 0


@pytest.mark.parametrize("meta", [[], None, "95", 5, [{"record-count": 95}]])
def test_meta_that_is_no_object_says_nothing(
    walk: StartWalk, edited: Callable[[Edit], list[str]], meta: Any
) -> None:
    everything = edited(lambda document, n: document.update(meta=meta))
    reading = walk("regions")
    assert ids(reading) == everything
    assert reading.report.reason == "the API does not say how many records there are"


def first_page(sandbox: Sandbox, shown: Callable[[int], int]) -> Edit:
    """Shows the records of another page, whatever is asked for."""

    def show(document: Answer, number: int) -> None:
        every = expected(sandbox, "regions")
        start = 30 * (shown(number) - 1)
        document["data"] = [{"id": id_, "type": "regions"} for id_ in every[start : start + 30]]

    return show


def counting(document: Answer, records: int | None, pages: int | None) -> None:
    document["meta"] = {"record-count": records, "page-count": pages}


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize(
    ("records", "cycle", "growing"),
    [
        (HUGE, 1, 0),
        (HUGE, 2, 0),
        (HUGE, 3, 1000),
        (HUGE // 2, 1, 30),
        (HUGE // 2, 2, 1000),
        (10_000, 2, 0),
        (10_000, 1, 1),
        (10_000, 3, 30),
        (None, 1, 0),
        (None, 3, 30),
    ],
)
def test_a_list_that_repeats_itself_is_left(
    sandbox: Sandbox,
    walk: StartWalk,
    edited: Callable[[Edit], list[str]],
    *,
    records: int | None,
    cycle: int,
    growing: int,
    linked: bool,
) -> None:
    show, answers = first_page(sandbox, lambda n: 1 + n % cycle), count()

    def repeat(document: Answer, number: int) -> None:
        show(document, number)
        more = (records or HUGE // 2) + growing * next(answers)
        counting(document, records and more, more // 30)
        document["links"]["next"] = leads(number + 1) if linked else None

    everything = edited(repeat)
    reading = walk("regions")
    came = ids(reading)
    assert came
    assert set(came) <= set(everything)
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert "the list repeats itself, or its counts or links are wrong" in reading.report.reason
    assert "Tell the API's operator" in reading.report.reason
    assert len(sandbox.requests) <= FEW


WRONG_COUNTS = [0, 1, 30, 60, 89, 90, 91, 94, 96, 100, 120, 121, 1000, 1_000_000, HUGE]


@pytest.mark.parametrize("counted", WRONG_COUNTS)
def test_a_count_that_is_wrong_loses_nothing_and_proves_nothing(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]], counted: int
) -> None:
    everything = edited(lambda document, n: counting(document, counted, -(-counted // 30)))
    reading = walk("regions")
    assert ids(reading) == everything
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert reading.report.reason
    assert len(sandbox.requests) <= FEW


def test_pages_that_are_all_empty_end(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]]
) -> None:
    def empty(document: Answer, number: int) -> None:
        document["data"].clear()
        counting(document, 1_000_000, 33_334)
        document["links"]["next"] = leads(number + 1)

    edited(empty)
    reading = walk("regions")
    assert ids(reading) == []
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert len(sandbox.requests) <= FEW


def test_a_list_that_knows_no_pages_is_whole_in_one_answer(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]]
) -> None:
    def whole(document: Answer, number: int) -> None:
        ids = expected(sandbox, "regions")
        document["data"] = [{"id": id_, "type": "regions"} for id_ in ids]

    everything = edited(whole)
    reading = walk("regions")
    assert ids(reading) == everything
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")


def test_a_list_that_ignores_the_page_shows_what_came_and_what_is_counted(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]]
) -> None:
    everything = edited(first_page(sandbox, lambda n: 1))
    reading = walk("regions")
    assert ids(reading) == everything[:30]
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert "page 4 has 30 records where 5 were expected" in reading.report.reason
    assert len(sandbox.requests) <= FEW


def rows_of(rows: Sequence[str], answers: Answer, size: int, number: int) -> None:
    answers["data"] = [
        {"id": id_, "type": "regions"} for id_ in rows[size * (number - 1) : size * number]
    ]
    counting(answers, len(rows), -(-len(rows) // size))
    answers["links"]["next"] = leads(number + 1) if size * number < len(rows) else None


def asked_size(document: Answer) -> int:
    return int(parse_qs(urlsplit(document["links"]["first"]).query)["page[size]"][0])


@pytest.mark.parametrize("place", [17, 30, 31, 45, 92])
def test_a_record_that_is_listed_twice_is_no_change(
    sandbox: Sandbox,
    walk: StartWalk,
    edited: Callable[[Edit], list[str]],
    caplog: pytest.LogCaptureFixture,
    place: int,
) -> None:
    rows: list[str] = []
    everything = edited(lambda document, n: rows_of(rows, document, asked_size(document), n))
    rows += [*everything[:place], everything[16], *everything[place:]]
    reading = walk("regions")
    assert ids(reading) == everything
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")
    assert f"record {everything[16]} is listed twice, on page" in caplog.text
    assert len(sandbox.requests) <= 3 * LAST + 2


def test_a_record_in_the_place_of_another_is_no_proof(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]]
) -> None:
    """Where pages are cut without a settled order, one page repeats what another one lacks."""

    def shift(document: Answer, number: int) -> None:
        rows_of(every, document, asked_size(document), number)
        if number == 3:
            document["data"][0] = {"id": every[16], "type": "regions"}

    every: list[str] = []
    every += edited(shift)
    reading = walk("regions")
    assert ids(reading) == every  # pages of another size lack another record
    sandbox.clear_faults()

    def fixed(document: Answer, number: int) -> None:
        rows_of(every, document, 30, number)
        if number == 3:
            document["data"][0] = {"id": every[16], "type": "regions"}

    edited(fixed)
    reading = walk("regions")
    assert ids(reading) == every[:60] + every[61:]
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert reading.report.reason == (
        f"94 records were read, but the API counts 95: record {every[16]} is listed twice, on "
        "pages 1 and 3, perhaps in place of others. Tell the API's operator"
    )


@pytest.mark.parametrize("page", [1, 3])
def test_pages_of_another_size_show_what_a_repeated_record_hides(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]], page: int
) -> None:
    every: list[str] = []

    def hide(document: Answer, number: int) -> None:
        rows_of(every, document, asked_size(document), number)
        if asked_size(document) == 30 and number == page:
            document["data"][5] = {"id": every[20], "type": "regions"}

    every += edited(hide)
    reading = walk("regions")
    assert ids(reading) == every
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")


def test_one_full_page_is_whole_unless_it_shows_a_record_twice(
    sandbox: Sandbox, walk: StartWalk
) -> None:
    size = sandbox.world.count("regions")
    everything = expected(sandbox, "regions")
    reading = walk("regions", page_size=size)
    assert ids(reading) == everything
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")
    sandbox.alter("regions", lambda document: document["data"][0].update(id=everything[1]))
    reading = walk("regions", page_size=size)
    assert ids(reading) == everything[1:]
    assert reading.report.reason.startswith(
        f"{size - 1} records were read, but the API counts {size}: record {everything[1]} is "
        "listed twice, on page 1, perhaps in place of others"
    )


@pytest.mark.ring(2)
def test_deletions_are_found_in_a_list_that_shows_a_record_twice(
    project: Project, edited: Callable[[Edit], list[str]]
) -> None:
    rows: list[str] = []
    everything = edited(lambda document, n: rows_of(rows, document, asked_size(document), n))
    rows += [*everything[:40], everything[16], *everything[40:]]
    assert project.sync("regions").report.verdict is Verdict.COMPLETE
    project.sandbox.world.remove("regions", everything[50])
    rows.remove(everything[50])
    assert project.sync("regions").deleted == 1


def test_pages_of_one_record_show_no_order(sandbox: Sandbox, walk: StartWalk) -> None:
    sandbox.rules.refuse = {"regions": {"sort"}}
    everything = expected(sandbox, "regions")
    reading = walk("regions", page_size=1)
    assert ids(reading) == everything
    assert reading.report.verdict is Verdict.COMPLETE
    answered = [each for each in sandbox.requests if each.status == 200]
    assert len(answered) == 2 * len(everything)  # it was read twice


def test_a_last_page_that_shows_the_first_is_noticed_at_once(
    sandbox: Sandbox, walk: StartWalk, edited: Callable[[Edit], list[str]]
) -> None:
    show = first_page(sandbox, lambda n: 1)

    def repeat(document: Answer, number: int) -> None:
        show(document, number)
        counting(document, 60, 2)
        document["links"]["next"] = leads(2) if number == 1 else None

    everything = edited(repeat)
    reading = walk("regions")
    assert ids(reading) == everything[:30]
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert "30 records were read, but the API counts 60: record " in reading.report.reason
    # Page 1, the last page, page 2 on the way forward, and page 1 in another size.
    assert [each.page for each in sandbox.requests] == [1, 2, 2, 1]


@pytest.mark.parametrize("counts", [(30, 4), (1, 1), (29, 4)])
def test_counts_that_contradict_what_came_prove_nothing(
    sandbox: Sandbox, walk: StartWalk, counts: tuple[int, int]
) -> None:
    def lie(document: dict[str, Any]) -> None:
        document["meta"].update({"record-count": counts[0], "page-count": counts[1]})
        document["links"].pop("next", None)

    sandbox.alter("candidates", lie)
    reading = walk("candidates")
    assert list(reading)
    assert reading.report.verdict is Verdict.INCOMPLETE
    assert reading.report.reason


def test_pages_that_repeat_in_another_order_end(sandbox: Sandbox, walk: StartWalk) -> None:
    random, same = Random(3), list[Any]()

    def shuffle(document: dict[str, Any]) -> None:
        same.extend([] if same else document["data"])
        document["data"] = random.sample(same, len(same))
        document["meta"].update({"record-count": 1 << 53, "page-count": 1 << 53})

    sandbox.alter("candidates", shuffle)
    reading = walk("candidates")
    assert len(list(reading)) <= 60
    assert reading.report.verdict is Verdict.INCOMPLETE


@pytest.mark.parametrize(
    "link", ["null", "#", "/", {"href": "null"}, "javascript:void(0)", "https://other.example/v1/x"]
)
def test_a_link_to_nowhere_costs_nothing_where_the_count_is_met(
    sandbox: Sandbox, walk: StartWalk, link: Any
) -> None:
    sandbox.alter("jobs", lambda document: document["links"].update(next=link))
    reading = walk("jobs")
    came = {str(record.id) for page in reading for record in page.records}
    assert came == set(sandbox.world.table("jobs"))
    assert reading.report.verdict is Verdict.COMPLETE


JUNK: list[Any] = [
    "null",
    "#",
    "5",
    "/",
    "regions",
    "next page",
    {"href": "http://[bad"},
    "javascript:void(0)",
    "https://other.example/v1/regions?page[after]=x",
    "/v1/users?page[after]=x",
    "?page[number]=x",
    "?page[after]=nonsense",
    "?page[size]=30&sort=id",
]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("junk", JUNK, ids=str)
def test_where_links_lead_nowhere_numbers_prove_the_list(
    sandbox: Sandbox,
    walk: StartWalk,
    edited: Callable[[Edit], list[str]],
    caplog: pytest.LogCaptureFixture,
    junk: Any,
    *,
    newest_first: bool,
) -> None:
    if newest_first:
        sandbox.rules.refuse = {"regions": {"sort"}}
        sandbox.rules.newest_first = {"regions"}
    everything = edited(link_all(lambda n: junk))
    reading = walk("regions")
    assert ids(reading) == everything
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")
    assert "requested by number" in caplog.text
    assert len(sandbox.requests) <= LAST + 6


@pytest.mark.parametrize("link", ["#", "https://other.example/v1/regions?page[after]=x"])
def test_a_cursor_that_breaks_off_is_given_up_for_numbers(
    sandbox: Sandbox,
    walk: StartWalk,
    edited: Callable[[Edit], list[str]],
    caplog: pytest.LogCaptureFixture,
    link: str,
) -> None:
    answers = count(1)

    def lead(document: Answer, number: int) -> None:
        if next(answers) == 2:
            document["links"]["next"] = link

    sandbox.rules.cursor_paging = {"regions"}
    everything = edited(lead)
    reading = walk("regions")
    assert ids(reading) == everything
    assert (reading.report.verdict, reading.report.reason) == (Verdict.COMPLETE, "")
    assert "requested by number instead" in caplog.text
