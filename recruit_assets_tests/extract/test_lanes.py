"""What an answer proves to a lane, page by page."""

from collections.abc import Sequence
from itertools import count

import pytest

from recruit_assets.extract.jsonapi import Document, Record
from recruit_assets.extract.lanes import (
    KEYS_REMEMBERED,
    MAX_STEPS_BACK,
    NEWEST,
    OLDEST,
    Key,
    Lane,
    Order,
    OutOfOrder,
    counts_match,
    gaps,
    keys_of,
    order_of,
    spread,
)
from recruit_assets.extract.source import Page

ANSWERS = count()


def key(id_: int) -> Key:
    return 0.0, id_


def take(lane: Lane, number: int, ids: Sequence[int], total: int | None) -> None:
    records = [Record(str(id_)) for id_ in ids]
    page = Page(Document(records, {"record-count": total}), number, next(ANSWERS))
    lane.take(page, keys_of(records, by_change=False))


def lane(order: Order, first: int, pages: int, *, size: int = 3, top: bool = False) -> Lane:
    return Lane(order, size, first, pages, top=top)


def test_an_id_is_a_place_in_the_order_up_to_18_digits() -> None:
    assert keys_of([Record("9" * 18)], by_change=False) == [key(10**18 - 1)]
    with pytest.raises(OutOfOrder):
        keys_of([Record("9" * 19)], by_change=False)


@pytest.mark.parametrize(
    ("ids", "order"),
    [
        ([1, 2, 5], Order.OLDEST_FIRST),
        ([5, 2, 1], Order.NEWEST_FIRST),
        ([1, 3, 2], None),
        ([1, 1], None),
        ([2, 1, 1], None),
    ],
)
def test_the_order_of_a_page(ids: list[int], order: Order | None) -> None:
    keys = [key(id_) for id_ in ids]
    if order is None:
        with pytest.raises(OutOfOrder):
            order_of(keys)
    else:
        assert order_of(keys) is order


@pytest.mark.parametrize("id_", ["x", "-1", "", "1.5", "\u0661", "1" * 19])
def test_an_id_that_is_no_number_has_no_order(id_: str) -> None:
    with pytest.raises(OutOfOrder):
        keys_of([Record(id_)], by_change=False)


@pytest.mark.parametrize("changed", [None, 5, "yesterday"])
def test_a_change_without_a_time_has_no_order(changed: object) -> None:
    with pytest.raises(OutOfOrder):
        keys_of([Record("1", {"updated-at": changed})], by_change=True)


def test_a_lane_reads_its_own_pages_and_goes_on_to_what_the_next_has_covered() -> None:
    reading = lane(Order.OLDEST_FIRST, 4, 2)
    assert reading.wanted == 4
    take(reading, 4, [10, 11, 12], 12)
    assert (reading.newest, reading.oldest, reading.wanted) == (key(12), key(10), 3)
    take(reading, 3, [7, 8, 9], 12)
    assert (reading.oldest, reading.records) == (key(7), 6)
    assert reading.wanted is None
    reading.extend(until=key(6))
    assert reading.wanted == 2
    take(reading, 2, [6, 7, 8], 11)
    assert (reading.oldest, reading.records) == (key(6), 7)
    assert reading.wanted is None


def test_the_top_lane_covers_all_that_is_younger() -> None:
    assert lane(Order.OLDEST_FIRST, 4, 1, top=True).newest == NEWEST
    reading = lane(Order.OLDEST_FIRST, 1, 1, top=True)
    take(reading, 1, [1, 2], 2)
    assert (reading.newest, reading.oldest, reading.wanted) == (NEWEST, OLDEST, None)


@pytest.mark.parametrize("repeated", [[7, 8, 9], [8, 9, 10]])
def test_records_that_come_again_are_covered_once(repeated: list[int]) -> None:
    reading = lane(Order.OLDEST_FIRST, 4, 4)
    take(reading, 4, [8, 9, 10], 12)
    take(reading, 3, repeated, 9)
    assert reading.records == len({8, 9, 10, *repeated})
    assert reading.oldest == key(min(repeated))


def test_a_record_that_should_have_come_before_is_out_of_order() -> None:
    reading = lane(Order.OLDEST_FIRST, 4, 4)
    take(reading, 4, [5, 9, 10], 12)
    with pytest.raises(OutOfOrder):
        take(reading, 3, [3, 4, 7], 12)


