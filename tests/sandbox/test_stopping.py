from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from airflow_provider_bik.sandbox import Sandbox


def test_a_connection_that_is_handed_over_while_the_server_ends_is_closed_and_not_served() -> None:
    mine, accepted = socket.socketpair()
    with mine, Sandbox() as bik:
        server = cast("Any", bik._server)  # noqa: SLF001 - from outside, it happens by chance only

        async def end_and_hand_over() -> None:
            server.should_exit = True
            make = server.config.http_protocol_class
            # What asyncio does in the end with a connection that it has accepted.
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: make(config=server.config, server_state=server.server_state, app_state={}), accepted
            )

        mine.settimeout(60)
        mine.sendall(b"GET /ledger HTTP/1.1\r\nHost: bik\r\n\r\n")
        asyncio.run_coroutine_threadsafe(end_and_hand_over(), server._loop).result(60)  # noqa: SLF001 - as above
        assert answer(mine) == b""


def answer(connection: socket.socket) -> bytes:
    """The first bytes, if there are any before the end."""
    try:
        return connection.recv(12)
    except ConnectionResetError:
        return b""
