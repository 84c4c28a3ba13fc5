"""How far events may be sent before the next checkpoint says so; what keeps duplicates after a crash few and named."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Lease"]

INTERVAL = 1.0
"""Seconds between two checkpoints while all goes well."""

SHORTEST_INTERVAL = 0.25
"""Seconds: sooner than this not even a used-up lease is renewed; the next one is made larger instead."""

AHEAD = 2.0
"""Seconds of sending that a lease should last: the checkpoint is then renewed before it runs out."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """The lease of one delivery. Pure: times come in as arguments, on the loop's clock.

    Args:
        leased_to: Positions before this one are covered already, by an earlier try.
        least: Events a lease covers at least.

    Attributes:
        asked: What the checkpoint on its way will cover.
        used: Whether this try has asked for a lease at all.
    """

    leased_to: int
    least: int
    asked: int = 0
    used: bool = False
    _last_asked: float = float("-inf")
    _last_wanted: int = 0

    def __post_init__(self) -> None:
        self.asked = self.leased_to
        self._last_wanted = self.leased_to
        # What an earlier try was granted is not this one's: the first checkpoint also says who the owner is.
        self.leased_to = 0

    def covers(self, end: int) -> bool:
        """Whether events up to this position, excluded, may be sent."""
        return end <= self.leased_to

    def wait(self, now: float) -> float:
        """Seconds until a used-up lease may be renewed."""
        return max(0.001, self._last_asked + SHORTEST_INTERVAL - now)

    def due(self, now: float, *, wanted: int) -> bool:
        """Whether a checkpoint should be written now.

        Args:
            now: The loop's time.
            wanted: The end of the last batch that waits to be sent.
        """
        if wanted > self.leased_to:
            return now >= self._last_asked + SHORTEST_INTERVAL
        return now >= self._last_asked + INTERVAL

    def extend(self, now: float, *, wanted: int) -> None:
        """A checkpoint is about to be written: cover what waits, and what will be sent until well after the next."""
        elapsed = now - self._last_asked
        rate = (wanted - self._last_wanted) / elapsed if self.used and elapsed > 0 else 0.0
        self.asked = max(self.asked, wanted + max(self.least, int(rate * AHEAD)))
        self.used = True
        self._last_asked, self._last_wanted = now, max(wanted, self._last_wanted)

    def granted(self, leased_to: int) -> None:
        """The checkpoint is written."""
        self.leased_to = max(self.leased_to, leased_to)
