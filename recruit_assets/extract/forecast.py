"""How many requests a full sync will make for a list, told by its first page.

What lives here: the arithmetic of what `walk` does with a list that stands still. Records that
are added or removed during the sync cost a few more, and rows whose records are gone one each.
"""

from recruit_assets.extract.lanes import Order, OutOfOrder, keys_of, order_of
from recruit_assets.extract.links import by_number, ends
from recruit_assets.extract.pager import ASKED_FOR_A_SHORT_PAGE
from recruit_assets.extract.source import Page


def requests_for(first: Page, size: int | None, url: str) -> int | None:
    """How many requests a walk makes, the first page's among them.

    Args:
        first: the first page of the list.
        size: records that a page was asked for with; None is the API's own.
        url: the address of the list.

    Returns:
        The number, or None if the page does not tell how long the list is.
    """
    counted, came = first.document.record_count, len(first.records) or 1
    if ends(first, size or came):
        return 1
    if counted is None:
        return first.document.page_count
    # A page that is shorter than it was asked for is asked for again before it is believed.
    again = 0 if size in (None, came) else ASKED_FOR_A_SHORT_PAGE
    pages = -(-counted // came)
    if not by_number(first, url):
        return again + pages
    try:
        order = order_of(keys_of(first.records, by_change=False))
    except OutOfOrder:
        return again + 2 * pages
    # The first page is read once more, in its place, where the reading begins at the last.
    return again + pages + (order is Order.OLDEST_FIRST)
