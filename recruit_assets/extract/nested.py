"""Reading lists that exist only below the records of another list: one for each of them.

There is no whole list to compare with, so what is proven is proven of each: a nested list is read
like any other, in order and against its count. All of them are all there is to read if the other
list, read again, has no new records.

A sync need not read them all. It reads those that are new, that were read too long ago, or whose
record has changed, or has an application that has. What changes neither shows when its list is read
next, so without the others nothing is proven but that these were read.

Scope: which nested lists are read, and what they prove. `walk` reads each of them.
"""

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from urllib.parse import quote

from msgspec.structs import replace as altered

from recruit_assets.catalogue import Attribute, Endpoint, Kind, Relationship
from recruit_assets.errors import RequestFailed
from recruit_assets.extract.cover import Cover, Range
from recruit_assets.extract.jsonapi import Linkage, Record, members
from recruit_assets.extract.lanes import is_plain_number
from recruit_assets.extract.query import Query
from recruit_assets.extract.report import Proof, Verdict, WalkReport
from recruit_assets.extract.source import Page, Source
from recruit_assets.extract.walk import LOG_INTERVAL, Walk
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.text import one_line

ROUNDS = 3  # readings of the other list, the last of which must have no new records
MAX_FAILURES = 3  # lists that fail one after another, before the rest is left to the next sync
MAX_REFUSED = 2  # lists that are refused before any is read: one record may be closed to the key


@dataclass(frozen=True)
class KnownLists:
    """Hold what earlier syncs have read: since when each nested list is known, by its record.

    A list is read again if it was read before `stale`, or if its record has changed since, or up to
    `overlap` earlier. `listed` are the parameters with which the lists were read.
    """

    since: Mapping[str, datetime] = field(default_factory=dict)
    stale: datetime | None = None
    overlap: timedelta = timedelta(0)
    listed: str = ""


NOTHING = KnownLists()


