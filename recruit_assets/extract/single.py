"""Lists that may have only one page: what their first page proves.

Scope: the conclusions. `walk` decides how a list is read.
"""

from collections.abc import Generator

from recruit_assets.errors import InvalidResponse, ParameterRefused, Rejected, Unavailable
from recruit_assets.extract.links import by_number
from recruit_assets.extract.pager import Pager
from recruit_assets.extract.sightings import Sightings, ids_of, too_few
from recruit_assets.extract.source import Page

# Errors of a link to a page that does not exist.
REFUSED = (InvalidResponse, Rejected, ParameterRefused, Unavailable)


def doubts_of_single(page: Page, size: int) -> list[str]:
    """Return why a list of one page may have more records than it shows.

    A page that is not full has room for every record. If a full one shows a record twice, another
    may have been pushed off it.
    """
    doubts = []
    counted, rows = page.document.record_count, len(page.records)
    if (pages := page.document.page_count or 1) > 1:
        doubts.append(f"the API returned one page of {rows:,} records, but counts {pages:,} pages")
    if counted is None or len(distinct(page)) >= counted or counted == rows < size:
        return doubts
    seen = Sightings()
    seen.add(1, ids_of(page))
    return [*doubts, too_few(len(seen.pages), counted, seen)]


def shows_all(pager: Pager, first: Page) -> Generator[Page, None, bool]:
    """Return whether page 1 holds all records of its count, although it links to more."""
    source, link = pager.source, first.document.next
    try:
        if by_number(first) or link is None:
            page = source.page(pager.query, 2)
        else:
            page = source.linked(link, 2)
    except REFUSED as error:
        source.log.warning(
            f"{error.subject}: {error.happened}. By the record count, the first page has all "
            "records."
        )
        return True
    yield page
    return distinct(page) <= distinct(first)


def distinct(page: Page) -> set[str]:
    """Return the ids on a page, each once."""
    return set(ids_of(page))
