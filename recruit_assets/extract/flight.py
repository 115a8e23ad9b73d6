"""Requests in flight: several pages asked for at once, each handed over as it is answered.

What lives here: whose answer is whose. The threads live in `threads`; which pages are asked for is
up to `walk`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from recruit_assets.extract.threads import DaemonPool

Tag = TypeVar("Tag")
Answer = TypeVar("Answer")


class InFlight(Generic[Tag, Answer]):
    """Runs requests in threads while its block runs; iterate it for answers, and send more.

    Args:
        concurrency: how many requests run at once; others wait for their turn.
    """

    def __init__(self, concurrency: int) -> None:
        self._pool = DaemonPool(concurrency)
        self._flying: dict[Future[Answer], Tag] = {}
        self._answered: SimpleQueue[Future[Answer]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave without waiting for answers that are not wanted any more."""
        self._pool.__exit__()

    def send(self, tag: Tag, ask: Callable[[int], Answer], number: int) -> None:
        """Ask for a page; its answer comes with the tag."""
        future = self._pool.submit(ask, number)
        self._flying[future] = tag
        future.add_done_callback(self._answered.put)

    def __iter__(self) -> Iterator[tuple[Tag, Answer]]:
        """Yield answers as they come, until nothing is in flight; raise what a request raised."""
        while self._flying:
            future = self._answered.get()
            yield self._flying.pop(future), future.result()
