"""What has become of the events so far: counts, settled positions, and rejected events that are not written yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import msgspec

from airflow_provider_bik.delivery.answers import Answer
from airflow_provider_bik.delivery.batching import Batch
from airflow_provider_bik.delivery.intervals import Intervals
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["MAX_RANGES", "Counts", "NoRejectedSink", "Outcomes", "RejectedEvent", "RejectedSink", "grouped_text"]

MAX_EXAMPLES = 5
"""Locations named for each reason."""

MAX_DETAILS = 3
"""Different details, which name fields, kept for each reason."""

LONGEST_DETAIL = 80
"""Characters of such a detail."""

MAX_RANGES = 100
"""Ranges of possible duplicates; with more, the closest are joined, so that they still contain every position."""


def _no_events() -> dict[Pipeline, int]:
    return dict.fromkeys(Pipeline, 0)


class Counts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The counters of a delivery, over all its tries. The engine, the checkpoint and the report hold the same struct.

    Attributes:
        pipelines: Confirmed events by pipeline; in a dry run, events that could be sent.
        reasons: Rejected events by reason.
        examples: The first few locations of each reason.
        details: The first few different details of each reason: which field, and which limit; never a value.
        skipped: Events that were left out because the DAG said so.
        dropped_nulls: Null values left out of events.
        dropped_created_at: Events whose date was left out, as the user asked.
        dropped_identities: Events whose e-mail address or telephone number was left out, by the reason.
        dropped_identity_examples: The first few locations of each of these reasons.
        possible_duplicates: Positions of events that may have reached BIK more than once.
        resent_after_rejection: Positions of events sent again, in smaller batches, because BIK rejected a batch. They
            are duplicates only if BIK stores a part of a batch that it rejects, which its documentation leaves open.
        requests: Requests made.
        failed_requests: Requests that were not confirmed.
        planned_requests: In a dry run, requests that sending would take at least.
        seconds: Time spent.
    """

    pipelines: dict[Pipeline, int] = msgspec.field(default_factory=_no_events)
    reasons: dict[Reason, int] = msgspec.field(default_factory=dict)
    examples: dict[Reason, list[str]] = msgspec.field(default_factory=dict)
    details: dict[Reason, list[str]] = msgspec.field(default_factory=dict)
    skipped: int = 0
    dropped_nulls: int = 0
    dropped_created_at: int = 0
    dropped_identities: dict[Reason, int] = msgspec.field(default_factory=dict)
    dropped_identity_examples: dict[Reason, list[str]] = msgspec.field(default_factory=dict)
    possible_duplicates: Intervals = msgspec.field(default_factory=Intervals)
    resent_after_rejection: Intervals = msgspec.field(default_factory=Intervals)
    requests: int = 0
    failed_requests: int = 0
    planned_requests: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> int:
        """Confirmed events; in a dry run, events that could be sent."""
        return sum(self.pipelines.values())

    @property
    def rejected(self) -> int:
        """Events that did not go out or that BIK rejected."""
        return sum(self.reasons.values())

    def warnings(self, *, dry_run: bool = False) -> list[str]:
        """What everybody should know although nothing is rejected for it; sentences without values.

        Args:
            dry_run: Whether nothing was sent.
        """
        said = []
        total = sum(self.dropped_identities.values())
        if total:
            reasons = grouped_text(self.dropped_identities, self.dropped_identity_examples)
            said.append(
                f"An e-mail address or telephone number that cannot be used is left out of {total} events, which go "
                f"out by the other one: {reasons}. With on_bad_identity='reject' they are rejected."
            )
        undated = self.pipelines[Pipeline.REALTIME] - self.dropped_created_at
        if self.pipelines[Pipeline.MIGRATION] and undated > 0:
            went = "would go" if dry_run else "went"
            said.append(
                f"{undated} of {self.passed} events had no date and {went} out as realtime, beside others with a date."
                " If all are history, use pipeline='migration', which rejects what has none."
            )
        return said

    def copy(self) -> Counts:
        """A copy that does not change any more, with ranges few enough to be written down."""
        return msgspec.structs.replace(
            self,
            pipelines=dict(self.pipelines),
            reasons=dict(self.reasons),
            examples={reason: list(locations) for reason, locations in self.examples.items()},
            details={reason: list(details) for reason, details in self.details.items()},
            dropped_identities=dict(self.dropped_identities),
            dropped_identity_examples={
                reason: list(locations) for reason, locations in self.dropped_identity_examples.items()
            },
            possible_duplicates=Intervals(self.possible_duplicates.coarse(MAX_RANGES)),
            resent_after_rejection=Intervals(self.resent_after_rejection.coarse(MAX_RANGES)),
        )

    def resumed(self) -> Counts:
        """The counts with which another try goes on: it reads the input again, and counts again what reading tells."""
        counts = self.copy()
        counts.pipelines = _no_events() | counts.pipelines
        counts.dropped_nulls = counts.dropped_created_at = counts.planned_requests = 0
        counts.dropped_identities, counts.dropped_identity_examples = {}, {}
        return counts

    def note_dropped(self, encoded: EncodedEvent, location: str) -> None:
        """Count what was left out of an event that goes out."""
        self.dropped_nulls += encoded.dropped_nulls
        self.dropped_created_at += encoded.dropped_created_at
        if (reason := encoded.dropped_identity) is not None:
            _note(self.dropped_identities, self.dropped_identity_examples, reason, location)

    def note_rejected(self, rejection: Rejection, location: str) -> None:
        """Count one rejected event."""
        _note(self.reasons, self.examples, rejection.reason, location)
        details = self.details.setdefault(rejection.reason, [])
        detail = rejection.detail.partition(";")[0][:LONGEST_DETAIL]
        if detail and len(details) < MAX_DETAILS and detail not in details:
            details.append(detail)


