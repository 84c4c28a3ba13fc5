"""Draws the faults of a plan, request by request, and keeps its limits."""

from __future__ import annotations

import random
from collections.abc import Callable

from airflow_provider_bik.sandbox.faults import Fault, FaultPlan


class Gate:
    """The state of a plan while it runs. Used in the server's thread only.

    Args:
        plan: What is to happen.
        clock: Monotonic seconds, for the token bucket.
    """

    def __init__(self, plan: FaultPlan, clock: Callable[[], float]) -> None:
        self.plan = plan
        self._clock = clock
        # Two streams of chance, so that adding a fault does not change every latency.
        self._faults = random.Random(f"faults {plan.seed}")  # noqa: S311 - repeatable on purpose
        self._latencies = random.Random(f"latencies {plan.seed}")  # noqa: S311 - repeatable on purpose
        self._script = iter(plan.script)
        self._tokens = self._burst
        self._filled_at = clock()
        self._active = 0

    @property
    def _burst(self) -> float:
        return max(1.0, self.plan.requests_per_second or 1.0)

    def draw(self) -> tuple[Fault | None, float]:
        """Take the next entry of the script, or roll the dice once it is used up.

        Returns:
            The fault that strikes, if any, and the seconds to wait before the request is handled.
        """
        latency = self._latencies.uniform(*self.plan.latency)
        for scripted in self._script:
            return scripted, latency
        return self._roll(), latency

    def _roll(self) -> Fault | None:
        rolled = self._faults.random()
        for fault, probability in self.plan.rates:
            rolled -= probability
            if rolled < 0:
                return fault
        return None

    def enter(self) -> Fault | None:
        """Count a request in, and say with which fault it is turned away if it is one too many."""
        self._active += 1
        plan = self.plan
        if plan.max_concurrent is not None and self._active > plan.max_concurrent:
            return Fault(
                kind="status",
                status=plan.over_limit_status,
                retry_after=plan.retry_after,
                message="Too many requests at the same time",
            )
        if plan.requests_per_second is not None and not self._take(plan.requests_per_second):
            return Fault(kind="status", status=429, retry_after=plan.retry_after, message="Too many requests")
        return None

    def leave(self) -> None:
        """Count a request out."""
        self._active -= 1

    def _take(self, rate: float) -> bool:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
