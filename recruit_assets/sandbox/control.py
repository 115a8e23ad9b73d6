"""The control path: faults, records and rules over HTTP, for tests in another process.

It exists only while the rules enable it (`--control`), and needs no key. Bodies and responses are
JSON; an invalid request gets a 400 and a sentence.

    GET    /_control/counts               number of records of each endpoint
    GET    /_control/requests             the requests so far: path, query, page, status
    DELETE /_control/requests             deletes them
    POST   /_control/faults               path; optional page, times, kind, status, headers, body
    DELETE /_control/faults               deletes all faults
    POST   /_control/records              type; optional attributes, relationships, id
    PATCH  /_control/records/{type}/{id}  attributes, relationships
    DELETE /_control/records/{type}/{id}  removes the record
    PATCH  /_control/rules                any fields of `Rules`, such as {"without": {"jobs": 403}}

The body of a fault has the arguments of `Sandbox.fail`, that of a record those of `World.add` and
`World.change`. Adding a record returns its id.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recruit_assets.sandbox.rules import Rules
from recruit_assets.sandbox.world import World


class Controlled(Protocol):
    """Describe what the control path changes: a `Sandbox`."""

    world: World
    rules: Rules

    @property
    def requests(self) -> Sequence[object]:
        """Return the requests so far."""

    @property
    def fail(self) -> Callable[..., object]:
        """Return what adds a fault."""

    def clear_faults(self) -> None:
        """Forget all faults."""

    def clear_requests(self) -> None:
        """Forget the requests so far."""


# Takes the path's parameters and the body, and returns the response.
Handler = Callable[[dict[str, str], dict[str, Any]], Any]


def control_routes(sandbox: Controlled) -> list[Route]:
    """Return the routes under /_control/."""
    world, rules = sandbox.world, sandbox.rules
    handlers: dict[str, dict[str, Handler]] = {
        "counts": {"GET": lambda at, body: world.counts()},
        "requests": {
            "GET": lambda at, body: sandbox.requests,
            "DELETE": lambda at, body: sandbox.clear_requests(),
        },
        "faults": {
            "POST": lambda at, body: sandbox.fail(**body),
            "DELETE": lambda at, body: sandbox.clear_faults(),
        },
        "records": {"POST": lambda at, body: _add(world, body)},
        "records/{type}/{id}": {
            "PATCH": lambda at, body: world.change(at["type"], at["id"], **body),
            "DELETE": lambda at, body: world.remove(at["type"], at["id"]),
        },
        "rules": {"PATCH": lambda at, body: _change_rules(rules, body)},
    }
    return [_route(rules, f"/_control/{path}", by_method) for path, by_method in handlers.items()]


def _route(rules: Rules, path: str, handlers: dict[str, Handler]) -> Route:
    async def handle(request: Request) -> Response:
        if not rules.control:
            return Response(status_code=404)
        try:
            body = _body(await request.body())
            answer = handlers[request.method](request.path_params, body)
        except (ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            # `str` quotes the argument of a KeyError, and ours is a sentence.
            said = error.args[0] if isinstance(error, KeyError) else error
            return Response(f"{said}\n", 400, media_type="text/plain")
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Route(path, handle, methods=list(handlers))


def _body(content: bytes) -> dict[str, Any]:
    return msgspec.json.decode(content, type=dict[str, Any]) if content else {}


def _add(world: World, body: dict[str, Any]) -> dict[str, str]:
    if "type" not in body:
        raise ValueError("a record needs a type")
    return {"id": world.add(body.pop("type"), **body)}


def _change_rules(rules: Rules, body: dict[str, Any]) -> None:
    known = {field.name for field in fields(Rules)}
    if unknown := sorted(body.keys() - known):
        raise ValueError(f"there is no rule {unknown[0]}; there are {', '.join(sorted(known))}")
    changed = msgspec.convert(msgspec.to_builtins(rules) | body, Rules)
    for name in body:
        setattr(rules, name, getattr(changed, name))
