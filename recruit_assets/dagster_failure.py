"""Errors of this project as failures that Dagster shows as a sentence."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import dagster as dg

from recruit_assets.errors import RecruitError, naming_settings
from recruit_assets.interrupts import raise_if_interrupted


@contextmanager
def as_dagster_failure(names: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Turn an error of this project into a step failure that Dagster shows as a sentence.

    Args:
        names: the user's names of settings, by environment variable.

    Raises:
        dagster.Failure: the block raised an error of this project.
        KeyboardInterrupt: the process was told to stop, before the block or during it.
    """
    raise_if_interrupted()
    try:
        with naming_settings(names):
            yield
    except RecruitError as error:
        # The sentence is enough; a traceback would push it off the screen.
        raise dg.Failure(str(error), allow_retries=error.retryable) from None
    raise_if_interrupted()
