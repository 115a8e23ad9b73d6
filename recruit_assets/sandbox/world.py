"""The current records: a locked store that tests change while the API reads it.

Adds, changes and removes records, and derives values from other records (a job's stages, a stage's
counters). `invent` generates the records; `selection` filters them and `render` renders them.
Stored records are never edited in place but replaced, so that a record does not change after it was
read.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from recruit_assets.sandbox.activities import noted_change
from recruit_assets.sandbox.draft import Record, Ref, Tables, id_of, number_of
from recruit_assets.sandbox.resource import Resource
from recruit_assets.sandbox.schema import ENDPOINTS, FOLLOWED, RESOURCES
from recruit_assets.sandbox.times import wire
from recruit_assets.sandbox.words import DOMAIN

Related = Ref | list[Ref] | None

# Attributes of a record that is added without any, so that it looks real.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "candidates": {
        "first-name": "Added",
        "last-name": "Quibwick {id}",
        "email": "added.{id}@mail.example",
    },
    "custom-fields": {
        "name": "Field {id}",
        "api-name": "field-{id}",
        "field-type": "CustomField::Text",
        "owner-type": "Candidate",
    },
    "jobs": {"title": "Added job {id}", "status": "open", "human-status": "published"},
    "questions": {"title": "Added question {id}", "question-type": "Text"},
    "notes": {"note": "Added note {id}"},
    "todos": {"value": "Added todo {id}"},
    "users": {"name": "Added user {id}", "email": f"added.{{id}}@{DOMAIN}", "role": "user"},
    "stages": {"legacy-stage-type-name": "In process"},
}


def numeric(id_: str) -> tuple[bool, int, str]:
    """Return the sort key of an id: by number, its second element; other ids after them by text."""
    return (False, int(id_), "") if id_.isdecimal() else (True, 0, id_)


def refs_of(related: Related) -> list[Ref]:
    """Return the references in a relationship's value, to-one or to-many."""
    if isinstance(related, list):
        return related
    return [related] if related else []


