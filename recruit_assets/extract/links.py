"""Signs of further pages: a page's counts and its `links.next`, which may disagree."""

from urllib.parse import parse_qs, urljoin, urlsplit

from recruit_assets.extract.client import origin
from recruit_assets.extract.source import Page


def counts_end(page: Page, size: int) -> bool:
    """Return whether a page is the last of its list according to its count."""
    document, total = page.document, page.document.record_count
    if total is None:
        return page.number >= (document.page_count or page.number)
    return page.number * size >= total


def ends(page: Page, size: int) -> bool:
    """Return whether a page is the last of its list according to its count and its link."""
    return counts_end(page, size) and not (page.records and leads_on(page))


def leads_on(page: Page) -> bool:
    """Return whether a page links to a later one; a link to itself or backwards does not count."""
    number = _number_in(page.document.next or "")
    return page.document.next is not None and (number is None or number > page.number)


def by_number(page: Page, url: str) -> bool:
    """Return whether later pages of the list at `url` are requested by number, not by a cursor.

    They are if the API counts, unless its link is a cursor.
    """
    document = page.document
    if document.page_count is None and document.record_count is None:
        return False
    return document.next is None or not is_cursor(document.next, url)


def leads_elsewhere(page: Page, url: str) -> bool:
    """Return whether a page of the list at `url` links to something that is not a page of it."""
    link = page.document.next
    return link is not None and _number_in(link) is None and not is_cursor(link, url)


def is_cursor(link: str, url: str) -> bool:
    """Return whether a link leads to a page of the list at `url` without a page number."""
    try:
        leads, own = urlsplit(urljoin(url, link)), urlsplit(url)
        same = origin(leads) == origin(own) and leads.path.rstrip("/") == own.path
    except ValueError:
        return False
    return same and leads.query != "" and _number_in(link) is None


def _number_in(link: str) -> int | None:
    """Return the page number in a link, or None."""
    (number, *_) = parse_qs(link.partition("?")[2]).get("page[number]", [""])
    return int(number) if number.isascii() and number.isdigit() and len(number) < 20 else None
