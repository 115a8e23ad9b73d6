"""The sandbox for benchmarks: each answer is rendered once and then sent as it is.

`python -m recruit_assets_tests.benchmarks.server --candidates N` serves one company in a process of
its own. What is answered is the sandbox's doing; here are a bare HTTP/1.1 server, the answers
kept until the world changes, the latency and the budget, which a sliding window or aligned periods
may count. `GET /_bench/rules`, `/_bench/change` and `/_bench/stats` steer it.
"""

import argparse
import asyncio
import random
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic, process_time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.requests import Request

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import Rules, World
from recruit_assets.sandbox.api import Api
from recruit_assets.sandbox.invent import build
from recruit_assets.sandbox.rules import WINDOW_SECONDS, RateLimiter

HOST = "127.0.0.1"
CHANGED = ("candidates", "job-applications", "jobs", "todos")  # types that say when they changed
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class SlidingBudget:
    """Counts the requests of the last ten seconds, and says nothing of them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._spent: deque[float] = deque()

    def spend(self) -> bool:
        """Take one request; false if none was left."""
        now = monotonic()
        while self._spent and self._spent[0] <= now - WINDOW_SECONDS:
            self._spent.popleft()
        if len(self._spent) >= self._rules.requests_per_10s:
            return False
        self._spent.append(now)
        return True

    def headers(self) -> dict[str, str]:
        """No header tells of it."""
        return {}


class Server:
    """Answers from what it has kept, and asks the sandbox's API for the rest."""

    def __init__(self, candidates: int, seed: int = 7) -> None:
        self.world = World(build(candidates, seed))
        self.api = Api(self.world, Rules())
        self.rules = Rules()
        self.spread = 0.0
        self.sliding = False
        self.kept: dict[bytes, bytes] = {}
        self.revision = self.world.revision
        self._forget()

    def _forget(self) -> None:
        """Begin a measurement: nothing was asked, and a window of the budget opens."""
        self.requests = self.refused = 0
        self.first = self.last = 0.0
        self.busy = process_time()
        self.budget = (SlidingBudget if self.sliding else RateLimiter)(self.rules)

    async def answer(self, head: bytes) -> bytes:
        """The whole response to a request."""
        target = head.split(b" ", 2)[1]
        if target.startswith(b"/_bench/"):
            return self._steer(target.decode())
        self.last = monotonic()
        self.first = self.first or self.last
        self.requests += 1
        if self.rules.latency_ms:
            varied = random.uniform(1 - self.spread, 1 + self.spread)
            await asyncio.sleep(self.rules.latency_ms * varied / 1000)
        if not self.budget.spend():
            self.refused += 1
            return self._written(429, b"")
        return await self._kept(target, head)

    async def _kept(self, target: bytes, head: bytes) -> bytes:
        if self.revision != self.world.revision:
            self.kept.clear()
            self.revision = self.world.revision
        found = self.kept.get(target)
        if found is None:
            found = self.kept[target] = await self._rendered(target, head)
        if self.rules.requests_per_10s:
            return self._with_budget(found)
        return found

    async def _rendered(self, target: bytes, head: bytes) -> bytes:
        lines = head.split(b"\r\n")[1:]
        headers = [
            (name.lower(), value.strip()) for name, _, value in (x.partition(b":") for x in lines)
        ]
        parts = urlsplit(target.decode())
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": parts.path,
            "query_string": parts.query.encode(),
            "headers": headers,
            "path_params": {"path": parts.path.removeprefix("/v1/")},
        }
        response = await self.api.handle(Request(scope))
        self.api.asked.clear()
        return self._written(response.status_code, bytes(response.body))

    def _written(self, status: int, body: bytes) -> bytes:
        budget = self.budget.headers().items() if status == 429 else ()
        lines = [
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}",
            "Content-Type: application/vnd.api+json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in budget),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def _with_budget(self, response: bytes) -> bytes:
        line, _, rest = response.partition(b"\r\n")
        told = [f"{name}: {value}".encode() for name, value in self.budget.headers().items()]
        return b"\r\n".join([line, *told, rest])

    def _steer(self, target: str) -> bytes:
        parts = urlsplit(target)
        steps: dict[str, Callable[..., Any]] = {
            "rules": self.set_rules,
            "change": self.change,
            "stats": self.stats,
        }
        told = steps[parts.path.removeprefix("/_bench/")](**dict(parse_qsl(parts.query)))
        return self._written(200, msgspec.json.encode(told))

    def set_rules(
        self,
        latency_ms: str = "0",
        requests_per_10s: str = "0",
        spread: str = "0",
        sliding: str = "",
    ) -> None:
        """Set the latency, its spread and the budget, and begin a measurement."""
        self.spread, self.sliding = float(spread), bool(sliding)
        self.rules.latency_ms = float(latency_ms)
        self.rules.requests_per_10s = int(requests_per_10s)
        self._forget()

    def change(self, share: str) -> int:
        """Change that share of the records of the types that say when they changed."""
        changed = 0
        for type_ in CHANGED:
            for id_ in list(self.world.table(type_))[:: round(1 / float(share))]:
                self.world.change(type_, id_, {})
                changed += 1
        return changed

    def stats(self) -> dict[str, float]:
        """What was asked since the measurement began, when, and how busy this was (seconds)."""
        return {
            "first": self.first,
            "requests": self.requests,
            "refused": self.refused,
            "seconds": self.last - self.first,
            "busy": process_time() - self.busy,
            "records": sum(self.world.count(each.path) for each in ENDPOINTS),
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection, its requests one after another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            task = asyncio.ensure_future(self._server.answer(head))
            task.add_done_callback(self._send)

    def _send(self, task: "asyncio.Task[bytes]") -> None:
        if isinstance(self._transport, asyncio.Transport) and not self._transport.is_closing():
            self._transport.write(task.result())


async def serve(candidates: int) -> None:
    """Serve until killed; prints the base URL first."""
    server = Server(candidates)
    listener = await asyncio.get_running_loop().create_server(
        lambda: Connection(server), HOST, 0, backlog=128
    )
    print(f"http://{HOST}:{listener.sockets[0].getsockname()[1]}/v1/", flush=True)
    await listener.serve_forever()


def main() -> int:
    """Serve the company that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, required=True, help="about 5.2 records each")
    asyncio.run(serve(parser.parse_args().candidates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
