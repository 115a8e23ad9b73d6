"""The rules of deletion: which rows no longer have a record.

A row is deleted if a complete read did not return its record, and a request for the record by id
returns 404 or 410. These statuses count only if the API returns records by id at all, which is
tested with a record of the list; otherwise a second complete read has to miss the record as well.
Any other response keeps the row. Above `ASKED_BY_ID` missing records, none is requested by id, and
two complete reads decide.

Contains the decision only. `extract` requests the records; `load/sweep` deletes, and defines what
is left of a row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import duckdb

from recruit_assets.errors import RequestFailed, ShowsMuchLess
from recruit_assets.extract.query import Query
from recruit_assets.extract.report import Verdict, WalkReport
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import Walk
from recruit_assets.load.connection import transaction
from recruit_assets.load.endpoint_table import columns_of_the_api, prepare
from recruit_assets.load.guards import Compared, doubts
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import State
from recruit_assets.load.sweep import absent
from recruit_assets.options import Options

ASKED_BY_ID = 100  # most missing records to request by id
ACCEPT = "run it once with allow_mass_delete (in the launchpad, or as the asset's config)"


class Deletions:
    """Decide which rows of one endpoint to delete.

    Args:
        source: the endpoint.
        opened: opens the database for writing.
        options: the options of the sync.
        stage: the records read so far; a second read and responses by id are added to it.
        add: adds pages to the stage.
    """

    def __init__(
        self,
        source: Source,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        options: Options,
        stage: Stage,
        add: Callable[[Iterable[Page]], None],
    ) -> None:
        self._source, self._endpoint, self._log = source, source.endpoint, source.log
        self._opened, self._options = opened, options
        self._stage, self._add = stage, add

    def missing(self, report: WalkReport, state: State) -> list[str]:
        """Return the ids of current rows that the read did not return, if it is complete.

        Raises:
            ShowsMuchLess: too many rows are missing, or the others lost too much data.
        """
        self._stage.flush()
        with self._repaired() as database:
            columns = columns_of_the_api(database, self._endpoint)
            proven = report.verdict is Verdict.COMPLETE
            missing = absent(database, self._endpoint, self._stage) if proven else []
            compared = Compared(columns, len(missing), state.api, self._source.api)
            found = list(doubts(database, self._endpoint, self._stage, compared))
        accepted = self._options.allow_mass_delete or self._options.dry_run
        for doubt in found:
            if doubt.refuses and not accepted:
                says = f"{doubt.says} Nothing was changed. If that is right, {ACCEPT}."
                raise ShowsMuchLess(says)
            self._log.warning(doubt.says)
        return missing

    def proven(self, missing: Sequence[str], query: Query) -> list[str]:
        """Return the missing ids whose records are gone; stage the records that are found.

        Args:
            missing: the ids that a complete read did not return.
            query: the query of that read.
        """
        if len(missing) > ASKED_BY_ID:
            return self._missed_again(missing)
        first = self._stage.first_id
        found = dict(self._source.find(missing, query))
        self._add(page for page in found.values() if page)
        refused = [id_ for id_, page in found.items() if page is None]
        came = any(page and page.records for page in found.values())
        if not refused or came or self._answers_by_id(first, query):
            return refused
        return self._missed_again(refused)

    def _answers_by_id(self, id_: str | None, query: Query) -> bool:
        """Return whether the API returns a record of the list when asked for it by id."""
        why = "the list is empty"
        if id_ is not None:
            try:
                if self._source.record(id_, query):
                    return True
                why = f"record {id_}, which is in the list, answers so as well"
            except RequestFailed as error:
                why = f"{error} That record is in the list."
        self._log.info(
            f"{self._endpoint.name}: by id the API answers 404 or 410 for rows that the list did "
            f"not show. Alone that proves nothing ({why}): the list is read again."
        )
        return False

    def _missed_again(self, missing: Sequence[str]) -> list[str]:
        """Return the missing ids that a second complete read does not return either."""
        again = Walk(self._source)
        try:
            self._add(again)
            unproven = "" if again.report.verdict is Verdict.COMPLETE else again.report.reason
        except RequestFailed as error:
            unproven = str(error)
        if unproven:
            self._log.warning(
                f"{self._endpoint.name}: {len(missing):,} rows were not in the API's list, and a "
                f"second reading could not prove it ({unproven}): they stay."
            )
            return []
        self._stage.flush()
        with self._repaired() as database:
            return sorted(set(missing) & set(absent(database, self._endpoint, self._stage)))

    @contextmanager
    def _repaired(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the database with the table as the merge will find it; roll back at the end."""
        with self._opened() as database, transaction(database, keep=False):
            prepare(database, self._endpoint, {}, self._stage.sql)
            yield database
