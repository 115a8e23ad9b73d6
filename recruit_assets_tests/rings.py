"""The rings of the suite: how much of it runs, from the environment variable `RING`.

1 is `make test-fast`, 2 is `make test`, 3 is `make test-all`. A test belongs to the first ring
unless it is marked `@pytest.mark.ring(2)` or `ring(3)`; the highest of its marks counts, and a
ring runs all smaller ones too. Tests that draw worlds, or kill processes, take their number from
`sized`, so that one setting scales them all.
"""

import os
from collections.abc import Iterable
from typing import Any

import pytest

RING = int(os.environ.get("RING", "2"))
if RING not in (1, 2, 3):
    raise ValueError(f"RING is {RING}: set it to 1, 2 or 3")

FULL = pytest.mark.ring(3)  # of parameters that differ little from those that are run


def sized(fast: int, standard: int, full: int) -> int:
    """Return how many worlds, kills or examples a test takes in the current ring."""
    return (fast, standard, full)[RING - 1]


def first(count: int, parameters: Iterable[Any]) -> list[Any]:
    """Return parameters, of which all but the first differ little, so they run in ring 3 alone."""
    return [
        each if number < count else pytest.param(*_values(each), marks=FULL)
        for number, each in enumerate(parameters)
    ]


def _values(parameter: Any) -> tuple[Any, ...]:
    return tuple(parameter) if isinstance(parameter, (tuple, list)) else (parameter,)


def is_beyond(item: pytest.Item) -> bool:
    """Return whether a test belongs to a larger ring than the current one."""
    return any(mark.args[0] > RING for mark in item.iter_markers("ring"))
