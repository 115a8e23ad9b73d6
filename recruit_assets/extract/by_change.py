"""Reading what changed from the end of the whole list, where the API sorts but does not filter.

The list is in the order of `updated-at`, then `id`, so what changed since a given time is at its
end, on the last pages. They are read from the last one downwards, to the end of the page that holds
the first earlier time. A record that changes during that moves to the end again, so the end is read
again until a single response reaches back to what is known (see `newest`).

The other direction, `sort=-updated-at,-id` from page 1 upwards, would need the record count to tell
how many records have moved past the reader, and a count can be older than its page.

Scope: what such a list must show. `query` says when it is requested in this order.
"""

from collections.abc import Iterator

from recruit_assets.errors import InvalidResponse, Rejected, Unavailable
from recruit_assets.extract.lanes import OutOfOrder
from recruit_assets.extract.links import by_number
from recruit_assets.extract.newest import Newest, before
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.source import Page


def read_changes(pager: Pager, first: Page) -> Iterator[Page]:
    """Yield the pages, after the first page requested, that may hold changes.

    Raises:
        OutOfOrder: the list is not in the order of changes, does not count its records, has no
            page numbers, or does not show its end.
    """
    since = pager.query.since
    if since is None or first.document.record_count is None or not by_number(first):
        raise OutOfOrder
    newest = Newest(pager)
    try:
        top = yield from newest.end_from(first)
    except (InvalidResponse, Rejected, Unavailable):
        raise OutOfOrder from None  # no page after a full one, so no end is seen
    yield from newest.read_down_to(before((since.timestamp(), 0)), top)
