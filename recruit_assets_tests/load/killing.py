"""Writes that are killed at any moment, each in a process of its own."""

import multiprocessing
from collections.abc import Callable, Iterator
from random import Random
from time import monotonic

WHOLE = 3  # versions that are written first, and left alone


def killed_at_any_moment(
    write: Callable[..., None], *arguments: str, kills: int, seed: int
) -> Iterator[int]:
    """Write one version after the other, most of them killed; yield each version after its write.

    The first versions, up to `WHOLE`, are written before and not killed; the next is killed at
    once, `kills` more at random moments, and the last is left alone.

    Args:
        write: writes a version; a function of a module, called with the arguments and the version.
        arguments: what it is called with.
        kills: the number of random moments.
        seed: decides on the moments.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([write.__module__])
    random = Random(seed)

    def run(version: int, seconds: float | None) -> float:
        process = processes.Process(target=write, args=(*arguments, version))
        begun = monotonic()
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        assert seconds is not None or process.exitcode == 0
        return monotonic() - begun

    run(0, None)  # which also starts the server of forks
    longest = max(run(version, None) for version in range(1, WHOLE))
    moments = [0.0, *(random.uniform(0, longest) for _ in range(kills)), None]
    for version, moment in enumerate(moments, start=WHOLE):
        run(version, moment)
        yield version
