"""A small world for the engine: a BIK that keeps what it takes, a disk, and a crash that loses everything else."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow_provider_bik.delivery import (
    Answer,
    AnswerClass,
    Checkpoint,
    DeadLetter,
    DeliveryReport,
    DeliverySettings,
    deliver,
    where_to_begin,
)
from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events import Contract
from airflow_provider_bik.events.inputs import InputEvent

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Crash(BaseException):
    """The process is gone: nothing that was only in memory is left."""


def input_event(number: int) -> InputEvent:
    raw = {"email": f"c{number}@example.com", "eventName": "ordered", "eventProperties": {"number": number}}
    return InputEvent(position=number, place=f"[{number}]", raw=raw)


@dataclass
class Bik:
    """Takes events as it pleases, and remembers how often it stored each."""

    chance: random.Random
    bad: frozenset[int] = frozenset()
    trouble: float = 0.0
    slowest: float = 0.2
    stored: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    on_request: Callable[[], None] = lambda: None

    async def send(self, events: Sequence[bytes]) -> Answer:
        self.requests += 1
        self.on_request()
        numbers = [json.loads(body)["eventProperties"]["number"] for body in events]
        try:
            await asyncio.sleep(self.chance.uniform(0.01, self.slowest))
        except asyncio.CancelledError:
            # The sender is gone, but what it sent may have arrived.
            if self.chance.random() < 0.5 and not self.bad.intersection(numbers):
                self.stored.update(numbers)
            raise
        mood = self.chance.random()
        if mood < self.trouble:
            return self._troubled(numbers, self.chance.randrange(8))
        if self.bad.intersection(numbers):
            return Answer(means=AnswerClass.REFUSED, status=400, cause="HTTP 400", message="no")
        self.stored.update(numbers)
        return Answer(means=AnswerClass.CONFIRMED, status=200, cause="HTTP 200")

    def _troubled(self, numbers: Sequence[int], kind: int) -> Answer:
        if kind in {0, 1, 2} and not self.bad.intersection(numbers):
            self.stored.update(numbers)
        if kind == 3:
            return Answer.not_sent("no connection")
        if kind == 4:
            return Answer(means=AnswerClass.THROTTLED, status=429, cause="HTTP 429", retry_after=0.5)
        if kind == 5:
            return Answer(means=AnswerClass.THROTTLED, status=503, cause="HTTP 503", retry_after=0.1)
        return Answer(means=AnswerClass.UNKNOWN, status=500, cause="HTTP 500")


@dataclass
class Disk:
    """What outlives a crash: the checkpoint and the files of dead letters."""

    checkpoint: Checkpoint | None = None
    files: dict[str, list[int]] = field(default_factory=dict)
    writes: int = 0
    broken: bool = False
    slowness: float = 0.005
    on_write: Callable[[str], None] = lambda _: None

    async def save(self, checkpoint: Checkpoint) -> None:
        if self.broken:
            message = "the disk is full"
            raise BikStorageError(message)
        self.on_write("before checkpoint")
        await asyncio.sleep(self.slowness)
        self.checkpoint = Checkpoint.from_json(checkpoint.to_json())
        self.writes += 1
        self.on_write("after checkpoint")


class Letters:
    """Dead letters of one try, kept in the disk's files."""

    def __init__(self, disk: Disk, files: Sequence[str]) -> None:
        self._disk = disk
        self.files = list(files)

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        self._disk.on_write("before letters")
        name = f"part {len(self.files)}"
        self._disk.files[name] = [letter.source.position for letter in letters]
        self.files.append(name)
        self._disk.on_write("after letters")

    def positions(self) -> list[int]:
        return [position for name in self.files for position in self._disk.files[name]]


@dataclass
class Try:
    """What one try of the task left behind."""

    report: DeliveryReport | None
    letters: Letters


async def attempt(
    number: int, bik: Bik, disk: Disk, settings: DeliverySettings, *, stop_after: float | None = None
) -> Try:
    """Run one try; a crash inside ends it without a report."""
    start = where_to_begin(disk.checkpoint, owner="somebody", run="run", clears=0, now=NOW.isoformat())
    letters = Letters(disk, start.dead_letters)
    stopping = asyncio.Event()
    if stop_after is not None:
        asyncio.get_running_loop().call_later(stop_after, stopping.set)

    async def chunks() -> AsyncIterator[Sequence[InputEvent]]:
        for first in range(0, number, 50):
            await asyncio.sleep(0)
            yield [input_event(n) for n in range(first, min(first + 50, number))]

    report = await deliver(
        chunks(),
        contract=Contract(now=NOW),
        send=bik.send,
        dead_letters=letters,
        settings=settings,
        chance=bik.chance,
        journal=disk,
        start=start,
        stopping=stopping,
    )
    return Try(report=report, letters=letters)
