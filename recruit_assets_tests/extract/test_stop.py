"""An interrupt ends a reading, whatever it waits for, and nothing is sent afterwards."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event, Thread, Timer, get_ident
from threading import enumerate as all_threads
from typing import Any

import pytest

from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.query import Query
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.extract.threads import DaemonPool
from recruit_assets.extract.walk import Walk
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import BY_NAME, settings_for

FOR_EVER = RetryLimits(
    outage=1e6, first_wait=1e6, max_wait=1e6, default_wait=1e6, max_total_wait=1e9
)
CONCURRENCY = 4
GUARD = 300.0  # seconds that no wait comes near, unless the interrupt does not end it


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Python's own handler, where the runner of the tests has another."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def source(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes sources of candidates."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    clients = []

    def make(limits: RetryLimits = FOR_EVER, **changed: Any) -> Source:
        client = Client(ApiSettings(**settings_for(sandbox, concurrency=CONCURRENCY, **changed)))
        clients.append(client)
        return Source(client, BY_NAME["candidates"], limits, logging.getLogger("stop"), 5)

    yield make
    for client in clients:
        client.close()


def interrupt(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_unseen() -> None:
    """Interrupt this thread, which is not the main one, so that the system does not wake that one.

    The same happens, seldom, to an interrupt that comes just before the main thread blocks.
    """
    signal.pthread_kill(get_ident(), signal.SIGINT)


class Interrupting(logging.Handler):
    """Interrupts once, as soon as something is about to wait for another try."""

    def emit(self, record: logging.LogRecord) -> None:
        if "retrying in" in record.getMessage():
            logging.getLogger("stop").removeHandler(self)
            Thread(target=interrupt_unseen).start()


@pytest.fixture
def at_the_first_wait() -> Iterator[None]:
    handler = Interrupting()
    logging.getLogger("stop").addHandler(handler)
    yield
    logging.getLogger("stop").removeHandler(handler)


def read(source: Source) -> None:
    """Read the whole list, as a sync does."""
    with source:
        for _ in Walk(source):
            pass


def look_up(source: Source) -> None:
    """Ask for records by their ids, as a sync does."""
    with source:
        dict(source.find([str(number) for number in range(50)], Query.everything(source.endpoint)))


def is_over(before: set[Thread], sandbox: Sandbox, sent: int) -> None:
    """Check that all threads of the reading end, and that it has sent nothing new."""
    for thread in set(all_threads()) - before:
        if thread.name.startswith("request"):
            while thread.ident is None:  # the interrupt came while it was being started
                Event().wait(0.001)
            thread.join(GUARD)
            assert not thread.is_alive()
    assert len(sandbox.requests) <= sent + CONCURRENCY


@pytest.mark.usefixtures("at_the_first_wait")
@pytest.mark.parametrize(
    ("do", "page"), [(read, 1), (read, 3), (look_up, None)], ids=["list", "lanes", "by id"]
)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 429},
        {"status": 503, "headers": {"Retry-After": "300"}},
        {"kind": "reset"},
    ],
    ids=str,
)
def test_a_wait_for_another_try_ends(
    sandbox: Sandbox,
    source: Callable[..., Source],
    do: Callable[[Source], None],
    fault: dict[str, Any],
    page: int | None,
) -> None:
    sandbox.fail("candidates", times=None, page=page, **fault)
    before = set(all_threads())
    with pytest.raises(KeyboardInterrupt):
        do(source())
    is_over(before, sandbox, len(sandbox.requests))


@pytest.mark.parametrize("page", [1, 3])
def test_an_answer_that_never_comes_is_not_waited_for(
    sandbox: Sandbox, source: Callable[..., Source], page: int
) -> None:
    sandbox.fail("candidates", kind="hang", page=page, times=None)
    sandbox.before("candidates", interrupt, page=page)
    with pytest.raises(KeyboardInterrupt):
        read(source())
    # What is left are requests in flight, in threads that no process waits for.
    left = [each for each in all_threads() if each.name.startswith("request")]
    assert len(left) <= CONCURRENCY
    assert all(each.daemon for each in left)


def test_a_wait_for_the_budget_ends(sandbox: Sandbox, source: Callable[..., Source]) -> None:
    limited = source(requests_per_10s=1)
    limited.page(Query.everything(limited.endpoint), 1)

    def read_and_be_interrupted() -> None:
        Timer(0.05, interrupt_unseen).start()
        read(limited)

    with pytest.raises(KeyboardInterrupt):
        read_and_be_interrupted()
    assert len(sandbox.requests) == 1


def test_nothing_is_sent_by_a_source_that_was_stopped(
    sandbox: Sandbox, source: Callable[..., Source]
) -> None:
    stopped = source()
    with stopped:
        pass
    with pytest.raises(CancelledError):
        stopped.page(Query.everything(stopped.endpoint), 1)
    assert sandbox.requests == []


def test_leaving_a_pool_drops_what_has_not_begun() -> None:
    begun, go_on = Event(), Event()

    def work(number: int) -> int:
        begun.set()
        go_on.wait(GUARD)
        return number

    with DaemonPool(1) as pool:
        futures = [pool.submit(work, number) for number in range(3)]
        assert begun.wait(GUARD)
    go_on.set()
    assert futures[0].result() == 0
    assert [each.cancelled() for each in futures] == [False, True, True]


def test_a_pool_hands_on_results_in_order_and_errors() -> None:
    with DaemonPool(3) as pool:
        assert list(pool.map(lambda number: 12 // number, [4, 3, 2, 1])) == [3, 4, 6, 12]
        with pytest.raises(ZeroDivisionError):
            list(pool.map(lambda number: 12 // number, [1, 0]))
