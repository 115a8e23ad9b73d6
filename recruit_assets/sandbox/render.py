"""Records as JSON:API shows them.

From stored records to plain dicts for the encoder: links, sparse fieldsets, keys only for what was
included, the stubs of what was included. What a document wraps around them is in `api`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recruit_assets.sandbox.draft import Record
from recruit_assets.sandbox.schema import attribute_names, relationship_names
from recruit_assets.sandbox.words import DOMAIN
from recruit_assets.sandbox.world import World

_SIGNED = ("resume", "original-resume")
_JOB_PAGES = {
    "careersite-job-url": "",
    "careersite-job-apply-url": "/applications/new",
    "careersite-job-apply-iframe-url": "/applications/new?iframe=true",
    "careersite-job-internal-url": "/internal",
}


@dataclass(frozen=True, slots=True)
class Renderer:
    """Shows records to one request."""

    world: World
    base: str
    version: str
    scope: str
    fields: Mapping[str, frozenset[str]]
    include: Mapping[str, frozenset[str]]
    sign: Callable[[], str]

    def primary(self, type_: str, record: Record) -> dict[str, Any]:
        """A record of the list itself, with the keys of what was included."""
        return self._record(type_, record, self.include)

    def included(self, type_: str, records: list[Record]) -> list[dict[str, Any]]:
        """Every record that the include paths reach from these, once."""
        seen = {(type_, record["id"]) for record in records}
        stubs = []
        for name, seconds in self.include.items():
            nested = dict.fromkeys(seconds, frozenset[str]())
            for record in records:
                for near_type, near in self._reached(type_, record, name):
                    if (near_type, near["id"]) not in seen:
                        seen.add((near_type, near["id"]))
                        stubs.append(self._record(near_type, near, nested))
                    for second in nested:
                        for far_type, far in self._reached(near_type, near, second):
                            if (far_type, far["id"]) not in seen:
                                seen.add((far_type, far["id"]))
                                stubs.append(self._record(far_type, far, {}))
        return stubs

    def _reached(self, type_: str, record: Record, name: str) -> list[tuple[str, Record]]:
        if name not in relationship_names(type_, self.version):
            return []
        related = self.world.related(type_, record, name)
        refs = related if isinstance(related, list) else [related] if related else []
        tables = self.world.table
        return [
            (ref["type"], tables(ref["type"])[ref["id"]])
            for ref in refs
            if ref["id"] in tables(ref["type"])
        ]

    def _record(
        self, type_: str, record: Record, linked: Mapping[str, frozenset[str]]
    ) -> dict[str, Any]:
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
        if type_ == "candidates":
            for name in _SIGNED:
                if shown.get(name):
                    shown[name] = f"{shown[name]}?signature={self.sign()}"
        return shown


def page_texts(type_: str) -> dict[str, Any]:
    """The texts that two lists carry beside their counts."""
    return {"texts": {"title": type_.capitalize()}} if type_ in ("departments", "locations") else {}
