"""A server that takes everything and does next to nothing with it, so that it is not what is measured.

It speaks just enough HTTP/1.1 for the contestants: requests with a Content-Length, one after the other on connections
that stay open. A GET tells what has come in so far.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import cast

import msgspec

__all__ = ["EVENT_MARK", "Counts", "main"]

EVENT_MARK = b'"eventName"'
"""Every event has it once; counting it is much cheaper than reading JSON."""


class Counts(msgspec.Struct):
    """What has come in.

    Attributes:
        events: Events in all requests.
        requests: Requests with a body.
        body_bytes: Bytes of their bodies.
        cpu: Seconds of CPU time that the server has used.
    """

    events: int = 0
    requests: int = 0
    body_bytes: int = 0
    cpu: float = 0.0


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_TAKEN = _answer(b'{"status":200,"success":true}')


class _Sink(asyncio.Protocol):
    """One connection.

    Args:
        counts: Shared by all connections.
        latency: Seconds until a request is answered.
    """

    def __init__(self, counts: Counts, latency: float) -> None:
        self._counts = counts
        self._latency = latency
        self._waiting = bytearray()
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= self._needed and self._take_request():
            pass

    def _take_request(self) -> bool:
        """Take one whole request out of what has come; returns whether there was one."""
        end = self._waiting.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._waiting[:end]).lower()
        found = head.find(b"content-length:")
        length = 0 if found < 0 else int(head[found + len(b"content-length:") :].split(b"\r\n", 1)[0])
        self._needed = end + 4 + length
        if len(self._waiting) < self._needed:
            return False
        if head.startswith(b"get "):
            self._transport.write(_answer(msgspec.json.encode(self._told())))
        else:
            self._counts.events += self._waiting.count(EVENT_MARK, end, self._needed)
            self._counts.requests += 1
            self._counts.body_bytes += length
            self._answer_later()
        del self._waiting[: self._needed]
        self._needed = 0
        return True

    def _answer_later(self) -> None:
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, _TAKEN)
        else:
            self._transport.write(_TAKEN)

    def _told(self) -> Counts:
        used = os.times()
        return msgspec.structs.replace(self._counts, cpu=used.user + used.system)


async def _serve(latency: float) -> None:
    loop = asyncio.get_running_loop()
    counts = Counts()
    server = await loop.create_server(lambda: _Sink(counts, latency), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # Whoever started it holds the other end of stdin; at its end, so is this.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Serve on a free port of the loopback interface, which is printed, until stdin is closed.

    The one argument is the latency in milliseconds.
    """
    asyncio.run(_serve(int(sys.argv[1]) / 1000))


if __name__ == "__main__":
    main()
