"""Responses that break the rules of HTTP, or keep them at a crawl.

Here: what happens on the connection. Which request meets them is in `faults`.
"""

import asyncio
import socket
import struct

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_DRIP_SECONDS = 0.0001


class Spoilt(Response):
    """A right response that does not arrive as one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Spoil the connection, then wait until it is gone."""
        # uvicorn does not hand the connection on, but `receive` is a method of what owns it.
        self.spoil(receive.__self__.transport)  # type: ignore[attr-defined]
        while (await receive())["type"] != "http.disconnect":
            pass

    def spoil(self, transport: asyncio.Transport) -> None:
        """Do to the connection what is to be done; nothing means that no answer ever comes."""


class Reset(Spoilt):
    """The connection is reset without an answer."""

    def spoil(self, transport: asyncio.Transport) -> None:
        """Close with a linger time of zero, which sends RST instead of FIN."""
        no_linger = struct.pack("ii", 1, 0)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        transport.abort()


class Truncated(Spoilt):
    """Half of the body that the headers promise, then the end."""

    def spoil(self, transport: asyncio.Transport) -> None:
        """Write to the connection itself: no server would let this pass."""
        head = [f"HTTP/1.1 {self.status_code} OK"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        transport.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        transport.write(bytes(self.body[: len(self.body) // 2]))
        transport.close()


class Drip(Spoilt):
    """The right body, a byte at a time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it slowly, but whole."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})
        body = bytes(self.body)
        for position in range(len(body)):
            part = body[position : position + 1]
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(_DRIP_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


SPOILT = {"reset": Reset, "hang": Spoilt, "truncated": Truncated, "drip": Drip}
