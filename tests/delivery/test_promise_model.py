"""The promise against every kind of answer and crash, in virtual time: thousands of deliveries in seconds."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_provider_bik.delivery import Checkpoint, Sending, StopReason
from airflow_provider_bik.delivery.checkpoint import Intervals
from tests.delivery import virtual_time
from tests.delivery.world import Bik, Crash, Disk, Try, attempt

RESEND = Sending(batch_size=10, max_concurrency=4, give_up_after=3600)
HOLD = Sending(batch_size=10, max_concurrency=4, give_up_after=3600, on_unconfirmed="hold")


def members(intervals: Intervals) -> set[int]:
    return {n for start, end in intervals for n in range(start, end)}


def check(number: int, bik: Bik, last: Try) -> None:
    """P1, P2 and P4 for a delivery that has come to its end."""
    report, rejected = last.report, last.rejected.positions()
    assert len(rejected) == len(set(rejected))
    assert report.rejected == len(rejected)
    outcome = bik.stored.keys() | set(rejected)
    if report.stop is None:
        assert report.read == number
        assert not report.unresolved
        assert outcome == set(range(number))
    else:
        assert set(range(report.read)) - outcome <= members(report.unresolved)
    twice = {n for n, copies in bik.stored.items() if copies > 1}
    assert twice <= members(report.counts.possible_duplicates)


def at_most_once(bik: Bik) -> bool:
    return max(bik.stored.values(), default=1) == 1


@pytest.mark.parametrize("how", [RESEND, HOLD], ids=["resend", "hold"])
def test_the_equation_holds_for_a_thousand_servers_that_answer_at_random(how: Sending) -> None:
    for seed in range(500):
        rng = random.Random(seed)
        number = rng.randrange(200)
        bad = frozenset(n for n in range(number) if rng.random() < 0.03)
        bik = Bik(rng=rng, bad=bad, trouble=rng.choice([0.0, 0.1, 0.5]))
        last = virtual_time.run(attempt(number, bik, Disk(), how))
        check(number, bik, last)
        if how.hold:
            assert at_most_once(bik)


def _crashing(disk: Disk, bik: Bik, countdown: int) -> None:
    steps = countdown

    def step(*_: object) -> None:
        nonlocal steps
        steps -= 1
        # A dead process does nothing more: whatever it tries from then on fails as well.
        if steps <= 0:
            raise Crash

    disk.on_write = step
    bik.on_request = step


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    number=st.integers(1, 400),
    crashes=st.lists(st.integers(1, 60), max_size=4),
    how=st.sampled_from([RESEND, HOLD]),
)
def test_crashes_at_any_step_lose_nothing_and_every_duplicate_is_named(
    seed: int, number: int, crashes: list[int], how: Sending
) -> None:
    rng = random.Random(seed)
    bad = frozenset(n for n in range(number) if rng.random() < 0.03)
    bik, disk = Bik(rng=rng, bad=bad, trouble=0.2), Disk(slowness=rng.choice([0.001, 0.1, 0.7]))
    for countdown in crashes:
        before = disk.checkpoint
        stored_before = dict(bik.stored)
        _crashing(disk, bik, countdown)
        with contextlib.suppress(Crash):
            virtual_time.run(attempt(number, bik, disk, how))
        _check_bounds(before, stored_before, bik, disk)
    disk.on_write = lambda _: None
    bik.on_request = lambda: None
    last = virtual_time.run(attempt(number, bik, disk, how))
    check(number, bik, last)
    if how.hold:
        assert at_most_once(bik)


def _check_bounds(before: Checkpoint | None, stored_before: dict[int, int], bik: Bik, disk: Disk) -> None:
    """P3: nothing settled before is sent again, and nothing is sent beyond the lease."""
    sent_now = {n for n, copies in bik.stored.items() if copies > stored_before.get(n, 0)}
    if before is not None:
        assert not sent_now & members(Intervals(before.settled))
    if sent_now:
        assert disk.checkpoint is not None
        assert max(sent_now) < disk.checkpoint.leased_to


@pytest.mark.parametrize("stop_after", [0.0, 0.05, 0.3, 1.0, 2.0])
def test_an_order_to_stop_is_obeyed_soon_and_leaves_little_in_doubt(stop_after: float) -> None:
    bik, disk = Bik(rng=random.Random(1), trouble=0.3), Disk()

    async def timed() -> tuple[Try, float]:
        import asyncio  # noqa: PLC0415 - the loop of virtual time is known inside only

        first = await attempt(100_000, bik, disk, RESEND, stop_after=stop_after)
        return first, asyncio.get_running_loop().time() - stop_after

    stopped, took = virtual_time.run(timed())
    assert stopped.report.stop is StopReason.CANCELLED
    assert took < 3
    if disk.checkpoint is not None:
        assert disk.checkpoint.state == "stopped"
        assert len(Intervals(disk.checkpoint.in_doubt or [])) <= 10 * (4 + bik.requests)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    stops=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=3),
    how=st.sampled_from([RESEND, HOLD]),
)
def test_after_orders_to_stop_every_event_that_was_in_doubt_is_named_or_held(
    seed: int, stops: list[float], how: Sending
) -> None:
    # Slower than the grace after the order, so that some requests end without an answer.
    bik, disk = Bik(rng=random.Random(seed), trouble=0.2, slowest=4.0), Disk()
    for stop_after in stops:
        virtual_time.run(attempt(300, bik, disk, how, stop_after=stop_after))
    check(300, bik, virtual_time.run(attempt(300, bik, disk, how)))
    if how.hold:
        assert at_most_once(bik)


def _store(rng: random.Random, *, failing: float, hanging: float = 0.0) -> Disk:
    """A store that is slow and fails now and then, and that may hang from some write on."""
    return Disk(
        slowness=rng.choice([0.001, 0.1, 0.7]),
        failing=lambda _: rng.random() < failing,
        hanging=lambda _: rng.random() < hanging,
    )


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    number=st.integers(1, 300),
    stops=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=4),
    how=st.sampled_from([RESEND, HOLD]),
    hanging=st.sampled_from([0.0, 0.2]),
)
def test_a_store_that_is_slow_and_fails_or_hangs_loses_nothing_and_every_duplicate_is_named(
    seed: int, number: int, stops: list[float], how: Sending, hanging: float
) -> None:
    rng = random.Random(seed)
    bad = frozenset(n for n in range(number) if rng.random() < 0.03)
    bik, disk = Bik(rng=rng, bad=bad, trouble=0.2, slowest=4.0), _store(rng, failing=0.1, hanging=hanging)
    for stop_after in stops:
        virtual_time.run(attempt(number, bik, disk, how, stop_after=stop_after))
    disk.failing = disk.hanging = lambda _: False
    check(number, bik, virtual_time.run(attempt(number, bik, disk, how)))
    if how.hold:
        assert at_most_once(bik)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), number=st.integers(1, 200), how=st.sampled_from(["fails", "hangs"]))
def test_hold_sends_at_most_once_if_rejected_events_cannot_be_written(seed: int, number: int, how: str) -> None:
    rng = random.Random(seed)
    bik, disk = Bik(rng=rng, trouble=0.5), Disk()
    for _ in range(rng.randrange(1, 4)):
        last_written = rng.randrange(3)
        broken = lambda kind, least=last_written: kind == "rejected" and len(disk.files) >= least  # noqa: E731
        disk.failing, disk.hanging = (broken, disk.hanging) if how == "fails" else (disk.failing, broken)
        virtual_time.run(attempt(number, bik, disk, HOLD, stop_after=rng.uniform(0.1, 60.0)))
    disk.failing = disk.hanging = lambda _: False
    check(number, bik, virtual_time.run(attempt(number, bik, disk, HOLD)))
    assert at_most_once(bik)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), number=st.integers(1, 300), how=st.sampled_from([RESEND, HOLD]))
def test_if_everything_is_in_doubt_every_event_that_is_sent_is_named_and_none_is_held_for_it(
    seed: int, number: int, how: Sending
) -> None:
    rng = random.Random(seed)
    bik, disk = Bik(rng=rng), Disk()
    stop_after = rng.uniform(0.0, 2.0)
    virtual_time.run(attempt(number, bik, disk, how, stop_after=stop_after, everything_in_doubt=True))
    last = virtual_time.run(attempt(number, bik, disk, how, everything_in_doubt=True))
    check(number, bik, last)
    assert bik.stored.keys() <= members(last.report.counts.possible_duplicates)
    held = set(last.rejected.positions())
    # Only what an earlier try has left without an answer is held.
    assert len(held) <= (40 if how.hold else 0)


def test_checkpoints_are_written_about_once_a_second_at_most() -> None:
    bik, disk = Bik(rng=random.Random(1)), Disk()

    async def timed() -> float:
        import asyncio  # noqa: PLC0415 - the loop of virtual time is known inside only

        await attempt(30_000, bik, disk, RESEND)
        return asyncio.get_running_loop().time()

    seconds = virtual_time.run(timed())
    assert seconds > 30
    assert disk.writes <= seconds + 8


def test_a_disk_that_fails_ends_delivery_and_what_was_in_flight_still_counts() -> None:
    bik, disk = Bik(rng=random.Random(1)), Disk()

    disk.failing = lambda _: bik.requests > 40
    broken = virtual_time.run(attempt(100_000, bik, disk, RESEND))
    assert broken.report.stop is StopReason.FAILED
    assert broken.report.confirmed == sum(bik.stored.values())
    disk.failing = lambda _: False
    number = broken.report.read + 500
    check(number, bik, virtual_time.run(attempt(number, bik, disk, RESEND)))


def test_the_breaker_stops_before_everything_is_rejected() -> None:
    bik, disk = Bik(rng=random.Random(1), bad=frozenset(range(100_000))), Disk()
    last = virtual_time.run(attempt(100_000, bik, disk, RESEND))
    assert last.report.stop is StopReason.NEARLY_ALL_REJECTED
    assert bik.requests < 2000


def test_a_few_bad_events_in_a_good_input_never_trip_the_breaker() -> None:
    bad = frozenset(range(0, 9000, 30))
    bik, disk = Bik(rng=random.Random(1), bad=bad), Disk()
    last = virtual_time.run(attempt(9000, bik, disk, RESEND))
    assert last.report.stop is None
    assert set(last.rejected.positions()) == bad


class ProgressMachine(RuleBasedStateMachine):
    """Leases, confirmations, rejections, crashes and resumptions of `Intervals`, against plain sets."""

    number = 60

    def __init__(self) -> None:
        super().__init__()
        self.settled, self.saved = Intervals(), Intervals()
        self.model: set[int] = set()
        self.model_saved: set[int] = set()
        self.leased_to = 0
        self.sent: set[int] = set()

    @rule(more=st.integers(1, 20))
    def lease(self, more: int) -> None:
        self.leased_to = min(self.number, self.leased_to + more)
        self.saved, self.model_saved = Intervals(self.settled), set(self.model)

    @precondition(lambda self: self.leased_to > 0)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        positions = data.draw(st.sets(st.integers(0, self.leased_to - 1), max_size=8))
        self.sent |= positions
        self.settled.add_all(sorted(positions))
        self.model |= positions

    @rule()
    def crash_and_resume(self) -> None:
        self.settled, self.model = Intervals(self.saved), set(self.model_saved)

    @invariant()
    def what_may_have_been_sent_is_settled_or_in_doubt(self) -> None:
        doubt = self.settled.gaps(self.leased_to)
        assert members(self.settled) == self.model
        assert members(doubt) == set(range(self.leased_to)) - self.model
        assert self.sent <= self.model | members(doubt)
        assert members(doubt.without(self.saved)) == members(doubt) - self.model_saved


TestProgress = ProgressMachine.TestCase
