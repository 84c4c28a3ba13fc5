"""From the input to batches: proves that a resumed input is the same, and leaves out what is settled."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_bik.delivery.batching import Batch, Batcher, ReadyEvent
from airflow_provider_bik.delivery.checkpoint import Checkpoint
from airflow_provider_bik.delivery.counts import Outcomes
from airflow_provider_bik.delivery.intervals import Intervals
from airflow_provider_bik.errors import BikInputChangedError
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["Intake"]

_SHORTER, _DIFFERENT = "the input has fewer", "some differ"

_IN_DOUBT = Rejection(reason=Reason.DELIVERY_UNKNOWN, detail="an earlier try ended before its answer came")


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

    def _admit_all(self, events: Iterable[InputEvent]) -> Iterator[Batch]:
        for event in events:
            result = event.result
            if not isinstance(result, EncodedEvent):
                self._leave_out(event, result)
            elif (event.position >= self._all_go_out_from or self._is_to_go_out(event, result)) and (
                full := self._batcher.add(ReadyEvent(event=event, encoded=result))
            ):
                yield full

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
            if self._batcher.add(ReadyEvent(event=event, encoded=encoded)):
                outcomes.counts.planned_requests += 1
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
