"""`BikSendEventsOperator`: events from upstream into BIK, with the right migration flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_bik.checkpoints import StoreJournal
from airflow_provider_bik.dead_letters import DeadLetterFile, DeadLetters, NoDeadLetters
from airflow_provider_bik.delivery import (
    Checkpoint,
    DeliveryReport,
    DeliverySettings,
    IfDelivered,
    ReportDict,
    Stop,
    verdict,
)
from airflow_provider_bik.delivery.batching import MAX_BATCH_SIZE
from airflow_provider_bik.errors import BikConfigError, BikError
from airflow_provider_bik.events import Contract
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.events.phone import national_numbers
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.arguments import check_arguments, delivery_settings, pipeline_rule, zone
from airflow_provider_bik.operators.event_input import unwrap, wrap
from airflow_provider_bik.operators.task_instance import begin, delivery_name, for_airflow, step_aside
from airflow_provider_bik.threads import StopSwitch

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["BikSendEventsOperator"]


class BikSendEventsOperator(BaseOperator):
    """Send events to BIK; every one ends as confirmed, rejected or unresolved, and the report says which.

    Everything deliverable is delivered before the task fails for rejected events. Event data is never rendered as
    Jinja, logged or stored by Airflow.

    Args:
        events: Event mappings with BIK's own field names (with a ``mapping``, rows), or the path or paths of files
            (NDJSON, JSON, CSV, Parquet), or patterns such as ``s3://bucket/orders-*.csv.gz``, at any place
            `ObjectStoragePath` can open; from upstream or in the DAG. Paths are templates.
        pipeline: ``auto``: with ``createdAt`` as migration, without as realtime; in an Airflow backfill run always
            migration. ``realtime``: no dates; ``migration``: dates required. (template)
        bik_conn_id: The Connection. (template)
        mapping: Makes events of rows that are not events yet: an `EventMapping`, or its JSON form.
        file_format: What is in the files: ``ndjson``, ``json``, ``csv``, ``tsv`` or ``parquet``; None to go by each
            file's name.
        created_at: What ``realtime`` does with an event that has a date: ``reject`` it, or ``drop`` the date.
        realtime_max_age: With ``auto``, events younger than this go out as realtime, without their date, so that they
            can trigger journeys.
        timezone: What times without a zone are in.
        default_region: ISO 3166 code, such as ``IN``, of telephone numbers without a country code; needs the extra
            ``phone``.
        batch_size: Events a request, 1 to 100.
        max_concurrency: Requests in flight at most.
        max_requests_per_second: Ceiling of the rate; None for none.
        dead_letter_path: Directory, at any object storage, for the file of rejected events. (template)
        max_rejected: How many rejected events still count as success: a number, or a share such as 0.01. Above 0 it
            needs a ``dead_letter_path``, so that what is let through is not lost.
        on_unconfirmed: What happens to events that may have reached BIK without its word: ``resend`` (at least once) or
            ``hold`` (at most once: they become dead letters).
        checkpoint_path: Directory, at any object storage, for the checkpoint with which a retry goes on. On Airflow
            3.3 and later it is kept in the task state store if this is not given; before, without this, a retry starts
            over. (template)
        delivery_id: Names what is delivered, such as ``orders 2026-01-01``, so that another run which is asked for the
            same knows what was sent; needs a ``checkpoint_path``. By default each task instance is a delivery of its
            own. (template)
        if_delivered: What happens when the delivery was completed before, by another run or before the task was
            cleared: ``resend`` everything, with a warning, each event being a possible duplicate; ``skip`` it, and
            return the earlier report; or ``fail``.
        dry_run: Read, check and report; send and write nothing. (template)
        kwargs: Those of every operator.

    Returns:
        The report (`airflow_provider_bik.delivery.ReportDict`) as XCom: counts, ranges and paths, never events.

    Raises:
        BikConfigError: An argument is wrong; when the DAG is parsed.
        AirflowFailException: A retry cannot help.
        AirflowException: A retry can help.
    """

    template_fields: Sequence[str] = (
        "events",
        "pipeline",
        "bik_conn_id",
        "dead_letter_path",
        "checkpoint_path",
        "delivery_id",
        "dry_run",
    )
    ui_color = "#e8f4ec"

    def __init__(  # noqa: PLR0913 - each is one decision of the user
        self,
        *,
        events: object,
        pipeline: str = "auto",
        bik_conn_id: str = BikHook.default_conn_name,
        mapping: EventMapping | Mapping[str, object] | None = None,
        file_format: str | None = None,
        created_at: Literal["reject", "drop"] = "reject",
        realtime_max_age: timedelta | None = None,
        timezone: str | tzinfo = "UTC",
        default_region: str | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        max_concurrency: int = 8,
        max_requests_per_second: float | None = None,
        dead_letter_path: str | None = None,
        max_rejected: float = 0,
        on_unconfirmed: Literal["resend", "hold"] = "resend",
        checkpoint_path: str | None = None,
        delivery_id: str | None = None,
        if_delivered: Literal["resend", "skip", "fail"] = "resend",
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.events = events
        self.pipeline = pipeline
        self.bik_conn_id = bik_conn_id
        self.mapping = None if mapping is None else EventMapping.of(mapping)
        self.file_format = file_format
        self.created_at = created_at
        self.realtime_max_age = realtime_max_age
        self.timezone = timezone
        self.default_region = default_region
        self.batch_size = batch_size
        self.max_concurrency = max_concurrency
        self.max_requests_per_second = max_requests_per_second
        self.dead_letter_path = dead_letter_path
        self.max_rejected = max_rejected
        self.on_unconfirmed = on_unconfirmed
        self.checkpoint_path = checkpoint_path
        self.delivery_id = delivery_id
        self.if_delivered = if_delivered
        # It hides a method of that name, which only `airflow tasks test --dry-run` calls, to render templates.
        self.dry_run = dry_run  # type: ignore[assignment,method-assign]
        self._stopping = StopSwitch()
        check_arguments(self)

    @property
    def events(self) -> object:
        """The input, wrapped so that Airflow sees only a description of event data; paths stay as they are."""
        return self._events

    @events.setter
    def events(self, value: object) -> None:
        self._events = wrap(value)

    def execute(self, context: Context) -> ReportDict:
        """Deliver, then say how it ended."""
        try:
            return self._deliver(context, BikHook(self.bik_conn_id), delivery_settings(self))
        except BikError as error:
            raise for_airflow(error) from error

    def on_kill(self) -> None:
        """End in order: no new requests, a last checkpoint, within a few seconds."""
        self._stopping.press()

    def execute_after_pause(self, context: Context, event: object = None) -> ReportDict:  # noqa: ARG002 - a callback
        """Go on after a pause that BIK asked for (Airflow below 3)."""
        return self.execute(context)

    def _input(self, context: Context, start: Checkpoint) -> object:  # noqa: ARG002 - operators that fetch need them
        """What `airflow_provider_bik.sources.read_events` is to read."""
        return unwrap(self.events)

    def _deliver(self, context: Context, hook: BikHook, settings: DeliverySettings) -> ReportDict:
        rule = pipeline_rule(self, context)
        name = delivery_name(context, self.delivery_id)
        journal, start = begin(
            context,
            name,
            self.checkpoint_path,
            if_delivered=IfDelivered(self.if_delivered),
            dry_run=settings.dry_run,
        )
        if start.state == "done" and start.report is not None:
            self.log.warning("Everything was delivered before, by %s; nothing is sent. %s", start.run, start.note)
            return cast("ReportDict", start.report)
        dead_letters: DeadLetters = NoDeadLetters()
        if self.dead_letter_path and not settings.dry_run:
            dead_letters = DeadLetterFile(self.dead_letter_path, f"{name}.ndjson", start.dead_letters)
        elif self.max_rejected and not settings.dry_run:
            message = "dead_letter_path was rendered to nothing, but max_rejected needs it. Nothing was sent."
            raise BikConfigError(message)
        dead_letters.check()
        said_dry = " (dry run: nothing is sent)" if settings.dry_run else ""
        self.log.info("Sending events to BIK at %s, pipeline %s%s", hook.host, rule.mode.value, said_dry)
        report = hook.deliver(
            self._input(context, start),
            file_format=self.file_format,
            contract=Contract(
                now=datetime.fromisoformat(start.began_at),
                rule=rule,
                timezone=zone(self.timezone),
                national=national_numbers(self.default_region) if self.default_region else None,
            ),
            mapping=self.mapping,
            settings=settings,
            dead_letters=dead_letters,
            journal=journal,
            start=start,
            stopping=self._stopping,
        )
        if report.stop not in {Stop.ORDERED, Stop.THROTTLED}:
            report = replace(report, dead_letter_path=dead_letters.join())
        return self._conclude(context, hook, report, journal, dead_letters)

    def _conclude(
        self,
        context: Context,
        hook: BikHook,
        report: DeliveryReport,
        journal: StoreJournal | None,
        dead_letters: DeadLetters,
    ) -> ReportDict:
        """Log and store how it ended; raises unless the task has succeeded."""
        as_dict = report.as_dict()
        error = verdict(report, max_rejected=self.max_rejected, host=hook.host, resumable=journal is not None)
        if journal is not None and journal.latest is not None:
            latest = msgspec.structs.replace(journal.latest, dead_letters=dead_letters.files)
            if error is None:
                latest = msgspec.structs.replace(latest, state="done", report=dict(as_dict))
            journal.save_now(latest)
        if not report.dry_run:
            dead_letters.tidy()
        self.log.info("%s", report.summary())
        if report.step_aside is not None and journal is not None:
            step_aside(self, report.step_aside)
        if error is not None:
            # A failed task has no return value, but whoever is called wants to see the counts and ranges.
            context["ti"].xcom_push(key="report", value=as_dict)
            raise error
        if report.rejected:
            self.log.warning("Rejected, as allowed: %s. See %s", report.reasons_text(), report.dead_letter_path)
        return as_dict
