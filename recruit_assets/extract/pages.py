"""The walk: one reading of one endpoint's list, page by page, and its verdict.

What lives here: which way a list can be read, and what the reading proves. A page's request is
made by `source` and worded by `query`; why nothing slips between pages is told in `lanes`; what
the records mean is up to `records`.
"""

from array import array
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import chain
from queue import SimpleQueue
from time import monotonic
from urllib.parse import parse_qs

from recruit_assets.errors import ParameterRefused, Unavailable
from recruit_assets.extract import failures
from recruit_assets.extract.lanes import (
    OLDEST,
    Key,
    Lane,
    Order,
    OutOfOrder,
    ends,
    gaps,
    keys_of,
    order_of,
    spread,
    stood_still,
)
from recruit_assets.extract.query import WINDOW, Query
from recruit_assets.extract.report import Report, Verdict
from recruit_assets.extract.retries import Effort
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.threads import DaemonPool

BETWEEN_LOGS = 5.0  # seconds
ASKED_FOR_A_SHORT_PAGE = 3  # times
ENDLESS = 1_000_000  # pages by links; 30 million records
MOST_ALIKE = 10  # pages by links, one after the other, with the same records
MOST_GROWTH = 100  # pages that may come to be while the last is looked for, beside as many again


class Walk:
    """A lazy reading of an endpoint: nothing is asked before it is iterated, once.

    Iterating yields the pages in the order of their answers, some of them twice, and raises
    `RequestFailed` if one cannot be had. An endpoint that the account does not have yields nothing
    and has the verdict `unavailable`.

    Args:
        source: the endpoint.
        since: the walk is for records changed then or later; None for all.
    """

    def __init__(self, source: Source, since: datetime | None = None) -> None:
        self.report = Report(datetime.now(UTC))
        self.query = Query.everything(source.endpoint, source.page_size, since)
        self._source, self._name = source, source.endpoint.name
        self._size = source.page_size
        self._now = 0  # records, by the latest answer
        self._came = array("q")  # the ids of a list in order
        self._most = MOST_GROWTH  # pages that there can be
        self._doubts: list[str] = []
        self._begun = self._told = monotonic()
        self._queued = 0.0  # seconds, when it was last told how far it is

    @property
    def effort(self) -> Effort:
        """What it took, and whatever else was asked of the source."""
        return self._source.effort

    def __iter__(self) -> Iterator[Page]:
        report = self.report
        report.began = datetime.now(UTC)
        self._begun = self._told = monotonic()
        try:
            for page in self._pages():
                report.pages += 1
                report.records += len(page.records)
                if monotonic() - self._told > BETWEEN_LOGS:
                    self._tell()
                yield page
        except Unavailable as error:
            if report.pages:
                raise failures.gone_midway(error) from None
            self._source.check_that_others_answer(error)
            report.verdict, report.reason = Verdict.UNAVAILABLE, str(error)
        else:
            report.began -= self._source.behind
            self._judge()

    def _tell(self) -> None:
        """Say in the log how far the walk is."""
        queued, self._told = self.effort.queued, monotonic()
        so_far = self.report.so_far(
            self._size, self._told - self._begun, waited=queued > self._queued
        )
        self._queued = queued
        self._source.log.info(f"{self._name}: {so_far}")

    def _judge(self) -> None:
        report = self.report
        report.reason = "; ".join(dict.fromkeys(self._doubts))
        if not self._doubts:
            report.verdict = Verdict.WINDOW if self.query.since else Verdict.COMPLETE

    def _pages(self) -> Iterator[Page]:
        first = self._first()
        counted = first.document.record_count
        self.report.record_count = counted
        yield first
        if counted is None:
            self._doubts.append("the API does not say how many records there are")
        told = max(self._last(counted or 0), first.document.page_count or 0)
        self._most = 2 * told + MOST_GROWTH
        if ends(first, self._size):
            if counted is not None and len(_ids(first)) < counted:
                self._doubts.append("a record came twice")
            return
        if not by_number(first):
            yield from self._by_cursor(first)
        elif counted is None:
            yield from self._forward(first)
        else:
            try:
                yield from self._young_to_old(first)
            except OutOfOrder:
                yield from self._twice(first)

    def _first(self) -> Page:
        """The first page, asked for with whatever parameters the account takes."""
        while True:
            try:
                page = self._source.page(self.query, 1)
                break
            except ParameterRefused as refused:
                self._drop(refused)
        self._size = self.query.size or len(page.records) or 1
        if len(page.records) != self._due(page):
            page = self._ask(1)
            document, came = page.document, len(page.records)
            if came and document.page_count == -(-(document.record_count or 0) // came):
                self._size = came  # the API's pages are smaller than what was asked for
                self._doubts.clear()
        return page

    def _drop(self, refused: ParameterRefused) -> None:
        self.query, dropped = self.query.without(refused)
        self.report.dropped += dropped
        self.report.filter_refused |= any(each.startswith(WINDOW) for each in dropped)
        for each in dropped:
            self._source.log.warning(f"{self._name}: the API refuses {each}")

    def _young_to_old(self, first: Page) -> Iterator[Page]:
        """All pages in lanes; see `lanes`.

        Raises:
            OutOfOrder: the list is in no order that this can prove.
        """
        keys, top = self._keys(first), first
        if len(keys) < 2 and not self.query.sorted:
            raise OutOfOrder  # one record shows none
        order = order_of(keys)
        if order is Order.OLDEST_FIRST:
            top = yield from self._youngest(first)
        total = top.document.record_count or 0
        pages = top.number if order is Order.OLDEST_FIRST else self._last(total)
        lanes = spread(order, self._size, top.number, pages, self._source.concurrency)
        lanes[0].take(top, self._keys(top))
        yield from self._read(lanes)
        if not stood_still(lanes, total):
            leaky = gaps(lanes)
            for young, old in leaky:
                young.go_on(until=old.youngest)
            yield from self._read([young for young, _ in leaky])
        if any(lane.overrun for lane in lanes):
            self._doubts.append("records were removed faster than pages could be read")
        if not (stood_still(lanes, total) and self._now == total):
            yield from self._added_since(top, order)
            came = len(set(self._came))
            if came < self._now:
                self._doubts.append(f"{came:,} records came, and the API counts {self._now:,}")

    def _added_since(self, top: Page, order: Order) -> Iterator[Page]:
        """What came to be at the young end while the rest was read, and how many there are now."""
        known = max(self._keys(top), default=OLDEST)
        last = max(1, min(self._last(self._now), self._most))
        oldest_first = order is Order.OLDEST_FIRST
        for number in range(last, 0, -1) if oldest_first else range(1, last + 1):
            page = self._ask(number)
            yield page
            if not page.records or min(self._keys(page)) <= known:
                return

    def _youngest(self, first: Page) -> Generator[Page, None, Page]:
        """The last page, wherever it is by now; the first page told where it was."""
        number = expected = max(2, self._last(first.document.record_count or 0))
        before = first
        for _ in range(expected + MOST_GROWTH):
            page = self._ask(number)
            yield page
            last = self._last(page.document.record_count or 0)
            if not page.records and 1 < last < number:
                number = last  # it has become shorter
                continue
            if ends(page, self._size):
                return page
            if self._keys(page) <= self._keys(before):
                raise OutOfOrder
            before, number = page, number + 1
        self._doubts.append("it grows faster than it can be read")
        return page

    def _last(self, counted: int) -> int:
        """The number of the last page, if there are so many records."""
        return -(-counted // self._size)

    def _read(self, lanes: Iterable[Lane]) -> Iterator[Page]:
        """The pages that lanes want, one of each lane in flight, as they are answered."""
        with DaemonPool(self._source.concurrency) as pool:
            flying: dict[Future[Page], Lane] = {}
            answered: SimpleQueue[Future[Page]] = SimpleQueue()

            def send(lane: Lane) -> None:
                if (number := lane.wanted) is not None:
                    future = pool.submit(self._ask, number)
                    flying[future] = lane
                    future.add_done_callback(answered.put)

            for lane in lanes:
                send(lane)
            while flying:
                future = answered.get()
                lane, page = flying.pop(future), future.result()
                lane.take(page, self._keys(page))
                send(lane)
                yield page

    def _twice(self, first: Page) -> Iterator[Page]:
        """All pages, two times, for a list in no order.

        What came both times was there when the second reading began: if it is as many as the API
        counted then, it is all.
        """
        seen = _ids(first)
        for page in self._forward(first):
            seen |= _ids(page)
            yield page
        second = self._ask(1)
        yield second
        again = _ids(second)
        for page in self._forward(second):
            again |= _ids(page)
            yield page
        if len(seen & again) != second.document.record_count:
            self._doubts.append("it changed while it was read, and has no order to read it by")

    def _forward(self, first: Page) -> Iterator[Page]:
        """The pages after the first in their order, several of them in flight."""
        document, page = first.document, first
        last = document.page_count or self._last(document.record_count or 0)
        for page in self._ahead(range(2, last + 1)):
            yield page
            # Where no page links to another, the page count decides.
            if not page.records or (document.next and not page.document.next):
                return
        yield from self._follow(page)

    def _ahead(self, numbers: Iterable[int]) -> Iterator[Page]:
        flying: deque[Future[Page]] = deque()
        with DaemonPool(self._source.concurrency) as pool:
            for number in numbers:
                flying.append(pool.submit(self._ask, number))
                if len(flying) == self._source.concurrency:
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()

    def _follow(self, page: Page) -> Iterator[Page]:
        """Pages by `links.next`, one by one: where pages have no numbers, or more came to be.

        The end is a page without a link or without records; a short page is no sign.
        """
        seen: set[str] = set()
        alike = 0
        while page.records and (link := page.document.next):
            if link in seen:
                raise failures.linked_in_a_circle(f"{self._name}, page {page.number}")
            seen.add(link)
            before, page = page, self._source.linked(link, page.number + 1)
            alike = alike + 1 if _ids(page) == _ids(before) else 0
            if alike > MOST_ALIKE or page.number > ENDLESS:
                raise failures.linked_in_a_circle(f"{self._name}, page {page.number}")
            if page.records:
                yield page

    def _by_cursor(self, first: Page) -> Iterator[Page]:
        """Pages by opaque cursors, which stand after a record and so miss none behind it."""
        came, keys, page = 0, list[Key](), first
        for page in chain([first], self._follow(first)):
            if page is not first:
                yield page
            came += len(page.records)
            if page.document.next and len(page.records) != self._size:
                self._doubts.append(f"page {page.number} is short")
            try:
                keys = [*keys[-1:], *self._keys(page)]
                order_of(keys)
            except OutOfOrder:
                self._doubts.append("it has no order")
        counted = page.document.record_count or 0
        if came < counted:
            self._doubts.append(f"{came:,} records came, and the API counts {counted:,}")

    def _ask(self, number: int) -> Page:
        """A page, asked for again while it does not hold as many records as belong there."""
        if number > self._most:
            raise failures.linked_in_a_circle(f"{self._name}, page {number}")
        for _ in range(ASKED_FOR_A_SHORT_PAGE):
            page = self._source.page(self.query, number)
            due = self._due(page)
            if page.document.record_count is not None:
                self._now = page.document.record_count
            if len(page.records) == due:
                return page
        belong = "an unknown number" if due < 0 else str(due)
        self._doubts.append(f"page {number} has {len(page.records)} records where {belong} belong")
        return page

    def _due(self, page: Page) -> int:
        """How many records a page should have, by its own answer; -1 if that stopped telling."""
        counted = page.document.record_count
        if counted is None:  # as the first page did, or it cannot be told
            return len(page.records) if self.report.record_count is None else -1
        return max(0, min(self._size, counted - (page.number - 1) * self._size))

    def _keys(self, page: Page) -> list[Key]:
        since = self.query.since is not None
        if since and not self.query.sorted:
            raise OutOfOrder  # what changes while a window is read enters it anywhere
        keys = keys_of(page.records, by_change=since)
        self._came.extend(id_ for _, id_ in keys)
        return keys


def _ids(page: Page) -> set[str]:
    return {str(record.id) for record in page.records}


def by_number(page: Page) -> bool:
    """Whether later pages can be asked for by number, as opposed to by an opaque link."""
    document = page.document
    if document.page_count is None and document.record_count is None:
        return False
    return document.next is None or "page[number]" in parse_qs(document.next.partition("?")[2])
