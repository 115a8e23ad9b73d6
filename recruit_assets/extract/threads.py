"""Daemon threads for requests in flight, which nothing waits for once the reading has ended.

The standard library's pool joins its threads when the interpreter exits, so that a terminated run
would hang for as long as a server takes to answer. The threads here are daemons.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

from recruit_assets.extract.waits import result_of

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Task = tuple[Future[Any], Callable[[], Any]]


class DaemonPool:
    """Run the tasks of one reading in threads; leaving the block drops tasks that have not started.

    Args:
        size: the most threads.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Drop the queued tasks, and let each thread end after its current one."""
        with suppress(Empty):
            while task := self._tasks.get_nowait():
                task[0].cancel()
        for _thread in range(self._threads):
            self._tasks.put(None)

    def submit(self, call: Callable[[Argument], Result], argument: Argument) -> Future[Result]:
        """Run a call in one of the threads; return its future."""
        future = Future[Result]()
        self._tasks.put((future, lambda: call(argument)))
        if self._threads < self._size:
            self._threads += 1
            Thread(target=_work, args=(self._tasks,), name="request", daemon=True).start()
        return future

    def map(
        self, call: Callable[[Argument], Result], arguments: Iterable[Argument]
    ) -> Iterator[Result]:
        """Start all calls now; yield their results in the order of their arguments."""
        futures = [self.submit(call, argument) for argument in arguments]
        return map(result_of, futures)


def _work(tasks: "SimpleQueue[Task | None]") -> None:
    while task := tasks.get():
        future, call = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            result = call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
