"""What became of the input: the report and its equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypedDict

from airflow_provider_bik.delivery.outcomes import MAX_RANGES, Outcomes
from airflow_provider_bik.delivery.progress import Intervals
from airflow_provider_bik.delivery.settling import Stop
from airflow_provider_bik.errors import BikError
from airflow_provider_bik.events import Pipeline, Reason

__all__ = ["DeliveryReport", "ReportDict", "ranges"]


class ReportDict(TypedDict):
    """The report as it stands in XCom: JSON, no events, no personal data."""

    read: int
    confirmed: int
    rejected: int
    unresolved: int
    deliverable: int
    complete: bool
    pipelines: dict[str, int]
    reasons: dict[str, int]
    examples: dict[str, list[str]]
    possible_duplicates: int
    possible_duplicate_ranges: list[list[int]]
    resent_after_refusal: int
    resent_after_refusal_ranges: list[list[int]]
    unresolved_ranges: list[list[int]]
    dropped_nulls: int
    dropped_created_at: int
    requests: int
    failed_requests: int
    planned_requests: int
    planned_seconds: float | None
    seconds: float
    events_per_second: float
    stopped_by: str | None
    dead_letter_path: str | None
    already_delivered: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What became of every event that was read.

    Attributes:
        read: Events read from the input.
        pipelines: Events that BIK confirmed, by pipeline; in a dry run, events that could be sent.
        unresolved: Positions of events that are neither confirmed nor rejected.
        complete: Whether the input was read to its end.
        reasons: Rejected events by reason.
        examples: The first few places of each reason.
        possible_duplicates: Positions of events that may have reached BIK more than once.
        resent_after_refusal: Positions of events sent again, in smaller batches, because BIK refused a batch. They are
            duplicates only if BIK stores a part of a batch that it refuses, which its documentation leaves open.
        dropped_nulls: Null values left out of events.
        dropped_created_at: Events whose date was left out, as the user asked.
        requests: Requests made.
        failed_requests: Requests that were not confirmed.
        planned_requests: In a dry run, requests that sending would take at least.
        planned_seconds: How long these would take at the ceiling of the rate, if there is one.
        seconds: How long it took.
        stop: Why it ended early, if it did.
        stop_detail: The answer behind it, in safe words.
        step_aside: Seconds after which to come back, if BIK asked for a long pause.
        failure: What could not be read or written, if that ended it.
        dead_letter_path: Where the rejected events are, if anywhere.
        dry_run: Whether nothing was sent on purpose.

    Raises:
        ValueError: ``read = confirmed + rejected + unresolved`` does not hold, which is a defect of this package.
    """

    read: int
    pipelines: dict[Pipeline, int]
    unresolved: Intervals
    complete: bool
    reasons: dict[Reason, int]
    examples: dict[Reason, list[str]]
    possible_duplicates: Intervals
    resent_after_refusal: Intervals
    dropped_nulls: int
    dropped_created_at: int
    requests: int
    failed_requests: int
    planned_requests: int
    planned_seconds: float | None
    seconds: float
    stop: Stop | None = None
    stop_detail: str = ""
    step_aside: float | None = None
    failure: BikError | None = None
    dead_letter_path: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.read != self.confirmed + self.deliverable + self.rejected + len(self.unresolved):
            message = f"the equation does not hold: {self.summary()}"
            raise ValueError(message)

    @classmethod
    def of(
        cls,
        outcomes: Outcomes,
        *,
        read: int,
        complete: bool,
        seconds: float,
        ceiling: float | None,
        dry_run: bool,
        stop: Stop | None,
        stop_detail: str,
        step_aside: float | None,
        failure: BikError | None,
    ) -> Self:
        """Make the report of what has become of the input.

        Args:
            outcomes: The counts.
            read: Events read; with an early end, an earlier try may have settled events that this one has not read.
            complete: Whether the input was read to its end.
            seconds: How long it took.
            ceiling: Of the rate, in requests a second.
            dry_run: Whether nothing was sent on purpose.
            stop: Why it ended early, if it did.
            stop_detail: The answer behind it.
            step_aside: Seconds after which to come back.
            failure: What could not be read or written.
        """
        known = max([read, *(end for _, end in outcomes.settled)])
        return cls(
            read=known,
            pipelines=outcomes.pipelines,
            unresolved=outcomes.settled.gaps(known),
            complete=complete,
            reasons=outcomes.reasons,
            examples=outcomes.examples,
            possible_duplicates=outcomes.possible_duplicates,
            resent_after_refusal=outcomes.resent_after_refusal,
            dropped_nulls=outcomes.dropped_nulls,
            dropped_created_at=outcomes.dropped_created_at,
            requests=outcomes.requests,
            failed_requests=outcomes.failed_requests,
            planned_requests=outcomes.planned_requests,
            planned_seconds=outcomes.planned_requests / ceiling if dry_run and ceiling else None,
            seconds=seconds,
            stop=stop,
            stop_detail=stop_detail,
            step_aside=step_aside,
            failure=failure,
            dry_run=dry_run,
        )

    @property
    def confirmed(self) -> int:
        """Events that BIK confirmed."""
        return 0 if self.dry_run else sum(self.pipelines.values())

    @property
    def deliverable(self) -> int:
        """In a dry run, events that could be sent; else 0."""
        return sum(self.pipelines.values()) if self.dry_run else 0

    @property
    def rejected(self) -> int:
        """Events that did not go out or that BIK refused."""
        return sum(self.reasons.values())

    def as_dict(self) -> ReportDict:
        """The report for XCom."""
        return {
            "read": self.read,
            "confirmed": self.confirmed,
            "rejected": self.rejected,
            "unresolved": len(self.unresolved),
            "deliverable": self.deliverable,
            "complete": self.complete,
            "pipelines": {pipeline.value: count for pipeline, count in self.pipelines.items()},
            "reasons": {reason.value: count for reason, count in sorted(self.reasons.items())},
            "examples": {reason.value: list(places) for reason, places in sorted(self.examples.items())},
            "possible_duplicates": len(self.possible_duplicates),
            "possible_duplicate_ranges": ranges(self.possible_duplicates),
            "resent_after_refusal": len(self.resent_after_refusal),
            "resent_after_refusal_ranges": ranges(self.resent_after_refusal),
            "unresolved_ranges": ranges(self.unresolved),
            "dropped_nulls": self.dropped_nulls,
            "dropped_created_at": self.dropped_created_at,
            "requests": self.requests,
            "failed_requests": self.failed_requests,
            "planned_requests": self.planned_requests,
            "planned_seconds": None if self.planned_seconds is None else round(self.planned_seconds, 1),
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.confirmed / self.seconds, 1) if self.seconds else 0.0,
            "stopped_by": self.stop.value if self.stop else None,
            "dead_letter_path": self.dead_letter_path,
            "already_delivered": False,
            "dry_run": self.dry_run,
        }

    def summary(self) -> str:
        """One line for the log."""
        parts = [f"read {self.read}", f"confirmed {self.confirmed}", f"rejected {self.rejected}"]
        parts.append(f"unresolved {len(self.unresolved)}")
        if self.dry_run:
            parts.insert(1, f"deliverable {self.deliverable}")
        parts += [f"{count} {pipeline.value}" for pipeline, count in self.pipelines.items() if count]
        if self.possible_duplicates:
            parts.append(f"possible duplicates {len(self.possible_duplicates)}")
        if self.dropped_nulls:
            parts.append(f"null values left out {self.dropped_nulls}")
        if self.dropped_created_at:
            parts.append(f"dates left out {self.dropped_created_at}")
        if self.dry_run:
            at_the_ceiling = "" if self.planned_seconds is None else f", {self.planned_seconds:.0f} s at the ceiling"
            parts.append(f"to be sent in {self.planned_requests} requests or more{at_the_ceiling}")
        return f"{', '.join(parts)}; {self.requests} requests in {self.seconds:.1f} s"

    def reasons_text(self) -> str:
        """The reasons, grouped and counted, with the first few places; no values."""
        ordered = sorted(self.reasons.items(), key=lambda item: -item[1])
        return "; ".join(
            f"{count} x {reason.value} (at {', '.join(self.examples[reason])})" for reason, count in ordered
        )


def ranges(intervals: Intervals) -> list[list[int]]:
    """Positions as [first, end) pairs for JSON: few of them, and together they contain every position."""
    return [[start, end] for start, end in intervals.coarse(MAX_RANGES)]
