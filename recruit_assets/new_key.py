"""A key that was replaced: does the new one show what the old one has shown?

What is known of a long list is kept if the new key confirms it: a search by ranks finds as many
records as are known, and neither a tenth of the pages, from all over the list, nor what was changed
lately has other records or values. Else the whole list is read, as it is if the list is short.

Scope: the decision after such a reading. `reading` plans it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import duckdb

from recruit_assets.extract.report import Verdict
from recruit_assets.load.reread import count_reread
from recruit_assets.load.stage import Stage
from recruit_assets.reading import Reading


class KeyContradicted(Exception):
    """Report that a new key does not show what is known; the message says how."""


def confirm(
    reading: Reading,
    stage: Stage,
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> None:
    """Check that a reading with a new key confirms what is known.

    Args:
        reading: a reading of changes and a part of the list, which has ended.
        stage: the rows that were read.
        opened: opens the database.

    Raises:
        KeyContradicted: it does not.
    """
    report, name = reading.report, reading.endpoint.name
    if report.verdict is not Verdict.COMPLETE:
        raise KeyContradicted(report.reason or "the list cannot be searched")
    stage.flush()
    with opened() as database:
        compared, different = count_reread(database, reading.endpoint, stage)
    if different:
        raise KeyContradicted(
            f"{different:,} of {compared:,} records that were read have other values"
        )
    reading.source.log.info(
        f"{name}: the key was replaced. {compared:,} records that were read with the new one are "
        "as before, or were changed since, so the others are not read again"
    )
