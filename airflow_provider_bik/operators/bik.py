"""`BikSendEventsOperator`: events from upstream into BIK, with the right migration flags."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_bik.delivery import ReportDict, Sending, parse_max_rejected
from airflow_provider_bik.errors import BikConfigError, BikError
from airflow_provider_bik.events import Contract, Encoder, EventMapping, Hints, PipelineRule, Reading
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.inputs.airflow2_xcom import materialize
from airflow_provider_bik.operators.delivering import Delivering, Ended, add_reports
from airflow_provider_bik.operators.inputs import EventsInput, Input, check_default_args, unwrap, wrap, wrap_in_partial
from airflow_provider_bik.operators.links import LINKS, push_links
from airflow_provider_bik.operators.outlets import Delivered as DeliveredOutlet
from airflow_provider_bik.operators.outlets import file_datasets, tell_assets
from airflow_provider_bik.operators.retries import for_airflow, set_retry_policy
from airflow_provider_bik.operators.task_instance import TaskRun, state_folder, step_aside
from airflow_provider_bik.state.coverage import Piece
from airflow_provider_bik.state.record import Delivered, IfDelivered
from airflow_provider_bik.threads import StopSignal
from airflow_provider_bik.windows import Window

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["BikSendEventsOperator"]

log = logging.getLogger(__name__)

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class BikSendEventsOperator(BaseOperator):
    """Send events to BIK; every one ends as confirmed, rejected, skipped or unresolved, and the report says which.

    Everything deliverable is delivered before the task fails for rejected events. Event data is never rendered as
    Jinja, logged or stored by Airflow.

    Args:
        events: Event mappings with BIK's own field names (with a ``mapping``, rows), or the path or paths of files
            (NDJSON, JSON, CSV, Parquet), or patterns such as ``s3://bucket/orders-*.csv.gz``, at any place
            `ObjectStoragePath` can open, or a data frame; from upstream or in the DAG. Paths are templates.
        mapping: Makes events of rows that are not events yet: an `EventMapping`, or its JSON form.
        pipeline: ``auto``: with ``createdAt`` as migration, without as realtime; in an Airflow backfill run always
            migration. ``realtime``: no dates; ``migration``: dates required. Or a `PipelineRule`. (template)
        reading: How what is read is understood: time zone, region of telephone numbers, form of files.
        sending: How events are sent: batch size, requests in flight, rate, what happens to unconfirmed ones.
        bik_conn_id: The Connection. (template)
        state_path: Folder, at any object storage that all workers reach, for the record of the delivery: how far it
            has come, and the rejected events. Without it the Airflow option ``[bik] state_path`` counts; without that
            the record is kept in the task state store (Airflow 3.3 and later) or not at all. (template)
        stream: Names what is delivered, such as ``orders``, so that other tasks, DAGs and runs that deliver the same
            know of each other. Needs a state path. By default each task instance is a delivery of its own. (template)
        window: The stretch of time of the stream that this delivery holds, as ISO 8601 ``start/end``, for example
            `airflow_provider_bik.windows.DATA_INTERVAL`. Without it the stream is one delivery as a whole. (template)
        if_delivered: What happens to what was delivered before, by another run or before the task was cleared:
            ``resend`` everything, each event being a possible duplicate; ``skip`` it, and return the earlier report;
            ``trim`` the window to what is missing; or ``refuse``. By default ``resend``, and ``refuse`` with
            ``on_unconfirmed="hold"``.
        max_rejected: How many rejected events still count as success: a number, or a share such as 0.01. Above 0 it
            needs a state path, so that what is let through is not lost.
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
        "state_path",
        "stream",
        "window",
        "dry_run",
    )
    ui_color = "#e8f4ec"
    operator_extra_links = LINKS

    def __init__(  # noqa: PLR0913 - each is one decision of the user
        self,
        *,
        events: object,
        mapping: EventMapping | Mapping[str, object] | None = None,
        pipeline: str | PipelineRule = "auto",
        reading: Reading | None = None,
        sending: Sending | None = None,
        bik_conn_id: str = BikHook.default_conn_name,
        state_path: str | None = None,
        stream: str | None = None,
        window: str | Mapping[str, str] | Window | None = None,
        if_delivered: str | None = None,
        max_rejected: float = 0,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        set_retry_policy(self)
        self.events = events
        self.mapping = None if mapping is None else EventMapping.of(mapping)
        self.pipeline = pipeline
        self.reading = reading or Reading()
        self.sending = sending or Sending()
        self.bik_conn_id = bik_conn_id
        self.state_path = state_path
        self.stream = stream
        self.window = window
        self.if_delivered = if_delivered
        self.max_rejected = max_rejected
        # It hides a method of that name, which only `airflow tasks test --dry-run` calls, to render templates.
        self.dry_run = dry_run  # type: ignore[assignment,method-assign]
        self._stopping = StopSignal()
        self._delivered: DeliveredOutlet | None = None
        self._check()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:  # noqa: ANN401 - its class is not the same in all versions of Airflow
        """As for every operator; event data is wrapped."""
        return wrap_in_partial(super().partial(**kwargs))

    def _check(self) -> None:
        """Find what cannot work while the DAG is parsed; templates are checked when they are rendered."""
        check_default_args(getattr(self, "_dag", None))
        if isinstance(self.pipeline, str) and "{" not in self.pipeline:
            PipelineRule.of(self.pipeline)
        parse_max_rejected(self.max_rejected)
        self._policy()
        if self.window is not None and self.stream is None:
            message = "window is given without stream: a window is a part of a stream. Nothing was sent."
            raise BikConfigError(message)

    def _policy(self) -> IfDelivered:
        if self.if_delivered is None:
            return IfDelivered.REFUSE if self.sending.hold else IfDelivered.RESEND
        try:
            chosen = IfDelivered(self.if_delivered)
        except ValueError:
            known = ", ".join(repr(member.value) for member in IfDelivered)
            message = f"if_delivered must be one of {known}. Fix the operator's arguments; nothing was sent."
            raise BikConfigError(message) from None
        if self.sending.hold and chosen is IfDelivered.RESEND:
            message = (
                "if_delivered='resend' and on_unconfirmed='hold' contradict each other: the one sends events again, "
                "the other never does. Choose one; nothing was sent."
            )
            raise BikConfigError(message)
        return chosen

    @property
    def events(self) -> object:
        """The input, wrapped so that Airflow sees only a description of event data; paths stay as they are."""
        return self._events

    @events.setter
    def events(self, value: object) -> None:
        # Airflow assigns it anew when it has rendered it, and stores what it then reads.
        self._events = wrap(value, is_rendered=hasattr(self, "_events"))

    def execute(self, context: Context) -> ReportDict:
        """Deliver, then say how it ended."""
        # A signal that has stopped an earlier try is not for this one.
        self._stopping = StopSignal()
        push_links(context)
        try:
            task = TaskRun(context, task_id=self.task_id, zone=self.reading.zone, folder=state_folder(self.state_path))
            report = self._deliver_all(context, task)
            self._tell(context, report)
        except BikError as error:
            raise for_airflow(error) from None
        return report

    def _tell(self, context: Context, report: ReportDict) -> None:
        """Let those downstream know what has arrived."""
        window = None if self.window is None else Window.of(self.window).text(self.reading.zone)
        name = str(self.stream or self._rule(context).mode)
        self._delivered = DeliveredOutlet(host=BikHook(self.bik_conn_id).host, name=name, window=window, report=report)
        tell_assets(context, self.outlets, self._delivered)

    def get_openlineage_facets_on_complete(self, task_instance: object) -> Any:  # noqa: ANN401, ARG002 - OpenLineage's
        """What the task has delivered, for OpenLineage; its provider calls this."""
        return None if self._delivered is None else self._delivered.lineage(self._datasets_read())

    def _datasets_read(self) -> list[Any]:
        """What it has read, for OpenLineage."""
        return file_datasets(unwrap(self.events))

    def on_kill(self) -> None:
        """End in order: no new requests, a last checkpoint, within a few seconds."""
        self._stopping.press()

    def execute_after_pause(self, context: Context, event: object = None) -> ReportDict:  # noqa: ARG002 - a callback
        """Go on after a pause that BIK asked for (Airflow below 3)."""
        return self.execute(context)

    def _input(self, context: Context) -> Input:  # noqa: ARG002 - other operators need it
        """What is delivered."""
        events = unwrap(self.events)
        return EventsInput(events=events if AIRFLOW_V_3_0_PLUS else materialize(events), reading=self.reading)

    def _rule(self, context: Context) -> PipelineRule:
        """The rule for this run: in an Airflow backfill, ``auto`` means ``migration``."""
        rule = PipelineRule.of(self.pipeline)
        is_backfill = getattr(context.get("dag_run"), "run_type", None) == "backfill"
        return rule.for_backfill() if is_backfill else rule

    def _deliver_all(self, context: Context, task: TaskRun) -> ReportDict:
        stream = None if self.stream is None else str(self.stream)
        delivering = Delivering(
            task=task,
            hook=BikHook(self.bik_conn_id),
            given=self._input(context),
            encoder=Encoder(
                contract=Contract(
                    now=task.attempt.now, rule=self._rule(context), reading=self.reading, hints=Hints(log.info)
                ),
                mapping=self.mapping,
            ),
            sending=self.sending,
            if_delivered=self._policy(),
            max_rejected=self.max_rejected,
            stopping=self._stopping,
            stream=stream or "",
        )
        window = None if self.window is None else Window.of(self.window)
        if _truth(self.dry_run):
            return self._ended(context, delivering.try_dry(window))
        pieces, reports = delivering.pieces(stream, window), []
        if isinstance(pieces, Delivered):
            self.log.warning("Everything was delivered before, by %s; nothing is sent.", pieces.by)
            delivering.show_delivered(Piece(window=window, folder=None, delivery=f"stream {stream}"))
            return cast("ReportDict", pieces.report)
        for piece in pieces:
            ended = delivering.deliver(piece)
            if ended.step_aside is not None:
                step_aside(self, ended.step_aside, pauses=ended.pauses)
            reports.append(self._ended(context, ended))
        return reports[0] if len(reports) == 1 else add_reports(reports)

    def _ended(self, context: Context, ended: Ended) -> ReportDict:
        """Say how it ended; raises unless the task has succeeded."""
        if ended.error is not None:
            # A failed task has no return value, but whoever is called wants to see the counts and ranges.
            context["ti"].xcom_push(key="report", value=ended.report)
            raise ended.error
        return ended.report


def _truth(value: object) -> bool:
    """Read ``dry_run``, which is text if it was rendered from a template."""
    truth = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(truth, bool):
        message = "dry_run must be true or false. Fix the operator's arguments; nothing was sent."
        raise BikConfigError(message)
    return truth
