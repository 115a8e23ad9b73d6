"""Responses that violate HTTP, or follow it very slowly.

Contains the effects on the connection. `faults` decides which requests get them.
"""

import asyncio
import socket
import struct

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_DRIP_SECONDS = 0.0001


class Spoilt(Response):
    """Send a correct response incorrectly, or not at all."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Spoil the connection, then wait until it is closed."""
        # uvicorn does not pass the connection on, but `receive` is a method of its owner.
        self.spoil(receive.__self__.transport)  # type: ignore[attr-defined]
        while (await receive())["type"] != "http.disconnect":
            pass

    def spoil(self, transport: asyncio.Transport) -> None:
        """Damage the connection; the default does nothing, so that no response ever arrives."""


class Reset(Spoilt):
    """Reset the connection without a response."""

    def spoil(self, transport: asyncio.Transport) -> None:
        """Close with a linger time of zero, which sends RST instead of FIN."""
        no_linger = struct.pack("ii", 1, 0)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        transport.abort()


class Truncated(Spoilt):
    """Send half of the body that the headers promise, then close."""

    def spoil(self, transport: asyncio.Transport) -> None:
        """Write to the connection directly, because no server would allow this."""
        head = [f"HTTP/1.1 {self.status_code} OK"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        transport.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        transport.write(bytes(self.body[: len(self.body) // 2]))
        transport.close()


class Drip(Spoilt):
    """Send the correct body, a byte at a time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it slowly, but completely."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})
        body = bytes(self.body)
        for position in range(len(body)):
            part = body[position : position + 1]
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(_DRIP_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


SPOILT = {"reset": Reset, "hang": Spoilt, "truncated": Truncated, "drip": Drip}
