"""From the input to batches, and every event to its outcome; proves that a resumed input is the same."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import ClassVar, Protocol, cast

from airflow_provider_bik.delivery.checkpoint import Checkpoint, Counts, Intervals
from airflow_provider_bik.errors import BikInputChangedError
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BATCH_SIZE",
    "Batch",
    "Batcher",
    "Intake",
    "NoRejectedSink",
    "Outcomes",
    "RejectedEvent",
    "RejectedSink",
]

MAX_BATCH_SIZE = 100
"""Events in one ``sendEvents`` request; the limit is from BIK's documentation."""

MAX_BATCH_BYTES = 1_000_000
"""BIK documents no limit; common gateways take 1 MB a request."""

_SHORTER, _DIFFERENT = "the input has fewer", "some differ"

_IN_DOUBT = Rejection(reason=Reason.DELIVERY_UNKNOWN, detail="an earlier try ended before its answer came")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events that go out in one request.

    Attributes:
        events: One to 100 of them, by rising position; none of them is rejected or skipped.
        attempts: How often these events were sent already in this run.
        failures: How many of these attempts had no definite answer.
        last_failed: When the last of those ended, in the loop's time.
        isolated_failures: How many of these came although BIK had meanwhile answered other requests definitely.
        may_have_arrived: Whether BIK may have stored them already.
        ready_at: Before this time, in the loop's time, it is not sent again.
    """

    events: tuple[InputEvent, ...]
    attempts: int = 0
    failures: int = 0
    last_failed: float | None = None
    isolated_failures: int = 0
    may_have_arrived: bool = False
    ready_at: float = 0.0

    @property
    def end(self) -> int:
        """The position after its last event."""
        return self.events[-1].position + 1

    def positions(self) -> Iterable[int]:
        """The positions of its events in the input, rising."""
        first, end = self.events[0].position, self.end
        if end - first == len(self.events):
            return range(first, end)
        return (event.position for event in self.events)

    def encoded(self) -> list[EncodedEvent]:
        """Its events as they go out."""
        return [cast("EncodedEvent", event.result) for event in self.events]

    def halves(self) -> tuple[Batch, Batch]:
        """Split it in two, the larger half first; both keep the attempts."""
        middle = (len(self.events) + 1) // 2
        return replace(self, events=self.events[:middle]), replace(self, events=self.events[middle:])


@dataclass(slots=True, kw_only=True)
class Batcher:
    """Gathers events into batches.

    Args:
        size: Events a batch, 1 to 100.
        max_bytes: Bytes a batch; an event larger than that goes alone.
    """

    size: int = MAX_BATCH_SIZE
    max_bytes: int = MAX_BATCH_BYTES
    _events: list[InputEvent] = field(default_factory=list)
    _bytes: int = 0

    def add(self, events: Sequence[InputEvent]) -> Iterator[Batch]:
        """Take in events, none of them rejected or skipped; yields the batches that they complete."""
        at = 0
        while at < len(events):
            some = events[at : at + self.size - len(self._events)]
            sizes = [len(cast("EncodedEvent", event.result).body) + 1 for event in some]
            if self._bytes + sum(sizes) - 1 > self.max_bytes:
                fit = sum(total - 1 <= self.max_bytes for total in accumulate(sizes, initial=self._bytes)) - 1
                # One that is too large for any batch goes alone.
                fit = fit if fit or self._events else 1
                some, sizes = some[:fit], sizes[:fit]
                is_full = True
            else:
                is_full = len(self._events) + len(some) == self.size
            self._events += some
            self._bytes += sum(sizes)
            at += len(some)
            if is_full and (batch := self.flush()):
                yield batch

    def flush(self) -> Batch | None:
        """Give out what is left, if anything."""
        if not self._events:
            return None
        batch = Batch(events=tuple(self._events))
        self._events, self._bytes = [], 0
        return batch


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
        taken = [encoded.pipeline for encoded in batch.encoded()]
        for pipeline in pipelines:
            pipelines[pipeline] += taken.count(pipeline)
        self.settled.add_all(batch.positions())

    def skip(self, event: InputEvent) -> None:
        """The DAG has said to leave this event out."""
        self.counts.skipped += 1
        self.settled.add(event.position, event.position + 1)

    def reject(self, event: InputEvent, rejection: Rejection) -> None:
        """An event is not to go out; it counts once it is written down."""
        self.unwritten.append(RejectedEvent(event=event, rejection=rejection, attempts=event.attempts))

    def reject_batch(self, batch: Batch, rejection: Rejection, *, status: int | None, message: str) -> None:
        """All events of a batch are not to go out, for what BIK has answered."""
        self.unwritten += (
            RejectedEvent(
                event=event,
                rejection=rejection,
                status=status,
                message=message,
                attempts=event.attempts + batch.attempts,
            )
            for event in batch.events
        )

    def written(self, number: int) -> None:
        """The first events of `unwritten` are written down, and rejected from now on."""
        events, self.unwritten = self.unwritten[:number], self.unwritten[number:]
        for event in events:
            self.counts.note_rejected(event.rejection, event.event.location)
        self.settled.add_all(event.event.position for event in events)


def _is_encoded(event: InputEvent) -> bool:
    return type(event.result) is EncodedEvent


class Intake:
    """Turns what is read into batches.

    Args:
        batcher: Gathers events.
        outcomes: Where rejected and skipped events and counts go.
        resume_from: The checkpoint of an earlier try, or a blank one.
        hold: Whether events in doubt are rejected instead of being sent again.
        dry_run: Whether events are only counted.

    Attributes:
        read: Events read so far, which is also the position of the next one.
        verified: Whether the part that was read before has proved to be the same. Until then nothing goes out.
        doubt: Positions that an earlier try may have sent without an answer.
    """

    def __init__(
        self, *, batcher: Batcher, outcomes: Outcomes, resume_from: Checkpoint, hold: bool, dry_run: bool
    ) -> None:
        self.read = 0
        self.verified = resume_from.digest_to == 0
        self.doubt = resume_from.doubt()
        self._batcher = batcher
        self._outcomes = outcomes
        self._hold = hold
        self._dry_run = dry_run
        self._digest = hashlib.blake2b(digest_size=16)
        self._resume_from = resume_from
        self._settled_before = Intervals(resume_from.settled)
        past_end = max((end for positions in (self._settled_before, self.doubt) for _, end in positions), default=0)
        # From here on nothing was settled or sent by an earlier try, and every good event goes out.
        self._all_go_out_from = math.inf if dry_run else past_end
        self._waiting: list[InputEvent] = []

    @property
    def digest(self) -> str:
        """Of every event read so far; a rejected one counts by its reason, a skipped one by a mark."""
        return self._digest.hexdigest()

    def take(self, chunk: Sequence[InputEvent]) -> Iterator[Batch]:
        """Take in what was read next; yields the batches that it completes.

        Raises:
            BikInputChangedError: The input is not the one that an earlier try has sent from. Nothing of it is sent.
        """
        rest = chunk
        if not self.verified:
            missing = self._resume_from.digest_to - self.read
            sent_before, rest = chunk[:missing], chunk[missing:]
            self._note(sent_before)
            self._waiting += [event for event in sent_before if event.position not in self._settled_before]
            if self.read < self._resume_from.digest_to:
                return
            yield from self._verify()
        self._note(rest)
        yield from self._admit_all(rest)

    def finish(self) -> Iterator[Batch]:
        """The input is at its end; yields what is left.

        Raises:
            BikInputChangedError: The input is shorter than the one that an earlier try has sent from.
        """
        if not self.verified:
            raise self._changed(_SHORTER)
        last = self._batcher.flush()
        if last and self._dry_run:
            self._outcomes.counts.planned_requests += 1
        elif last:
            yield last

    def _note(self, events: Sequence[InputEvent]) -> None:
        """Take what was read into the digest and the counts."""
        essences, counts = [], self._outcomes.counts
        for event in events:
            result = event.result
            if isinstance(result, EncodedEvent):
                essences.append(result.body)
                if result.dropped_nulls or result.dropped_created_at or result.dropped_identity is not None:
                    counts.note_dropped(result, event.location)
            else:
                essences.append(b"-" if result is None else b"!" + result.reason.value.encode())
        if essences:
            # Encoded JSON holds no line end, so neighbours cannot melt together.
            self._digest.update(b"\n".join(essences) + b"\n")
        self.read += len(events)

    def _verify(self) -> Iterator[Batch]:
        if self.digest != self._resume_from.digest:
            raise self._changed(_DIFFERENT)
        self.verified = True
        waiting, self._waiting = self._waiting, []
        yield from self._admit_all(waiting)

    def _admit_all(self, events: Sequence[InputEvent]) -> Iterator[Batch]:
        going = events
        if not events or events[0].position < self._all_go_out_from or not all(map(_is_encoded, events)):
            going = [event for event in events if self._goes_out(event)]
        yield from self._batcher.add(going)

    def _goes_out(self, event: InputEvent) -> bool:
        result = event.result
        if isinstance(result, EncodedEvent):
            return event.position >= self._all_go_out_from or self._is_to_go_out(event, result)
        self._leave_out(event, result)
        return False

    def _leave_out(self, event: InputEvent, why: Rejection | None) -> None:
        if event.position in self._settled_before:
            return
        if why is None:
            self._outcomes.skip(event)
        else:
            self._outcomes.reject(event, why)

    def _is_to_go_out(self, event: InputEvent, encoded: EncodedEvent) -> bool:
        """Whether an event goes out that an earlier try may have settled or sent, or that a dry run only counts."""
        position, outcomes = event.position, self._outcomes
        if position in self._settled_before:
            return False
        if self._dry_run:
            outcomes.counts.pipelines[encoded.pipeline] += 1
            outcomes.settled.add(position, position + 1)
            outcomes.counts.planned_requests += sum(1 for _ in self._batcher.add([event]))
            return False
        if position in self.doubt:
            if self._hold:
                outcomes.reject(event, _IN_DOUBT)
                return False
            outcomes.counts.possible_duplicates.add(position, position + 1)
        return True

    def _changed(self, how: str) -> BikInputChangedError:
        return BikInputChangedError(
            "The input is not the one that an earlier try of this delivery has sent from: among its first "
            f"{self._resume_from.digest_to} events, {how}, or an argument that shapes them has changed. Nothing was "
            "sent in this try, and a retry cannot help. To go on, restore the input and clear the task. To begin anew "
            "with the input as it is now, clear the task with if_delivered='resend', the default: every event then "
            "counts as a possible duplicate."
        )
