"""`BikHook`: an Airflow Connection that can send events.

The Connection becomes `ClientSettings`, or one error that says which field to fix: Airflow validates nothing of what
its connection form, a URI or an environment variable holds, so all of it is done here.
"""

from __future__ import annotations

import ipaddress
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import AirflowNotFoundException, mask_secret
from airflow.providers.http.hooks.http import HttpHook
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from airflow_provider_bik.assets import asset_uri
from airflow_provider_bik.client import BikClient, ClientSettings, Credentials
from airflow_provider_bik.delivery import (
    Answer,
    AnswerClass,
    Delivery,
    DeliveryReport,
    NoRejectedSink,
    RejectedEvent,
    Sending,
    deliver,
    parse_max_rejected,
    task_error,
)
from airflow_provider_bik.errors import BikConfigError, BikError, BikEventError
from airflow_provider_bik.events import Contract, Encoder, EventMapping, Hints, InputEvent, PipelineRule, Reading
from airflow_provider_bik.hooks import old_forms
from airflow_provider_bik.inputs import in_chunks, read_items
from airflow_provider_bik.threads import StopSignal, run

__all__ = ["DEFAULT_HOST", "EXTRAS", "BikHook", "ConnectionLike", "client_settings"]

DEFAULT_HOST = "https://bikapi.bikayi.app"
"""From BIK's documentation."""

EXTRAS: Mapping[str, str] = {
    "app_id": "BIK's appId, text. Only the connection test needs it.",
    "connect_timeout": "Seconds until a connection must stand; 10 if absent.",
    "read_timeout": "Seconds without a byte of the answer; 60 if absent.",
    "proxy": "URL of an HTTP proxy, or `environment` for the worker's proxy variables; none if absent.",
    "ca_file": "PEM file on the worker with the authorities to trust instead of the system's.",
    "verify": "Whether the server's certificate is checked; `false` is taken for a loopback address only.",
}
"""The extras that a Connection may have; any other is an error that names it."""

_LONGEST_TIMEOUT = 3600.0
_TRUTH = {"true": True, "false": False}


