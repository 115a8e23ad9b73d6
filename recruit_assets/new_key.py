"""A key that was replaced: does the new one show what the old one has shown?

What is known of a long list is kept if the new key confirms it: a search by ranks finds every known
record and no other older one, and neither a part of the list that is read again nor what was
changed lately has other values. Else the whole list is read, as it is if the list is short.

Scope: the decision after such a reading. `reading` plans it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import duckdb

from recruit_assets.extract.report import Verdict
from recruit_assets.load.reread import count_reread
from recruit_assets.load.stage import Stage
from recruit_assets.reading import Reading


def contradiction(
    reading: Reading,
    stage: Stage,
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> str:
    """Return why a reading with a new key does not confirm what is known; "" if it does.

    Args:
        reading: a reading of changes and a part of the list, which has ended.
        stage: the rows that were read.
        opened: opens the database.
    """
    report, name = reading.report, reading.endpoint.name
    if report.verdict is not Verdict.COMPLETE:
        return report.reason or "the list cannot be searched"
    stage.flush()
    with opened() as database:
        compared, different = count_reread(database, reading.endpoint, stage)
    if different:
        return f"{different:,} of {compared:,} records that are not changed have other values"
    reading.source.log.info(
        f"{name}: the key was replaced, and with the new one {compared:,} records that were read "
        "again are as before, so the others are not read again"
    )
    return ""
