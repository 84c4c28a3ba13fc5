"""`BikHook`: an Airflow Connection that can send events. One class, so it is all in one file, longer than others."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import AirflowNotFoundException, mask_secret
from airflow.providers.http.hooks.http import HttpHook
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from airflow_provider_bik.assets import asset_uri
from airflow_provider_bik.client import BikClient, ClientSettings
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
from airflow_provider_bik.events import Contract, Encoder, EventMapping, Hints, InputEvent, Mode, PipelineRule, Reading
from airflow_provider_bik.hooks import old_forms
from airflow_provider_bik.hooks.connection import ConnectionLike, client_settings
from airflow_provider_bik.inputs import in_chunks, read_items
from airflow_provider_bik.threads import StopSignal, run

__all__ = ["BikHook"]


class BikHook(HttpHook):
    """Sends events to BIK with the credentials of an Airflow Connection of type ``bik``.

    The Connection: login = API key, password = API secret (or, with an empty login, BIK's ready-made AUTH_TOKEN), host
    if it is not ``https://bikapi.bikayi.app``, and the extras of `airflow_provider_bik.hooks.connection.EXTRAS`.

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
        rule = pipeline if isinstance(pipeline, PipelineRule) else PipelineRule(mode=cast("Mode", pipeline))
        contract = Contract(now=datetime.now(UTC), rule=rule, reading=how, hints=Hints(self.log.info))
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
