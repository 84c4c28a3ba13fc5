"""The sandbox as a context manager: uvicorn in a thread of its own, on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_bik.sandbox.api import BikApi, Rules
from airflow_provider_bik.sandbox.control import Control
from airflow_provider_bik.sandbox.exchange import Wire
from airflow_provider_bik.sandbox.faults import FaultPlan
from airflow_provider_bik.sandbox.gate import Gate
from airflow_provider_bik.sandbox.ledger import Ledger
from airflow_provider_bik.sandbox.request_log import RequestLog, RequestRecord

HOST: Final = "127.0.0.1"
DEFAULT_KEY: Final = "sandbox-key"
DEFAULT_SECRET: Final = "sandbox-secret"  # noqa: S105 - made up, and good for nothing but the sandbox
DEFAULT_APP_ID: Final = "sandbox-app"
_PATIENCE: Final = 30.0
_HISTORY: Final = 100_000


class Sandbox:
    """A local BIK, up while its ``with`` block runs.

    Args:
        api_key: User name that callers must give.
        api_secret: Password that callers must give.
        app_id: The app that the credential check must be asked about.
        faults: What goes wrong, and when.
        port: The port; a free one with 0.
        keep_bodies: Keep the bodies of requests in `requests`.
        required_properties: By event name, properties that an event must have beyond what BIK documents.
        max_body_bytes: Larger bodies are answered with 413. BIK documents no limit.
        ledger_path: A file to keep the ledger in as well; a sandbox that is given it again goes on with its events.

    Attributes:
        ledger: The stored events.

    Raises:
        OSError: The file cannot be written; on entering: the port is taken.
        ValueError: The file is no ledger.
    """

    def __init__(
        self,
        *,
        api_key: str = DEFAULT_KEY,
        api_secret: str = DEFAULT_SECRET,
        app_id: str = DEFAULT_APP_ID,
        faults: FaultPlan | None = None,
        port: int = 0,
        keep_bodies: bool = False,
        required_properties: Mapping[str, Sequence[str]] | None = None,
        max_body_bytes: int = 1_048_576,
        ledger_path: Path | None = None,
    ) -> None:
        self.rules = Rules(
            api_key=api_key,
            api_secret=api_secret,
            app_id=app_id,
            max_body_bytes=max_body_bytes,
            required_properties=required_properties or {},
            keep_bodies=keep_bodies,
        )
        self._port = port
        self._gate = Gate(faults or FaultPlan(), time.monotonic)
        self.log = RequestLog(limit=_HISTORY)
        self.ledger = Ledger(ledger_path)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        listener = _listen(self._port)
        try:
            self._port = listener.getsockname()[1]
            self._server = _Server(self._app)
            self._thread = threading.Thread(
                target=self._server.run, kwargs={"sockets": [listener]}, name="bik-sandbox", daemon=True
            )
            self._thread.start()
        except BaseException:
            listener.close()
            raise
        if not self._server.ready.wait(_PATIENCE):
            message = "The sandbox's server did not start"
            raise RuntimeError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.leave()
            self._thread.join()
        self.ledger.close()

    @property
    def url(self) -> str:
        """The base URL, such as ``http://127.0.0.1:8787``: the host of an Airflow Connection, and the page."""
        return f"http://{HOST}:{self._port}"

    @property
    def requests(self) -> list[RequestRecord]:
        """The last 100,000 requests to BIK's endpoints and to unknown paths in order of arrival: a copy."""
        return self.log.snapshot()

    @property
    def faults(self) -> FaultPlan:
        """The plan in force. Setting it starts its script, its draws and its limits anew."""
        return self._gate.plan

    @faults.setter
    def faults(self, plan: FaultPlan) -> None:
        # Requests under way keep theirs.
        self._gate = Gate(plan, time.monotonic)

    @property
    def sample_credentials(self) -> str | None:
        """User and password to show on the page: the defaults only, for others may be somebody's secret."""
        rules = self.rules
        shown = (rules.api_key, rules.api_secret) == (DEFAULT_KEY, DEFAULT_SECRET)
        return f"{rules.api_key}:{rules.api_secret}" if shown else None

    def clear(self) -> None:
        """Forget events and requests."""
        self.ledger.clear()
        self.log.clear()

    def _app(self, server: _Server) -> ASGIApp:
        wire = functools.partial(Wire, stopping=server.stopping, find_transport=server.find_transport)
        api = BikApi(self.rules, self.ledger, self.log, lambda: self._gate, wire)
        return Starlette(routes=[*Control(self).routes(), Route("/{path:path}", api)])


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's delay off only where the protocol is named, and the delay costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """A server that says when it is up, and ends at once when told to."""

    def __init__(self, app: Callable[[_Server], ASGIApp]) -> None:
        self.stopping = asyncio.Event()
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(
            uvicorn.Config(
                app(self),
                loop="asyncio",
                http=_connection_of(self),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=5,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    def leave(self) -> None:
        """End the server, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.stopping.set)

    def find_transport(self, scope: Scope) -> asyncio.Transport | None:
        """Find the connection that a request came in by."""
        for protocol in self.server_state.connections:
            if isinstance(protocol, H11Protocol) and protocol.client == scope["client"]:
                return protocol.transport
        return None


def _connection_of(server: _Server) -> type[H11Protocol]:
    """The class of a server's connections; one that is handed over while the server ends is closed like all others."""

    class Connection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            super().connection_made(transport)
            # Uvicorn closes those that it knows, once; asyncio may have accepted more, which would be served for ever.
            if server.should_exit:
                self.shutdown()

    return Connection