def grouped_text(
    counts: Mapping[Reason, int],
    examples: Mapping[Reason, Sequence[str]],
    details: Mapping[Reason, Sequence[str]] | None = None,
) -> str:
    """The reasons, the most frequent first, with the first few locations and fields."""
    parts = []
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        fields = " | ".join((details or {}).get(reason, ()))
        parts.append(f"{count} x {reason.value} (at {', '.join(examples[reason])}{fields and f': {fields}'})")
    return "; ".join(parts)


def _note(counts: dict[Reason, int], examples: dict[Reason, list[str]], reason: Reason, location: str) -> None:
    counts[reason] = counts.get(reason, 0) + 1
    first = examples.setdefault(reason, [])
    if len(first) < MAX_EXAMPLES:
        first.append(location)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEvent:
    """An event that was not delivered, to be fixed and sent again.

    Attributes:
        event: The event, with its position and location.
        rejection: Why.
        status: The HTTP status, if BIK rejected it.
        message: BIK's own words, if any.
        attempts: How often it was sent, earlier runs included.
    """

    event: InputEvent
    rejection: Rejection
    status: int | None = None
    message: str = ""
    attempts: int = 0


class RejectedSink(Protocol):
    """Where rejected events go; an event counts as rejected only after `write` has returned."""

    @property
    def files(self) -> list[str]:
        """The names of the files written so far, for the checkpoint."""

    async def write(self, events: Sequence[RejectedEvent]) -> None:
        """Keep these, durably.

        Raises:
            BikError: They cannot be written. None of them counts as written then.
        """


class NoRejectedSink:
    """Keeps no rejected events: they are counted and named in the report only."""

    files: ClassVar[list[str]] = []

    async def write(self, events: Sequence[RejectedEvent]) -> None:
        """Let them go."""


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """Brings events to their outcome while a delivery runs.

    Attributes:
        counts: The counters.
        settled: Positions that are confirmed, skipped, or rejected and written down.
        uncertain: Positions that were sent in this try and may have arrived without a definite answer. What is settled
            later stays in it.
        unwritten: Rejected events that are not written down yet.
    """

    counts: Counts
    settled: Intervals
    uncertain: Intervals = field(default_factory=Intervals)
    unwritten: list[RejectedEvent] = field(default_factory=list)

    def confirm(self, batch: Batch) -> None:
        """BIK has confirmed a batch."""
        pipelines = self.counts.pipelines
        for ready in batch.events:
            pipelines[ready.encoded.pipeline] += 1
        self.settled.add_all(batch.positions())

    def skip(self, event: InputEvent) -> None:
        """The DAG has said to leave this event out."""
        self.counts.skipped += 1
        self.settled.add(event.position, event.position + 1)

    def reject(
        self, event: InputEvent, rejection: Rejection, answer: Answer | None = None, *, attempts: int = 0
    ) -> None:
        """An event is not to go out; it counts once it is written down."""
        self.unwritten.append(
            RejectedEvent(
                event=event,
                rejection=rejection,
                status=answer.status if answer else None,
                message=answer.message if answer else "",
                attempts=event.attempts + attempts,
            )
        )

    def reject_batch(self, batch: Batch, rejection: Rejection, answer: Answer) -> None:
        """All events of a batch are not to go out."""
        for ready in batch.events:
            self.reject(ready.event, rejection, answer, attempts=batch.attempts)

    def written(self, number: int) -> None:
        """The first events of `unwritten` are written down, and rejected from now on."""
        events, self.unwritten = self.unwritten[:number], self.unwritten[number:]
        for event in events:
            self.counts.note_rejected(event.rejection, event.event.location)
        self.settled.add_all(event.event.position for event in events)
