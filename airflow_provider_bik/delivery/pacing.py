"""How fast: when the next request may start. Pure; time and random numbers come in as arguments.

The strictest limit counts: the number in flight (`Pacer`, advised by `_Latency`), the rate (`_Rate`), or a pause that
the server has asked for or that follows failures in a row. The reasons and figures are in ``docs/design/pacing.md``.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from airflow_provider_bik.delivery.answers import BACKOFF_CAP, Answer, AnswerClass, backoff

__all__ = ["Pacer"]

_PRESSURE = frozenset({AnswerClass.NOT_SENT, AnswerClass.UNKNOWN, AnswerClass.THROTTLED})

SLOT_PERIOD = 75
"""Good answers for one more request in flight; the longer nothing fails, the fewer are needed. This bounds how often a
full server has to throttle."""

ISOLATED_FAILURE_REFUND = 0.5
"""Share of the slot removed by a single failure that is returned once later requests succeed: the failure was probably
random."""

MIN_SAMPLES = 10
"""Good answers, at least, whose average is compared with the past; with fewer, the difference would be random."""

TOLERANCE = 1.3
"""Times its usual value that a round trip may take: the queue at the server is then a third of what it works on."""

ERRORS_OF_THE_MEAN = 3.0
"""An average must exceed that by this many standard errors, so that jitter alone does not reduce the limit."""

EWMA_DOWN, EWMA_UP = 0.3, 0.02
"""Weights with which the usual round trip follows a shorter and a longer one: a queue must not become the usual."""

QUEUE_DRAIN_FACTOR = 0.8
"""After latency rises, the limit becomes this share of the estimated queue-free limit, so that the queue drains and the
usual round trip becomes visible again."""

MAX_CUT = 0.5
"""At least this share of limit or rate remains after any one cut: no single observation is worth more."""

RATE_BACKOFF = 0.9
"""After a request was throttled, this share of the rate at that time remains."""

RATE_PERIOD = 120
"""Good answers after which the rate is again what it was when it was throttled; after twice as many it is half as much
again."""

RATE_WINDOW_S = 20.0
"""Seconds over which the rate is measured, at most, unless a pause within them is longer."""


@dataclass(slots=True, kw_only=True)
class Pacer:
    """Holds the number of requests in flight and their rate.

    The first request goes alone, so a wrong key costs one request. Then every good answer lets one more go at a time,
    until the first sign of pressure; from there the number grows slowly, and faster the longer nothing is wrong. The
    second failure in a row brings it to one request at a time, each after a longer pause, so an outage costs few
    requests. The good answer that ends it lets the number grow quickly up to half of what it was.

    Args:
        max_concurrency: Requests in flight at most.
        max_requests_per_second: Ceiling of the rate; None for no ceiling.
        rng: Where jitter comes from.
    """

    max_concurrency: int
    max_requests_per_second: float | None = None
    rng: random.Random = field(default_factory=random.Random)
    _limit: float = 1.0
    _grows_quickly_to: float = math.inf
    _limit_counts: bool = True
    _good: int = 0
    _throttled: bool = False
    _failures_in_a_row: int = 0
    _last_failure: float = -math.inf
    _started_since: int = 0
    _failed_since: int = 0
    _not_before: float = -math.inf
    _latency: _Latency = field(init=False)
    _rate: _Rate = field(init=False)

    def __post_init__(self) -> None:
        self._latency = _Latency()
        self._rate = _Rate(ceiling=self.max_requests_per_second or math.inf)

    def delay(self, now: float, in_flight: int) -> float | None:
        """Seconds from now until one more request may start; None if one in flight must be answered first."""
        # A limit that holds nothing back learns nothing from good answers.
        self._limit_counts = in_flight >= int(self._limit)
        if self._limit_counts:
            return None
        return max(0.0, self._not_before - now, self._rate.slot - now)

    def started(self, now: float) -> None:
        """A request has started."""
        self._started_since += 1
        self._rate.started(now)

    def answered(self, answer: Answer, *, started: float, now: float) -> None:
        """An answer has come to the request of that time."""
        if answer.means in _PRESSURE:
            self._failed(answer, started, now)
        else:
            self._succeeded(started, now)
        self._limit = max(1.0, min(self._limit, self.max_concurrency))

    def _succeeded(self, started: float, now: float) -> None:
        if self._failures_in_a_row and started >= self._last_failure:
            self._failures_in_a_row = 0
            self._limit += 0.0 if self._throttled else ISOLATED_FAILURE_REFUND
        self._rate.accepted(now)
        self._good += 1
        if self._limit_counts:
            self._limit += self._step()
        share = self._latency.judge(self._limit, started, now)
        if share < 1:
            self._limit *= share
            self._grows_quickly_to, self._good = 0.0, 0

    def _step(self) -> float:
        if not self._failures_in_a_row and self._limit < self._grows_quickly_to:
            return 1.0
        slow = (1 + self._good / SLOT_PERIOD) / SLOT_PERIOD
        return slow if self._throttled else max(slow, self._limit**-2)

    def _failed(self, answer: Answer, started: float, now: float) -> None:
        before, self._limit = self._limit, self._limit - 1
        self._good = 0
        self._throttled = answer.means is AnswerClass.THROTTLED
        if answer.retry_after is not None:
            self._not_before = max(self._not_before, now + answer.retry_after)
        if started < self._last_failure:
            # Requests that were in flight together fail together: that is one failure.
            return
        self._failed_since += 1
        if not self._failures_in_a_row:
            self._grows_quickly_to = before * MAX_CUT
        elif 2 * self._failed_since >= self._started_since:
            self._limit = 1.0
        else:
            # Most of the requests started since the first failure may still succeed.
            return
        self._last_failure = now
        self._started_since = self._failed_since = 0
        self._failures_in_a_row += 1
        if self._throttled and self._failures_in_a_row == 1:
            sent = before / self._latency.usual if self._latency.usual else math.inf
            self._rate.cut(now, sent=sent, limit_holds=self._limit_counts)
        if self._throttled or self._failures_in_a_row > 1:
            # From the start on: a request that has hung until its timeout has waited already.
            self._not_before = max(self._not_before, started + backoff(self._failures_in_a_row, self.rng))


@dataclass(slots=True, kw_only=True)
class _Rate:
    """Spaces the requests out: never above `ceiling`, nor for a while above a bit less than was throttled (`held`)."""

    ceiling: float
    held: float = math.inf
    slot: float = -math.inf
    _good: int = 0
    _since: float = math.inf
    _accepted: float = 0.0

    def started(self, now: float) -> None:
        """A request has started."""
        self._since = min(self._since, now)
        self.slot = max(now, self.slot) + 1 / min(self.held, self.ceiling)

    def accepted(self, now: float) -> None:
        """A request was not throttled."""
        self._good += 1
        self._accepted += 1
        if now - self._since > RATE_WINDOW_S:
            # Half of it is forgotten, at the rate it had.
            self._since, self._accepted = (self._since + now) / 2, self._accepted / 2
        # Summed up over a period this is 1 / RATE_BACKOFF.
        self.held *= 1 - 2 * math.log(RATE_BACKOFF) * self._good / RATE_PERIOD**2

    def cut(self, now: float, *, sent: float, limit_holds: bool) -> None:
        """A request was throttled: hold the rate below what the server has let through, pauses included."""
        if not self._accepted or now <= self._since:
            # Throttled while pausing: the rate is not the cause.
            return
        throttled_rate = min(self.held, sent)
        # The first time, the measured rate is that of a slow start.
        let_through = throttled_rate if self.held == math.inf else self._accepted / (now - self._since)
        if limit_holds and self.held < math.inf and let_through > sent * MAX_CUT:
            # The number in flight is the cause, and is lower already.
            return
        # Never so low that it would be a longer pause than any failure earns.
        self.held = max(1 / BACKOFF_CAP, throttled_rate * MAX_CUT, min(throttled_rate * RATE_BACKOFF, let_through))
        self._good = 0
        self._since, self._accepted = now, 0.0


@dataclass(slots=True, kw_only=True)
class _Latency:
    """Notices a server that answers everything, but more and more slowly: requests are queueing there."""

    _usual: float | None = None
    _began: float = -math.inf
    _round: float = MIN_SAMPLES
    _count: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    _too_slow: tuple[float, float] | None = None

    @property
    def usual(self) -> float:
        """Seconds of the usual round trip; 0 if nothing is known."""
        return self._usual or self._sum / max(1, self._count)

    def judge(self, limit: float, started: float, now: float) -> float:
        """Take note of a round trip; returns by what the limit is to be multiplied."""
        if started < self._began:
            return 1.0
        took = now - started
        self._count += 1
        self._sum += took
        self._squares += took * took
        if self._count < self._round:
            return 1.0
        average = self._sum / self._count
        error = math.sqrt(max(0.0, self._squares / self._count - average**2) / self._count)
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        share = self._compare(average, error, limit)
        self._round = max(MIN_SAMPLES, limit * share)
        if share < 1:
            # What is in flight still meets the queue of before.
            self._began = now
        return share

    def _compare(self, average: float, error: float, limit: float) -> float:
        usual = average if self._usual is None else self._usual
        before, self._too_slow = self._too_slow, None
        if average <= TOLERANCE * usual + ERRORS_OF_THE_MEAN * error:
            self._usual = usual + (average - usual) * (EWMA_DOWN if average < usual else EWMA_UP)
            return 1.0
        if int(limit) == 1 or (
            before and average > RATE_BACKOFF * before[0] and limit <= QUEUE_DRAIN_FACTOR * before[1]
        ):
            # With fewer in flight it is as slow as before: our load is not the reason, so this is the usual now.
            self._usual = average
            return 1.0
        # The limit at the start of the round, for it may have grown since.
        self._too_slow = average, self._round
        self._usual = usual
        return max(MAX_CUT, QUEUE_DRAIN_FACTOR * usual / average)
