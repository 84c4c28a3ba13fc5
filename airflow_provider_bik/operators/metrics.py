"""Metrics of deliveries, for whatever Airflow is set up to send its own to: StatsD or OpenTelemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_bik.delivery import AnswerClass, Counts, Progress
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason

__all__ = ["METRICS", "DeliveryMetrics", "Metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric, or several whose names end differently.

    Attributes:
        name: Without the prefix that Airflow puts before all of its metrics.
        endings: What the name ends with, if there are several.
        kind: ``counter`` or ``timer``.
        meaning: What it counts.
    """

    name: str
    kind: str = "counter"
    meaning: str
    endings: tuple[str, ...] = ()


STATES = ("delivered", "failed", "stopped", "stepped_aside")

METRICS = (
    Metric(
        name="bik.events.confirmed",
        endings=tuple(pipeline.value for pipeline in Pipeline),
        meaning="events that BIK has confirmed, by pipeline",
    ),
    Metric(
        name="bik.events.rejected",
        endings=tuple(reason.value for reason in Reason),
        meaning="events that did not go out or that BIK has rejected, by reason",
    ),
    Metric(name="bik.events.skipped", meaning="events that the DAG has said to leave out"),
    Metric(name="bik.events.unresolved", meaning="events that had no outcome when the try ended"),
    Metric(name="bik.events.possible_duplicates", meaning="events that may have reached BIK more than once"),
    Metric(
        name="bik.requests",
        endings=tuple(means.name.lower() for means in AnswerClass),
        meaning="requests, by what their answer means",
    ),
    Metric(name="bik.retries", meaning="requests whose events had been sent before in this try"),
    Metric(
        name="bik.outages", endings=("failing", "throttled"), meaning="times that BIK has begun to fail, or to throttle"
    ),
    Metric(name="bik.deliveries", endings=STATES, meaning="tries of deliveries, by how they have ended"),
    Metric(name="bik.delivery.duration", kind="timer", meaning="how long a try has taken to deliver"),
)
"""All of them: the docs print this table. A dry run gives none."""


@dataclass(slots=True, kw_only=True)
class DeliveryMetrics:
    """Turns the progress of one try into counters that only ever grow.

    Args:
        before: The counts that earlier tries have left, which were counted then.
        tags: For backends that take them.
    """

    before: Counts
    tags: Mapping[str, str]
    _sent: Counter[str] = field(init=False)
    _trouble: str = ""
    _outages: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._sent = Counter(_of_counts(self.before))

    def of_progress(self, progress: Progress) -> Callable[[], None]:
        """Take a progress in; what is returned sends what is new since the one before."""
        if progress.trouble and progress.trouble != self._trouble:
            self._outages[f"bik.outages.{progress.trouble}"] += 1
        self._trouble = progress.trouble
        now = Counter(_of_counts(progress.counts))
        now.update({f"bik.requests.{means.name.lower()}": number for means, number in progress.answers.items()})
        now["bik.retries"] = progress.retries
        now.update(self._outages)
        if progress.is_last:
            now["bik.events.unresolved"] = max(0, progress.read - progress.settled)
        new, self._sent = now - self._sent, now
        seconds = progress.seconds if progress.is_last else None
        return lambda: self._send(new, seconds)

    def of_end(self, state: str) -> Callable[[], None]:
        """What is returned sends how the try has ended."""
        return lambda: self._send(Counter({f"bik.deliveries.{state}": 1}), None)

    def _send(self, new: Mapping[str, int], seconds: float | None) -> None:
        for name, number in sorted(new.items()):
            Stats.incr(name, number, tags=dict(self.tags))
        if seconds is not None:
            Stats.timing("bik.delivery.duration", timedelta(seconds=seconds), tags=dict(self.tags))


def _of_counts(counts: Counts) -> Mapping[str, int]:
    return {
        **{f"bik.events.confirmed.{pipeline.value}": number for pipeline, number in counts.pipelines.items()},
        **{f"bik.events.rejected.{reason.value}": number for reason, number in counts.reasons.items()},
        "bik.events.skipped": counts.skipped,
        "bik.events.possible_duplicates": len(counts.possible_duplicates),
    }
