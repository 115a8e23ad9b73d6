"""Signs of further pages: a page's counts and its `links.next`, which may disagree."""

from urllib.parse import parse_qs

from recruit_assets.extract.source import Page


def counts_end(page: Page, size: int) -> bool:
    """Return whether a page is the last of its list according to its count."""
    document, total = page.document, page.document.record_count
    if total is None:
        return page.number >= (document.page_count or page.number)
    return page.number * size >= total


def ends(page: Page, size: int) -> bool:
    """Return whether a page is the last of its list according to its count and its link."""
    return counts_end(page, size) and not (page.records and has_next_link(page))


def has_next_link(page: Page) -> bool:
    """Return whether a page links to a later one; a link to itself or backwards does not count."""
    number = _number_in(page.document.next or "")
    return page.document.next is not None and (number is None or number > page.number)


def by_number(page: Page) -> bool:
    """Return whether later pages are requested by number at once, without following links.

    They are if the API counts, and links to no page or to one with a number.
    """
    link = page.document.next
    return counts(page) and (link is None or _number_in(link) is not None)


def counts(page: Page) -> bool:
    """Return whether a page says how many records or pages its list has."""
    return page.document.record_count is not None or page.document.page_count is not None


def _number_in(link: str) -> int | None:
    """Return the page number in a link, or None."""
    (number, *_) = parse_qs(link.partition("?")[2]).get("page[number]", [""])
    return int(number) if number.isascii() and number.isdigit() and len(number) < 20 else None
