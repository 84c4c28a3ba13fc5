"""From the input to batches: checks and encodes, proves that a resumed input is the same, and skips what is settled."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_bik.delivery.batching import Batch, Batcher, ReadyEvent
from airflow_provider_bik.delivery.checkpoint import Checkpoint
from airflow_provider_bik.delivery.outcomes import Outcomes
from airflow_provider_bik.delivery.progress import Intervals
from airflow_provider_bik.errors import BikInputChangedError
from airflow_provider_bik.events import Contract, EncodedEvent, Reason, Rejection
from airflow_provider_bik.events.inputs import InputEvent

__all__ = ["Intake"]

_SHORTER, _DIFFERENT = "the input has fewer", "some differ"

_Read = tuple[InputEvent, EncodedEvent | Rejection]

_IN_DOUBT = Rejection(reason=Reason.UNCONFIRMED, detail="an earlier try ended before its answer came")


class Intake:
    """Turns what is read into batches.

    Args:
        contract: Checks and encodes one event.
        batcher: Gathers events.
        outcomes: Where rejections and counts go.
        resumed: The checkpoint of an earlier try, if any.
        hold: Whether events in doubt become dead letters instead of being sent again.
        dry_run: Whether events are only counted.

    Attributes:
        read: Events read so far, which is also the position of the next one.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        batcher: Batcher,
        outcomes: Outcomes,
        resumed: Checkpoint | None,
        hold: bool,
        dry_run: bool,
    ) -> None:
        self.read = 0
        self._contract = contract
        self._batcher = batcher
        self._outcomes = outcomes
        self._hold = hold
        self._dry_run = dry_run
        self._digest = hashlib.blake2b(digest_size=16)
        self._resumed = resumed
        self._done_before = Intervals(resumed.settled) if resumed else Intervals()
        self.doubt = _doubt(resumed) if resumed else Intervals()
        past_end = max((end for intervals in (self._done_before, self.doubt) for _, end in intervals), default=0)
        # From here on nothing was settled or sent by an earlier try, and every good event goes out.
        self._all_go_out_from = math.inf if dry_run else past_end
        self._verified_at = resumed.digest_to if resumed else 0
        self._verified = self._verified_at == 0
        self._waiting: list[_Read] = []

    @property
    def digest(self) -> str:
        """Of every event read so far, encoded; a rejected one counts by its reason."""
        return self._digest.hexdigest()

    def take(self, chunk: Sequence[InputEvent]) -> Iterator[Batch]:
        """Take in what was read next; yields the batches that it completes.

        Raises:
            BikInputChangedError: The input is not the one that an earlier try has sent from. Nothing of it is sent.
        """
        rest = chunk
        if not self._verified:
            missing = self._verified_at - self.read
            sent_before, rest = self._encode_all(chunk[:missing]), chunk[missing:]
            self._waiting += [pair for pair in sent_before if pair[0].position not in self._done_before]
            if self.read < self._verified_at:
                return
            yield from self._verify()
        yield from self._admit_all(self._encode_all(rest))

    def _encode_all(self, chunk: Sequence[InputEvent]) -> list[_Read]:
        """Encode what was read, and take it into the digest and the counts."""
        read, essences, outcomes = [self._encode(source) for source in chunk], [], self._outcomes
        for _, encoded in read:
            if isinstance(encoded, Rejection):
                essences.append(b"!" + encoded.reason.value.encode())
            else:
                essences.append(encoded.body)
                outcomes.dropped_nulls += encoded.dropped_nulls
                outcomes.dropped_created_at += encoded.dropped_created_at
        if essences:
            # Encoded JSON holds no line end, so neighbours cannot melt together.
            self._digest.update(b"\n".join(essences) + b"\n")
        self.read += len(read)
        return read

    def _encode(self, source: InputEvent) -> _Read:
        if source.line is not None:
            if encoded := self._contract.encode_line(source.line):
                return source, encoded
            source = source.decoded()
        return source, source.problem or self._contract.encode(source.raw)

    def finish(self) -> Iterator[Batch]:
        """The input is at its end; yields what is left."""
        if not self._verified:
            raise self._changed(_SHORTER)
        last = self._batcher.flush()
        if last and self._dry_run:
            self._outcomes.planned_requests += 1
        elif last:
            yield last

    def _verify(self) -> Iterator[Batch]:
        """Until the part that was sent before has proved to be the same, nothing goes out."""
        if self._resumed is not None and self.digest != self._resumed.digest:
            raise self._changed(_DIFFERENT)
        self._verified = True
        waiting, self._waiting = self._waiting, []
        yield from self._admit_all(waiting)

    def _admit_all(self, read: Iterable[_Read]) -> Iterator[Batch]:
        for source, encoded in read:
            if isinstance(encoded, Rejection):
                if source.position not in self._done_before:
                    self._outcomes.reject(source, encoded)
            elif (source.position >= self._all_go_out_from or self._is_to_go_out(source, encoded)) and (
                full := self._batcher.add(ReadyEvent(source=source, encoded=encoded))
            ):
                yield full

    def _is_to_go_out(self, source: InputEvent, encoded: EncodedEvent) -> bool:
        """Whether an event goes out that an earlier try may have settled or sent, or that a dry run only counts."""
        if source.position in self._done_before:
            return False
        if self._dry_run:
            self._outcomes.pipelines[encoded.pipeline] += 1
            self._outcomes.settled.add(source.position, source.position + 1)
            if self._batcher.add(ReadyEvent(source=source, encoded=encoded)):
                self._outcomes.planned_requests += 1
            return False
        if source.position in self.doubt:
            if self._hold:
                self._outcomes.reject(source, _IN_DOUBT)
                return False
            self._outcomes.possible_duplicates.add(source.position, source.position + 1)
        return True

    def _changed(self, how: str) -> BikInputChangedError:
        before = self._resumed.digest_to if self._resumed else 0
        return BikInputChangedError(
            f"The input is not the one that an earlier try of this task has sent from: among its first {before} "
            f"events, {how}, or an argument that shapes them has changed. "
            "Nothing was sent in this try. Restore the input and clear the task to go on; or delete the task's "
            "checkpoint "
            "(key bik_delivery in the Storage tab, or the file at checkpoint_path) to start over, which sends again "
            "what was confirmed."
        )


def _doubt(resumed: Checkpoint) -> Intervals:
    """Positions that an earlier try may have sent without hearing back."""
    if resumed.in_doubt is not None:
        return Intervals(resumed.in_doubt)
    return Intervals(resumed.settled).gaps(resumed.leased_to)
