"""How far events may be sent before the next checkpoint: what keeps duplicates after a crash few and named."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Lease"]

INTERVAL = 1.0
"""Seconds between two checkpoints while all goes well."""

SHORTEST_INTERVAL = 0.25
"""Seconds: a used-up lease is not renewed sooner than this; the next one is made larger instead."""

AHEAD = 2.0
"""Seconds of sending that a lease should last: the checkpoint is then renewed before the lease is used up."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """The lease of one delivery. Pure: times come in as arguments, in the loop's time.

    Args:
        resumed_to: Positions before this one are covered already, by an earlier try.
        least: Events a lease covers at least.

    Attributes:
        committed_to: Events before this position may be sent: a written checkpoint covers them.
        requested_to: What the checkpoint on its way will cover.
        used: Whether this try has requested a lease at all.
    """

    resumed_to: int
    least: int
    committed_to: int = 0
    requested_to: int = 0
    used: bool = False
    _last_request: float = float("-inf")
    _last_wanted: int = 0

    def __post_init__(self) -> None:
        # An earlier try's lease is not this one's: `committed_to` stays 0 until this try has written a checkpoint.
        self.requested_to = self._last_wanted = self.resumed_to

    def covers(self, end: int) -> bool:
        """Whether events up to this position, excluded, may be sent."""
        return end <= self.committed_to

    def wait(self, now: float) -> float:
        """Seconds until a used-up lease may be renewed."""
        return max(0.001, self._last_request + SHORTEST_INTERVAL - now)

    def due(self, now: float, *, wanted: int) -> bool:
        """Whether a checkpoint should be written now.

        Args:
            now: The loop's time.
            wanted: The end of the last batch that waits to be sent.
        """
        if wanted > self.committed_to:
            return now >= self._last_request + SHORTEST_INTERVAL
        return now >= self._last_request + INTERVAL

    def extend(self, now: float, *, wanted: int) -> None:
        """A checkpoint is about to be written: cover what waits, and what will be sent until well after the next."""
        elapsed = now - self._last_request
        rate = (wanted - self._last_wanted) / elapsed if self.used and elapsed > 0 else 0.0
        self.requested_to = max(self.requested_to, wanted + max(self.least, int(rate * AHEAD)))
        self.used = True
        self._last_request, self._last_wanted = now, max(wanted, self._last_wanted)

    def commit(self, end: int) -> None:
        """A checkpoint that covers events up to this position, excluded, is written."""
        self.committed_to = max(self.committed_to, end)
