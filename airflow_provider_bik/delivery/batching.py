"""What goes together: events into batches, bounded by number and by bytes, and a batch into halves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from airflow_provider_bik.events.item import EncodedEvent, InputEvent

__all__ = ["MAX_BATCH_BYTES", "MAX_BATCH_SIZE", "Batch", "Batcher", "ReadyEvent"]

MAX_BATCH_SIZE = 100
"""Events in one ``sendEvents`` request; the limit is from BIK's documentation."""

MAX_BATCH_BYTES = 1_000_000
"""BIK documents no limit; common gateways take 1 MB a request."""


class ReadyEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event that can go out.

    Attributes:
        event: The event of the input.
        encoded: Its result, which is known not to be a rejection.
    """

    event: InputEvent
    encoded: EncodedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events that go out in one request.

    Attributes:
        events: One to 100 of them, by rising position.
        attempts: How often these events were sent already in this run.
        failures: How many of these attempts had no definite answer.
        last_failed: When the last of those ended, in the loop's time.
        isolated_failures: How many of these came although BIK had meanwhile answered other requests definitely.
        may_have_arrived: Whether BIK may have stored them already.
        ready_at: Before this time, in the loop's time, it is not sent again.
    """

    events: tuple[ReadyEvent, ...]
    attempts: int = 0
    failures: int = 0
    last_failed: float | None = None
    isolated_failures: int = 0
    may_have_arrived: bool = False
    ready_at: float = 0.0

    @property
    def end(self) -> int:
        """The position after its last event."""
        return self.events[-1].event.position + 1

    def positions(self) -> Iterable[int]:
        """The positions of its events in the input, rising."""
        first, end = self.events[0].event.position, self.end
        if end - first == len(self.events):
            return range(first, end)
        return (ready.event.position for ready in self.events)

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
    _events: list[ReadyEvent] = field(default_factory=list)
    _bytes: int = 0

    def add(self, ready: ReadyEvent) -> Batch | None:
        """Take in one event; returns the batch that it completed or did not fit into, if any."""
        full = None
        if self._bytes + len(ready.encoded.body) > self.max_bytes:
            full = self.flush()
        self._events.append(ready)
        self._bytes += len(ready.encoded.body) + 1
        if len(self._events) == self.size:
            # Both at once is impossible: after an overflow one event is left, and batches of one never overflow.
            return full or self.flush()
        return full

    def flush(self) -> Batch | None:
        """Give out what is left, if anything."""
        if not self._events:
            return None
        batch = Batch(events=tuple(self._events))
        self._events, self._bytes = [], 0
        return batch
