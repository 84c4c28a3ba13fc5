from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_bik.delivery.answers import BACKOFF_CAP, Answer, AnswerClass
from airflow_provider_bik.delivery.pacing import Pacer

GOOD = Answer(means=AnswerClass.CONFIRMED, status=200, cause="")
FAILED = Answer(means=AnswerClass.UNKNOWN, status=500, cause="")

LATENCY = 0.2

answers = st.builds(
    Answer,
    means=st.sampled_from(AnswerClass),
    cause=st.just(""),
    retry_after=st.none() | st.floats(0, 100),
)
replies = st.lists(st.tuples(answers, st.floats(0, 40)), min_size=1, max_size=150)


@dataclass
class Driver:
    """Does with a pacer what the engine does: always as many requests as it lets start."""

    pacer: Pacer
    now: float = 0.0
    starts: list[float] = field(default_factory=list)
    most: int = 0
    waiting: list[tuple[float, int, float, Answer]] = field(default_factory=list)

    def drive(
        self, number: int, reply: Callable[[int], tuple[Answer, float]], seen: Callable[[Answer], None] | None = None
    ) -> None:
        """Start so many requests, and have each answered as told: what, and after how many seconds."""
        until = len(self.starts) + number
        while len(self.starts) < until or self.waiting:
            wait = self.pacer.delay(self.now, len(self.waiting)) if len(self.starts) < until else None
            assert wait is None or (wait >= 0 and math.isfinite(wait))
            assert wait is not None or self.waiting, "nothing in flight, and nothing may start"
            if wait == 0:
                self._start(reply)
            elif wait is not None and (not self.waiting or self.now + wait < self.waiting[0][0]):
                # As a timer does, but for rounding: never early.
                self.now = math.nextafter(self.now + wait, math.inf)
            else:
                due, _, started, answer = heapq.heappop(self.waiting)
                self.now = max(self.now, due)
                self.pacer.answered(answer, started=started, now=self.now)
                if seen:
                    seen(answer)

    def _start(self, reply: Callable[[int], tuple[Answer, float]]) -> None:
        self.pacer.started(self.now)
        answer, took = reply(len(self.starts))
        self.starts.append(self.now)
        heapq.heappush(self.waiting, (self.now + took, len(self.starts), self.now, answer))
        self.most = max(self.most, len(self.waiting))


def pacer(max_concurrency: int = 8, ceiling: float | None = None, seed: int = 1) -> Pacer:
    return Pacer(
        max_concurrency=max_concurrency,
        max_requests_per_second=ceiling,
        rng=random.Random(seed),
    )


def good(_: int) -> tuple[Answer, float]:
    return GOOD, LATENCY


@given(replies, st.integers(1, 70), st.none() | st.floats(0.1, 1000))
def test_whatever_comes_it_is_never_stuck_and_never_above_the_maximum(
    script: list[tuple[Answer, float]], max_concurrency: int, ceiling: float | None
) -> None:
    driver = Driver(pacer(max_concurrency, ceiling))
    driver.drive(len(script), lambda n: script[n])
    assert len(driver.starts) == len(script)
    assert driver.most <= max_concurrency


@given(replies, st.integers(1, 70), st.floats(0.1, 1000))
def test_whatever_comes_no_stretch_of_time_holds_more_requests_than_the_ceiling_allows(
    script: list[tuple[Answer, float]], max_concurrency: int, ceiling: float
) -> None:
    driver = Driver(pacer(max_concurrency, ceiling))
    driver.drive(len(script), lambda n: script[n])
    for first, start in enumerate(driver.starts):
        for last in range(first + 1, len(driver.starts)):
            assert last - first + 1 <= (driver.starts[last] - start) * ceiling + 1 + 1e-6


@given(replies, st.integers(1, 70))
def test_whatever_comes_nothing_starts_before_a_retry_after_is_over(
    script: list[tuple[Answer, float]], max_concurrency: int
) -> None:
    driver, pauses = Driver(pacer(max_concurrency)), [(0.0, 0.0)]

    def note(answer: Answer) -> None:
        if answer.means is AnswerClass.THROTTLED and answer.retry_after is not None:
            pauses.append((driver.now, driver.now + answer.retry_after))

    driver.drive(len(script), lambda n: script[n], note)
    # A request that starts at the very moment of the answer has started before it.
    assert not any(told < start < end - 1e-6 for start in driver.starts for told, end in pauses)


