"""How much arrived when: totals, and the last minutes in steps of a second."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_bik.sandbox.contract import PIPELINES, Pipeline

WINDOW = 240
"""Seconds that the chart looks back."""

RATE_OVER = 5
"""Seconds over which the rate is measured: long enough to stand still, short enough to follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the page shows of the ledger, per pipeline.

    Attributes:
        totals: Events stored.
        rates: Events a second over the last few seconds.
        series: Events in each of the last full seconds, oldest first.
        second: The clock at the end of the series, so that columns of several seconds keep their borders.
        extra_copies: Stored events whose content had been stored before.
    """

    totals: Mapping[Pipeline, int]
    rates: Mapping[Pipeline, float]
    series: Mapping[Pipeline, Sequence[int]]
    second: int
    extra_copies: int


class Activity:
    """Counts per pipeline. Guarded by the lock of the ledger that owns it.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.totals: Counter[Pipeline] = Counter()
        self._seconds: deque[tuple[int, Counter[Pipeline]]] = deque(maxlen=WINDOW + 1)

    def add(self, counts: Mapping[Pipeline, int]) -> None:
        """Count events that arrive now."""
        self.totals.update(counts)
        second = int(self._clock())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1].update(counts)

    def summary(self, extra_copies: int) -> Summary:
        """Sum up, up to the last full second."""
        end = int(self._clock())
        start = end - WINDOW
        series: dict[Pipeline, list[int]] = {pipeline: [0] * WINDOW for pipeline in PIPELINES}
        for second, counts in self._seconds:
            if start <= second < end:
                for pipeline, count in counts.items():
                    series[pipeline][second - start] = count
        return Summary(
            totals=dict(self.totals),
            rates={pipeline: sum(counts[-RATE_OVER:]) / RATE_OVER for pipeline, counts in series.items()},
            series=series,
            second=end,
            extra_copies=extra_copies,
        )

    def clear(self) -> None:
        """Forget everything."""
        self.totals.clear()
        self._seconds.clear()
