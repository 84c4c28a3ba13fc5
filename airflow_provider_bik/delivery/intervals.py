"""Sets of positions, kept as intervals, which stay small however long the input is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

__all__ = ["Intervals", "Range"]

Range = tuple[int, int]
"""Positions from the first number up to, not including, the second."""


class Intervals:
    """A set of whole numbers, kept as sorted half-open intervals that never touch.

    Args:
        pairs: (start, end) pairs to begin with, end excluded; they may overlap.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in pairs:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Take in every number from ``start`` up to, not including, ``end``."""
        if start >= end:
            return
        # Neighbours that overlap or touch [start, end) become one with it.
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def add_all(self, positions: Iterable[int]) -> None:
        """Take in single numbers; runs of neighbours cost one step, and a range costs no more than that."""
        if isinstance(positions, range) and positions.step == 1:
            self.add(positions.start, positions.stop)
            return
        start = end = -1
        for position in positions:
            if position == end:
                end += 1
            else:
                self.add(start, end)
                start, end = position, position + 1
        self.add(start, end)

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, int):
            return False
        index = bisect_right(self._starts, position) - 1
        return index >= 0 and position < self._ends[index]

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Intervals({list(self)!r})"

    def gaps(self, end: int) -> Intervals:
        """What is missing between 0 and ``end``, ``end`` excluded."""
        missing, reached = Intervals(), 0
        for start, stop in self:
            missing.add(reached, min(start, end))
            reached = stop
        missing.add(reached, end)
        return missing

    def without(self, other: Intervals) -> Intervals:
        """What is in this set and not in the other."""
        kept, others, first = Intervals(), list(other), 0
        for start, end in self:
            while first < len(others) and others[first][1] <= start:
                first += 1
            reached, index = start, first
            while index < len(others) and others[index][0] < end:
                kept.add(reached, others[index][0])
                reached = others[index][1]
                index += 1
            kept.add(reached, end)
        return kept

    def coarse(self, most: int) -> list[tuple[int, int]]:
        """At most ``most`` intervals that contain this set, made by closing the smallest gaps."""
        pairs = list(self)
        if len(pairs) <= most:
            return pairs
        by_width = sorted(range(1, len(pairs)), key=lambda index: pairs[index][0] - pairs[index - 1][1], reverse=True)
        kept = sorted(by_width[: most - 1])
        bounds = [0, *kept, len(pairs)]
        return [(pairs[a][0], pairs[b - 1][1]) for a, b in pairwise(bounds)]