class BikHook(HttpHook):
    """Sends events to BIK with the credentials of an Airflow Connection of type ``bik``.

    The Connection: login = API key, password = API secret (or, with an empty login, BIK's ready-made AUTH_TOKEN), host
    if it is not ``https://bikapi.bikayi.app``, and the extras of `airflow_provider_bik.hooks.bik.EXTRAS`.

    Args:
        bik_conn_id: The Connection.
    """

    conn_name_attr = "bik_conn_id"
    default_conn_name = "bik_default"
    conn_type = "bik"
    hook_name = "BIK"

    def __init__(self, bik_conn_id: str = default_conn_name) -> None:
        # Its adapter for that would take the place of the one that knows the time-outs.
        super().__init__(method="POST", http_conn_id=bik_conn_id, tcp_keep_alive=False)
        self.bik_conn_id = bik_conn_id
        self._settings: ClientSettings | None = None

    @property
    def settings(self) -> ClientSettings:
        """The Connection, read once.

        Raises:
            BikConfigError: A field of the Connection is missing or wrong.
        """
        if self._settings is None:
            self._settings = self._read_settings()
        return self._settings

    def _read_settings(self, shown: str | None = None) -> ClientSettings:
        try:
            connection = self.get_connection(self.bik_conn_id)
        except AirflowNotFoundException as error:
            message = (
                f"There is no Connection {self.bik_conn_id!r}. Add one of the type bik, or fix bik_conn_id. Nothing "
                "was sent."
            )
            raise BikConfigError(message) from error
        settings = client_settings(cast("ConnectionLike", connection), shown)
        credentials = settings.credentials
        for secret in (credentials.key, credentials.secret, credentials.token, settings.proxy or ""):
            mask_secret(secret)
        return settings

    @property
    def host(self) -> str:
        """The host's name, for messages."""
        return urlsplit(self.settings.base_url).netloc

    def get_conn(self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None) -> Session:
        """A `requests` session for other calls to BIK's API through `HttpHook.run`; events go through `send_events`.

        Args:
            headers: Further headers.
            extra_options: As for `HttpHook.run`.
        """
        settings = self.settings
        self.base_url, self._base_url_initialized = settings.base_url, True
        self.merged_extra = dict(extra_options or {})
        session = Session()
        session.auth = HTTPBasicAuth(settings.credentials.key, settings.credentials.secret)
        session.trust_env = False
        session.max_redirects = 0
        session.verify = settings.verify and (settings.ca_file or True)
        session.proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else {}
        session.headers.update(headers or {})
        for scheme in ("https://", "http://"):
            session.mount(scheme, _WithTimeouts((settings.connect_timeout, settings.read_timeout)))
        return session

    def send_event(
        self, event: Mapping[str, object], *, pipeline: str | PipelineRule = "auto", reading: Reading | None = None
    ) -> None:
        """Send one event.

        Args:
            event: With BIK's own field names.
            pipeline: ``auto``, ``realtime`` or ``migration``, or a `PipelineRule`.
            reading: How its values are understood.

        Raises:
            BikEventError: The event breaks the contract, or BIK rejected it.
            BikError: See `airflow_provider_bik.errors`; `BikDeliveryIncompleteError` if BIK may or may not have it.
        """
        kept = _Kept()
        report = self.deliver(self._events([event], pipeline, reading, None), Delivery(rejected=kept))
        if kept.events:
            message = (
                f"The event was not taken: {kept.events[0].rejection}. Fix it; sending it as it is cannot succeed."
            )
            raise BikEventError(message)
        if error := task_error(report, max_rejected=0, host=self.host):
            raise error

    def send_events(
        self,
        events: object,
        *,
        mapping: EventMapping | Mapping[str, object] | None = None,
        pipeline: str | PipelineRule = "auto",
        reading: Reading | None = None,
        sending: Sending | None = None,
        max_rejected: float = 0,
    ) -> DeliveryReport:
        """Send many events, in batches: what `BikSendEventsOperator` does, without a record.

        Args:
            events: Anything `airflow_provider_bik.inputs.read_items` takes.
            mapping: Makes events of rows; an `EventMapping` or its JSON form.
            pipeline: ``auto``, ``realtime`` or ``migration``, or a `PipelineRule`.
            reading: How what is read is understood.
            sending: How to send.
            max_rejected: How many rejections are allowed: a whole number, or a share from 0.0 to 1.0.

        Returns:
            What became of each event.

        Raises:
            BikError: See `airflow_provider_bik.errors`. Everything deliverable was delivered before
                `BikTooManyRejectedError`.
        """
        parse_max_rejected(max_rejected)
        known = None if mapping is None else EventMapping.of(mapping)
        report = self.deliver(self._events(events, pipeline, reading, known), Delivery(sending=sending or Sending()))
        for warning in report.counts.warnings():
            self.log.warning("%s", warning)
        if error := task_error(report, max_rejected=max_rejected, host=self.host):
            raise error
        return report

    def deliver(
        self, events: Iterator[InputEvent], delivery: Delivery, *, stopping: StopSignal | None = None
    ) -> DeliveryReport:
        """Bring every event to an outcome and report it; the outcome itself is never raised.

        Args:
            events: In order; they are read in another thread.
            delivery: How to deliver, and where its checkpoint and rejected events go.
            stopping: Ends delivery in order, from a signal handler or another thread.

        Raises:
            BikConfigError: The Connection cannot be used.
        """
        settings = self.settings
        signal = stopping or StopSignal()

        async def work() -> DeliveryReport:
            async with BikClient(settings, max_connections=delivery.sending.max_concurrency) as client:
                return await deliver(
                    in_chunks(events),
                    delivery,
                    send=client.send,
                    rng=random.Random(),  # noqa: S311 - jitter, not secrecy
                    stopping=signal.event(),
                )

        report = run(work(), interrupted=signal.press)
        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for pipeline, number in report.counts.pipelines.items():
            if number and not report.dry_run:
                collector.add_output_asset(context=self, uri=asset_uri(self.host, pipeline.value))
        return report

    def _events(
        self, events: object, pipeline: str | PipelineRule, reading: Reading | None, mapping: EventMapping | None
    ) -> Iterator[InputEvent]:
        how = reading or Reading()
        contract = Contract(
            now=datetime.now(UTC), rule=PipelineRule.of(pipeline), reading=how, hints=Hints(self.log.info)
        )
        encoder = Encoder(contract=contract, mapping=mapping)
        return encoder.encode_all(read_items(events, how, encoder.columns_check))

    def test_connection(self) -> tuple[bool, str]:
        """Check the Connection against BIK, without sending an event.

        Returns:
            Whether it works, and a sentence for the person at the connection form.
        """
        try:
            # Airflow tests a Connection under an id that it has made up.
            settings = self._settings = self._read_settings("The Connection")
            answer = run(_check(settings))
        except BikError as error:
            return False, error.message
        return _verdict(answer, f"BIK at {self.host}", has_app_id=settings.app_id is not None)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The connection form of Airflow below 3.2; later ones read the provider info, which says the same."""
        return old_forms.field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The extra fields in the connection form of Airflow below 3.2."""
        return old_forms.widgets()


