"""A list in no order, read twice, and a list that shows a record twice, read again.

What lives here: what two readings prove together. Pages are asked for by `pager`.
"""

from collections.abc import Iterator
from itertools import chain

from recruit_assets.extract.pager import Pager
from recruit_assets.extract.sightings import Sightings, ids_of, too_few
from recruit_assets.extract.source import Page


def read_twice(pager: Pager, first: Page) -> Iterator[Page]:
    """Yield all pages, two times, for a list in no order; once where that proves nothing.

    What came both times was there when the second reading began: if it is as many as the API
    counted then, it is all.
    """
    seen = Sightings()
    for page in chain([first], pager.forward(first)):
        seen.add(page.number, ids_of(page))
        if page is not first:
            yield page
    if not pager.doubts:
        yield from read_again(pager, seen)


def read_again(pager: Pager, before: Sightings) -> Iterator[Page]:
    """Yield all pages once more, and compare them with an earlier reading.

    A record that is listed twice either makes the list one row longer, or stands where another
    one belongs, which then never comes: pages that are cut without a settled order do that.
    From one reading nobody can tell. So the second one takes pages of another size, whose
    borders lie elsewhere. If it shows the same records, as many rows as are counted, and no
    count has changed, the list stands still and holds no others.
    """
    twice = before.listed_twice
    if twice and not pager.shrink():
        pager.doubts.append(too_few(len(before.pages), pager.now, before))
        return
    seen, first = Sightings(), pager.source.page(pager.query, 1)
    counted = first.document.record_count or 0
    yield first
    if len(first.records) > pager.size:  # it does not take another size
        pager.doubts.append(too_few(len(before.pages), counted, before))
        return
    for page in chain([first], pager.forward(first)):
        seen.add(page.number, ids_of(page))
        if page is not first:
            yield page
    if len(before.pages.keys() & seen.pages.keys()) == counted:
        return
    same = before.pages.keys() == seen.pages.keys()
    whole = len(seen.pages) == counted and before.pages.keys() <= seen.pages.keys()
    steady = pager.steady and pager.now == counted
    if twice and steady and (whole or (same and seen.rows == counted)):
        pager.source.log.warning(f"{pager.name}: {twice}")
    elif twice and steady:
        pager.doubts.append(too_few(len(before.pages), counted, before))
    elif same:
        pager.doubts.append(too_few(len(seen.pages), counted, seen))
    else:
        pager.doubts.append("it changed while it was read, and has no order to read it by")
