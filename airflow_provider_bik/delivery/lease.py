"""How far events may be sent before the next checkpoint: what keeps duplicates after a crash few and named."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Lease"]

INTERVAL = 1.0
"""Seconds between two checkpoints while all goes well."""

SHORTEST_INTERVAL = 0.25
"""Seconds: a used-up lease is not renewed sooner than this; the next one is made larger instead."""

AHEAD = 2.0
"""Seconds of sending that are read, and covered by a lease, in advance: it is then renewed before it is used up."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """The lease of one delivery. Pure: times come in as arguments, in the loop's time.

    A lease never goes beyond what was read: the checkpoint's digest covers every event that may be sent under it, so
    that another try can tell whether it reads the same events.

    Args:
        resumed_to: Positions before this one are covered already, by an earlier try.
        least: Events that are read in advance at least.

    Attributes:
        committed_to: Events before this position may be sent: a written checkpoint covers them.
        requested_to: What the checkpoint on its way will cover.
        ahead: Events that are read in advance.
    """

    resumed_to: int
    least: int
    committed_to: int = 0
    requested_to: int = 0
    ahead: int = 0
    _last_request: float = float("-inf")
    _last_sent_to: int = 0

    def __post_init__(self) -> None:
        # An earlier try's lease is not this one's: `committed_to` stays 0 until this try has written a checkpoint.
        self.requested_to = self._last_sent_to = self.resumed_to
        self.ahead = self.least

    def covers(self, end: int) -> bool:
        """Whether events up to this position, excluded, may be sent."""
        return end <= self.committed_to

    def wait(self, now: float) -> float:
        """Seconds until a used-up lease may be renewed."""
        return max(0.001, self._last_request + SHORTEST_INTERVAL - now)

    def due(self, now: float, *, sent_to: int, read: int) -> bool:
        """Whether a checkpoint should be written now.

        Args:
            now: The loop's time.
            sent_to: The position of the first event that waits to be sent for the first time.
            read: Events read so far.
        """
        is_running_out = min(read, sent_to + self.ahead // 4) > self.committed_to
        return now >= self._last_request + (SHORTEST_INTERVAL if is_running_out else INTERVAL)

    def extend(self, now: float, *, sent_to: int, read: int) -> None:
        """A checkpoint is about to be written: cover all that was read, and say how far to read in advance."""
        elapsed = now - self._last_request
        rate = (sent_to - self._last_sent_to) / elapsed if elapsed > 0 else 0.0
        self.ahead = max(self.least, int(rate * AHEAD))
        self.requested_to = max(self.requested_to, read)
        self._last_request, self._last_sent_to = now, max(sent_to, self._last_sent_to)

    def commit(self, end: int) -> None:
        """A checkpoint that covers events up to this position, excluded, is written."""
        self.committed_to = max(self.committed_to, end)