class _WithTimeouts(HTTPAdapter):
    """Gives requests that name no time-outs those of the Connection."""

    def __init__(self, timeouts: tuple[float, float]) -> None:
        super().__init__()
        self._timeouts = timeouts

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # type: ignore[override]
        """Send one request; the options are those of requests."""
        return super().send(request, **{**options, "timeout": options.get("timeout") or self._timeouts})


class _Kept(NoRejectedSink):
    """Rejected events in memory, for a single event."""

    def __init__(self) -> None:
        self.events: list[RejectedEvent] = []

    async def write(self, events: Sequence[RejectedEvent]) -> None:
        self.events.extend(events)


async def _check(settings: ClientSettings) -> Answer:
    async with BikClient(settings) as client:
        return await client.check_credentials()


def _verdict(answer: Answer, where: str, *, has_app_id: bool) -> tuple[bool, str]:  # noqa: PLR0911 - one for each kind
    """What the credential check says, for the person at the connection form."""
    match answer.means:
        case AnswerClass.NOT_SENT | AnswerClass.FATAL if answer.status is None:
            return False, f"{where} cannot be reached: {answer.cause}. {answer.advice}"
        case AnswerClass.UNKNOWN if answer.status is None:
            return False, f"{where} has not answered: {answer.cause}. Try again later."
        case AnswerClass.CONFIRMED | AnswerClass.REJECTED_BY_BIK if not has_app_id:
            return True, (
                f"{where} can be reached, and the fields have the right form. API key and secret are not checked: "
                "BIK's check needs your appId, the extra app_id. Events can be sent without it."
            )
        case AnswerClass.CONFIRMED:
            return True, "BIK accepts this API key and secret for this app_id."
        case AnswerClass.FATAL:
            return False, f"{answer.cause}. {answer.advice}"
        case AnswerClass.REJECTED_BY_BIK:
            text = f"{where} rejected the check ({answer.cause}). Check API key, API secret and app_id; they must "
            return False, text + "belong together."
        case _:
            return False, f"{where} did not answer clearly ({answer.cause}). Try again later."


