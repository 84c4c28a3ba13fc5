"""A small world for the engine: a BIK that keeps what it takes, a disk, and a crash that loses everything else."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from airflow_provider_bik.delivery import (
    Answer,
    AnswerClass,
    Checkpoint,
    Delivery,
    DeliveryReport,
    RejectedEvent,
    Sending,
    deliver,
)
from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason, Rejection

GOOD = Answer(means=AnswerClass.CONFIRMED, status=200, cause="HTTP 200")


class Crash(BaseException):
    """The process is gone: nothing that was only in memory is left."""


def input_event(number: int) -> InputEvent:
    result = EncodedEvent(body=b'{"number":%d}' % number, pipeline=Pipeline.REALTIME)
    return InputEvent(position=number, location=f"[{number}]", result=result)


def skipped_event(number: int) -> InputEvent:
    return InputEvent(position=number, location=f"[{number}]", result=None)


def rejected_event(number: int) -> InputEvent:
    rejection = Rejection(reason=Reason.FIELD_MISSING, detail="eventName")
    return InputEvent(position=number, location=f"[{number}]", result=rejection, raw={})


def numbers(bodies: Sequence[bytes]) -> list[int]:
    return [json.loads(body)["number"] for body in bodies]


async def in_chunks(events: Sequence[InputEvent], size: int = 50) -> AsyncIterator[Sequence[InputEvent]]:
    for first in range(0, len(events), size):
        await asyncio.sleep(0)
        yield events[first : first + size]


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


@dataclass
class Bik:
    """Takes events as it pleases, and remembers how often it stored each."""

    rng: random.Random
    bad: frozenset[int] = frozenset()
    trouble: float = 0.0
    slowest: float = 0.2
    stored: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    on_request: Callable[[], None] = lambda: None

    async def send(self, events: Sequence[bytes]) -> Answer:
        self.requests += 1
        self.on_request()
        sent = numbers(events)
        try:
            await asyncio.sleep(self.rng.uniform(0.01, self.slowest))
        except asyncio.CancelledError:
            # The sender is gone, but what it sent may have arrived.
            if self.rng.random() < 0.5 and not self.bad.intersection(sent):
                self.stored.update(sent)
            raise
        mood = self.rng.random()
        if mood < self.trouble:
            return self._troubled(sent, self.rng.randrange(8))
        if self.bad.intersection(sent):
            return Answer(means=AnswerClass.REJECTED_BY_BIK, status=400, cause="HTTP 400", message="no")
        self.stored.update(sent)
        return GOOD

    def _troubled(self, sent: Sequence[int], kind: int) -> Answer:
        if kind in {0, 1, 2} and not self.bad.intersection(sent):
            self.stored.update(sent)
        if kind == 3:
            return Answer.not_sent("no connection")
        if kind == 4:
            return Answer(means=AnswerClass.THROTTLED, status=429, cause="HTTP 429", retry_after=0.5)
        if kind == 5:
            return Answer(means=AnswerClass.THROTTLED, status=503, cause="HTTP 503", retry_after=0.1)
        return Answer(means=AnswerClass.UNKNOWN, status=500, cause="HTTP 500")


@dataclass
class Disk:
    """What outlives a crash: the checkpoint and the files of rejected events.

    Attributes:
        failing: Decides, for a kind of write ("checkpoint", "rejected"), whether it fails.
        hanging: Decides whether it never ends.
    """

    checkpoint: Checkpoint | None = None
    files: dict[str, list[int]] = field(default_factory=dict)
    writes: int = 0
    slowness: float = 0.005
    on_write: Callable[[str], None] = lambda _: None
    failing: Callable[[str], bool] = lambda _: False
    hanging: Callable[[str], bool] = lambda _: False

    async def write(self, checkpoint: Checkpoint) -> None:
        await self.wait("checkpoint")
        self.checkpoint = Checkpoint.from_json(checkpoint.to_json())
        self.writes += 1
        self.on_write("after checkpoint")

    async def wait(self, kind: str) -> None:
        self.on_write(f"before {kind}")
        await asyncio.sleep(self.slowness)
        if self.hanging(kind):
            await forever()
        if self.failing(kind):
            message = "the disk is full"
            raise BikStorageError(message)


class Rejected:
    """Rejected events of one try, kept in the disk's files."""

    def __init__(self, disk: Disk, files: Sequence[str]) -> None:
        self._disk = disk
        self.files = list(files)

    async def write(self, events: Sequence[RejectedEvent]) -> None:
        await self._disk.wait("rejected")
        name = f"part {len(self._disk.files)}"
        self._disk.files[name] = [event.event.position for event in events]
        self.files.append(name)
        self._disk.on_write("after rejected")

    def positions(self) -> list[int]:
        return [position for name in self.files for position in self._disk.files[name]]


@dataclass
class Try:
    """What one try of the task left behind."""

    report: DeliveryReport
    rejected: Rejected


async def attempt(
    number: int,
    bik: Bik,
    disk: Disk,
    sending: Sending,
    *,
    stop_after: float | None = None,
    everything_in_doubt: bool = False,
) -> Try:
    """Run one try; a crash inside ends it without a report."""
    found = disk.checkpoint or Checkpoint()
    resume_from = msgspec.structs.replace(found, everything_in_doubt=everything_in_doubt)
    rejected = Rejected(disk, resume_from.rejected_files)
    stopping = asyncio.Event()
    if stop_after is not None:
        asyncio.get_running_loop().call_later(stop_after, stopping.set)

    async def chunks() -> AsyncIterator[Sequence[InputEvent]]:
        for first in range(0, number, 50):
            await asyncio.sleep(0)
            yield [input_event(n) for n in range(first, min(first + 50, number))]

    delivery = Delivery(sending=sending, rejected=rejected, checkpoints=disk, resume_from=resume_from)
    report = await deliver(chunks(), delivery, send=bik.send, rng=bik.rng, stopping=stopping)
    return Try(report=report, rejected=rejected)
