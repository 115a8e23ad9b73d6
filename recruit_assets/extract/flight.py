"""Requests in flight: several pages requested concurrently, each returned once it is answered.

What lives here: which answer belongs to which request. `threads` holds the threads; `walk` decides
which pages to request.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from recruit_assets.extract.threads import DaemonPool

Tag = TypeVar("Tag")
Answer = TypeVar("Answer")


class InFlight(Generic[Tag, Answer]):
    """Run requests in threads within a `with` block; iterate it for answers, and send more.

    Args:
        concurrency: the most requests at once; further ones are queued.
    """

    def __init__(self, concurrency: int) -> None:
        self._pool = DaemonPool(concurrency)
        self._flying: dict[Future[Answer], Tag] = {}
        self._answered: SimpleQueue[Future[Answer]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave without waiting for outstanding answers."""
        self._pool.__exit__()

    def send(self, tag: Tag, ask: Callable[[int], Answer], number: int) -> None:
        """Request a page; its answer is yielded with the tag."""
        future = self._pool.submit(ask, number)
        self._flying[future] = tag
        future.add_done_callback(self._answered.put)

    def __iter__(self) -> Iterator[tuple[Tag, Answer]]:
        """Yield answers as they arrive, until nothing is in flight; raise what a request raised."""
        while self._flying:
            future = self._answered.get()
            yield self._flying.pop(future), future.result()
