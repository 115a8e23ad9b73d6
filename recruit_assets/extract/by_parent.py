"""Reading a list that the API cannot show whole: one filtered list for each record of another list.

A record whose own record of the other list was deleted, or that has none, is in no filtered list.
So the filtered lists prove what the whole list would only if the API counts as many records as they
have, and if the other list, read again, has no new ones. If they do not, the whole list is read,
and if the API cannot show that, nothing is proven.

Scope: which filtered lists there are, and what they prove. `walk` reads each of them.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from recruit_assets.catalogue import Endpoint, table_of
from recruit_assets.errors import ParameterRefused, RequestFailed
from recruit_assets.extract.nested import NestedWalk, parent_of
from recruit_assets.extract.query import FILTER_REFUSED, Query
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import LOG_INTERVAL, Walk
from recruit_assets.text import one_line

ROUNDS = 3  # readings of the other list, the last of which must have no new records
ONE_FAILURE = RetryLimits(tries=1, tries_to_reach=1)  # a list that is too long fails each time


class Unfiltered(Exception):
    """Report in a sentence why the list cannot be read by filter."""


class WalkByParent:
    """Read a list by its filtered lists, lazily and once; see `Walk`.

    If the account refuses or ignores the filter, or lacks the other list, it is read whole.
    """

    def __init__(self, source: Source) -> None:
        self.report = WalkReport(datetime.now(UTC))
        self._source, self._name = source, source.endpoint.name
        self._query = Query.everything(source.endpoint, source.page_size)
        self._read = set[str]()  # ids

    @property
    def query(self) -> Query:
        """Return the query of the list, without the parameters that the account refused."""
        return self._query

    def __iter__(self) -> Iterator[Page]:
        begun, report = monotonic(), self.report
        report.record_count = 0
        try:
            doubt = yield from self._by_parents()
        except Unfiltered as reason:
            yield from self._read_whole(str(reason))
            return
        report.began = self._source.clocks.earliest(begun)
        if report.verdict is Verdict.UNAVAILABLE:
            return
        doubt = doubt or self._uncounted()
        if not doubt and report.record_count != len(self._read):
            doubt = yield from self._read_uncovered()
        if self.report is report:
            report.reason = doubt
            if not doubt:
                report.verdict, report.proof = Verdict.COMPLETE, Proof.READ

    def _by_parents(self) -> Generator[Page, None, str]:
        """Yield the pages of all filtered lists, and once more those of new records of the other.

        Returns:
            Why they may not be all there is, if so.

        Raises:
            Unfiltered: the API does not filter the list, or the account lacks the other one.
        """
        known, other = set[str](), parents_of(self._source.endpoint)
        for _ in range(ROUNDS):
            parents = Walk(self._source.of(other))
            ids = dict.fromkeys(str(each.id) for page in parents for each in page.records)
            if parents.report.verdict is Verdict.UNAVAILABLE:
                raise Unfiltered(parents.report.reason)
            if not ids and not known:
                raise Unfiltered(f"{self._name}: there are no {other.name}.")
            new = [id_ for id_ in ids if id_ not in known]
            doubt = yield from self._filtered(new)
            if parents.report.verdict is not Verdict.COMPLETE:
                doubt = f"{other.name}, by which it is read: {parents.report.reason}"
            if doubt or not new or self.report.verdict is Verdict.UNAVAILABLE:
                return doubt
            known.update(new)
        return f"there were new {other.name} each time that these were read"

    def _uncounted(self) -> str:
        """Count the whole list, with the smallest request; return why that is impossible, if so."""
        self.report.record_count, why = None, "the API does not say how many records it has"
        query = replace(self._query, include=(), sorted=False, size=self._query.size and 1)
        try:
            counted = self._source.page(query, 1, ONE_FAILURE).document.record_count
        except RequestFailed as error:
            why = error.happened
        else:
            self.report.record_count = counted
            if counted is not None:
                return ""
        key = self._source.endpoint.filtered_by
        return (
            f"the whole list cannot be counted, so those of a deleted {key} may be missing: {why}"
        )

    def _read_uncovered(self) -> Generator[Page, None, str]:
        """Yield the pages of the whole list, which has others than the filtered lists.

        Returns:
            Why it cannot be read, if so.
        """
        report, key = self.report, self._source.endpoint.filtered_by
        counted, read = report.record_count or 0, len(self._read)
        why = f"the API counts {counted:,} {self._name}, and its lists for each {key} have {read:,}"
        if counted > read:
            why += f": those of a deleted {key} are in none"
        try:
            yield from self._read_whole(f"{self._name}: {why}.", self._source.impatient())
        except RequestFailed as error:
            self.report = report
            return f"{why}, and the whole list cannot be read: {error.happened}"
        return ""

    def _filtered(self, ids: list[str]) -> Generator[Page, None, str]:
        """Yield the pages of all filtered lists; return why they may not be all there is, if so.

        Raises:
            Unfiltered: they are not filtered, which shows in the first one that has records.
        """
        report, doubt, logged = self.report, "", monotonic()
        for number, id_ in enumerate(ids):
            walk = Walk(self._source.of(filtered(self._source.endpoint, id_)), begin=self._query)
            yield from self._checked(walk, id_)
            self._query = replace(walk.query, endpoint=self._source.endpoint)
            self.report.add(walk.report)
            if walk.report.verdict is Verdict.UNAVAILABLE and not report.pages:
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
                    raise Unfiltered(f"{self._name}: the API ignores filter[{key}].")
                self._read.update(str(each.id) for each in page.records)
                yield page
        except ParameterRefused as refused:
            if FILTER_REFUSED not in [code for code, _ in refused.refusals]:
                raise
            raise Unfiltered(f"{self._name}: the API refuses filter[{key}].") from None

    def _read_whole(self, why: str, source: Source | None = None) -> Iterator[Page]:
        """Yield the pages of the whole list, from another source of it if one is given."""
        self._source.log.warning(f"{why} The whole list is read.")
        walk = Walk(source or self._source)
        self.report = walk.report
        yield from walk
        self._query = walk.query


def walk_whole(source: Source) -> Walk | WalkByParent | NestedWalk:
    """Return a reading of the whole list of an endpoint."""
    if source.endpoint.nested_in:
        return NestedWalk(source)
    return WalkByParent(source) if source.endpoint.filtered_by else Walk(source)


def parents_of(endpoint: Endpoint) -> Endpoint:
    """Return the other list: its ids are all that is needed."""
    targets = {each.name: each.targets[0] for each in endpoint.relationships}
    return Endpoint(table_of(targets[endpoint.filtered_by]), endpoint.group, description="")


def filtered(endpoint: Endpoint, id_: str) -> Endpoint:
    """Return the endpoint with the filter for one record of the other list."""
    return replace(endpoint, filters={**endpoint.filters, f"filter[{endpoint.filtered_by}]": id_})