def test_what_a_lane_forgot_is_taken_for_covered() -> None:
    """Where more were removed than it remembers, it sees records from long ago."""
    pages, size = KEYS_REMEMBERED // 3 + 4, 3
    reading = lane(Order.OLDEST_FIRST, pages, pages, size=size)
    for number in range(pages, 2, -1):
        take(reading, number, [number * 3 - 2, number * 3 - 1, number * 3], pages * size)
    take(reading, 2, [pages * 3 - 2, pages * 3 - 1, pages * 3], 6)
    assert (reading.oldest, reading.wanted) == (key(7), 1)


def test_an_empty_page_is_not_the_end_of_a_list_of_the_oldest_first() -> None:
    reading = lane(Order.OLDEST_FIRST, 3, 3)
    take(reading, 3, [], 5)
    assert (reading.newest, reading.oldest, reading.wanted) == (OLDEST, NEWEST, 2)
    take(reading, 2, [4, 5], 5)
    assert (reading.newest, reading.oldest, reading.wanted) == (key(5), key(4), 1)
    take(reading, 1, [1, 2, 3], 5)
    assert reading.oldest == OLDEST


def test_newest_first_steps_back_by_what_the_count_lost() -> None:
    reading = lane(Order.NEWEST_FIRST, 1, 4, top=True)
    take(reading, 1, [12, 11, 10], 12)
    take(reading, 2, [5, 4, 3], 8)  # four were removed: 9 to 6 may have moved to page 1
    assert (reading.oldest, reading.wanted) == (key(10), 1)
    take(reading, 1, [9, 8, 7], 8)
    assert (reading.oldest, reading.wanted) == (key(7), 2)
    take(reading, 2, [6, 5, 4], 8)
    take(reading, 3, [3, 2], 8)
    assert (reading.oldest, reading.wanted) == (OLDEST, None)


def test_newest_first_gives_up_where_records_vanish_faster_than_it_steps_back() -> None:
    reading = lane(Order.NEWEST_FIRST, 1, 2, top=True)
    total = 1_000
    take(reading, 1, [900, 899, 898], total)
    for _ in range(MAX_STEPS_BACK + 2):
        assert not reading.overrun
        total -= 5
        take(reading, 2, [897, 896, 895], total)
    total -= 5
    take(reading, 2, [897, 896, 895], total)
    assert reading.overrun


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("pages", range(1, 12))
@pytest.mark.parametrize("lanes", [1, 2, 3, 16])
def test_lanes_share_the_pages_of_a_list(order: Order, pages: int, lanes: int) -> None:
    top = pages if order is Order.OLDEST_FIRST else 1
    found = spread(order, 3, top, pages, lanes)
    assert 1 <= len(found) <= lanes
    numbers = []
    for at, each in enumerate(found):
        following = found[at + 1]._first if at + 1 < len(found) else top + order * pages
        numbers += list(range(each._first, following, order))
        assert each._pages == len(range(each._first, following, order))
    assert numbers == list(range(top, top + order * pages, order))


def test_a_list_stood_still_if_all_of_it_came_apart() -> None:
    newer, older = spread(Order.OLDEST_FIRST, 3, 2, 3, 2)
    take(newer, 2, [4, 5, 6], 6)
    assert not counts_match([newer, older], 6)
    take(older, 1, [1, 2, 3], 6)
    assert counts_match([newer, older], 6)
    assert not counts_match([newer, older], 7)
    assert gaps([newer, older]) == [(newer, older)]


def test_lanes_that_share_a_record_have_not_come_apart() -> None:
    newer, older = lane(Order.OLDEST_FIRST, 2, 1), lane(Order.OLDEST_FIRST, 1, 1)
    take(newer, 2, [3, 4, 5], 6)
    take(older, 1, [1, 2, 3], 6)
    assert not counts_match([newer, older], 6)  # five records, one of them twice


def test_lanes_that_do_not_go_from_young_to_old_are_out_of_order() -> None:
    newer, older = lane(Order.OLDEST_FIRST, 4, 1), lane(Order.OLDEST_FIRST, 3, 1)
    take(newer, 4, [4, 5, 6], 12)
    take(older, 3, [7, 8, 9], 12)
    with pytest.raises(OutOfOrder):
        gaps([newer, older])


def test_lanes_that_met_have_no_gap() -> None:
    newer, older = lane(Order.OLDEST_FIRST, 3, 2), lane(Order.OLDEST_FIRST, 2, 2)
    take(older, 2, [4, 5, 6], 9)
    take(newer, 3, [7, 8, 9], 9)
    take(newer, 2, [5, 6, 7], 8)
    assert gaps([newer, older]) == []
