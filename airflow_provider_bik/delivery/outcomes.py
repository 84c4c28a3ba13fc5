"""What has become of the events so far: settled positions, counts, and dead letters on their way to their file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from airflow_provider_bik.delivery.batching import Batch
from airflow_provider_bik.delivery.checkpoint import Checkpoint
from airflow_provider_bik.delivery.progress import Intervals
from airflow_provider_bik.delivery.retry import Answer
from airflow_provider_bik.events import REASONS, Pipeline, Reason, Rejection
from airflow_provider_bik.events.inputs import InputEvent

__all__ = ["MAX_RANGES", "DeadLetter", "DeadLetterSink", "Outcomes"]

MAX_EXAMPLES = 5
"""Places named for each reason."""

MAX_RANGES = 100
"""Ranges of possible duplicates; with more, the closest are joined, so that they still contain every position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A rejected event, to be mended and sent again.

    Attributes:
        source: The event as it was read, with its place.
        rejection: Why.
        status: The HTTP status, if BIK refused it.
        message: BIK's own words, if any.
        attempts: How often it was sent, earlier runs included.
    """

    source: InputEvent
    rejection: Rejection
    status: int | None = None
    message: str = ""
    attempts: int = 0


class DeadLetterSink(Protocol):
    """Where dead letters go; an event counts as rejected only after `write` has returned."""

    @property
    def files(self) -> list[str]:
        """The names of the files written so far, for the checkpoint."""

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these, durably."""


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """The counts of a delivery while it runs.

    Attributes:
        settled: Positions that are confirmed, or rejected and written down.
        pipelines: Confirmed events by pipeline; in a dry run, deliverable ones.
        planned_requests: In a dry run, what sending would take at least.
        letters: Dead letters that are not written down yet.
    """

    settled: Intervals = field(default_factory=Intervals)
    pipelines: dict[Pipeline, int] = field(default_factory=lambda: dict.fromkeys(Pipeline, 0))
    reasons: dict[Reason, int] = field(default_factory=dict)
    examples: dict[Reason, list[str]] = field(default_factory=dict)
    possible_duplicates: Intervals = field(default_factory=Intervals)
    resent_after_refusal: Intervals = field(default_factory=Intervals)
    dropped_nulls: int = 0
    dropped_created_at: int = 0
    requests: int = 0
    failed_requests: int = 0
    planned_requests: int = 0
    letters: list[DeadLetter] = field(default_factory=list)

    @classmethod
    def restore(cls, saved: Checkpoint) -> Outcomes:
        """Take up where a checkpoint left off. What reading alone tells is counted again as the input is read."""
        outcomes = cls(
            settled=Intervals(saved.settled),
            reasons={REASONS[code]: count for code, count in saved.reasons.items()},
            examples={REASONS[code]: list(places) for code, places in saved.examples.items()},
            possible_duplicates=Intervals(saved.possible_duplicates),
            resent_after_refusal=Intervals(saved.resent_after_refusal),
            requests=saved.requests,
            failed_requests=saved.failed_requests,
        )
        outcomes.pipelines.update({Pipeline(name): count for name, count in saved.pipelines.items()})
        return outcomes

    def confirm(self, batch: Batch) -> None:
        """BIK has confirmed a batch."""
        for event in batch.events:
            self.pipelines[event.encoded.pipeline] += 1
        self.settled.add_all(batch.positions())

    def reject(
        self, source: InputEvent, rejection: Rejection, answer: Answer | None = None, *, attempts: int = 0
    ) -> None:
        """An event is not to go out; it counts once its dead letter is written."""
        self.letters.append(
            DeadLetter(
                source=source,
                rejection=rejection,
                status=answer.status if answer else None,
                message=answer.message if answer else "",
                attempts=source.attempts + attempts,
            )
        )

    def reject_batch(self, batch: Batch, rejection: Rejection, answer: Answer) -> None:
        """All events of a batch are not to go out."""
        for event in batch.events:
            self.reject(event.source, rejection, answer, attempts=batch.attempts)

    def count_letters(self, letters: Sequence[DeadLetter]) -> None:
        """These letters are written; their events are rejected from now on."""
        for letter in letters:
            reason = letter.rejection.reason
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
            examples = self.examples.setdefault(reason, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(letter.source.place)
        self.settled.add_all(letter.source.position for letter in letters)

    def checkpoint(
        self,
        start: Checkpoint,
        *,
        state: Literal["running", "stopped"],
        read: int,
        digest: str,
        leased_to: int,
        in_doubt: Intervals | None,
        dead_letters: Sequence[str],
        seconds: float,
    ) -> Checkpoint:
        """Make the checkpoint that says all that another try must know.

        Args:
            start: The one that this try began with; it names the owner and the first try's time.
            state: Whether its writer goes on sending.
            read: Events read, which all are in the digest. Until the input has proved to be the same, the digest that
                was there before stays.
            digest: Of these.
            leased_to: Only events before this position can have been sent.
            in_doubt: Positions that may have arrived, if that is known exactly.
            dead_letters: Names of the files.
            seconds: Time spent.
        """
        if read < start.digest_to:
            read, digest = start.digest_to, start.digest
        settled = len(self.settled)
        return msgspec.structs.replace(
            start,
            state=state,
            note=f"{settled} events settled of {read} read; only events before {leased_to} can have been sent",
            leased_to=leased_to,
            digest_to=read,
            digest=digest,
            settled=list(self.settled),
            in_doubt=None if in_doubt is None else list(in_doubt),
            pipelines={pipeline.value: count for pipeline, count in self.pipelines.items()},
            reasons={reason.value: count for reason, count in self.reasons.items()},
            examples={reason.value: list(places) for reason, places in self.examples.items()},
            possible_duplicates=self.possible_duplicates.coarse(MAX_RANGES),
            resent_after_refusal=self.resent_after_refusal.coarse(MAX_RANGES),
            requests=self.requests,
            failed_requests=self.failed_requests,
            seconds=round(seconds, 3),
            dead_letters=list(dead_letters),
        )
