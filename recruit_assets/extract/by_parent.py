"""Reading a list that the API cannot show whole: one filtered list for each record of another list.

The other list is read first, so a record that exists throughout belongs to one of its records, and
is in a filtered list, unless that one is deleted or the record belongs to none. Together they prove
what the whole list would: all of it was read if each of them was, and the other list.

Scope: which filtered lists there are, and what they prove. `walk` reads each of them.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from recruit_assets.catalogue import Endpoint, table_of
from recruit_assets.errors import ParameterRefused
from recruit_assets.extract.jsonapi import Linkage, Record, members
from recruit_assets.extract.query import FILTER_REFUSED, Query
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import LOG_INTERVAL, Walk
from recruit_assets.text import one_line


class Unfiltered(Exception):
    """Report that the API does not filter the list; the message says how that shows."""


class WalkByParent:
    """Read a list by its filtered lists, lazily and once; see `Walk`.

    If the account refuses or ignores the filter, or lacks the other list, it is read whole.
    """

    def __init__(self, source: Source) -> None:
        self.report = WalkReport(datetime.now(UTC))
        self._source, self._name = source, source.endpoint.name
        self._query = Query.everything(source.endpoint, source.page_size)

    @property
    def query(self) -> Query:
        """Return the query of the list, without the parameters that the account refused."""
        return self._query

    def __iter__(self) -> Iterator[Page]:
        begun, parents = monotonic(), Walk(self._source.of(parents_of(self._source.endpoint)))
        ids = list(dict.fromkeys(str(each.id) for page in parents for each in page.records))
        if parents.report.verdict is Verdict.UNAVAILABLE:
            yield from self._read_whole(parents.report.reason)
            return
        try:
            doubt = yield from self._filtered(ids)
        except Unfiltered as reason:
            yield from self._read_whole(f"{self._name}: {reason}.")
            return
        report = self.report
        report.began = self._source.clocks.earliest(begun)
        if parents.report.verdict is not Verdict.COMPLETE:
            doubt = f"{parents.query.endpoint.name}, by which it is read: {parents.report.reason}"
        if report.verdict is not Verdict.UNAVAILABLE:
            report.reason = doubt
            if not doubt:
                report.verdict, report.proof = Verdict.COMPLETE, Proof.READ

    def _filtered(self, ids: list[str]) -> Generator[Page, None, str]:
        """Yield the pages of all filtered lists; return why they may not be all there is, if so.

        Raises:
            Unfiltered: they are not filtered, which shows in the first one that has records.
        """
        report, doubt = self.report, ""
        report.record_count, logged = 0, monotonic()
        for number, id_ in enumerate(ids):
            walk = Walk(self._source.of(filtered(self._source.endpoint, id_)), begin=self._query)
            yield from self._checked(walk, id_)
            self._query = replace(walk.query, endpoint=self._source.endpoint)
            self._add(walk.report)
            if walk.report.verdict is Verdict.UNAVAILABLE and not number:
                report.verdict, report.reason = Verdict.UNAVAILABLE, walk.report.reason
                return ""
            if walk.report.verdict is not Verdict.COMPLETE and not doubt:
                key = self._source.endpoint.filtered_by
                doubt = f"its list for {key} {one_line(id_)}: {walk.report.reason}"
            if walk.report.verdict is Verdict.UNAVAILABLE:
                return doubt
            if monotonic() - logged > LOG_INTERVAL:
                self._source.log.info(f"{self._name}: list {number + 1:,} of {len(ids):,}")
                logged = monotonic()
        return doubt

    def _checked(self, walk: Walk, id_: str) -> Iterator[Page]:
        """Yield the pages of a filtered list, each checked for records that it should not have."""
        key = self._source.endpoint.filtered_by
        try:
            for page in walk:
                if any(parent_of(each, key) not in (None, id_) for each in page.records):
                    raise Unfiltered(f"the API ignores filter[{key}]")
                yield page
        except ParameterRefused as refused:
            if FILTER_REFUSED not in [code for code, _ in refused.refusals]:
                raise
            raise Unfiltered(f"the API refuses filter[{key}]") from None

    def _add(self, one: WalkReport) -> None:
        report = self.report
        report.pages += one.pages
        report.records += one.records
        report.dropped = list(dict.fromkeys([*report.dropped, *one.dropped]))
        counts = (report.record_count, one.record_count)
        report.record_count = None if None in counts else sum(filter(None, counts))

    def _read_whole(self, why: str) -> Iterator[Page]:
        """Yield the pages of the whole list."""
        self._source.log.warning(f"{why} The whole list is read.")
        walk = Walk(self._source)
        self.report = walk.report
        yield from walk
        self._query = walk.query


def walk_whole(source: Source) -> Walk | WalkByParent:
    """Return a reading of the whole list of an endpoint."""
    return WalkByParent(source) if source.endpoint.filtered_by else Walk(source)


def parents_of(endpoint: Endpoint) -> Endpoint:
    """Return the other list: its ids are all that is needed."""
    targets = {each.name: each.targets[0] for each in endpoint.relationships}
    return Endpoint(table_of(targets[endpoint.filtered_by]), endpoint.group, description="")


def filtered(endpoint: Endpoint, id_: str) -> Endpoint:
    """Return the endpoint with the filter for one record of the other list."""
    return replace(endpoint, filters={**endpoint.filters, f"filter[{endpoint.filtered_by}]": id_})


def parent_of(record: Record, key: str) -> str | None:
    """Return the id in a key of a record; None if it was not included."""
    linkage = members(record.relationships).get(key)
    data = linkage.data if isinstance(linkage, Linkage) else None
    return str(data["id"]) if isinstance(data, dict) and "id" in data else None
