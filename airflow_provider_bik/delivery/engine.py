"""The only coroutine code of delivery: one loop that reads, leases, sends, retries, splits and writes down.

Requests are tasks; everything else happens in that one loop, so no state is ever touched from two places. What the
loop does is decided elsewhere: `intake` and `batching` say what goes together, `retry` what an answer means, `pacing`
how fast, `lease` when to write the checkpoint. The file is a long one, for that one loop has one state.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airflow_provider_bik.delivery.batching import Batch, Batcher
from airflow_provider_bik.delivery.checkpoint import Checkpoint, Journal, NoJournal
from airflow_provider_bik.delivery.intake import Intake
from airflow_provider_bik.delivery.lease import Lease
from airflow_provider_bik.delivery.outcomes import DeadLetterSink, Outcomes
from airflow_provider_bik.delivery.pacing import Pacer
from airflow_provider_bik.delivery.progress import Intervals
from airflow_provider_bik.delivery.report import DeliveryReport
from airflow_provider_bik.delivery.retry import Answer
from airflow_provider_bik.delivery.settings import DeliverySettings, OnUnconfirmed
from airflow_provider_bik.delivery.settling import Settler, Stop
from airflow_provider_bik.errors import BikError
from airflow_provider_bik.events import Contract
from airflow_provider_bik.events.inputs import InputEvent

__all__ = ["Send", "deliver"]

GRACE = 1.0
"""Seconds that requests in flight get to be answered after the order to stop."""

LETTERS_AT_ONCE = 100
"""Dead letters held in memory before they are written."""

LETTERS_WAIT = 5.0
"""Seconds that a dead letter waits for others: until it is written, a crash would make its event be decided anew."""

Send = Callable[[Sequence[bytes]], Awaitable[Answer]]
"""Sends the encoded events of one batch (1 to 100) in one request; never raises for what the network does."""


async def deliver(
    chunks: AsyncIterator[Sequence[InputEvent]],
    *,
    contract: Contract,
    send: Send,
    dead_letters: DeadLetterSink,
    settings: DeliverySettings,
    chance: random.Random,
    journal: Journal | None = None,
    start: Checkpoint | None = None,
    stopping: asyncio.Event | None = None,
) -> DeliveryReport:
    """Bring every event of the input to an outcome.

    Args:
        chunks: The input, in order, a few hundred items at a time.
        contract: Checks and encodes one event.
        send: Makes one request.
        dead_letters: Keeps rejected events.
        settings: How to deliver.
        chance: Where jitter comes from.
        journal: Keeps the checkpoint; None keeps none.
        start: Where to begin: the checkpoint of an earlier try, or a blank one that names this try as its owner.
        stopping: Set from outside to end in order within a few seconds.

    Returns:
        The report. What the network or BIK does ends up there and is never raised; nor is what cannot be read or
        written.
    """
    start = start or Checkpoint(owner="", began_at=contract.now.isoformat())
    engine = _Engine(
        chunks=chunks,
        send=send,
        dead_letters=dead_letters,
        settings=settings,
        chance=chance,
        journal=journal or NoJournal(),
        start=start,
        stopping=stopping or asyncio.Event(),
        contract=contract,
    )
    return await engine.run()


@dataclass(slots=True, kw_only=True)
class _Engine:
    chunks: AsyncIterator[Sequence[InputEvent]]
    contract: Contract
    send: Send
    dead_letters: DeadLetterSink
    settings: DeliverySettings
    chance: random.Random
    journal: Journal
    start: Checkpoint
    stopping: asyncio.Event

    outcomes: Outcomes = field(init=False)
    settler: Settler = field(init=False)
    intake: Intake = field(init=False)
    pacer: Pacer = field(init=False)
    lease: Lease = field(init=False)
    fresh: deque[Batch] = field(init=False, default_factory=deque)
    in_flight: dict[asyncio.Task[Answer], tuple[Batch, float]] = field(init=False, default_factory=dict)
    reading: asyncio.Task[Sequence[InputEvent] | None] | None = field(init=False, default=None)
    saving: asyncio.Task[None] | None = field(init=False, default=None)
    stop_order: asyncio.Task[Any] | None = field(init=False, default=None)
    exhausted: bool = field(init=False, default=False)
    began: float = field(init=False, default=0.0)
    letters_written: float = field(init=False, default=0.0)
    failure: BikError | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        settings = self.settings
        self.outcomes = Outcomes.restore(self.start)
        self.settler = Settler(outcomes=self.outcomes, settings=settings, chance=self.chance)
        self.intake = Intake(
            contract=self.contract,
            batcher=Batcher(size=settings.batch_size),
            outcomes=self.outcomes,
            resumed=self.start,
            hold=settings.on_unconfirmed is OnUnconfirmed.HOLD,
            dry_run=settings.dry_run,
        )
        self.pacer = Pacer(
            max_concurrency=settings.max_concurrency,
            max_requests_per_second=settings.max_requests_per_second,
            chance=self.chance,
        )
        self.lease = Lease(leased_to=self.start.leased_to, least=2 * settings.max_concurrency * settings.batch_size)

    async def run(self) -> DeliveryReport:
        self.began = self.letters_written = self.settler.last_clear_answer = self._now()
        self.stop_order = asyncio.ensure_future(self.stopping.wait())
        try:
            while not self._finished():
                await self._guarded(self._step)
            await self._guarded(self._write_letters)
        except asyncio.CancelledError:
            self.settler.end(Stop.ORDERED, "the task was ended from outside")
            raise
        finally:
            await self._wind_up()
        return DeliveryReport.of(
            self.outcomes,
            read=self.intake.read,
            complete=self.exhausted,
            seconds=self._seconds(),
            ceiling=self.settings.max_requests_per_second,
            dry_run=self.settings.dry_run,
            stop=self.settler.stop,
            stop_detail=self.settler.stop_detail,
            step_aside=self.settler.step_aside,
            failure=self.failure,
        )

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> None:
        """What cannot be read or written ends delivery, but what is in flight still gets its answer and its count."""
        try:
            await act()
        except BikError as error:
            self.failure = self.failure or error
            self.settler.end(Stop.FAILED, error.message)

    def _finished(self) -> bool:
        if self.settler.stop is Stop.ORDERED:
            return True
        if self.in_flight:
            return False
        return self.settler.stop is not None or (self.exhausted and not self.fresh and not self.settler.again)

    async def _step(self) -> None:
        """Start what may start, wait for the first thing to happen, and take note of it."""
        wait = self._start_requests()
        if self._hungry():
            self.reading = asyncio.ensure_future(_next(self.chunks))
        self._save_if_due()
        done, _ = await asyncio.wait(self._waiting_for(), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        if self.saving in done:
            saved, self.saving = self.saving, None
            saved.result()
        if self.reading in done:
            read, self.reading = self.reading, None
            self._take_in(read.result())
        for request in [task for task in self.in_flight if task in done]:
            batch, started = self.in_flight[request]
            answer = request.result()
            del self.in_flight[request]
            self._settle(batch, answer, started)
        waiting = len(self.outcomes.letters)
        if waiting >= LETTERS_AT_ONCE or (waiting and self._now() > self.letters_written + LETTERS_WAIT):
            await self._write_letters()
        if self.stopping.is_set():
            self.settler.end(Stop.ORDERED, "the task was told to stop")

    def _hungry(self) -> bool:
        return (
            self.reading is None
            and not self.exhausted
            and self.settler.stop is None
            and len(self.fresh) < self.settings.max_concurrency
        )

    def _waiting_for(self) -> set[asyncio.Task[Any]]:
        others = (self.reading, self.saving, self.stop_order)
        return {*self.in_flight, *(task for task in others if task is not None)}

    def _start_requests(self) -> float | None:
        """Start as many requests as may start now; returns the seconds until another may, if time alone decides."""
        while self.settler.stop is None:
            now = self._now()
            batch, ready_in = self._next_batch(now)
            if batch is None:
                return ready_in
            wait = self.pacer.delay(now, len(self.in_flight))
            if wait is not None and not self.lease.covers(batch.end):
                # A checkpoint is on its way, or is due at a time that `_save_if_due` knows.
                wait = None if self.saving else self.lease.wait(now)
            if wait is None or wait > 0:
                self._put_back(batch)
                return wait
            self.pacer.started(now)
            self.outcomes.requests += 1
            if batch.may_have_arrived:
                self.outcomes.possible_duplicates.add_all(batch.positions())
            request = asyncio.ensure_future(self.send([event.encoded.body for event in batch.events]))
            self.in_flight[request] = (replace(batch, attempts=batch.attempts + 1), now)
        return None

    def _next_batch(self, now: float) -> tuple[Batch | None, float | None]:
        """The batch to send next, those that were sent before going first; else the seconds until one is ready."""
        batch, ready_in = self.settler.next_ready(now)
        if batch is None and self.fresh:
            return self.fresh.popleft(), None
        return batch, ready_in

    def _put_back(self, batch: Batch) -> None:
        if batch.attempts:
            self.settler.again.append(batch)
        else:
            self.fresh.appendleft(batch)

    def _take_in(self, chunk: Sequence[InputEvent] | None) -> None:
        self.exhausted = chunk is None
        self.fresh.extend(self.intake.finish() if chunk is None else self.intake.take(chunk))

    def _settle(self, batch: Batch, answer: Answer, started: float) -> None:
        now = self._now()
        self.pacer.answered(answer, started=started, now=now)
        self.settler.settle(batch, answer, started=started, now=now)

    async def _write_letters(self) -> None:
        letters, self.outcomes.letters = self.outcomes.letters, []
        self.letters_written = self._now()
        if not self.settings.dry_run:
            await self.dead_letters.write(letters)
        self.outcomes.count_letters(letters)

    def _save_if_due(self) -> None:
        now = self._now()
        busy = self.fresh or self.in_flight or self.settler.again
        if self.saving is not None or self.settings.dry_run or not busy:
            return
        wanted = self.fresh[-1].end if self.fresh else 0
        if self.lease.due(now, wanted=wanted):
            self.lease.extend(now, wanted=wanted)
            self.saving = asyncio.ensure_future(self._save("running"))

    async def _save(self, state: Literal["running", "stopped"], in_doubt: Intervals | None = None) -> None:
        leased_to = self.lease.asked
        await self.journal.save(
            self.outcomes.checkpoint(
                self.start,
                state=state,
                read=self.intake.read,
                digest=self.intake.digest,
                leased_to=leased_to,
                in_doubt=in_doubt,
                dead_letters=self.dead_letters.files,
                seconds=self._seconds(),
            )
        )
        self.lease.granted(leased_to)

    async def _wind_up(self) -> None:
        """Leave no task behind, and write down exactly what is in doubt, whatever has happened."""
        if self.in_flight and self.settler.stop is Stop.ORDERED:
            await asyncio.wait(self.in_flight, timeout=GRACE)
        unanswered = Intervals()
        for request, (batch, started) in list(self.in_flight.items()):
            if request.done() and not request.cancelled() and request.exception() is None:
                self._settle(batch, request.result(), started)
            else:
                unanswered.add_all(batch.positions())
        left = [*self.in_flight, *(task for task in (self.reading, self.stop_order) if task is not None)]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.in_flight.clear()
        if self.lease.used:
            await self._write_down_the_end(unanswered)

    async def _write_down_the_end(self, unanswered: Intervals) -> None:
        if self.saving is not None:
            await asyncio.wait({self.saving})
            if self.saving.exception() is not None:
                return
        await self._guarded(self._write_letters)
        for pairs in (self.intake.doubt, *(_span(batch) for batch in self.settler.again if batch.may_have_arrived)):
            for start, end in pairs:
                unanswered.add(start, end)
        in_doubt = unanswered.without(self.outcomes.settled)
        await self._guarded(lambda: self._save("stopped", in_doubt))

    def _seconds(self) -> float:
        return self.start.seconds + self._now() - self.began

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _span(batch: Batch) -> Intervals:
    positions = Intervals()
    positions.add_all(batch.positions())
    return positions


async def _next(chunks: AsyncIterator[Sequence[InputEvent]]) -> Sequence[InputEvent] | None:
    return await anext(chunks, None)
