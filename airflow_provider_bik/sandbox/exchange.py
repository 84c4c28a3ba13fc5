"""One request's connection: answers, delays and endings that a well-behaved server would not give."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import Receive, Scope, Send

Held = Literal["elapsed", "gone", "stopping"]
FindTransport = Callable[[Scope], asyncio.Transport | None]

_PIECES = 10
"""Into how many pieces a slow body is cut."""

_MISSING = 64
"""Bytes that a truncated answer announces and never sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back to the caller.

    Attributes:
        status: The HTTP status.
        body: The bytes.
        headers: Besides the length.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Wire:
    """The ASGI side of one request.

    Args:
        scope: ASGI's.
        receive: ASGI's.
        send: ASGI's.
        stopping: Set when the server is about to end.
        find_transport: Finds the connection below ASGI.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, stopping: asyncio.Event, find_transport: FindTransport
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._stopping = stopping
        self._find_transport = find_transport

    async def read(self, limit: int) -> tuple[bytes, Literal["whole", "too large", "gone"]]:
        """Read the body; one beyond `limit` bytes is dropped, but read, so that the caller comes to hear the answer."""
        body = bytearray()
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return b"", "gone"
            piece = message.get("body", b"")
            size += len(piece)
            if size <= limit:
                body += piece
            if not message.get("more_body", False):
                return (bytes(body), "whole") if size <= limit else (b"", "too large")

    async def hold(self, seconds: float | None) -> Held:
        """Wait so long, or until the client has gone or the server ends."""
        gone = asyncio.create_task(self._gone())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({gone, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                return "stopping"
            return "gone" if gone.done() else "elapsed"
        finally:
            for task in (gone, stopping):
                task.cancel()
            await asyncio.gather(gone, stopping, return_exceptions=True)

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, answer: Answer) -> None:
        """Send an answer as it should be."""
        await self._start(answer, len(answer.body))
        await self._send({"type": "http.response.body", "body": answer.body})

    async def answer_slowly(self, answer: Answer, seconds: float) -> None:
        """Send the headers at once and the body in pieces over so many seconds."""
        await self._start(answer, len(answer.body))
        size = max(1, -(-len(answer.body) // _PIECES))
        pieces = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
        for piece in pieces:
            if await self.hold(seconds / len(pieces)) != "elapsed":
                await self.abort()
                return
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def answer_in_part(self, answer: Answer) -> None:
        """Announce more than is sent, then close the connection in order."""
        await self._start(answer, len(answer.body) + _MISSING)
        await self._send({"type": "http.response.body", "body": answer.body, "more_body": True})
        if transport := self._find_transport(self._scope):
            transport.close()
        await self._gone()

    async def abort(self) -> None:
        """End the connection with a TCP reset."""
        if transport := self._find_transport(self._scope):
            raw = transport.get_extra_info("socket")
            # Without lingering, the kernel sends a reset instead of an orderly end.
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        # The server complains about a request without answer unless it has seen the connection end.
        await self._gone()

    async def _start(self, answer: Answer, length: int) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        headers.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
