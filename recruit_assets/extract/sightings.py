"""Where records were seen: pages that repeat others, and records that are listed twice.

What lives here: the memory of a reading. What follows from it is up to `walk`.
"""

from collections.abc import Iterable
from itertools import islice

from recruit_assets.extract.no_answer import TELL
from recruit_assets.extract.source import Page
from recruit_assets.text import one_line

MOST_ALIKE = 10  # pages in a row that show what others showed
NAMED = 3  # records listed twice, in a reason


class Repeats:
    """Tells a list that shows the same pages again and again from one that only moves."""

    def __init__(self) -> None:
        self._alike = 0
        self._numbers: dict[int, int] = {}  # of the page that first showed a content

    def too_many(self, page: Page, last: int) -> bool:
        """Note a page; return whether ten in a row showed what was shown under another number.

        Where records are added or removed, a page may show what another one did. Ten in a row need
        hundreds of changes at once that fill whole pages.

        Args:
            page: as it was answered.
            last: the number of the last page, by the count of this answer; behind it pages are
                empty, which is no repetition.
        """
        content = hash(frozenset(record.id for record in page.records))  # in whatever order
        moved = self._numbers.setdefault(content, page.number) != page.number
        alike = moved if page.records else page.number <= last
        self._alike = self._alike + 1 if alike else 0
        return self._alike >= MOST_ALIKE


class Sightings:
    """Which records a reading showed, on which page first, and how many rows in all."""

    def __init__(self) -> None:
        self.rows = 0
        self.pages: dict[str, int] = {}
        self._twice: dict[str, tuple[int, int]] = {}

    def add(self, number: int, ids: Iterable[str]) -> None:
        """Note the ids of a page; one that was noted before may be noted again."""
        here: set[str] = set()
        for id_ in ids:
            self.rows += 1
            before = self.pages.setdefault(id_, number)
            if before != number or id_ in here:
                self._twice[id_] = before, number
            here.add(id_)

    @property
    def listed_twice(self) -> str:
        """Return what is listed twice, in words; empty if nothing is."""
        said = [
            f"record {one_line(id_)} is listed twice, on pages {first:,} and {second:,}"
            if first != second
            else f"record {one_line(id_)} is listed twice, on page {first:,}"
            for id_, (first, second) in islice(self._twice.items(), NAMED)
        ]
        if len(self._twice) > NAMED:
            said.append(f"and {len(self._twice) - NAMED:,} more are")
        return ", ".join(said)


def ids_of(page: Page) -> list[str]:
    """Return the ids on a page, in their order."""
    return [str(record.id) for record in page.records]


def too_few(came: int, counted: int, seen: Sightings | None = None) -> str:
    """Return that fewer records came than are counted, and which one took another one's place."""
    twice = seen.listed_twice if seen else ""
    sentence = f"{came:,} records came, and the API counts {counted:,}"
    return f"{sentence}: {twice}, maybe in place of others. {TELL}" if twice else sentence
