"""What became of the input: the report, its equation, and the error with which the task ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from airflow_provider_bik.delivery.answers import StopReason
from airflow_provider_bik.delivery.checkpoint import MAX_RANGES, Counts, Intervals, grouped_text
from airflow_provider_bik.delivery.settings import parse_max_rejected
from airflow_provider_bik.errors import BikDeliveryIncompleteError, BikEndpointError, BikError, BikTooManyRejectedError
from airflow_provider_bik.events.reasons import Reason

__all__ = ["DeliveryReport", "ReportDict", "empty_report", "ranges", "task_error"]

FEW = 5
"""Ranges named in an error's text; all of them are in the report."""


class ReportDict(TypedDict):
    """The report as it stands in XCom: JSON, no events, no personal data."""

    read: int
    confirmed: int
    rejected: int
    skipped: int
    unresolved: int
    deliverable: int
    complete: bool
    pipelines: dict[str, int]
    reasons: dict[str, int]
    examples: dict[str, list[str]]
    details: dict[str, list[str]]
    possible_duplicates: int
    possible_duplicate_ranges: list[list[int]]
    resent_after_rejection: int
    resent_after_rejection_ranges: list[list[int]]
    unresolved_ranges: list[list[int]]
    dropped_nulls: int
    dropped_created_at: int
    dropped_identities: dict[str, int]
    dropped_identity_examples: dict[str, list[str]]
    requests: int
    failed_requests: int
    planned_requests: int
    planned_seconds: float | None
    seconds: float
    events_per_second: float
    stopped_by: str | None
    rejected_path: str | None
    record_path: str | None
    generation: str | None
    already_delivered: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What became of every event that was read.

    Attributes:
        counts: The counters.
        read: Events read from the input.
        unresolved: Positions of events that are not confirmed, rejected or skipped.
        complete: Whether the input was read to its end.
        max_requests_per_second: The ceiling of the rate, if there was one.
        stop: Why it ended early, if it did.
        stop_detail: The answer behind it, in safe words.
        step_aside: Seconds after which to come back, if BIK asked for a long pause and nothing else ended it.
        failure: What could not be read or written, if that ended it.
        rejected_path: Where the rejected events are, if anywhere.
        record_path: Where the delivery's record is, if anywhere.
        generation: The generation of the record that was delivered.
        already_delivered: Whether an earlier run had delivered everything, so that nothing was sent.
        dry_run: Whether nothing was sent on purpose.

    Raises:
        ValueError: ``read = confirmed + rejected + skipped + unresolved`` does not hold, which is a defect of this
            package.
    """

    counts: Counts
    read: int
    unresolved: Intervals
    complete: bool
    max_requests_per_second: float | None = None
    stop: StopReason | None = None
    stop_detail: str = ""
    step_aside: float | None = None
    failure: BikError | None = None
    rejected_path: str | None = None
    record_path: str | None = None
    generation: str | None = None
    already_delivered: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.read != self.counts.passed + self.rejected + self.skipped + len(self.unresolved):
            message = f"the equation does not hold: {self.summary()}"
            raise ValueError(message)

    @property
    def confirmed(self) -> int:
        """Events that BIK confirmed."""
        return 0 if self.dry_run else self.counts.passed

    @property
    def deliverable(self) -> int:
        """In a dry run, events that could be sent; else 0."""
        return self.counts.passed if self.dry_run else 0

    @property
    def rejected(self) -> int:
        """Events that did not go out or that BIK rejected."""
        return self.counts.rejected

    @property
    def skipped(self) -> int:
        """Events that were left out because the DAG said so."""
        return self.counts.skipped

    @property
    def planned_seconds(self) -> float | None:
        """In a dry run, how long sending would take at the ceiling of the rate, if there is one."""
        if not self.dry_run or not self.max_requests_per_second:
            return None
        return round(self.counts.planned_requests / self.max_requests_per_second, 1)

    def as_dict(self) -> ReportDict:
        """The report for XCom."""
        counts = self.counts
        return {
            "read": self.read,
            "confirmed": self.confirmed,
            "rejected": self.rejected,
            "skipped": self.skipped,
            "unresolved": len(self.unresolved),
            "deliverable": self.deliverable,
            "complete": self.complete,
            "pipelines": {pipeline.value: count for pipeline, count in counts.pipelines.items()},
            "reasons": {reason.value: count for reason, count in sorted(counts.reasons.items())},
            "examples": _by_code(counts.examples),
            "details": _by_code(counts.details),
            "possible_duplicates": len(counts.possible_duplicates),
            "possible_duplicate_ranges": ranges(counts.possible_duplicates),
            "resent_after_rejection": len(counts.resent_after_rejection),
            "resent_after_rejection_ranges": ranges(counts.resent_after_rejection),
            "unresolved_ranges": ranges(self.unresolved),
            "dropped_nulls": counts.dropped_nulls,
            "dropped_created_at": counts.dropped_created_at,
            "dropped_identities": {reason.value: count for reason, count in sorted(counts.dropped_identities.items())},
            "dropped_identity_examples": _by_code(counts.dropped_identity_examples),
            "requests": counts.requests,
            "failed_requests": counts.failed_requests,
            "planned_requests": counts.planned_requests,
            "planned_seconds": self.planned_seconds,
            "seconds": counts.seconds,
            "events_per_second": round(self.confirmed / counts.seconds, 1) if counts.seconds else 0.0,
            "stopped_by": self.stop.value if self.stop else None,
            "rejected_path": self.rejected_path,
            "record_path": self.record_path,
            "generation": self.generation,
            "already_delivered": self.already_delivered,
            "dry_run": self.dry_run,
        }

    def summary(self) -> str:
        """One line for the log."""
        counts = self.counts
        named = {
            "confirmed": self.confirmed if not self.dry_run else None,
            "deliverable": self.deliverable if self.dry_run else None,
            "rejected": self.rejected,
            "skipped": self.skipped or None,
            "unresolved": len(self.unresolved),
            **{pipeline.value: count or None for pipeline, count in counts.pipelines.items()},
            "possible duplicates": len(counts.possible_duplicates) or None,
            "null values left out": counts.dropped_nulls or None,
            "dates left out": counts.dropped_created_at or None,
            "identities left out": sum(counts.dropped_identities.values()) or None,
        }
        parts = [f"read {self.read}", *(f"{name} {count}" for name, count in named.items() if count is not None)]
        if self.dry_run:
            at_the_ceiling = "" if self.planned_seconds is None else f", {self.planned_seconds:.0f} s at the ceiling"
            parts.append(f"to be sent in {counts.planned_requests} requests or more{at_the_ceiling}")
        return f"{', '.join(parts)}; {counts.requests} requests in {counts.seconds:.1f} s"

    def reasons_text(self) -> str:
        """The reasons, grouped and counted, with the first few locations and fields; no values."""
        return grouped_text(self.counts.reasons, self.counts.examples, self.counts.details)


def _by_code(examples: Mapping[Reason, list[str]]) -> dict[str, list[str]]:
    return {reason.value: list(locations) for reason, locations in sorted(examples.items())}


def ranges(positions: Intervals) -> list[list[int]]:
    """Positions as [first, end) pairs for JSON: few of them, and together they contain every position."""
    return [[start, end] for start, end in positions.coarse(MAX_RANGES)]


def empty_report() -> ReportDict:
    """The report of a delivery that has read no events."""
    return DeliveryReport(counts=Counts(), read=0, unresolved=Intervals(), complete=True).as_dict()


def task_error(
    report: DeliveryReport, *, max_rejected: float | Decimal, host: str, resumable: bool = False
) -> BikError | None:
    """Decide how the task ends: without an error, or with the one that tells the person on call what to do.

    Args:
        report: What became of the input.
        max_rejected: How many rejections are allowed; anything that `parse_max_rejected` takes.
        host: Who was asked, for the error's text.
        resumable: Whether a checkpoint is kept, so that a retry goes on where this try ended.

    Returns:
        The error to raise, or None if the task succeeded.

    Raises:
        BikConfigError: ``max_rejected`` is neither a number nor a share.
    """
    allowed = _allowed(max_rejected, report.read)
    retry = (
        "is safe: it goes on from the checkpoint"
        if resumable
        else "starts over, which sends the confirmed events again: set state_path"
    )
    so_far = f"Confirmed so far: {report.confirmed}, rejected: {report.rejected}."
    if report.failure is not None:
        sent = f" {so_far} A retry {retry}." if report.confirmed and report.failure.retry_can_help else ""
        return type(report.failure)(f"{report.failure.message}{sent}")
    if report.stop is StopReason.FATAL_ANSWER:
        return BikEndpointError(
            f"BIK at {host} rejects every request: {report.stop_detail} {so_far} Delivery has stopped. A retry cannot "
            f"help before that is fixed. Then clear the task, which {retry}."
        )
    if report.stop is StopReason.NEARLY_ALL_REJECTED:
        return BikTooManyRejectedError(
            f"BIK at {host} rejects nearly every event, so delivery has stopped early: {report.stop_detail}. {so_far} "
            f"{report.reasons_text()}. Very likely the mapping is wrong. A retry cannot help. Fix it and clear the "
            "task, which then begins anew: every event counts as a possible duplicate."
        )
    if report.stop is not None or report.unresolved or not report.complete:
        why = f": {report.stop_detail}" if report.stop_detail else ""
        return BikDeliveryIncompleteError(
            f"BIK at {host} did not confirm {len(report.unresolved)} of {report.read} events read{why}. {so_far} "
            f"Positions without an outcome: {ranges(report.unresolved)[:FEW]}. A retry {retry}.",
            retry_after=report.step_aside,
        )
    return _too_many(report, allowed, resumable=resumable)


def _allowed(max_rejected: float | Decimal, read: int) -> int:
    parsed = parse_max_rejected(max_rejected)
    return int(parsed * read) if isinstance(parsed, Decimal) else parsed


def _too_many(report: DeliveryReport, allowed: int, *, resumable: bool) -> BikError | None:
    if not report.rejected or (report.rejected <= allowed and report.rejected < report.read):
        return None
    counts = f"{report.rejected} of {report.read} events were rejected, {allowed} allowed"
    reasons = report.reasons_text()
    if report.dry_run:
        kept = f" They are in {report.rejected_path}." if report.rejected_path else ""
        return BikTooManyRejectedError(
            f"Dry run: {counts}. {reasons}.{kept} Nothing was sent. Fix the events, or allow more; a retry is safe and "
            "cannot help before."
        )
    where = "They were not kept: set state_path to have them written to a rejected events file"
    if report.rejected_path:
        where = f"The rejected events file is {report.rejected_path}; fix its events and send that file on its own"
    again = "it sends no event a second time" if resumable else "it sends the confirmed events a second time"
    return BikTooManyRejectedError(
        f"{counts}; all others were delivered. {reasons}. {where}. If this task runs again, {again}."
    )
