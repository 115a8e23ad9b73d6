"""Memory of a reading: which pages repeat others, and which records are listed twice.

Scope: the memory only. `walk` draws the conclusions.
"""

from collections.abc import Iterable
from itertools import islice

from recruit_assets.extract.no_response import TELL
from recruit_assets.extract.source import Page
from recruit_assets.text import one_line

MAX_REPEATED_PAGES = 10  # pages in a row that repeat others
NAMED = 3  # records listed twice, in a reason


class Repeats:
    """Distinguish a list that repeats its pages endlessly from one whose records only move."""

    def __init__(self) -> None:
        self._repeated = 0
        self._numbers: dict[int, int] = {}  # number of the first page with each content

    def too_many(self, page: Page, last: int) -> bool:
        """Note a page; return whether ten in a row repeated pages with other numbers.

        After records are added or removed, a page may repeat another. Ten in a row would take
        hundreds of simultaneous changes that shift whole pages.

        Args:
            page: the page as returned.
            last: the number of the last page, by this response; pages after it are empty, which
                is not a repetition.
        """
        content = hash(frozenset(record.id for record in page.records))  # in any order
        moved = self._numbers.setdefault(content, page.number) != page.number
        repeated = moved if page.records else page.number <= last
        self._repeated = self._repeated + 1 if repeated else 0
        return self._repeated >= MAX_REPEATED_PAGES


class Sightings:
    """Track the records that a reading showed, the first page of each, and the total of rows."""

    def __init__(self) -> None:
        self.rows = 0
        self.pages: dict[str, int] = {}
        self._twice: dict[str, tuple[int, int]] = {}

    def add(self, number: int, ids: Iterable[str]) -> None:
        """Note the ids of a page, including ids noted before."""
        here: set[str] = set()
        for id_ in ids:
            self.rows += 1
            before = self.pages.setdefault(id_, number)
            if before != number or id_ in here:
                self._twice[id_] = before, number
            here.add(id_)

    @property
    def listed_twice(self) -> str:
        """Describe the records that are listed twice; empty if there are none."""
        sentences = [
            f"record {one_line(id_)} is listed twice, on pages {first:,} and {second:,}"
            if first != second
            else f"record {one_line(id_)} is listed twice, on page {first:,}"
            for id_, (first, second) in islice(self._twice.items(), NAMED)
        ]
        if len(self._twice) > NAMED:
            sentences.append(f"and {len(self._twice) - NAMED:,} more are")
        return ", ".join(sentences)


def ids_of(page: Page) -> list[str]:
    """Return the ids on a page, in their order."""
    return [str(record.id) for record in page.records]


def too_few(read: int, counted: int, seen: Sightings | None = None) -> str:
    """Return a sentence on how many records are missing, and which may be in their place."""
    twice = seen.listed_twice if seen else ""
    sentence = f"{read:,} records were read, but the API counts {counted:,}"
    return f"{sentence}: {twice}, perhaps in place of others. {TELL}" if twice else sentence
