"""Reading a list by its links, one page after the other, because its pages have no numbers."""

from collections.abc import Generator, Iterator
from itertools import chain

from recruit_assets.extract.lanes import Key, OutOfOrder, order_of
from recruit_assets.extract.links import counts
from recruit_assets.extract.no_response import TELL
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.sightings import Sightings, ids_of, too_few
from recruit_assets.extract.source import Page, Source

MAX_REPEATED = 2  # pages in a row that were shown before, where page numbers are another way


class Links:
    """Follow the links from a first page, one page at a time.

    `looped_at` is the number of the page whose link points to a page already read, where the
    reading stops. Its pages are kept; the counts show whether they are complete.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.looped_at: int | None = None

    def follow(self, page: Page) -> Iterator[Page]:
        """Yield the pages after this one, including empty ones, until one has no link."""
        followed: set[str] = set()
        while link := page.document.next:
            if link in followed:
                self.looped_at = page.number
                return
            followed.add(link)
            page = self._source.linked(link, page.number + 1)
            yield page


def read_by_cursor(pager: Pager, first: Page) -> Generator[Page, None, bool]:
    """Yield pages by opaque cursors. A cursor points after a record, so it skips no later record.

    A link back to an earlier page ends the reading; the counts show whether it is complete.

    Returns:
        Whether the links reached the end, as far as the counts show.
    """
    links, seen, keys, page = Links(pager.source), Sightings(), list[Key](), first
    ordered, short, shown, again = True, False, set[tuple[str, ...]](), 0
    for page in chain([first], links.follow(first)):
        if page is not first:
            yield page
        ids = tuple(ids_of(page))
        if ids in shown:  # a link back to it, or about to be
            again += bool(ids)
            if counts(first) and again == MAX_REPEATED:
                links.looped_at = page.number - 1
                break
            continue
        shown.add(ids)
        again = 0
        seen.add(page.number, ids)
        if short and ids:
            pager.doubts.append(f"page {page.number - 1:,} is short")
        short = len(ids) != pager.size
        try:
            keys = [*keys[-1:], *pager.keys(page)]
            order_of(keys)
        except OutOfOrder:
            ordered = False
    counted, distinct = page.document.record_count or 0, len(seen.pages)
    if not ordered:
        pager.doubts.append(seen.listed_twice or "it has no order")
    if distinct < counted:
        pager.doubts.append(too_few(distinct, counted))
    looped = links.looped_at and (distinct < counted or not counted)
    if looped:
        pager.doubts.append(
            f"the next link of page {links.looped_at:,} points to a page already read. {TELL}"
        )
    return not looped
