"""From the input to batches: checks and encodes, proves that a resumed input is the same, and skips what is settled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from airflow_provider_bik.delivery.batching import Batch, Batcher, ReadyEvent
from airflow_provider_bik.delivery.checkpoint import Checkpoint
from airflow_provider_bik.delivery.outcomes import Outcomes
from airflow_provider_bik.delivery.progress import Intervals
from airflow_provider_bik.errors import BikInputChangedError
from airflow_provider_bik.events import Contract, EncodedEvent, Reason, Rejection
from airflow_provider_bik.events.inputs import InputEvent

__all__ = ["Intake"]

_SHORTER, _DIFFERENT = "the input has fewer", "some differ"

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
        # From here on nothing was settled or sent by an earlier try.
        self._past_end = max((end for intervals in (self._done_before, self.doubt) for _, end in intervals), default=0)
        self._verified = resumed is None or resumed.digest_to == 0
        self._waiting: list[tuple[InputEvent, EncodedEvent | Rejection]] = []

    @property
    def digest(self) -> str:
        """Of every event read so far, encoded; a rejected one counts by its reason."""
        return self._digest.hexdigest()

    def take(self, chunk: Sequence[InputEvent]) -> Iterator[Batch]:
        """Take in what was read next; yields the batches that it completes.

        Raises:
            BikInputChangedError: The input is not the one that an earlier try has sent from. Nothing of it is sent.
        """
        essences: list[bytes] = []
        for source, encoded in map(self._encode, chunk):
            self.read += 1
            if isinstance(encoded, EncodedEvent):
                essences.append(encoded.body)
                self._outcomes.dropped_nulls += encoded.dropped_nulls
                self._outcomes.dropped_created_at += encoded.dropped_created_at
            else:
                essences.append(b"!" + encoded.reason.value.encode())
            if not self._verified:
                if source.position not in self._done_before:
                    self._waiting.append((source, encoded))
                if self._resumed is not None and self.read == self._resumed.digest_to:
                    self._digest_all(essences)
                    yield from self._verify()
            elif (source.position >= self._past_end or source.position not in self._done_before) and (
                full := self._admit(source, encoded)
            ):
                yield full
        self._digest_all(essences)

    def _encode(self, source: InputEvent) -> tuple[InputEvent, EncodedEvent | Rejection]:
        if source.line is not None:
            if encoded := self._contract.encode_line(source.line):
                return source, encoded
            source = source.decoded()
        return source, source.problem or self._contract.encode(source.raw)

    def finish(self) -> Iterator[Batch]:
        """The input is at its end; yields what is left."""
        if not self._verified:
            raise self._changed(_SHORTER)
        if last := self._batcher.flush():
            yield last

    def _verify(self) -> Iterator[Batch]:
        """Until the part that was sent before has proved to be the same, nothing goes out."""
        if self._resumed is not None and self.digest != self._resumed.digest:
            raise self._changed(_DIFFERENT)
        self._verified = True
        waiting, self._waiting = self._waiting, []
        for source, encoded in waiting:
            if full := self._admit(source, encoded):
                yield full

    def _digest_all(self, essences: list[bytes]) -> None:
        """Encoded JSON holds no line end, so neighbours cannot melt together."""
        if essences:
            self._digest.update(b"\n".join(essences) + b"\n")
            essences.clear()

    def _admit(self, source: InputEvent, encoded: EncodedEvent | Rejection) -> Batch | None:
        if isinstance(encoded, Rejection):
            self._outcomes.reject(source, encoded)
            return None
        if self._dry_run:
            self._outcomes.pipelines[encoded.pipeline] += 1
            self._outcomes.settled.add(source.position, source.position + 1)
            return None
        if source.position < self._past_end and source.position in self.doubt:
            if self._hold:
                self._outcomes.reject(source, _IN_DOUBT)
                return None
            self._outcomes.possible_duplicates.add(source.position, source.position + 1)
        return self._batcher.add(ReadyEvent(source=source, encoded=encoded))

    def _changed(self, how: str) -> BikInputChangedError:
        before = self._resumed.digest_to if self._resumed else 0
        return BikInputChangedError(
            f"The input is not the one that an earlier try of this task has sent from: among its first {before} "
            f"events, {how}. "
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