class NestedWalk:
    """Read the nested lists of an endpoint, lazily and once; see `Walk`.

    Args:
        source: the endpoint.
        known: the lists that need not be read if nothing in them has changed.
    """

    def __init__(self, source: Source, known: KnownLists = NOTHING) -> None:
        self.report = WalkReport(datetime.now(UTC))
        self.cover: Cover | None = None  # since when each list is known; None if as before
        self.whole = not known.since
        self._source, self._name, self._known = source, source.endpoint.name, known
        self._parents, self._key = parents_of(source.endpoint), source.endpoint.nested_in
        self._query = Query.everything(source.endpoint, source.page_size)
        self._read: dict[str, datetime] = {}  # since when, of lists that were read to their end
        self._failed = 0  # lists, one after another
        self._refused = 0  # lists of records that exist
        self._oldest: datetime | None = None

    @property
    def query(self) -> Query:
        """Return the query of the lists, without the parameters that the account refused."""
        return self._query

    @property
    def known_since(self) -> datetime:
        """Return a moment as of which all lists were read that exist, after a proven reading."""
        began = self.report.began
        return min(began, self._oldest) if self._oldest else began

    def __iter__(self) -> Iterator[Page]:
        begun, report = monotonic(), self.report
        report.record_count = 0
        doubt = yield from self._lists()
        report.began = self._source.clocks.earliest(begun)
        if report.verdict is Verdict.UNAVAILABLE:
            return
        report.reason = doubt
        if not doubt and self.whole:
            report.verdict, report.proof = Verdict.COMPLETE, Proof.READ
        elif not doubt:
            report.verdict = Verdict.WINDOW

    def _lists(self) -> Generator[Page, None, str]:
        """Yield the pages of all lists that are due; return why they are not all, if so."""
        read, doubt, current = set[str](), "", dict[str, Record]()
        for number in range(ROUNDS):
            parents = Walk(self._source.of(self._parents))
            current = {str(each.id): each for page in parents for each in page.records}
            if parents.report.verdict is Verdict.UNAVAILABLE:
                self.report.verdict = Verdict.UNAVAILABLE
                self.report.reason = parents.report.reason
                return ""
            due = [id_ for id_ in current if id_ not in read]
            if number == 0 and not self.whole:
                due = self._due(current)
                self.whole = len(due) == len(current)
            doubt = yield from self._each(due)
            read.update(due)
            if self._read and self._query.listed != self._known.listed:
                self.whole = True  # the others were read with other parameters
            if parents.report.verdict is not Verdict.COMPLETE:
                doubt = f"{self._parents.name}, which have the lists: {parents.report.reason}"
            if doubt or not self.whole or (number and not due) or self._is_unavailable:
                break
        else:
            doubt = f"there were new {self._parents.name} each time that these were read"
        self._conclude(None if doubt else current)
        return doubt

    @property
    def _is_unavailable(self) -> bool:
        return self.report.verdict is Verdict.UNAVAILABLE

    def _conclude(self, current: Collection[str] | None) -> None:
        """Note since when each list is known; those of records that are gone, if that is proven."""
        known = {**self._known.since, **self._read}
        kept = {id_: at for id_, at in known.items() if current is None or id_ in current}
        self._oldest = min(kept.values(), default=None)
        if self._read and not self._is_unavailable:
            numbers = {int(id_): at for id_, at in kept.items() if is_plain_number(id_)}
            self.cover = Cover([Range(id_ - 1, id_, numbers[id_]) for id_ in sorted(numbers)])

    def _due(self, current: Mapping[str, Record]) -> list[str]:
        """Return the records whose lists are to be read, those that were never read first."""
        known = self._known
        changed = self._changed(set(current).intersection(known.since))
        if changed is None:
            return list(current)
        due = [id_ for id_ in current if id_ not in known.since]
        for id_, record in current.items():
            if since := known.since.get(id_):
                own = _updated(record)
                last = max(filter(None, (own, changed.get(id_))), default=None)
                is_stale = known.stale is not None and since < known.stale
                if is_stale or (last and last >= since - known.overlap):
                    due.append(id_)
        return due

    def _changed(self, ids: Collection[str]) -> dict[str, datetime] | None:
        """Return when the last application of each record has changed; None if that is not told."""
        if not ids:
            return {}
        since = min(self._known.since[id_] for id_ in ids) - self._known.overlap
        walk = Walk(self._source.of(_applications(self._key, self._parents)), since)
        found: dict[str, datetime] = {}
        for page in walk:
            if walk.query.since is None:
                return None
            for record in page.records:
                id_, at = parent_of(record, self._key), _updated(record)
                if id_ is None or at is None:
                    return None
                found[id_] = max(at, found.get(id_, at))
        return found if walk.report.verdict is Verdict.WINDOW else None

    def _each(self, ids: list[str]) -> Generator[Page, None, str]:
        """Yield the pages of the lists of these records; return why one is not proven, if so."""
        doubt, logged, source = "", monotonic(), self._source
        for number, id_ in enumerate(ids):
            try:
                why = yield from self._list(source, id_)
                self._failed = 0
            except RequestFailed as error:
                if not self._read:
                    raise
                why, source = error.happened, self._source.impatient()
                self._failed += 1
            if why:
                self._source.log.warning(f"{self._name}: the list of {self._of(id_)}: {why}")
                doubt = doubt or f"the list of {self._of(id_)}: {why}"
            is_last = number == len(ids) - 1 and not self._known.since
            if not self._read and self._refused == (1 if is_last else MAX_REFUSED):
                self.report.verdict, self.report.reason = Verdict.UNAVAILABLE, why
                return ""
            if self._failed == MAX_FAILURES:
                left = len(ids) - number - 1
                return f"{doubt}; after {MAX_FAILURES} failures, {left:,} lists were not requested"
            if monotonic() - logged > LOG_INTERVAL:
                self._source.log.info(f"{self._name}: list {number + 1:,} of {len(ids):,}")
                logged = monotonic()
        return doubt

    def _of(self, id_: str) -> str:
        return f"{self._key} {one_line(id_)}"

    def _list(self, source: Source, id_: str) -> Generator[Page, None, str]:
        """Yield the pages of one list; return why it is not proven, if so."""
        if id_ in (".", ".."):
            return "no URL can hold this id"
        endpoint, begun = nested(source.endpoint, id_), monotonic()
        walk = Walk(source.of(endpoint), begin=self._query)
        for page in walk:
            owners = {parent_of(each, self._key) for each in page.records} - {None, id_}
            if owners:
                return f"it has records of {self._of(str(min(map(str, owners))))}"
            yield self._owned(page, id_)
        self._query = replace(walk.query, endpoint=source.endpoint)
        self.report.add(walk.report)
        if walk.report.verdict is Verdict.COMPLETE:
            self._read[id_] = source.clocks.earliest(begun)
            return ""
        if walk.report.verdict is not Verdict.UNAVAILABLE:
            return walk.report.reason
        if self._source.of(self._parents).record(id_, Query.everything(self._parents)) is None:
            return ""  # it was deleted in the meantime
        self._refused += 1
        return walk.report.reason

    def _owned(self, page: Page, id_: str) -> Page:
        """Return a page whose records say to which record their list belongs."""
        owner = Linkage({"type": self._parents.path, "id": id_})
        records = [
            altered(each, relationships={**members(each.relationships), self._key: owner})
            for each in page.records
        ]
        return replace(page, document=altered(page.document, data=records))


def nested(endpoint: Endpoint, id_: str) -> Endpoint:
    """Return the endpoint with the path of the list of one record."""
    return replace(endpoint, within=f"{parents_of(endpoint).path}/{quote(id_, safe='')}/")


def parents_of(endpoint: Endpoint) -> Endpoint:
    """Return the list of the records that have nested lists, with its filters and nothing else."""
    targets = {each.name: each.targets[0] for each in endpoint.relationships}
    (found,) = [each for each in KNOWN_ENDPOINTS if each.path == targets[endpoint.nested_in]]
    return replace(found, relationships=(), history=(), policy={})


def _applications(key: str, parents: Endpoint) -> Endpoint:
    """Return the list of the applications, with the key to the record alone."""
    needed = Relationship(key, (parents.path,), needed=True)
    updated = Attribute("updated-at", "", Kind.TIMESTAMP)
    return Endpoint("job_applications", parents.group, "", (updated,), (needed,))


def _updated(record: Record) -> datetime | None:
    value = members(record.attributes).get("updated-at")
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def parent_of(record: Record, key: str) -> str | None:
    """Return the id in a key of a record; None if it was not included."""
    linkage = members(record.relationships).get(key)
    data = linkage.data if isinstance(linkage, Linkage) else None
    return str(data["id"]) if isinstance(data, dict) and "id" in data else None
