"""Requests in flight: several pages requested concurrently, each returned when it arrives.

Scope: which response belongs to which request. `threads` holds the threads; `walk` decides which
pages to request.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

from recruit_assets.extract.threads import DaemonPool
from recruit_assets.extract.waits import take

Tag = TypeVar("Tag")
Response = TypeVar("Response")


class InFlight(Generic[Tag, Response]):
    """Run requests in threads within a `with` block; iterate it for responses, and send more.

    Args:
        concurrency: the most requests at once; further ones are queued.
    """

    def __init__(self, concurrency: int) -> None:
        self._pool = DaemonPool(concurrency)
        self._flying: dict[Future[Response], Tag] = {}
        self._finished: SimpleQueue[Future[Response]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave without waiting for outstanding responses."""
        self._pool.__exit__()

    def send(self, tag: Tag, ask: Callable[[int], Response], number: int) -> None:
        """Request a page; its response is yielded with the tag."""
        future = self._pool.submit(ask, number)
        self._flying[future] = tag
        future.add_done_callback(self._finished.put)

    def __iter__(self) -> Iterator[tuple[Tag, Response]]:
        """Yield responses as they arrive until nothing is in flight; re-raise a request's error."""
        while self._flying:
            future = take(self._finished)
            yield self._flying.pop(future), future.result()
