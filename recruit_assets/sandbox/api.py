"""The API itself: from a request to a response.

Uses `query`, `selection`, `paging` and `render`. The order of checks is that of the real API:
version, key, scope, rate limit, then the rest.
"""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import format_datetime
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from recruit_assets.sandbox.faults import JSON_API, Document, Fault, Plan, altered
from recruit_assets.sandbox.paging import Slice
from recruit_assets.sandbox.problems import Problem, bad_version, no_path, no_record, too_long
from recruit_assets.sandbox.query import Filter, Query, Reader
from recruit_assets.sandbox.render import Renderer
from recruit_assets.sandbox.rules import RateLimiter, Rules
from recruit_assets.sandbox.schema import ENDPOINTS, RESOURCES, VERSIONS, may_list
from recruit_assets.sandbox.selection import Selections, visible
from recruit_assets.sandbox.world import World

_NO_ANSWER = ("reset", "hang")
# Lists whose `meta` has texts as well as counts.
_WITH_TEXTS = ("departments", "locations")
NESTED = "activities"  # has lists only below the records that it belongs to


@dataclass(frozen=True, slots=True)
class Asked:
    """Record one request, and the status of its response (0 if none was sent)."""

    path: str
    query: dict[str, str]
    page: int | None
    status: int


@dataclass(frozen=True, slots=True)
class Call:
    """Hold the parts of a request that determine the response."""

    path: str
    parameters: Mapping[str, str]
    base: str
    version: str
    headers: Mapping[str, str]

    @property
    def page(self) -> int | None:
        """Return the page number of a list; None for records, and for pages by cursor."""
        if self.path.count("/") == 1 or "page[after]" in self.parameters:
            return None
        number = self.parameters.get("page[number]", "1")
        return int(number) if number.isascii() and number.isdigit() else None


class Api:
    """Answer requests under /v1/ from the given world, under the given rules."""

    def __init__(self, world: World, rules: Rules) -> None:
        self.world = world
        self.rules = rules
        self.plan = Plan()
        self.asked: list[Asked] = []
        self._limiter = RateLimiter(rules)
        self._selections = Selections(world)
        self._signatures = itertools.count(1)

    async def handle(self, request: Request) -> Response:
        """Answer one request, and record it."""
        call = _call(request)
        if self.rules.latency_ms:
            await asyncio.sleep(self.rules.latency_ms / 1000)
        fault = None
        response = self._gate(call)
        if response is None:
            for action in self.plan.actions(call.path, call.page):
                await run_in_threadpool(action.run, self.world)
            fault = self.plan.fault(call.path, call.page)
            response = self._answer(call, fault)
        response.headers.update(self._limiter.headers())
        if not self.rules.no_date:
            now = self.world.clock().astimezone(UTC)
            response.headers["Date"] = format_datetime(now, usegmt=True)
        if call.version in VERSIONS:
            response.headers["X-Api-Version"] = call.version
        if fault:
            response = fault.response(response)
        status = 0 if fault and fault.kind in _NO_ANSWER else response.status_code
        self.asked.append(Asked(call.path, dict(call.parameters), call.page, status))
        return response

    def _gate(self, call: Call) -> Response | None:
        """Return the refusal of a request, if any; the checks have the order of the real API."""
        if call.version not in VERSIONS:
            return _problem(bad_version())
        if not self._lets_in(call.headers):
            return Response(status_code=401)
        type_ = _type_of(call.path)
        if type_ in RESOURCES and not may_list(self.rules.scope, type_):
            return Response(status_code=403)
        if not self._limiter.spend():
            return Response(status_code=429)
        if missing := self.rules.missing(type_):
            return _problem(no_path(call.path)) if missing == 404 else Response(status_code=missing)
        return None

    def _lets_in(self, headers: Mapping[str, str]) -> bool:
        key = self.rules.key
        return headers.get("api") == key or headers.get("authorization") == f"Token token={key}"

    def _answer(self, call: Call, fault: Fault | None) -> Response:
        try:
            with self.world.lock:
                document = self._document(call)
        except Problem as problem:
            return _problem(problem)
        document = altered(document, self.plan.alterations(call.path, call.page))
        return _json(fault.edits(document) if fault else document, 200)

    def _document(self, call: Call) -> Document:
        holder, _, id_ = call.path.partition("/")
        holder_id, _, name = id_.partition("/")
        if holder not in ENDPOINTS or (name and name != NESTED):
            raise no_path(call.path)
        type_ = name or holder
        reader = Reader(RESOURCES[type_], self.rules, self.world.extra)
        query = reader.read(call.parameters)
        if name:
            return self._nested(call, holder, holder_id, query)
        if not id_ and type_ in self.rules.too_long and not query.filters:
            raise too_long()
        return self._one(call, type_, id_, query) if id_ else self._list(call, type_, query)

    def _one(self, call: Call, type_: str, id_: str, query: Query) -> Document:
        record = self.world.table(type_).get(id_)
        if record is None or not visible(type_, record, self.rules.scope):
            raise no_record(id_)
        renderer = self._renderer(call, query)
        document: Document = {"data": renderer.primary(type_, record)}
        if query.include:
            document["included"] = renderer.included(type_, [record])
        return document

    def _nested(self, call: Call, holder: str, id_: str, query: Query) -> Document:
        """Return the list of what one record has of a type that has no list of its own."""
        relationship = RESOURCES[holder].relationships.get(NESTED)
        record = self.world.table(holder).get(id_)
        if relationship is None:
            raise no_path(call.path)
        if record is None or not visible(holder, record, self.rules.scope):
            raise no_record(id_)
        owned = Filter(relationship.follows or "", None, id_)
        return self._list(call, NESTED, replace(query, filters=query.filters | {owned}))

    def _list(self, call: Call, type_: str, query: Query) -> Document:
        ids = self._selections.ids(type_, query, self.rules.scope)
        page = Slice(ids, query, cursors=type_ in self.rules.cursor_paging)
        table = self.world.table(type_)
        records = [table[id_] for id_ in page.shown]
        renderer = self._renderer(call, query)
        document: Document = {"data": [renderer.primary(type_, record) for record in records]}
        if query.include:
            document["included"] = renderer.included(type_, records)
        document["meta"] = self._meta(type_, page)
        document["links"] = page.links(f"{call.base}{call.path}", call.parameters)
        return document

    def _meta(self, type_: str, page: Slice) -> dict[str, Any]:
        texts = {"texts": {"title": type_.capitalize()}} if type_ in _WITH_TEXTS else {}
        return texts if type_ in self.rules.no_counts else page.counts() | texts

    def _renderer(self, call: Call, query: Query) -> Renderer:
        return Renderer(
            world=self.world,
            base=call.base,
            version=call.version,
            scope=self.rules.scope,
            fields=query.fields,
            include=query.include,
            sign=lambda: f"{next(self._signatures):08x}",
        )


def _type_of(path: str) -> str:
    """Return the type of the records at a path, which may be a nested list."""
    holder, *rest = path.split("/")
    return rest[1] if len(rest) == 2 else holder


def _call(request: Request) -> Call:
    return Call(
        path=request.path_params["path"].strip("/"),
        parameters=dict(request.query_params),
        base=f"{request.url.scheme}://{request.headers['host']}/v1/",
        version=request.headers.get("x-api-version", ""),
        headers=request.headers,
    )


def _json(document: Any, status: int) -> Response:
    return Response(msgspec.json.encode(document), status, media_type=JSON_API)


def _problem(problem: Problem) -> Response:
    return _json(problem.document, problem.status)
