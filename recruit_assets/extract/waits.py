"""Waits that an interrupt ends, however it arrives.

Python handles a signal in the main thread, between two instructions. The system does not wake that
thread if the signal arrives just before it blocks, or goes to another thread: without a time limit
it would wait on, with the interrupt unseen. So waits are short, and repeated, and look for an
interrupt that Python has lost. Only the wait for a response does neither: it ends after the time
that the settings allow.
"""

from concurrent import futures
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Semaphore
from typing import TypeVar

from recruit_assets.interrupts import raise_if_interrupted

STEP = 0.5  # seconds that an unseen interrupt can stay unseen

Result = TypeVar("Result")


def sleep(seconds: float, stopped: Event) -> None:
    """Wait that many seconds, or until `stopped` is set."""
    while seconds > 0 and not stopped.wait(min(seconds, STEP)):
        raise_if_interrupted()
        seconds -= STEP


def result_of(future: "futures.Future[Result]") -> Result:
    """Wait for a future; return its result, or raise its error."""
    while not future.done():
        raise_if_interrupted()
        futures.wait([future], STEP)
    return future.result()


def take(queue: "SimpleQueue[Result]") -> Result:
    """Wait for the next item of a queue, and return it."""
    while True:
        raise_if_interrupted()
        with suppress(Empty):
            return queue.get(timeout=STEP)


def acquire(semaphore: Semaphore, stopped: Event) -> None:
    """Wait for a semaphore.

    Raises:
        CancelledError: `stopped` was set first.
    """
    while not stopped.is_set():
        raise_if_interrupted()
        if semaphore.acquire(timeout=STEP):
            return
    raise futures.CancelledError
