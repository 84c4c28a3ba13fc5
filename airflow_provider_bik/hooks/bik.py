"""`BikHook`: an Airflow Connection that can send events. One class, so it is all in one file, longer than others."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import mask_secret
from airflow.providers.http.hooks.http import HttpHook
from requests import Session
from requests.auth import HTTPBasicAuth

from airflow_provider_bik.client import BikClient, ClientSettings
from airflow_provider_bik.dead_letters import DeadLetters, NoDeadLetters
from airflow_provider_bik.delivery import (
    Answer,
    AnswerClass,
    Checkpoint,
    DeadLetter,
    DeliveryReport,
    DeliverySettings,
    Journal,
    deliver,
    verdict,
)
from airflow_provider_bik.errors import BikError, BikEventError
from airflow_provider_bik.events import Contract, Mode, PipelineRule
from airflow_provider_bik.events.catalogue import CatalogueHints
from airflow_provider_bik.events.mapping import EventMapping, map_rows
from airflow_provider_bik.hooks import old_forms
from airflow_provider_bik.hooks.connection import ConnectionLike, client_settings
from airflow_provider_bik.sources import in_chunks, read_events
from airflow_provider_bik.sources.lazy import detached
from airflow_provider_bik.threads import StopSwitch, run

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
        super().__init__(method="POST", http_conn_id=bik_conn_id)
        self.bik_conn_id = bik_conn_id
        self._settings: ClientSettings | None = None

    @property
    def settings(self) -> ClientSettings:
        """The Connection, read once.

        Raises:
            BikConfigError: A field of the Connection is missing or wrong.
        """
        if self._settings is None:
            self._settings = client_settings(cast("ConnectionLike", self.get_connection(self.bik_conn_id)))
            credentials = self._settings.credentials
            for secret in (credentials.key, credentials.secret, credentials.token, self._settings.proxy or ""):
                mask_secret(secret)
        return self._settings

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
        return self._configure_session_from_mount_adapters(session)

    def send_event(self, event: Mapping[str, object], *, pipeline: str = "auto") -> None:
        """Send one event.

        Args:
            event: With BIK's own field names.
            pipeline: ``auto``, ``realtime`` or ``migration``.

        Raises:
            BikEventError: The event breaks the contract, or BIK refused it.
            BikError: See `airflow_provider_bik.errors`; `BikDeliveryIncompleteError` if BIK may or may not have it.
        """
        rule = PipelineRule(mode=Mode(pipeline))
        kept = _Kept()
        report = self.deliver([event], contract=Contract(now=datetime.now(UTC), rule=rule), dead_letters=kept)
        if kept.letters:
            message = (
                f"The event was not taken: {kept.letters[0].rejection}. Mend it; sending it as it is cannot succeed."
            )
            raise BikEventError(message)
        if error := verdict(report, max_rejected=0, host=self.host):
            raise error

    def send_events(
        self,
        events: object,
        *,
        file_format: str | None = None,
        pipeline: str = "auto",
        max_rejected: float = 0,
        mapping: EventMapping | Mapping[str, object] | None = None,
    ) -> DeliveryReport:
        """Send many events, in batches; what `BikSendEventsOperator` does, without its options.

        Args:
            events: Anything `airflow_provider_bik.sources.read_events` takes.
            file_format: What is in the files; None to go by their names.
            pipeline: ``auto``, ``realtime`` or ``migration``.
            max_rejected: How many rejections are allowed, as a number or, below 1, a share.
            mapping: Makes events of rows; an `EventMapping` or its JSON form.

        Returns:
            What became of each event.

        Raises:
            BikError: See `airflow_provider_bik.errors`. Everything deliverable was delivered before
                `BikTooManyRejectedError`.
        """
        contract = Contract(now=datetime.now(UTC), rule=PipelineRule(mode=Mode(pipeline)))
        report = self.deliver(
            events,
            file_format=file_format,
            contract=contract,
            mapping=None if mapping is None else EventMapping.of(mapping),
        )
        if error := verdict(report, max_rejected=max_rejected, host=self.host):
            raise error
        return report

    def deliver(
        self,
        events: object,
        *,
        file_format: str | None = None,
        contract: Contract,
        mapping: EventMapping | None = None,
        settings: DeliverySettings | None = None,
        dead_letters: DeadLetters | None = None,
        journal: Journal | None = None,
        start: Checkpoint | None = None,
        stopping: StopSwitch | None = None,
    ) -> DeliveryReport:
        """Bring every event to an outcome and report it; the outcome itself is never raised.

        Args:
            events: Anything `airflow_provider_bik.sources.read_events` takes.
            file_format: What is in the files; None to go by their names.
            contract: Checks and encodes one event.
            mapping: Makes events of rows; where they look unlike BIK's catalogue, the log says so at the end.
            settings: How to deliver.
            dead_letters: Where rejected events go; they are only counted if None.
            journal: Keeps the checkpoint; None keeps none.
            start: The checkpoint to begin from.
            stopping: Ends delivery in order, from a signal handler or another thread.

        Raises:
            BikError: The Connection, the input, the dead letters or the checkpoint cannot be used.
        """
        client_settings = self.settings
        how = settings or DeliverySettings()
        switch = stopping or StopSwitch()
        hints = CatalogueHints()
        source = detached(events)

        async def work() -> DeliveryReport:
            async with BikClient(client_settings, max_connections=how.max_concurrency) as client:
                return await deliver(
                    in_chunks(map_rows(read_events(source, file_format=file_format), mapping, hints)),
                    contract=contract,
                    send=client.send,
                    dead_letters=dead_letters or NoDeadLetters(),
                    settings=how,
                    chance=random.Random(),  # noqa: S311 - jitter, not secrecy
                    journal=journal,
                    start=start,
                    stopping=switch.event(),
                )

        try:
            return run(work(), interrupted=switch.press)
        finally:
            for hint in hints.warnings():
                self.log.warning("%s.", hint)

    def test_connection(self) -> tuple[bool, str]:
        """Check the Connection against BIK, without sending an event.

        Returns:
            Whether it works, and a sentence for the person at the connection form.
        """
        try:
            settings = self.settings
            if settings.app_id is None:
                return False, (
                    "Not checked: BIK's credential check needs your appId. Add the extra app_id and test again; "
                    "events can be sent without it."
                )
            answer = run(_check(settings))
        except BikError as error:
            return False, error.message
        match answer.means:
            case AnswerClass.CONFIRMED:
                return True, "BIK accepts this API key and secret for this app_id."
            case AnswerClass.FATAL:
                return False, f"{answer.cause}. {answer.advice}"
            case AnswerClass.REFUSED:
                return (
                    False,
                    f"BIK refused ({answer.cause}). Check API key, API secret and app_id; they must belong together.",
                )
            case _:
                return False, f"BIK did not answer clearly ({answer.cause}). Try again later."

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The connection form of Airflow below 3.2; later ones read the provider info, which says the same."""
        return old_forms.field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The extra fields in the connection form of Airflow below 3.2."""
        return old_forms.widgets()


class _Kept(NoDeadLetters):
    """Dead letters in memory, for a single event."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        self.letters.extend(letters)


async def _check(settings: ClientSettings) -> Answer:
    async with BikClient(settings) as client:
        return await client.check_credentials()
