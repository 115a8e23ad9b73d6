"""The control path: faults, records and rules over HTTP, for tests in another process.

It is there only while the rules switch it on. All it does is to call the `Sandbox`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recruit_assets.sandbox.rules import Rules

if TYPE_CHECKING:
    from recruit_assets.sandbox.server import Sandbox

Handler = Callable[["Sandbox", Request, dict[str, Any]], Any]


def control_routes(sandbox: Sandbox) -> list[Route]:
    """The routes under /_control/."""
    record = "/_control/records/{type}/{id}"
    return [
        _route(sandbox, "/_control/requests", {"GET": _requests, "DELETE": _clear_requests}),
        _route(sandbox, "/_control/faults", {"POST": _fail, "DELETE": _clear_faults}),
        _route(sandbox, "/_control/records", {"POST": _add}),
        _route(sandbox, record, {"PATCH": _change, "DELETE": _remove}),
        _route(sandbox, "/_control/counts", {"GET": _counts}),
        _route(sandbox, "/_control/rules", {"PATCH": _rules}),
    ]


def _route(sandbox: Sandbox, path: str, handlers: dict[str, Handler]) -> Route:
    async def handle(request: Request) -> Response:
        if not sandbox.rules.control:
            return Response(status_code=404)
        try:
            body = _body(await request.body())
            answer = handlers[request.method](sandbox, request, body)
        except (ValueError, TypeError, KeyError) as error:
            # A KeyError's text is its quoted argument, and ours is a sentence.
            said = error.args[0] if isinstance(error, KeyError) else error
            return Response(f"{said}\n", 400, media_type="text/plain")
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Route(path, handle, methods=list(handlers))


def _body(content: bytes) -> dict[str, Any]:
    return msgspec.json.decode(content, type=dict[str, Any]) if content else {}


def _requests(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    return sandbox.requests


def _clear_requests(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    sandbox.clear_requests()


def _counts(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    return sandbox.world.counts()


def _fail(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    sandbox.fail(**body)


def _clear_faults(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    sandbox.clear_faults()


def _add(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    if "type" not in body:
        raise ValueError("a record needs a type")
    given = {name: value for name, value in body.items() if name != "type"}
    return {"id": sandbox.world.add(body["type"], **given)}


def _change(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    sandbox.world.change(request.path_params["type"], request.path_params["id"], **body)


def _remove(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    sandbox.world.remove(request.path_params["type"], request.path_params["id"])


def _rules(sandbox: Sandbox, request: Request, body: dict[str, Any]) -> Any:
    known = {field.name for field in fields(Rules)}
    if unknown := sorted(body.keys() - known):
        raise ValueError(f"there is no rule {unknown[0]}; there are {', '.join(sorted(known))}")
    rules = msgspec.convert(msgspec.to_builtins(sandbox.rules) | body, Rules)
    for name in body:
        setattr(sandbox.rules, name, getattr(rules, name))
