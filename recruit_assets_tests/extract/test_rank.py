"""The search by ranks finds what is gone from a list, at the price that is promised."""

from collections.abc import Callable, Iterable, Sequence
from math import log2
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.extract.rank import (
    FEW_PAGES,
    MAX_EMPTY_PAGES,
    Found,
    Listed,
    Rank,
    TooManyGone,
)
from recruit_assets_tests.rings import sized

SIZE = 30


def searched(
    known: Sequence[int],
    listed: Callable[[int], Sequence[int]],
    size: int = SIZE,
    settled: int | None = None,
) -> tuple[Found, int]:
    """Search; return what was found and the number of requests.

    Args:
        known: the known ids.
        listed: all ids of the list at the request of a number, from 1.
        size: the records of a page.
        settled: the greatest known id, unless given.
    """
    search = Rank(known, size, (known or [-1])[-1] if settled is None else settled).search()
    number, requests = next(search), 0
    while True:
        requests += 1
        ids = listed(requests)
        page = Listed(number, ids[(number - 1) * size : number * size], len(ids))
        try:
            number = search.send(page)
        except StopIteration as end:
            found: Found = end.value
            return found, requests


def without(known: Iterable[int], gone: set[int]) -> list[int]:
    return [id_ for id_ in known if id_ not in gone]


@given(st.data())
def test_it_finds_exactly_what_is_gone(data: st.DataObject) -> None:
    known = sorted(data.draw(st.sets(st.integers(1, 400), max_size=150)))
    size = data.draw(st.sampled_from([2, 3, 5, 7]))
    gone = data.draw(st.sets(st.sampled_from(known), max_size=6)) if known else set()
    for start in data.draw(st.lists(st.integers(0, 150), max_size=2)):
        gone |= set(known[start : start + 9])
    new = [500 + number for number in range(data.draw(st.integers(0, 8)))]
    settled = data.draw(st.sampled_from(known[-3:])) if known else -1
    try:
        found, _ = searched(known, lambda _: without(known, gone) + new, size, settled)
    except TooManyGone:
        pages = len(known) / size
        most = max(n * (log2(max(1, pages / n)) + 1) for n in range(1, len(gone) + 1))
        assert 2 * most + 2 > pages  # as a search may take twice as long as the average one
    else:
        assert found == Found(frozenset(gone), frozenset())


@pytest.mark.parametrize("pages", [334, 33_334])
@pytest.mark.parametrize(("runs", "length"), [(1, 1), (10, 1), (100, 1), (1, 100), (10, 10)])
def test_it_costs_what_is_promised(pages: int, runs: int, length: int) -> None:
    known, random, costs = range(1, pages * SIZE - 7), Random(1), []
    for _ in range(sized(2, 5, 20)):
        starts = [random.randrange(len(known) - length) for _ in range(runs)]
        gone = {id_ for start in starts for id_ in known[start : start + length]}
        listed = without(known, gone)
        found, requests = searched(known, lambda _, listed=listed: listed)  # type: ignore[misc]
        assert found.missing == gone
        costs.append(requests)
    promised = 1 + runs * (1.01 * log2(pages / runs) + 0.63)
    assert sum(costs) / len(costs) < 1.1 * promised + 2


@pytest.mark.parametrize(("rows", "requests"), [(0, 1), (29, 1), (30, 2), (31, 1), (9_999, 1)])
def test_one_request_shows_that_nothing_is_gone(rows: int, requests: int) -> None:
    """Two if the last page is full, as only an empty one shows that none comes after it."""
    known = range(1, rows + 1)
    assert searched(known, lambda _: known) == (Found(frozenset(), frozenset()), requests)


def test_new_records_are_all_read_and_hide_nothing() -> None:
    known = list(range(1, 301))
    listed = [*without(known, {7}), *range(301, 302 + 3 * SIZE)]
    found, requests = searched(known, lambda _: listed)
    assert found == Found(frozenset({7}), frozenset())
    assert requests <= 2 + 5 + log2(10) + 2  # to the newest end, down again, and the search


def answered(known: Sequence[int], lists: Sequence[Sequence[int]], settled: int) -> list[int]:
    """Answer requests from one list after another; return the numbers of the requested pages."""
    search, asked = Rank(known, SIZE, settled).search(), list[int]()
    number = next(search)
    for listed in lists:
        asked.append(number)
        page = Listed(number, listed[(number - 1) * SIZE : number * SIZE], len(listed))
        try:
            number = search.send(page)
        except StopIteration:
            break
    return asked


def test_an_empty_page_is_not_the_newest_end() -> None:
    known = list(range(1, 62))
    assert answered(known, [known[:60]] * 3, 55) == [3, 2]


def test_a_full_page_is_the_newest_end_only_after_an_empty_one() -> None:
    known = list(range(1, 60))
    assert answered(known, [[*known, 60]] * 3, 59) == [2, 3, 2]


def test_a_record_that_returns_is_seen_where_the_search_passes() -> None:
    known = without(range(1, 301), {100, 299})
    found, _ = searched(known, lambda _: range(1, 300))
    assert found == Found(frozenset({300}), frozenset({100, 299}))


def test_what_goes_behind_a_page_that_was_seen_is_found() -> None:
    """A page is remembered with the shift of today; when the search arrives, it has another one."""
    known = range(1, 401)

    def listed(request: int) -> list[int]:
        return without(known, {20} if request < 5 else {20, 150})

    found, _ = searched(known, listed, 4)
    assert found.missing == {20, 150}


def test_new_records_do_not_make_up_for_one_that_is_gone() -> None:
    """During the search, old records go, and new ones take their places on the pages."""
    known = range(1, 201)
    for before in range(3, 12):

        def listed(request: int, before: int = before) -> list[int]:
            gone = {50, 190} if request < before else {50, 190, *range(60, 100)}
            return [*without(known, gone), *range(300, 300 + 2 * request)]

        found, _ = searched(known, listed, 4)
        assert found.missing >= {50, 190}


def test_a_list_that_lost_much_is_read_instead() -> None:
    known = range(1, 3_001)
    with pytest.raises(TooManyGone):
        searched(known, lambda _: known[::2])


def test_a_list_that_is_never_still_is_read_instead() -> None:
    """It loses all records but one during the search, whose next pages are then empty forever."""
    known, requests = range(1, 3_001), list[int]()

    def listed(request: int) -> Sequence[int]:
        requests.append(request)
        return without(known, {5}) if request < 3 else known[:1]

    with pytest.raises(TooManyGone):
        searched(known, listed)
    # Those that find the newest end, two of them here, are not counted.
    assert len(requests) == 2 + max(FEW_PAGES, len(known) // SIZE)


def test_a_list_whose_newest_end_cannot_be_found_is_read_instead() -> None:
    """It counts records, and all its pages are empty."""
    search = Rank(range(1, 61), SIZE, 60).search()
    next(search)
    for _ in range(MAX_EMPTY_PAGES - 1):
        search.send(Listed(1, [], 60))
    with pytest.raises(TooManyGone):
        search.send(Listed(1, [], 60))
