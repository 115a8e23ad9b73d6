"""The faults, altered documents and actions that tests plan for later requests.

Decides which of them apply to a request, and what they do to the response. Faults of the
connection are in `spoilt`; `api` decides when to apply them.
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
    """Apply to the next requests of a path, and of one page if it is given."""

    path: str
    page: int | None
    times: int | None

    def meets(self, path: str, page: int | None) -> bool:
        """Return whether it applies to this request: of the list, or of a record in it."""
        return f"{path}/".startswith(f"{self.path}/") and self.page in (None, page)

    def spend(self) -> None:
        """Count down one use."""
        if self.times is not None:
            self.times -= 1


@dataclass
class Fault(Planned):
    """Make a response fail."""

    kind: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def edits(self, document: Document) -> Document:
        """Return the document as changed by this fault."""
        match self.kind, document.get("data"):
            case "null-data", _:
                return document | {"data": None}
            case "no-id", [first, *rest]:
                return document | {"data": [_without_id(first), *rest]}
            case "no-id", dict(record):
                return document | {"data": _without_id(record)}
        return document

    def response(self, right: Response) -> Response:
        """Return the response to send instead of the correct one."""
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
    """Edit a document before it is sent."""

    change: Callable[[Document], Document | None]


@dataclass
class Action(Planned):
    """Change the world just before a response."""

    run: Callable[[World], object]


P = TypeVar("P", bound=Planned)


class Plan:
    """Hold everything planned, in order; safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[Planned] = []

    def add(self, planned: Planned) -> None:
        """Plan one more."""
        with self._lock:
            self._planned.append(planned)

    def clear(self) -> None:
        """Remove everything planned."""
        with self._lock:
            self._planned.clear()

    def fault(self, path: str, page: int | None) -> Fault | None:
        """Return the first fault that applies to this request; only one applies at a time."""
        return next(iter(self._take(Fault, path, page, most=1)), None)

    def alterations(self, path: str, page: int | None) -> list[Alteration]:
        """Return every alteration that applies to this request."""
        return self._take(Alteration, path, page)

    def actions(self, path: str, page: int | None) -> list[Action]:
        """Return every action that applies to this request."""
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
    """Return the document after all alterations, made to a copy: its parts belong to the world."""
    if alterations:
        document = msgspec.json.decode(msgspec.json.encode(document))
    for alteration in alterations:
        changed = alteration.change(document)
        document = document if changed is None else changed
    return document


def _without_id(record: Document) -> Document:
    return {name: value for name, value in record.items() if name != "id"}