class World:
    """Store all records by type; safe to change from any thread.

    It takes over the tables; `clock` timestamps later additions and changes.
    """

    def __init__(self, tables: Tables, clock: Callable[[], datetime] | None = None) -> None:
        self.lock = RLock()
        self.revision = 0
        self._tables = tables
        self.clock = clock or (lambda: datetime.now(UTC))
        self._last = {
            type_: max(map(number_of, table), default=0) for type_, table in tables.items()
        }
        # Attributes outside the schema that tests have added, by type.
        self.extra: dict[str, set[str]] = {type_: set() for type_ in RESOURCES}
        # (type, relationship, target's type, target's id) -> ids of the records that point there.
        self._referrers: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
        for type_, name in FOLLOWED:
            for record in tables[type_].values():
                self._link(type_, name, record)

    def count(self, type_: str) -> int:
        """Return the number of records of a type."""
        return len(self.table(type_))

    def counts(self) -> dict[str, int]:
        """Return the number of records of each endpoint."""
        return {type_: self.count(type_) for type_ in ENDPOINTS}

    def records(self, type_: str) -> list[Record]:
        """Return copies of all records of a type by numeric id, with all derived values."""
        with self.lock:
            return [
                {
                    "id": record["id"],
                    "attributes": dict(self.attributes(type_, record)),
                    "relationships": {
                        name: self.related(type_, record, name)
                        for name in RESOURCES[type_].relationships
                    },
                }
                for record in self.table(type_).values()
            ]

    def add(
        self,
        type_: str,
        attributes: Mapping[str, Any] | None = None,
        relationships: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the natural name for a caller
    ) -> str:
        """Add a record and return its id; missing attributes get plausible values."""
        with self.lock:
            table = self.table(type_)
            resource = RESOURCES[type_]
            id_ = id_of(type_, self._last[type_] + 1) if id is None else id
            if id_ in table:
                raise ValueError(f"{type_} {id_} is there already")
            now = wire(self.clock())
            defaults = resource.blank() | {"name": f"Added {id_}"} | _default(type_, id_)
            defaults |= dict.fromkeys(("created-at", "updated-at", "changed-stage-at"), now)
            defaults = {name: defaults[name] for name in resource.attributes}
            record = {"id": id_, "attributes": defaults, "relationships": resource.unrelated()}
            in_order = not table or numeric(next(reversed(table))) < numeric(id_)
            self._replace(type_, record, attributes or {}, relationships or {})
            self._last[type_] = max(self._last[type_], number_of(id_))
            if not in_order:
                self._tables[type_] = dict(sorted(table.items(), key=lambda each: numeric(each[0])))
            if id is None:  # one that is given its id was there before
                self._note(type_, None, id_)
            return id_

    def change(
        self,
        type_: str,
        id_: str,
        /,
        attributes: Mapping[str, Any] | None = None,
        relationships: Mapping[str, Any] | None = None,
    ) -> None:
        """Change a record; `updated-at` becomes the current time unless it is given."""
        with self.lock:
            record = self._existing(type_, id_)
            changed = dict(attributes or {})
            stamps = {"updated-at"}
            if type_ == "job-applications" and "stage" in (relationships or {}):
                stamps.add("changed-stage-at")
            now = wire(self.clock())
            for name in stamps & RESOURCES[type_].attributes.keys():
                changed.setdefault(name, now)
            self._replace(type_, record, changed, relationships or {})
            self._note(type_, record, id_)

    def remove(self, type_: str, id_: str, /) -> None:
        """Remove a record and nothing else: references to it stay."""
        with self.lock:
            record = self._existing(type_, id_)
            self._relink(type_, record, None)
            del self.table(type_)[id_]
            self.revision += 1

    def table(self, type_: str) -> dict[str, Record]:
        """Return the stored records of a type, in numeric order; read only, under the lock."""
        try:
            return self._tables[type_]
        except KeyError:
            raise KeyError(f"there is no type {type_}") from None

    def attributes(self, type_: str, record: Record) -> dict[str, Any]:
        """Return a record's attributes, with a stage's counters computed."""
        attributes: dict[str, Any] = record["attributes"]
        if type_ != "stages":
            return attributes
        applications = self.table("job-applications")
        ids = self._referrers.get(("job-applications", "stage", "stages", record["id"]), ())
        rejected = sum(applications[id_]["attributes"]["rejected-at"] is not None for id_ in ids)
        return attributes | {
            "active-job-applications-count": len(ids) - rejected,
            "rejected-job-applications-count": rejected,
        }

    def related(self, type_: str, record: Record, name: str) -> Related:
        """Return the references of a relationship, stored or derived."""
        relationship = RESOURCES[type_].relationships[name]
        if not relationship.follows:
            stored: Related = record["relationships"][name]
            return stored
        if (type_, name) == ("jobs", "candidates"):
            return self._candidates(record)
        source = relationship.types[0]
        ids = self._referrers.get((source, relationship.follows, type_, record["id"]), ())
        return [{"type": source, "id": id_} for id_ in ids]

    def _candidates(self, job: Record) -> list[Ref]:
        applications = self.table("job-applications")
        ids = self._referrers.get(("job-applications", "job", "jobs", job["id"]), ())
        found = (applications[id_]["relationships"]["candidate"] for id_ in ids)
        return list({ref["id"]: ref for ref in found if ref}.values())

    def _note(self, type_: str, before: Record | None, id_: str) -> None:
        """Add the activities of an application that was added or changed."""
        if type_ == "job-applications":
            for noted in noted_change(before, self.table(type_)[id_]):
                owners = {"candidate": noted.candidate, "job": noted.job}
                self.add("activities", noted.attributes, owners)

    def _existing(self, type_: str, id_: str) -> Record:
        try:
            return self.table(type_)[id_]
        except KeyError:
            raise KeyError(f"there is no record {id_} of type {type_}") from None

    def _replace(
        self, type_: str, old: Record, attributes: Mapping[str, Any], related: Mapping[str, Any]
    ) -> None:
        resource = RESOURCES[type_]
        values = {
            name: wire(value) if isinstance(value, datetime) else value
            for name, value in attributes.items()
        }
        refs = {name: _reference(resource, name, value) for name, value in related.items()}
        if type_ == "notes":
            values = _note_keys(refs) | values
        new = {
            "id": old["id"],
            "attributes": old["attributes"] | values,
            "relationships": old["relationships"] | refs,
        }
        self.extra[type_] |= values.keys() - resource.attributes.keys()
        self._relink(type_, old, new)
        self._tables[type_][old["id"]] = new
        self.revision += 1

    def _relink(self, type_: str, old: Record, new: Record | None) -> None:
        for name in (name for source, name in FOLLOWED if source == type_):
            if new and old["relationships"].get(name) == new["relationships"].get(name):
                continue
            for target in refs_of(old["relationships"].get(name)):
                self._referrers[type_, name, target["type"], target["id"]].remove(old["id"])
            if new:
                self._link(type_, name, new)

    def _link(self, type_: str, name: str, record: Record) -> None:
        for target in refs_of(record["relationships"].get(name)):
            self._referrers[type_, name, target["type"], target["id"]].append(record["id"])


def _default(type_: str, id_: str) -> dict[str, Any]:
    return {name: value.format(id=id_) for name, value in _DEFAULTS.get(type_, {}).items()}


def _reference(resource: Resource, name: str, value: Any) -> Related:
    """Return a relationship to store, from references or plain ids."""
    relationship = resource.relationships.get(name)
    if relationship is None:
        raise ValueError(f"{resource.type} has no relationship {name}")
    if relationship.follows:
        raise ValueError(f"{resource.type}.{name} follows from {relationship.types[0]}")
    refs = [
        {"type": relationship.types[0], "id": one} if isinstance(one, str) else dict(one)
        for one in (value if isinstance(value, list) else [value] if value is not None else [])
    ]
    if relationship.many:
        return refs
    return refs[0] if refs else None


def _note_keys(refs: Mapping[str, Related]) -> dict[str, Any]:
    """Return the keys of a note as plain attributes, which repeat them."""
    return {
        f"{name}-id": int(ref["id"]) if isinstance(ref, dict) else None
        for name, ref in refs.items()
    }
