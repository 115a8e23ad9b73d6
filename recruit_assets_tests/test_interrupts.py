"""An interrupt whose exception Python loses still ends the run."""

import asyncio
import logging
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import dagster as dg
import pytest

from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets.interrupts import Listener, raise_if_interrupted
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import BY_NAME, Project, settings_for
from recruit_assets_tests.syncing import ASSETS

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Finalized:
    """Is interrupted while it is finalized, where Python ignores errors."""

    def __init__(self, number: signal.Signals = signal.SIGINT) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Python's own handler, where the runner of the tests has another."""
    before = [
        (number, signal.signal(number, signal.default_int_handler))
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Notices interrupts."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lost_interrupt_is_raised_at_every_check(number: signal.Signals) -> None:
    raise_if_interrupted()
    Finalized(number)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()


@pytest.mark.usefixtures("listener")
def test_other_signals_and_other_threads_are_left_alone() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    raise_if_interrupted()
    Finalized()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(raise_if_interrupted).exception() is None


def test_nothing_is_left_behind(listener: Listener) -> None:
    Finalized()
    listener.close()
    raise_if_interrupted()
    assert signal.set_wakeup_fd(-1) == -1


def test_what_receives_signals_already_goes_on_receiving_them() -> None:
    async def embedded() -> None:
        called = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, called.set)
        Listener().close()
        signal.raise_signal(signal.SIGUSR1)
        await called.wait()

    asyncio.run(embedded())


def test_a_listener_in_another_thread_notices_nothing_and_harms_nothing(
    listener: Listener,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(Listener).result().close()
    Finalized()
    with pytest.raises(KeyboardInterrupt):
        raise_if_interrupted()
    assert listener.interrupted


@pytest.mark.usefixtures("listener")
def test_a_reading_ends_at_the_next_page(sandbox: Sandbox) -> None:
    client = Client(ApiSettings(**settings_for(sandbox, concurrency=1)))
    source = Source(
        client, BY_NAME["candidates"], RetryLimits(first_wait=0), logging.getLogger("stop"), 1
    )
    with source:
        pages = iter(Walk(source))
        next(pages)
        Finalized()
        with pytest.raises(KeyboardInterrupt):
            list(pages)
    client.close()
    assert 1 <= len(sandbox.requests) < sandbox.world.count("candidates") / 2


@dg.asset
def first() -> None:
    """Is interrupted where Python ignores errors, in a step that is not ours."""
    Finalized()


def test_no_step_reads_after_it(project: Project) -> None:
    selected = [first, *(each for each in ASSETS if each.key.path[-1] in ("regions", "users"))]
    # Some versions of Dagster raise it again, others do not.
    with suppress(dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
        dg.materialize(
            selected,
            resources=project.resources(),
            instance=project.instance,
            raise_on_error=False,
            tags={"test": "lost"},
        )
    (run,) = project.instance.get_runs(dg.RunsFilter(tags={"test": "lost"}))
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert signal.set_wakeup_fd(-1) == -1  # the next run in this process begins afresh
    assert project.sandbox.requests == []
