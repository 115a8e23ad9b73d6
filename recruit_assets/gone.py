"""The rules of deletion: which rows no longer have a record.

A row is deleted if the list lacks its record, by a complete read or by ranks, and a request for the
record by id returns 404 or 410. These statuses count only if the API returns records by id at all,
which is tested with a record of the list; otherwise a complete read has to miss the record as well.
Any other response keeps the row. If reading the list again takes fewer requests than requesting
each missing record, none is requested by id, and that second read decides.

Contains the decision only. `extract` requests the records; `load/sweep` deletes, and defines what
is left of a row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import duckdb

from recruit_assets.errors import ConfirmationRequired, RequestFailed
from recruit_assets.extract.by_parent import walk_whole
from recruit_assets.extract.report import Verdict
from recruit_assets.extract.source import Page
from recruit_assets.extract.unfinished import Part
from recruit_assets.load.connection import transaction
from recruit_assets.load.endpoint_table import columns_of_the_api, prepare
from recruit_assets.load.guards import Compared, doubts
from recruit_assets.load.stage import Stage
from recruit_assets.load.sweep import absent, count_current, missed, of_current, unlisted
from recruit_assets.load.unfinished import missing_so_far
from recruit_assets.options import Mode
from recruit_assets.reading import Reading

ASKED_BY_ID = 100  # missing records to request by id, however short the list is
ACCEPT = "run it once with allow_mass_delete (in the launchpad, or as the asset's config)"


class Deletions:
    """Decide which rows of one endpoint to delete.

    Args:
        reading: the reading of the endpoint, which has ended.
        opened: opens the database for writing.
        stage: the records read so far; a second read and responses by id are added to it.
        part: what of the list they are, if it is stored in parts; else they are all.
    """

    def __init__(
        self,
        reading: Reading,
        opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        stage: Stage,
        part: Part | None = None,
    ) -> None:
        self._reading, self._opened, self._stage, self._part = reading, opened, stage, part
        self._source, self._endpoint = reading.source, reading.endpoint
        self._log = reading.source.log
        self._asked_by_id = ASKED_BY_ID

    def missing(self) -> list[str]:
        """Return the ids of current rows that the list lacks, if that is proven.

        Raises:
            ConfirmationRequired: too many rows are missing, or the others lost too much data.
        """
        self._stage.flush()
        api, ended = self._reading.state.api, self._reading.report.verdict.proven
        whole = self._reading.mode is Mode.full and not (ended and self._part)
        with self._repaired() as database:
            columns = columns_of_the_api(database, self._endpoint) if whole else {}
            missing = self._missing(database) if self._reading.report.verdict.proven else []
            compared = Compared(columns, len(missing), api, self._source.api)
            reasons = list(doubts(database, self._endpoint, self._stage, compared))
            pages = count_current(database, self._endpoint) // self._source.page_size
            self._asked_by_id = max(ASKED_BY_ID, pages)
        options = self._reading.options
        accepted = options.allow_mass_delete or options.dry_run
        for doubt in reasons:
            if doubt.refuses and not accepted:
                kept = "Nothing was changed." if self._part is None else "No row was deleted."
                message = f"{doubt.message} {kept} If this is expected, {ACCEPT}."
                raise ConfirmationRequired(message)
            self._log.warning(doubt.message)
        return missing

    def proven(self, missing: Sequence[str]) -> list[str]:
        """Return the missing ids whose records are gone; stage the records that are found.

        Args:
            missing: the ids that the list lacks.
        """
        if len(missing) > self._asked_by_id:
            return self._missed_again(missing)
        first = self._stage.first_id
        found = dict(self._source.find(missing, self._reading.query))
        self._add(page for page in found.values() if page)
        refused = [id_ for id_, page in found.items() if page is None]
        any_found = any(page and page.records for page in found.values())
        if not refused or any_found or self._answers_by_id(first):
            return refused
        return self._missed_again(refused)

    def _answers_by_id(self, id_: str | None) -> bool:
        """Return whether the API returns a record of the list when asked for it by id."""
        why = "the list is empty"
        if id_ is not None:
            try:
                if self._source.record(id_, self._reading.query):
                    return True
                why = f"it returns the same for record {id_}, which is in the list"
            except RequestFailed as error:
                why = f"{error} That record is in the list."
        self._log.info(
            f"{self._endpoint.name}: by id the API returns 404 or 410 for rows that are not in "
            f"the list. That alone proves nothing ({why}), so the list is read again."
        )
        return False

    def _missed_again(self, missing: Sequence[str]) -> list[str]:
        """Return the missing ids that a second complete read does not return either."""
        second = walk_whole(self._source)
        try:
            self._add(second)
            unproven = "" if second.report.verdict is Verdict.COMPLETE else second.report.reason
        except RequestFailed as error:
            unproven = str(error)
        if unproven:
            self._log.warning(
                f"{self._endpoint.name}: {len(missing):,} rows were not in the API's list, but a "
                f"second read could not confirm it ({unproven}), so they are kept."
            )
            return []
        self._stage.flush()
        with self._repaired() as database:
            return sorted(set(missing) & set(self._absent(database)))

    def _missing(self, database: duckdb.DuckDBPyConnection) -> list[str]:
        """Return the ids of current rows that the list lacks."""
        if self._reading.mode is not Mode.full:
            return self._reading.missing
        if self._part is None:
            return self._absent(database)
        earlier = of_current(database, self._endpoint, missing_so_far(database, self._endpoint))
        now = missed(database, self._endpoint, self._stage, self._part.stretches)
        found = {*earlier, *now, *unlisted(database, self._endpoint)}
        return sorted(found - self._reading.left_out.records.keys())

    def _absent(self, database: duckdb.DuckDBPyConnection) -> list[str]:
        """Return the ids of current rows that the reads neither returned nor left out."""
        left_out = self._reading.left_out.records
        found = absent(database, self._endpoint, self._stage)
        return [id_ for id_ in found if id_ not in left_out]

    def _add(self, pages: Iterable[Page]) -> None:
        for batch in self._reading.convert(pages):
            self._stage.add(batch.rows, batch.columns, batch.positions)

    @contextmanager
    def _repaired(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the database with the table as the merge will find it; roll back at the end."""
        with self._opened() as database, transaction(database, keep=False):
            prepare(database, self._endpoint, {}, self._stage.sql)
            yield database
