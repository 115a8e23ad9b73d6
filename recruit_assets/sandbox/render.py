"""Rendering of records as JSON:API.

Turns stored records into plain dicts for the encoder: links, sparse fieldsets, keys only of
included relationships, and stubs of included records. `api` builds the document around them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recruit_assets.sandbox.draft import Record
from recruit_assets.sandbox.schema import attribute_names, relationship_names
from recruit_assets.sandbox.words import DOMAIN
from recruit_assets.sandbox.world import World, refs_of

_SIGNED = {"candidates": ("resume", "original-resume"), "uploads": ("url",)}
_JOB_PAGES = {
    "careersite-job-url": "",
    "careersite-job-apply-url": "/applications/new",
    "careersite-job-apply-iframe-url": "/applications/new?iframe=true",
    "careersite-job-internal-url": "/internal",
}


@dataclass(frozen=True, slots=True)
class Renderer:
    """Render records for one request."""

    world: World
    base: str
    version: str
    scope: str
    fields: Mapping[str, frozenset[str]]
    include: Mapping[str, frozenset[str]]
    sign: Callable[[], str]

    def primary(self, type_: str, record: Record) -> dict[str, Any]:
        """Return a record of the list itself, with the keys of included relationships."""
        return self._record(type_, record, self.include)

    def included(self, type_: str, records: list[Record]) -> list[dict[str, Any]]:
        """Return every record that the include paths reach from these, once."""
        seen = {(type_, record["id"]) for record in records}
        stubs = []
        for each_type, each, linked in self._along_paths(type_, records):
            if (each_type, each["id"]) not in seen:
                seen.add((each_type, each["id"]))
                stubs.append(self._record(each_type, each, linked))
        return stubs

    def _along_paths(
        self, type_: str, records: list[Record]
    ) -> Iterator[tuple[str, Record, frozenset[str]]]:
        """Yield the records that the include paths reach, each with the next steps."""
        for name, seconds in self.include.items():
            for record in records:
                for near_type, near in self._reached(type_, record, name):
                    yield near_type, near, seconds
                    for second in seconds:
                        for far_type, far in self._reached(near_type, near, second):
                            yield far_type, far, frozenset()

    def _reached(self, type_: str, record: Record, name: str) -> Iterator[tuple[str, Record]]:
        if name in relationship_names(type_, self.version):
            for ref in refs_of(self.world.related(type_, record, name)):
                if found := self.world.table(ref["type"]).get(ref["id"]):
                    yield ref["type"], found

    def _record(self, type_: str, record: Record, linked: Collection[str]) -> dict[str, Any]:
        url = f"{self.base}{type_}/{record['id']}"
        # Notes have been seen with a relative link.
        links = {"self": f"/v1/notes/{record['id']}" if type_ == "notes" else url}
        shown = {"id": record["id"], "type": type_, "links": links}
        if type_ == "jobs":
            page = f"https://careers.{DOMAIN}/jobs/{record['id']}"
            links |= {name: page + path for name, path in _JOB_PAGES.items()}
        fields = self.fields.get(type_)
        if attributes := self._attributes(type_, record, fields):
            shown["attributes"] = attributes
        relationships: dict[str, Any] = {}
        for name in relationship_names(type_, self.version):
            if fields is None or name in fields:
                ends = {"self": f"{url}/relationships/{name}", "related": f"{url}/{name}"}
                relationships[name] = {"links": ends}
                if name in linked:
                    relationships[name]["data"] = self.world.related(type_, record, name)
        if relationships:
            shown["relationships"] = relationships
        return shown

    def _attributes(
        self, type_: str, record: Record, fields: frozenset[str] | None
    ) -> dict[str, Any]:
        stored = self.world.attributes(type_, record)
        renamed = attribute_names(type_, self.version, self.scope)
        shown = {}
        for name, value in stored.items():
            label = renamed.get(name, name)
            if label is not None and (fields is None or label in fields):
                shown[label] = value
        for name in _SIGNED.get(type_, ()):
            if shown.get(name):
                shown[name] = f"{shown[name]}?signature={self.sign()}"
        return shown
