"""What tests put in the way of answers: faults, altered documents, actions before a request.

Here: which of them meet which request, and what they do to the answer. What only breaks on the
wire is in `spoilt`; when they are asked is decided in `api`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from recruit_assets.sandbox.spoilt import SPOILT
from recruit_assets.sandbox.world import World

Document = dict[str, Any]
JSON_API = "application/vnd.api+json"
_HTML = "<!doctype html><html><body><h1>Down for maintenance</h1></body></html>"
_FIXED: dict[str, tuple[bytes, str]] = {
    "html": (_HTML.encode(), "text/html; charset=utf-8"),
    "empty": (b"", JSON_API),
    "list": (b"[]", JSON_API),
    "garbage": (b"\xff\xfe{\x00not json", JSON_API),
}
KINDS = ("status", "null-data", "no-id", *_FIXED, *SPOILT)


@dataclass
class Planned:
    """Something that meets the next requests of a path, and of a page if one is named."""

    path: str
    page: int | None
    times: int | None

    def meets(self, path: str, page: int | None) -> bool:
        """Whether it meets this request: of the list, or of a record in it."""
        return f"{path}/".startswith(f"{self.path}/") and self.page in (None, page)

    def spend(self) -> None:
        """Count one meeting down."""
        if self.times is not None:
            self.times -= 1


@dataclass
class Fault(Planned):
    """An answer that goes wrong."""

    kind: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def edits(self, document: Document) -> Document:
        """The document as this fault leaves it."""
        match self.kind, document.get("data"):
            case "null-data", _:
                return document | {"data": None}
            case "no-id", [first, *rest]:
                return document | {"data": [_without_id(first), *rest]}
            case "no-id", dict(record):
                return document | {"data": _without_id(record)}
        return document

    def response(self, right: Response) -> Response:
        """The response that is sent instead of the right one."""
        headers = {**right.headers, **self.headers}
        headers = {name: value for name, value in headers.items() if name != "content-length"}
        if self.kind in SPOILT:
            body = bytes(right.body)
            return SPOILT[self.kind](body, self.status or right.status_code, headers)
        if self.kind == "status":
            headers.setdefault("content-type", "text/plain; charset=utf-8")
            return Response(self.body, self.status or 500, headers)
        if self.kind in _FIXED:
            body, headers["content-type"] = _FIXED[self.kind]
            return Response(body, self.status or 200, headers)
        return Response(right.body, self.status or right.status_code, headers)


@dataclass
class Alteration(Planned):
    """An edit of a document on its way out."""

    change: Callable[[Document], Document | None]


@dataclass
class Action(Planned):
    """A change of the world just before an answer."""

    run: Callable[[World], object]


P = TypeVar("P", bound=Planned)


class Plan:
    """All that is planned, in order; safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[Planned] = []

    def add(self, planned: Planned) -> None:
        """Plan one more."""
        with self._lock:
            self._planned.append(planned)

    def clear(self) -> None:
        """Forget everything planned."""
        with self._lock:
            self._planned.clear()

    def fault(self, path: str, page: int | None) -> Fault | None:
        """The first fault that meets this request, one at a time."""
        return next(iter(self._take(Fault, path, page, most=1)), None)

    def alterations(self, path: str, page: int | None) -> list[Alteration]:
        """Every alteration that meets this request."""
        return self._take(Alteration, path, page)

    def actions(self, path: str, page: int | None) -> list[Action]:
        """Every action that meets this request."""
        return self._take(Action, path, page)

    def _take(self, kind: type[P], path: str, page: int | None, most: int | None = None) -> list[P]:
        with self._lock:
            meeting = (each for each in self._planned if each.meets(path, page))
            met = [each for each in meeting if isinstance(each, kind)][:most]
            for each in met:
                each.spend()
            self._planned = [each for each in self._planned if each.times != 0]
            return met


def altered(document: Document, alterations: list[Alteration]) -> Document:
    """The document after all alterations, which get a copy: its parts belong to the world."""
    if alterations:
        document = msgspec.json.decode(msgspec.json.encode(document))
    for alteration in alterations:
        changed = alteration.change(document)
        document = document if changed is None else changed
    return document


def _without_id(record: Document) -> Document:
    return {name: value for name, value in record.items() if name != "id"}
