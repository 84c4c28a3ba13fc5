"""How much arrived when: totals, and the last minutes in steps of a second."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping

from airflow_provider_bik.sandbox.contract import PIPELINES, Pipeline

WINDOW = 240
"""Seconds that the chart looks back."""

RATE_OVER = 5
"""Seconds over which the rate is measured: long enough to stand still, short enough to follow."""


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

    def summary(self) -> dict[str, object]:
        """What the page's charts show, up to the last full second, as JSON.

        ``second`` is the clock at the end of the series, so that columns of several seconds keep their borders.
        """
        end = int(self._clock())
        series = {pipeline: [0] * WINDOW for pipeline in PIPELINES}
        for second, counts in self._seconds:
            if end - WINDOW <= second < end:
                for pipeline, count in counts.items():
                    series[pipeline][second - end] = count
        pipelines = {
            name: {"total": self.totals[name], "rate": sum(each[-RATE_OVER:]) / RATE_OVER, "series": each}
            for name, each in series.items()
        }
        return {"second": end, "pipelines": pipelines}

    def clear(self) -> None:
        """Forget everything."""
        self.totals.clear()
        self._seconds.clear()