class ConnectionLike(Protocol):
    """What is read of an Airflow Connection, whichever of Airflow's classes it is."""

    conn_id: str
    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None
    extra: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extras."""


def client_settings(connection: ConnectionLike, shown: str | None = None) -> ClientSettings:
    """Read a Connection.

    Args:
        connection: As Airflow has it.
        shown: What it is called in messages; by default ``Connection`` and its id.

    Raises:
        BikConfigError: A field is missing or wrong; the text names the Connection and the field, never a secret.
    """
    try:
        extras = {key: value for key, value in _extras(connection).items() if value not in (None, "")}
        if unknown := sorted(extras.keys() - EXTRAS.keys()):
            _fail(f"has unknown extras: {', '.join(unknown)}. Known are {', '.join(EXTRAS)}")
        base_url, loopback = _base_url(connection)
        return ClientSettings(
            base_url=base_url,
            credentials=_credentials(connection),
            app_id=_text(extras, "app_id"),
            connect_timeout=_seconds(extras, "connect_timeout", 10.0),
            read_timeout=_seconds(extras, "read_timeout", 60.0),
            proxy=_proxy(_text(extras, "proxy"), base_url),
            ca_file=_text(extras, "ca_file"),
            verify=_verify(extras, loopback=loopback),
        )
    except BikConfigError as error:
        name = shown or f"Connection {connection.conn_id!r}"
        message = f"{name} {error.message}. Nothing was sent; fix the Connection first."
        raise BikConfigError(message) from None


def _extras(connection: ConnectionLike) -> Mapping[str, object]:
    """The extras; Airflow takes what is no JSON for none, and a proxy or an authority would be gone without a word."""
    try:
        found: object = connection.extra_dejson
        written = json.loads(connection.extra) if connection.extra else {}
    except ValueError:
        _fail("has an extra that is not JSON")
    if not isinstance(found, Mapping) or not isinstance(written, Mapping):
        _fail("has an extra that is not a JSON object of names and values")
    return found


def _fail(problem: str) -> NoReturn:
    raise BikConfigError(problem)


def _credentials(connection: ConnectionLike) -> Credentials:
    """Key and secret; or, with the login empty, a ready-made AUTH_TOKEN as BIK's samples show it."""
    key, secret = (connection.login or "").strip(), (connection.password or "").strip()
    if key and secret:
        if ":" in key:
            _fail(
                "has a colon in the API key (login), which HTTP Basic cannot carry; an AUTH_TOKEN goes into the API "
                "secret (password), and the key stays empty"
            )
        return Credentials(key=key, secret=secret)
    if key:
        _fail("has no API secret (password)")
    if not secret:
        _fail("has no API key (login) and no API secret (password); both are in BIK's developer portal")
    if (credentials := Credentials.from_token(secret)) is None:
        _fail(
            "has no API key (login), and its API secret (password) is not an AUTH_TOKEN (base64 of key:secret) either"
        )
    return credentials


def _base_url(connection: ConnectionLike) -> tuple[str, bool]:
    host = (connection.host or "").strip() or DEFAULT_HOST
    written = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    try:
        parts = urlsplit(written)
        port = connection.port or parts.port
        name = parts.hostname
    except ValueError:
        _fail("has a host that is not a URL")
    if (
        parts.scheme not in {"http", "https"}
        or not name
        or parts.username
        or parts.password
        or parts.query
        or parts.fragment
    ):
        _fail("has a host that is not of the form https://name or https://name:port")
    if parts.path.strip("/") not in {"", "integrations"}:
        _fail("has a path in its host; only the name of the host belongs there")
    loopback = _is_loopback(name or "")
    if parts.scheme == "http" and not loopback:
        _fail("asks for plain http, which is taken for a literal loopback address such as http://127.0.0.1:8787 only")
    if connection.port and parts.port and connection.port != parts.port:
        _fail(f"has two ports: {parts.port} in its host and {connection.port} in the field Port. Give one of them")
    shown = f"[{name}]" if ":" in (name or "") else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else ""), loopback


def _is_loopback(name: str) -> bool:
    """Whether it is a literal loopback address; a name could be made to point elsewhere."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _text(extras: Mapping[str, object], name: str) -> str | None:
    value = extras.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        _fail(f"has an extra {name!r} that is not text")
    return str(value).strip() or None


def _seconds(extras: Mapping[str, object], name: str, default: float) -> float:
    value = extras.get(name, default)
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        _fail(f"has an extra {name!r} that is not a number of seconds above 0 and up to {_LONGEST_TIMEOUT:.0f}")
    return seconds


def _verify(extras: Mapping[str, object], *, loopback: bool) -> bool:
    value = extras.get("verify", True)
    verify = _TRUTH.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(verify, bool):
        _fail("has an extra 'verify' that is neither true nor false")
    if not verify and not loopback:
        _fail("switches certificates off (verify=false), which is taken for a loopback address only; use ca_file")
    return bool(verify)


def _proxy(proxy: str | None, base_url: str) -> str | None:
    if proxy is None:
        return None
    if proxy != "environment":
        if not _is_http_url(proxy):
            _fail("has an extra 'proxy' that is not the URL of an HTTP proxy")
        return proxy
    parts = urlsplit(base_url)
    found = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if not found:
        return None
    # Most programs take a proxy without a scheme.
    found = found if "://" in found else f"http://{found}"
    if not _is_http_url(found):
        _fail(
            f"asks for the proxy of the worker's environment, and its variable {parts.scheme}_proxy is not the URL of "
            "an HTTP proxy"
        )
    return found


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
