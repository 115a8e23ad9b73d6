"""Reading an unsorted list twice, and rereading a list that shows a record twice.

Scope: what two readings prove together. `pager` requests the pages.
"""

from collections.abc import Iterator
from itertools import chain

from recruit_assets.extract.pager import Pager
from recruit_assets.extract.sightings import Sightings, ids_of, too_few
from recruit_assets.extract.source import Page


def read_twice(pager: Pager, first: Page) -> Iterator[Page]:
    """Yield all pages of an unsorted list twice; once if a second reading would prove nothing.

    Records that both readings show existed when the second began: if they are as many as the API
    counted then, they are all.
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

    A record that is listed twice either makes the list one row longer, or takes the place of
    another one, which then never appears: pages that are cut without a stable order do that. One
    reading cannot tell which. So the second one requests pages of another size, with other
    boundaries. If it shows the same records, as many rows as are counted, and no count has changed,
    the list has not changed and holds no others.
    """
    twice = before.listed_twice
    if twice and not pager.shrink():
        pager.doubts.append(too_few(len(before.pages), pager.now, before))
        return
    seen, first = Sightings(), pager.source.page(pager.query, 1)
    counted = first.document.record_count or 0
    yield first
    if len(first.records) > pager.size:  # the API ignores the other size
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
        pager.doubts.append("it changed while it was being read, and has no stable order")
