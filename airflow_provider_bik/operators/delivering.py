"""One delivery from its record to its conclusion: what was done before, what is sent now, what is written down."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.delivery import (
    Delivery,
    DeliveryReport,
    NoRejectedSink,
    ReportDict,
    Sending,
    StopReason,
    task_error,
)
from airflow_provider_bik.delivery.checkpoint import Checkpoint, Intervals
from airflow_provider_bik.errors import (
    BikConfigError,
    BikError,
    BikInputChangedError,
    BikRecordError,
    BikStorageError,
    BikSupersededError,
    BikWindowNotOverError,
)
from airflow_provider_bik.events import Encoder
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.inputs import Input
from airflow_provider_bik.operators.metrics import DeliveryMetrics
from airflow_provider_bik.operators.task_instance import TaskRun
from airflow_provider_bik.operators.watching import Watch
from airflow_provider_bik.state.coverage import Piece, Stream
from airflow_provider_bik.state.progress import DeliveryProgress, State
from airflow_provider_bik.state.record import Delivered, DeliveryRecord, IfDelivered, OpenGeneration, tidy
from airflow_provider_bik.state.rejected_file import REJECTED, RejectedFile
from airflow_provider_bik.state.storage import safe_name, shown_path
from airflow_provider_bik.threads import StopSignal
from airflow_provider_bik.windows import Window

__all__ = ["Delivering", "Ended", "add_reports"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a delivery ended.

    Attributes:
        report: What became of the events.
        error: What the task fails with, if it does.
        step_aside: Seconds after which to come back, if BIK asked for a long pause.
        pauses: How often it has stepped aside before.
    """

    report: ReportDict
    error: BikError | None = None
    step_aside: float | None = None
    pauses: int = 0

    @property
    def state(self) -> State:
        """The same in a word."""
        if self.step_aside is not None:
            return "stepped_aside"
        if self.report["stopped_by"] == StopReason.CANCELLED:
            return "stopped"
        return "delivered" if self.error is None else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """What the deliveries of one task have in common.

    Args:
        task: The try of the task instance.
        hook: Sends.
        given: What is delivered.
        encoder: Makes events of what is read.
        sending: How to send.
        if_delivered: What happens to what was delivered before.
        max_rejected: How many rejected events still count as success.
        stopping: Ends delivery in order.
        stream: The name of the stream; empty if there is none.
    """

    task: TaskRun
    hook: BikHook
    given: Input
    encoder: Encoder
    sending: Sending
    if_delivered: IfDelivered
    max_rejected: float
    stopping: StopSignal
    stream: str = ""

    def try_dry(self, window: Window | None) -> Ended:
        """Read and check everything, and send nothing; rejected events are kept apart from those of deliveries."""
        log.info("Dry run for BIK at %s, pipeline %s: nothing is sent.", self.hook.host, self._mode)
        piece = Piece(window=window, folder=None, delivery=f"a dry run of the task {self.task.attempt.run}")
        with self._watching(piece, None, Checkpoint(), dry_run=True) as watch:
            events = self.given.open(None, window, self.encoder)
            watch.opened(self.given.total(None, self.encoder))
            rejected = self._rejected_of_dry_run()
            delivery = Delivery(sending=self.sending, dry_run=True, rejected=rejected, progress=watch.tell)
            report = self.hook.deliver(events, delivery, stopping=self.stopping)
            if isinstance(rejected, RejectedFile):
                report = replace(report, rejected_path=rejected.join())
                rejected.remove_parts()
            ended = self._ended(report, resumable=False)
            watch.end(ended.state, rejected_path=_shown(ended.report["rejected_path"]))
        return ended

    def _rejected_of_dry_run(self) -> RejectedFile | NoRejectedSink:
        """Where they go: those of the dry run before are replaced."""
        folder = self.task.dry_run_folder()
        if folder is None:
            return NoRejectedSink()
        folder.remove([REJECTED])
        return RejectedFile(folder, self.task.attempt.owner, self.task.attempt.zone)

    def pieces(self, stream: str | None, window: Window | None) -> Sequence[Piece] | Delivered:
        """What of the stream and its window is to be delivered; without a stream, what this task instance has.

        Raises:
            BikAlreadyDeliveredError, BikOverlapError: Other deliveries do not allow for it.
            BikConfigError: There is no place for what a stream needs.
            BikWindowNotOverError: The window is not over.
        """
        task = self.task
        if self.max_rejected and task.folder is None:
            message = (
                "max_rejected lets events be rejected while the task succeeds. Give a state_path, or set the Airflow "
                "option [bik] state_path, so that they are kept. Nothing was sent."
            )
            raise BikConfigError(message)
        if self.given.needs_folder and task.folder is None:
            message = (
                "What is read is kept in a file until it is delivered. Give a state_path, or set the Airflow option "
                "[bik] state_path, to a folder that all workers reach. Nothing was sent."
            )
            raise BikConfigError(message)
        if stream is None:
            return [Piece(window=None, folder=task.own_folder(), delivery=f"the task {task.attempt.run}")]
        found = self._stream(stream)
        if self.given.grows:
            return [found.growing()]
        if window is None:
            return [found.whole()]
        if window.end > task.attempt.now:
            message = (
                f"The window {window.text(task.attempt.zone)} is not over: rows that come until its end would count as "
                "delivered, and no run would send them. Nothing was sent. Retry after the end, or give a window that "
                "is over."
            )
            left = (window.end - task.attempt.now).total_seconds()
            raise BikWindowNotOverError(message, retry_after=left)
        return found.windows(window, self.if_delivered, can_trim=self.given.can_trim)

    def deliver(self, piece: Piece) -> Ended:
        """Deliver one piece, going on from where an earlier try has come.

        Raises:
            BikError: Nothing could be sent; see `airflow_provider_bik.errors`.
        """
        documents = piece.folder or self.task.store
        if documents is None:
            log.info("No record is kept, so a retry sends everything again; set state_path.")
            return self._send(None, piece, Checkpoint(everything_in_doubt=self._past_is_lost(piece)))
        record = DeliveryRecord(documents, piece.delivery, self.task.attempt)
        in_doubt = piece.everything_in_doubt or (record.find() is None and self._past_is_lost(piece))
        self._check_hold(piece, in_doubt=in_doubt)
        self.task.note_record()
        began = record.begin(self.if_delivered, everything_in_doubt=in_doubt, grows=self.given.grows)
        if isinstance(began, Delivered):
            log.warning("%s was delivered before%s; nothing is sent.", piece.delivery, began.by and f", by {began.by}")
            self.show_delivered(piece)
            return Ended(report=cast("ReportDict", began.report))
        self.task.note_record(piece.folder, kept_here=piece.folder is None)
        self._check_hold(piece, in_doubt=began.generation.everything_in_doubt)
        ended = self._send_or_begin_anew(began, piece)
        if self.given.grows and began.is_of_another_run and ended.error is None and ended.step_aside is None:
            log.info("What an earlier run had left open is delivered.")
            following = record.begin_next()
            self._check_hold(piece, in_doubt=following.generation.everything_in_doubt)
            last = self._send(following, piece, following.resume_from)
            ended = replace(last, report=add_reports([ended.report, last.report]))
        return ended

    def _send_or_begin_anew(self, began: OpenGeneration, piece: Piece) -> Ended:
        try:
            return self._send(began, piece, began.resume_from)
        except BikInputChangedError as error:
            if not began.is_after_clear or self.if_delivered is not IfDelivered.RESEND:
                raise
            log.warning("%s The task was cleared, so it begins anew.", error.message)
            anew = began.begin_anew()
            return self._send(anew, piece, anew.resume_from)

    def _send(self, generation: OpenGeneration | None, piece: Piece, resume_from: Checkpoint) -> Ended:
        encoder = self.encoder
        delivery = Delivery(sending=self.sending, resume_from=resume_from)
        rejected: RejectedFile | NoRejectedSink = NoRejectedSink()
        if generation is not None:
            encoder = replace(encoder, contract=replace(encoder.contract, now=generation.now))
            self._prepare(generation, piece)
            if piece.folder is not None:
                rejected = RejectedFile(
                    piece.folder.folder(generation.generation.id),
                    self.task.attempt.owner,
                    self.task.attempt.zone,
                    resume_from.rejected_files,
                )
            delivery = replace(delivery, checkpoints=generation, rejected=rejected)
        log.info("Sending events to BIK at %s, pipeline %s.", self.hook.host, self._mode)
        with self._watching(piece, generation, resume_from) as watch:
            events = self.given.open(generation, piece.window, encoder)
            watch.opened(self.given.total(generation, encoder))
            report = self.hook.deliver(events, replace(delivery, progress=watch.tell), stopping=self.stopping)
            if isinstance(report.failure, BikInputChangedError):
                raise report.failure
            ended = self._conclude(report, generation, piece, rejected)
            watch.end(ended.state, rejected_path=_shown(ended.report["rejected_path"]))
        return ended

    def show_delivered(self, piece: Piece) -> None:
        """Let those who look see that nothing is sent, for an earlier run has delivered it."""
        with self._watching(piece, None, Checkpoint()) as watch:
            watch.end("already_delivered", note="Everything was delivered before; nothing was sent.")

    def _watching(
        self, piece: Piece, generation: OpenGeneration | None, resume_from: Checkpoint, *, dry_run: bool = False
    ) -> Watch:
        """Follows what is delivered now; a dry run has no metrics."""
        zone = self.task.attempt.zone
        base = DeliveryProgress(
            stream=self.stream,
            window=None if piece.window is None else piece.window.text(zone).split("/"),
            zone=str(zone),
            delivery=piece.delivery,
            host=self.hook.host,
            mode=self._mode,
            dry_run=dry_run,
            record_path=None if piece.folder is None else str(piece.folder),
            generation=None if generation is None else generation.generation.id,
        )
        return Watch(
            base,
            clock=lambda: datetime.now(zone),
            settled=len(Intervals(resume_from.settled)),
            store=self.task.store,
            one_at_a_time=self.task.one_at_a_time,
            metrics=None if dry_run else DeliveryMetrics(before=resume_from.counts.copy(), tags=self.task.tags),
        )

    def _prepare(self, generation: OpenGeneration, piece: Piece) -> None:
        """Say what is in doubt, and look for others before the first event is sent."""
        if generation.generation.everything_in_doubt:
            log.warning(
                "BIK may have events of %s already, from an earlier run or try, or from another window. Everything is "
                "sent all the same; each event is a possible duplicate.",
                piece.delivery,
            )
        elif piece.window is not None and piece.stream is not None:
            stream = piece.stream
            generation.before_first_lease = lambda: stream.check_alone(piece)
        if generation.resume_from.note:
            log.info("Going on from a checkpoint: %s", generation.resume_from.note)

    def _conclude(
        self,
        report: DeliveryReport,
        generation: OpenGeneration | None,
        piece: Piece,
        rejected: RejectedFile | NoRejectedSink,
    ) -> Ended:
        """Write down how it ended."""
        if generation is not None and piece.folder is not None:
            report = replace(report, record_path=piece.folder.path, generation=generation.generation.id)
        if generation is None or isinstance(report.failure, BikSupersededError):
            return self._ended(report, resumable=generation is not None)
        if isinstance(rejected, RejectedFile):
            where = rejected.join() if _is_settled(report) else rejected.pattern
            report = replace(report, rejected_path=where)
        ended = self._ended(report, resumable=True)
        generation.conclude(ended.report, delivered=ended.error is None, pauses=ended.step_aside is not None)
        if ended.error is None:
            self._tidy_up(generation, piece, rejected)
        return replace(ended, pauses=generation.generation.pauses)

    def _tidy_up(self, generation: OpenGeneration, piece: Piece, rejected: RejectedFile | NoRejectedSink) -> None:
        """Remove what is not needed any more. That something cannot be removed is no reason to fail."""
        try:
            self.given.conclude(generation)
            if isinstance(rejected, RejectedFile):
                rejected.remove_parts()
            if piece.folder is not None:
                tidy(piece.folder, now=self.task.attempt.now, rng=random.Random())  # noqa: S311 - no secret
        except BikStorageError as error:
            log.warning("Everything is delivered, but old files are left: %s", error.message)

    def _ended(self, report: DeliveryReport, *, resumable: bool) -> Ended:
        error = task_error(report, max_rejected=self.max_rejected, host=self.hook.host, resumable=resumable)
        log.info("%s", report.summary())
        for warning in report.counts.warnings(dry_run=report.dry_run):
            log.warning("%s", warning)
        if error is None and report.rejected:
            log.warning("Rejected, as allowed: %s.", report.reasons_text())
        if report.rejected_path:
            # On a line of its own, for Airflow does not wrap long ones.
            log.warning("The rejected events: %s", report.rejected_path)
        step_aside = report.step_aside if resumable else None
        return Ended(report=report.as_dict(), error=error, step_aside=step_aside)

    def _stream(self, name: str) -> Stream:
        if not name.strip():
            message = "stream was rendered to nothing. Fix the template; nothing was sent."
            raise BikConfigError(message)
        if self.task.folder is None:
            message = (
                "stream needs a place where deliveries of other tasks are known. Give a state_path, or set the Airflow "
                "option [bik] state_path. Nothing was sent."
            )
            raise BikConfigError(message)
        folder = self.task.folder.folder("streams").folder(safe_name(name))
        return Stream(folder, f"stream {name}", self.task.attempt)

    def _past_is_lost(self, piece: Piece) -> bool:
        lost = self.task.past_is_lost(piece.folder, in_windows=piece.window is not None)
        lost = lost or (self.given.grows and self.task.has_earlier_run)
        if lost and self.sending.hold:
            message = (
                "An earlier try of this task has run, and under this state_path and stream no record of what it has "
                "sent can be found. With on_unconfirmed='hold' nothing may be sent twice, so nothing was sent. Restore "
                "the record; or find out in BIK what has arrived, and send the rest by a task of another name."
            )
            raise BikRecordError(message)
        return lost

    def _check_hold(self, piece: Piece, *, in_doubt: bool) -> None:
        if in_doubt and self.sending.hold:
            message = (
                f"BIK may have events of {piece.delivery} already, from another window, or from a try that its record "
                "does not name. With on_unconfirmed='hold' nothing may be sent twice, so nothing was sent. Find out in "
                "BIK what has arrived, and send the rest by a task and stream of another name."
            )
            raise BikRecordError(message)

    @property
    def _mode(self) -> str:
        return str(self.encoder.contract.rule.mode)


def add_reports(reports: Sequence[ReportDict]) -> ReportDict:
    """One report of several pieces of a window: the sums, and each report under ``parts``.

    Positions belong to one piece, so ranges stand in the parts only.
    """
    total: dict[str, Any] = dict(reports[0])
    for report in reports[1:]:
        for name, value in report.items():
            total[name] = [] if name.endswith("_ranges") else _sum(total[name], value)
    return cast("ReportDict", {**total, "parts": list(reports)})


def _sum(first: Any, second: Any) -> Any:  # noqa: ANN401 - the values of a report
    match first, second:
        case (bool(), bool()):
            return first and second
        case (int() | float(), int() | float()):
            return first + second
        case (dict(), dict()):
            both = first.keys() & second.keys()
            return {**first, **second, **{key: _sum(first[key], second[key]) for key in both}}
        case (list(), list()):
            return first + second
        case _:
            return first if first == second else None


def _shown(path: str | None) -> str | None:
    return None if path is None else shown_path(ObjectStoragePath(path))


def _is_settled(report: DeliveryReport) -> bool:
    """Whether every event has its outcome, so that nothing of the generation is left to do."""
    return report.complete and report.stop is None and not report.unresolved
