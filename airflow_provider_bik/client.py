"""The only HTTP of the package: encoded events out, a classified `Answer` in.

No redirect is followed, and no environment variable or ``.netrc`` is read: the credentials go to the configured host.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace, TracebackType
from typing import Final, Self

import aiohttp
import msgspec

from airflow_provider_bik.delivery.answers import Answer, AnswerClass, classify, parse_retry_after
from airflow_provider_bik.errors import BikConfigError

__all__ = ["BikClient", "ClientSettings", "Credentials"]

SEND_EVENT: Final = "/integrations/bikPlatformFunctions-events/sendEvent"
"""One event; path and body from BIK's documentation, like the two below."""

SEND_EVENTS: Final = "/integrations/bikPlatformFunctions-events/sendEvents"
"""Up to 100 events."""

CHECK_CREDENTIALS: Final = "/integrations/bikPlatformFunctions-authPartnerViaKey"
"""Tells whether key, secret and appId belong together; takes no events."""

_LONGEST_BODY = 64 * 1024
"""Bytes of an answer that are read; BIK's are below 200, and an error page is not worth more."""

_KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: less than the 5 s after which common servers close theirs, because an event that
is sent into a closing connection is a possible duplicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """API key and secret from BIK's developer portal.

    Args:
        key: The user name of HTTP Basic.
        secret: The password of HTTP Basic.
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def token(self) -> str:
        """Base64 of ``key:secret``; BIK's samples call it AUTH_TOKEN."""
        return base64.b64encode(f"{self.key}:{self.secret}".encode()).decode("ascii")

    @classmethod
    def from_token(cls, token: str) -> Self | None:
        """Read an AUTH_TOKEN, with or without ``Basic`` before it; None if it is none."""
        text = token.strip().removeprefix("Basic ").strip()
        try:
            key, colon, secret = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        return cls(key=key, secret=secret) if key and colon and secret and (key + secret).isprintable() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Where and how to talk to BIK.

    Args:
        base_url: Scheme, host and port, such as ``https://bikapi.bikayi.app``, without a slash at the end.
        credentials: API key and secret.
        app_id: BIK's appId; the credential check alone needs it.
        connect_timeout: Seconds until a connection must stand.
        read_timeout: Seconds without a byte of the answer.
        proxy: URL of an HTTP proxy.
        ca_file: PEM file of the authorities to trust instead of the system's.
        verify: Whether the server's certificate is checked.
    """

    base_url: str
    credentials: Credentials
    app_id: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    verify: bool = True


class BikClient:
    """Talks to BIK over kept-alive connections; use as an async context manager.

    Args:
        settings: Where and how.
        max_connections: Connections held at most.

    Raises:
        BikConfigError: The file of authorities cannot be read (on entering).
    """

    def __init__(self, settings: ClientSettings, *, max_connections: int = 1) -> None:
        self._settings = settings
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE, ssl=_tls(settings)
            ),
            headers={
                "Authorization": f"Basic {settings.credentials.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            timeout=aiohttp.ClientTimeout(
                # The bound on the whole keeps a body that trickles in from holding a request for ever.
                total=settings.connect_timeout + 2 * settings.read_timeout,
                sock_connect=settings.connect_timeout,
                sock_read=settings.read_timeout,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_noting_what_is_sent()],
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, events: Sequence[bytes]) -> Answer:
        """Send one event to ``sendEvent``, or 2 to 100 to ``sendEvents``.

        Args:
            events: The encoded events.

        Returns:
            What the answer, or its absence, means. Nothing that the network does is raised.
        """
        if len(events) == 1:
            return await self._post(SEND_EVENT, b'{"event":' + events[0] + b"}")
        return await self._post(SEND_EVENTS, b'{"events":[' + b",".join(events) + b"]}")

    async def check_credentials(self) -> Answer:
        """Ask BIK whether key, secret and appId belong together. It can never ingest an event."""
        return await self._post(CHECK_CREDENTIALS, msgspec.json.encode({"appId": self._settings.app_id}))

    async def _post(self, path: str, body: bytes) -> Answer:
        if self._session is None:
            message = "BikClient is used outside of 'async with'"
            raise RuntimeError(message)
        exchange = _Exchange()
        try:
            async with self._session.post(
                self._settings.base_url + path,
                data=body,
                allow_redirects=False,
                proxy=self._settings.proxy,
                trace_request_ctx=exchange,
            ) as response:
                text = await response.content.read(_LONGEST_BODY)
                while chunk := await response.content.read(_LONGEST_BODY):
                    text = (text + chunk)[:_LONGEST_BODY]
                header = response.headers.get("Retry-After")
                return classify(response.status, text, retry_after=parse_retry_after(header, now=datetime.now(UTC)))
        except (aiohttp.ClientError, OSError, EOFError, ValueError) as error:
            return _without_answer(error, exchange)


@dataclass(slots=True)
class _Exchange:
    """How far one request has come."""

    begun: bool = False


def _noting_what_is_sent() -> aiohttp.TraceConfig:
    """Makes each `_Exchange` say whether anything of its request may have left, whatever fails afterwards."""

    async def note(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.begun = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    return trace


def _without_answer(error: Exception, exchange: _Exchange) -> Answer:  # noqa: PLR0911 - one for each kind
    """Say what a failed exchange means; the order matters, for these classes inherit from each other."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            check = "Check the host and its certificate, and the extras 'ca_file' and 'proxy' of the Connection."
            return Answer.untrusted("the server's certificate is not trusted", check=check)
        case aiohttp.ClientSSLError():
            check = "Check host and port: it may be the port for plain http. Then the extra 'proxy' of the Connection."
            return Answer.untrusted("the server does not speak TLS as it should", check=check)
        case aiohttp.ClientHttpProxyError():
            means = AnswerClass.FATAL if error.status < 500 else AnswerClass.NOT_SENT  # noqa: PLR2004
            return Answer(means=means, status=error.status, cause=f"the proxy answered HTTP {error.status}")
        case TimeoutError() if exchange.begun:
            return Answer.lost("no answer in time")
        case _ if exchange.begun:
            return Answer.lost("the connection broke before the answer")
        case ValueError() | aiohttp.NonHttpUrlClientError():
            # A URL, a host name that DNS does not allow, or a proxy of a kind that aiohttp does not know.
            return Answer.untrusted("the URL or the proxy cannot be used")
        case _:
            return _not_reached(error)


def _not_reached(error: Exception) -> Answer:
    """There was no connection, so nothing was sent."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            cause, check = "no address is known for this host", "Check how it is spelt, and this machine's DNS."
        case TimeoutError():
            cause, check = "no connection in time", "Check host and port, and whether a firewall or a proxy is between."
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            cause, check = "the connection was refused", "Nothing listens there: check host and port."
        case _:
            cause, check = "no connection", "Check host and port, and this machine's way to it."
    return Answer.not_sent(cause, check=f"{check} If all is right, try again later.")


def _tls(settings: ClientSettings) -> ssl.SSLContext | bool:
    if not settings.verify:
        return False
    if settings.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        message = f"The Connection's ca_file cannot be read ({type(error).__name__}). Nothing was sent; fix the extra."
        raise BikConfigError(message) from None
