"""Estimate of the requests that a full sync makes for a list, from its first page.

Scope: the arithmetic of `walk` for a list that does not change. Records added or removed during the
sync cost a few requests more, and each row whose record is gone costs one.
"""

from recruit_assets.extract.lanes import Order, OutOfOrder, keys_of, order_of
from recruit_assets.extract.links import by_number, ends
from recruit_assets.extract.pager import SHORT_PAGE_TRIES
from recruit_assets.extract.source import Page


def requests_for(first: Page, size: int | None) -> int | None:
    """Return how many requests a walk makes, including the first page.

    Args:
        first: the first page of the list.
        size: records per page that were requested; None is the API's default.

    Returns:
        The number, or None if the page does not show how long the list is.
    """
    counted, shown = first.document.record_count, len(first.records) or 1
    if ends(first, size or shown):
        return 1
    if counted is None:
        return first.document.page_count
    # A page shorter than requested is requested again before its length is accepted.
    again = 0 if size in (None, shown) else SHORT_PAGE_TRIES
    pages = -(-counted // shown)
    if not by_number(first):
        return again + pages
    try:
        order = order_of(keys_of(first.records, by_change=False))
    except OutOfOrder:
        return again + 2 * pages
    # If the reading starts at the last page, the first is requested again in its turn.
    return again + pages + (order is Order.OLDEST_FIRST)
