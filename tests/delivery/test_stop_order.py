"""An order to stop is obeyed within three seconds and without burning CPU, whatever delivery is doing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from airflow_provider_bik.delivery import (
    Answer,
    AnswerClass,
    Checkpoint,
    Delivery,
    DeliveryReport,
    Sending,
    StopReason,
    deliver,
)
from airflow_provider_bik.delivery.checkpoint import Intervals
from airflow_provider_bik.delivery.engine import _Engine
from airflow_provider_bik.events.item import InputEvent
from tests.delivery import virtual_time
from tests.delivery.world import GOOD, Disk, Rejected, forever, in_chunks, input_event, rejected_event

ORDERED_AT = 20.0

UNKNOWN = Answer(means=AnswerClass.UNKNOWN, status=500, cause="HTTP 500")
FATAL = Answer(means=AnswerClass.FATAL, status=401, cause="HTTP 401")
LONG_PAUSE = Answer(means=AnswerClass.THROTTLED, status=429, cause="HTTP 429", retry_after=7200.0)
PAUSE = Answer(means=AnswerClass.THROTTLED, status=429, cause="HTTP 429", retry_after=250.0)


@dataclass
class Situation:
    """What hangs, and what BIK answers, when the order comes."""

    answers: Sequence[Answer | None] = ()
    then: Answer | None = GOOD
    events: Sequence[InputEvent] = field(default_factory=lambda: [input_event(n) for n in range(5000)])
    reading_hangs: bool = False
    hanging: frozenset[str] = frozenset()
    hanging_from: float = 0.0
    sending: Sending = field(default_factory=lambda: Sending(batch_size=10))
    started: int = 0

    async def send(self, _: Sequence[bytes]) -> Answer:
        self.started += 1
        answer = self.answers[self.started - 1] if self.started <= len(self.answers) else self.then
        await asyncio.sleep(0.1)
        if answer is None:
            await forever()
        assert answer is not None
        return answer

    async def chunks(self) -> AsyncIterator[Sequence[InputEvent]]:
        async for chunk in in_chunks(self.events):
            yield chunk
            if self.reading_hangs:
                await forever()

    def hangs(self, kind: str) -> bool:
        return kind in self.hanging and asyncio.get_running_loop().time() >= self.hanging_from


SITUATIONS = {
    "requests hang": Situation(then=None),
    "requests hang after a fatal answer": Situation(answers=[GOOD] * 20 + [FATAL], then=None),
    "requests hang after a long pause was asked for": Situation(answers=[GOOD] * 20 + [LONG_PAUSE], then=None),
    "BIK has asked for a pause": Situation(answers=[GOOD] * 20, then=PAUSE),
    "an outage": Situation(answers=[GOOD] * 20, then=UNKNOWN),
    "an outage while holding": Situation(
        answers=[GOOD] * 20, then=UNKNOWN, sending=Sending(batch_size=10, on_unconfirmed="hold")
    ),
    "reading hangs": Situation(reading_hangs=True),
    "the first checkpoint hangs": Situation(hanging=frozenset({"checkpoint"})),
    "a later checkpoint hangs": Situation(hanging=frozenset({"checkpoint"}), hanging_from=2.0),
    "the last checkpoint hangs": Situation(
        events=[input_event(n) for n in range(50)], hanging=frozenset({"checkpoint"}), hanging_from=0.1
    ),
    "a write of rejected events hangs": Situation(
        events=[rejected_event(n) if n % 3 else input_event(n) for n in range(5000)], hanging=frozenset({"rejected"})
    ),
    "the last write of rejected events hangs": Situation(
        events=[rejected_event(n) for n in range(10)], hanging=frozenset({"rejected"})
    ),
    "every write hangs": Situation(
        events=[rejected_event(n) if n % 3 else input_event(n) for n in range(5000)],
        hanging=frozenset({"rejected", "checkpoint"}),
        hanging_from=1.0,
    ),
    "requests and writes hang": Situation(
        events=[rejected_event(n) if n % 3 else input_event(n) for n in range(5000)],
        answers=[GOOD] * 20,
        then=None,
        hanging=frozenset({"rejected", "checkpoint"}),
        hanging_from=1.0,
    ),
    "the ceiling of the rate is low": Situation(sending=Sending(max_requests_per_second=0.001)),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_an_order_to_stop_is_obeyed_within_three_seconds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    situation, disk, steps = SITUATIONS[name], Disk(), 0
    disk.hanging = situation.hangs
    step = _Engine._step  # noqa: SLF001 - the loop's turns are counted

    async def counted(self: _Engine) -> None:
        nonlocal steps
        steps += 1
        await step(self)

    monkeypatch.setattr(_Engine, "_step", counted)

    async def work() -> tuple[DeliveryReport, float]:
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        delivery = Delivery(sending=situation.sending, rejected=Rejected(disk, []), checkpoints=disk)
        loop.call_later(ORDERED_AT, stopping.set)
        report = await deliver(
            situation.chunks(), delivery, send=situation.send, rng=random.Random(1), stopping=stopping
        )
        assert len(asyncio.all_tasks()) == 1, "a task was left behind"
        return report, loop.time() - ORDERED_AT

    report, took = virtual_time.run(work())
    assert 0 <= took < 3
    # Each turn belongs to an answer, a chunk or a write; a loop that spins makes hundreds of thousands.
    assert steps < 5000
    assert report.stop is not None
    if disk.checkpoint is not None and disk.checkpoint.in_doubt is None:
        assert "checkpoint" in situation.hanging


@pytest.mark.parametrize("name", ["requests hang after a fatal answer", "a write of rejected events hangs"])
def test_what_was_sent_without_an_answer_is_in_doubt_in_the_last_checkpoint(name: str) -> None:
    situation, disk = SITUATIONS[name], Disk()
    sent: set[int] = set()
    situation.started = 0
    disk.hanging = situation.hangs

    async def send(bodies: Sequence[bytes]) -> Answer:
        sent.update(int(body[10:-1]) for body in bodies)
        return await situation.send(bodies)

    async def work() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(ORDERED_AT, stopping.set)
        delivery = Delivery(sending=situation.sending, rejected=Rejected(disk, []), checkpoints=disk)
        await deliver(situation.chunks(), delivery, send=send, rng=random.Random(1), stopping=stopping)

    virtual_time.run(work())
    assert disk.checkpoint is not None
    assert disk.checkpoint.state == "stopped"
    settled, in_doubt = Intervals(disk.checkpoint.settled), Intervals(disk.checkpoint.in_doubt or [])
    # The events of the fatal answer were not taken, so they are neither.
    fatal = {n for n in sent if n not in settled and n not in in_doubt}
    assert len(fatal) == (10 if "fatal" in name else 0)


def test_the_order_overrides_waiting_even_if_delivery_has_ended_for_a_less_serious_reason() -> None:
    situation = Situation(answers=[GOOD] * 20 + [LONG_PAUSE], then=None)

    async def work() -> DeliveryReport:
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(ORDERED_AT, stopping.set)
        delivery = Delivery(sending=situation.sending)
        return await deliver(situation.chunks(), delivery, send=situation.send, rng=random.Random(1), stopping=stopping)

    report = virtual_time.run(work())
    assert report.stop is StopReason.CANCELLED
    assert report.step_aside is None


def test_a_delivery_that_is_cancelled_from_outside_still_writes_its_last_checkpoint() -> None:
    situation, disk = Situation(answers=[GOOD] * 20, then=None), Disk()

    async def work() -> float:
        loop = asyncio.get_running_loop()
        delivery = Delivery(sending=situation.sending, rejected=Rejected(disk, []), checkpoints=disk)
        task = asyncio.ensure_future(deliver(situation.chunks(), delivery, send=situation.send, rng=random.Random(1)))
        loop.call_later(ORDERED_AT, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        return loop.time() - ORDERED_AT

    assert virtual_time.run(work()) < 3
    assert isinstance(disk.checkpoint, Checkpoint)
    assert disk.checkpoint.state == "stopped"
    assert disk.checkpoint.in_doubt
