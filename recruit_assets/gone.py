"""Which rows have no record any more: the rules of deletion.

A row goes if a complete reading did not show its record, and the API, asked for the record by its
id, answers 404 or 410. That counts if the API answers by id at all, as a record that is there
shows; else a second complete reading has to miss the record as well. Any other answer leaves the
row. More than `ASKED_BY_ID` records are not asked for one by one: two readings decide.

What lives here: the judgement. How records are asked for is in `extract`; the deletion itself, and
what of a row remains, is in `load/sweep`.
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

ASKED_BY_ID = 100  # missing records of a run
ACCEPT = "run it once with allow_mass_delete (in the launchpad, or as the asset's config)"


class Deletions:
    """Judges which rows of one endpoint are to be deleted.

    Args:
        source: the endpoint.
        opened: opens the database for writing.
        options: what was chosen for the sync.
        stage: what was read, which a second reading and answers by id add to.
        add: puts pages on the stage.
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
        """Return the ids of current rows that a whole reading did not show, if it proves anything.

        Raises:
            ShowsMuchLess: they are too many to be believed, or the others lack too much.
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
        """Return those of the missing whose records are gone; the others' are staged, if they came.

        Args:
            missing: the ids that a complete reading did not show.
            query: what that reading asked with.
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
        """Return whether a record of the list comes when it is asked for by id."""
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
        """Return those of the missing that a second complete reading does not show either."""
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
        """Open the database with the table as the merge will find it; nothing is kept."""
        with self._opened() as database, transaction(database, keep=False):
            prepare(database, self._endpoint, {})
            yield database