@given(replies, st.integers(1, 40))
@settings(max_examples=30)
def test_after_whatever_has_come_good_answers_bring_back_the_full_number(
    script: list[tuple[Answer, float]], max_concurrency: int
) -> None:
    driver = Driver(pacer(max_concurrency))
    driver.drive(len(script), lambda n: script[n])
    driver.drive(3000, good)
    driver.most = 0
    driver.drive(1000, good)
    assert driver.most == max_concurrency


@given(st.integers(1, 70))
def test_the_first_request_goes_alone(max_concurrency: int) -> None:
    one = pacer(max_concurrency)
    assert one.delay(0.0, 0) == 0
    one.started(0.0)
    assert one.delay(0.0, 1) is None


def test_good_answers_double_the_number_each_round_trip() -> None:
    driver = Driver(pacer(64))
    driver.drive(127, good)
    assert driver.most == 64
    assert driver.now == pytest.approx(7 * LATENCY)


def test_all_in_flight_failing_together_is_one_failure_and_earns_no_pause() -> None:
    driver = Driver(pacer())
    driver.drive(100, good)
    driver.drive(8, lambda _: (FAILED, LATENCY))
    assert driver.pacer.delay(driver.now, 0) == 0


def test_a_lone_failure_stops_nothing() -> None:
    driver = Driver(pacer())
    driver.drive(200, lambda n: (FAILED if n == 100 else GOOD, LATENCY))
    gaps = [later - earlier for earlier, later in zip(driver.starts, driver.starts[1:], strict=False)]
    assert max(gaps) <= LATENCY + 1e-6
    assert driver.now <= 1.2 * 200 / 8 * LATENCY + 3 * LATENCY


@pytest.mark.parametrize("seed", range(20))
def test_failures_in_a_row_are_one_request_at_a_time_and_within_the_budget(seed: int) -> None:
    driver = Driver(pacer(seed=seed))
    driver.drive(100, good)
    began = driver.now
    driver.drive(60, lambda _: (FAILED, LATENCY))
    in_ten_minutes = sum(start < began + 600 for start in driver.starts) - 100
    assert in_ten_minutes <= 40
    pauses = [later - earlier for earlier, later in zip(driver.starts[112:], driver.starts[113:], strict=False)]
    assert min(pauses) >= LATENCY - 1e-6
    assert max(pauses) <= BACKOFF_CAP + 1e-6


def test_a_request_that_hung_has_waited_already() -> None:
    driver = Driver(pacer(1))
    driver.drive(30, lambda _: (FAILED, BACKOFF_CAP))
    assert driver.starts == pytest.approx([n * BACKOFF_CAP for n in range(30)])


def test_jitter_alone_takes_little_away() -> None:
    rng = random.Random(1)
    driver = Driver(pacer(16))
    driver.drive(5000, lambda _: (GOOD, LATENCY * rng.lognormvariate(-0.5, 1.0)))
    assert driver.now < 1.25 * 5000 * LATENCY / 16


def test_a_server_that_only_queues_is_not_buried_in_requests() -> None:
    driver = Driver(pacer(64))

    def queues(_: int) -> tuple[Answer, float]:
        return GOOD, LATENCY * max(1.0, (len(driver.waiting) + 1) / 8)

    driver.drive(2000, queues)
    driver.most = 0
    driver.drive(2000, queues)
    assert 8 <= driver.most <= 24


def test_a_decision_costs_the_same_after_a_hundred_thousand_answers() -> None:
    one = pacer(64)
    for n in range(100_000):
        one.started(n * 0.01)
        one.answered(GOOD, started=n * 0.01, now=n * 0.01 + LATENCY)
    state = [getattr(part, name) for part in (one, one._latency, one._rate) for name in part.__slots__]  # noqa: SLF001
    assert not any(isinstance(value, list | dict | set) for value in state)
