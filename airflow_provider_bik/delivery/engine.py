"""The only coroutine code of delivery: one loop that reads, leases, sends, retries, splits and writes down.

Reading, requests and writes are tasks; everything else happens in that one loop, which never waits for any one of them
alone. What the loop does is decided elsewhere: `intake` says what goes together, `answers` what an answer means,
`pacing` how fast, `checkpoint` when to write the next one. The file is long, because that one loop has one state.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from airflow_provider_bik.delivery.answers import Answer, AnswerClass, AnswerHandler, StopReason
from airflow_provider_bik.delivery.checkpoint import Checkpoint, Intervals, Lease
from airflow_provider_bik.delivery.intake import Batch, Batcher, Intake, Outcomes
from airflow_provider_bik.delivery.pacing import Pacer
from airflow_provider_bik.delivery.report import DeliveryReport
from airflow_provider_bik.delivery.settings import Delivery, Progress
from airflow_provider_bik.errors import BikError
from airflow_provider_bik.events.item import InputEvent

__all__ = ["Send", "deliver"]

REQUESTS_UNTIL, REJECTED_UNTIL, CHECKPOINT_UNTIL = 1.0, 1.75, 2.5
"""Seconds after the order to stop until which requests in flight, the last write of rejected events and the last
checkpoint are waited for. Airflow kills a task 5 s after its order."""

CANCEL_GRACE = 0.1
"""Seconds that a task gets to end after it was cancelled."""

REJECTED_AT_ONCE = 100
"""Rejected events held in memory before they are written."""

MOST_UNWRITTEN = 1000
"""Rejected events held in memory, while a write takes long, before no more is read."""

REJECTED_WAIT = 5.0
"""Seconds that a rejected event waits for others: until it is written, a crash would make its event be decided anew."""

PROGRESS_INTERVAL = 5.0
"""Seconds between two calls of ``Delivery.progress``, if nothing begins or ends."""

TROUBLE_AFTER = 2.0
"""Seconds without a definite answer after which there is trouble to tell of: a single failed request is none."""

Send = Callable[[Sequence[bytes]], Awaitable[Answer]]
"""Sends the encoded events of one batch (1 to 100) in one request; never raises for what the network does."""


async def deliver(
    chunks: AsyncIterator[Sequence[InputEvent]],
    delivery: Delivery,
    *,
    send: Send,
    rng: random.Random,
    stopping: asyncio.Event | None = None,
) -> DeliveryReport:
    """Bring every event of the input to an outcome.

    Args:
        chunks: The input, in order, a few hundred events at a time.
        delivery: Everything else: how to send, where to write, where to resume from.
        send: Makes one request.
        rng: Where jitter comes from.
        stopping: Set from outside to end in order, which takes less than 3 seconds whatever hangs.

    Returns:
        The report. What the network or BIK does ends up there and is never raised; nor is a `BikError` of reading or
        writing. Any other exception of these is raised after everything was wound up and the checkpoint written.
    """
    engine = _Engine(chunks=chunks, delivery=delivery, send=send, rng=rng, stopping=stopping or asyncio.Event())
    return await engine.run()


@dataclass(slots=True, kw_only=True)
class _Engine:
    chunks: AsyncIterator[Sequence[InputEvent]]
    delivery: Delivery
    send: Send
    rng: random.Random
    stopping: asyncio.Event

    outcomes: Outcomes = field(init=False)
    handler: AnswerHandler = field(init=False)
    intake: Intake = field(init=False)
    pacer: Pacer = field(init=False)
    lease: Lease = field(init=False)
    new_batches: deque[Batch] = field(init=False, default_factory=deque)
    in_flight: dict[asyncio.Task[Answer], tuple[Batch, float]] = field(init=False, default_factory=dict)
    reading: asyncio.Task[Sequence[InputEvent] | None] | None = field(init=False, default=None)
    saving: asyncio.Task[None] | None = field(init=False, default=None)
    writing: asyncio.Task[None] | None = field(init=False, default=None)
    stop_order: asyncio.Task[Any] = field(init=False)
    rejected_files: list[str] = field(init=False)
    exhausted: bool = field(init=False, default=False)
    held_by_pacer: bool = field(init=False, default=False)
    began: float = field(init=False, default=0.0)
    rejected_written: float = field(init=False, default=0.0)
    retries: int = field(init=False, default=0)
    progress_told: float = field(init=False, default=0.0)
    trouble_told: bool = field(init=False, default=False)
    cancelled_at: float | None = field(init=False, default=None)
    failure: BikError | None = field(init=False, default=None)
    defect: BaseException | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        resume_from, sending = self.delivery.resume_from, self.delivery.sending
        self.rejected_files = list(self.delivery.rejected.files)
        self.outcomes = Outcomes(counts=resume_from.counts.resumed(), settled=Intervals(resume_from.settled))
        self.handler = AnswerHandler(outcomes=self.outcomes, sending=sending, rng=self.rng)
        self.intake = Intake(
            batcher=Batcher(size=sending.batch_size),
            outcomes=self.outcomes,
            resume_from=resume_from,
            hold=sending.hold,
            dry_run=self.delivery.dry_run,
        )
        self.pacer = Pacer(
            max_concurrency=sending.max_concurrency,
            max_requests_per_second=sending.max_requests_per_second,
            rng=self.rng,
        )
        self.lease = Lease(resumed_to=resume_from.leased_to, least=2 * sending.max_concurrency * sending.batch_size)

    async def run(self) -> DeliveryReport:
        self.began = self.rejected_written = self.progress_told = self._now()
        self.stop_order = asyncio.ensure_future(self.stopping.wait())
        try:
            while not self._finished():
                await self._step()
        except asyncio.CancelledError:
            self._cancel("the task was ended from outside")
            raise
        finally:
            await self._wind_up()
        self._tell_progress(is_last=True)
        if self.defect is not None:
            raise self.defect
        return self._report()

    def _finished(self) -> bool:
        if self.cancelled_at is not None:
            return True
        if self.in_flight:
            return False
        nothing_left = self.exhausted and not self.new_batches and not self.handler.retry_queue
        return self.handler.stop is not None or nothing_left

    async def _step(self) -> None:
        """Start what may start, wait for the first thing to happen, and take note of it."""
        wait = self._start_requests()
        if self._hungry():
            self.reading = asyncio.ensure_future(_next(self.chunks))
        self._save_if_due()
        self._write_rejected_if_due()
        self._tell_progress_if_due()
        began, asking = self._now(), self._is_asking()
        await asyncio.wait(self._waiting_for(), timeout=self._timeout(wait), return_when=asyncio.FIRST_COMPLETED)
        if asking:
            self.handler.silent_for += self._now() - began
        self._note_writes()
        if self.reading is not None and self.reading.done():
            reading, self.reading = self.reading, None
            if self._succeeded(reading):
                self._take_in(reading.result())
        self._handle_answers()
        self._note_stop_order()

    def _hungry(self) -> bool:
        return (
            self.reading is None
            and not self.exhausted
            and self.handler.stop is None
            and self.intake.read < self._sent_to() + self.lease.ahead
            and len(self.outcomes.unwritten) < MOST_UNWRITTEN
        )

    def _sent_to(self) -> int:
        """The position of the first event that waits to be sent for the first time."""
        return self.new_batches[0].events[0].position if self.new_batches else self.intake.read

    def _is_asking(self) -> bool:
        """Whether BIK is being asked, or would be if it had not failed: only such time is silence."""
        held_back = self.held_by_pacer and self.handler.trouble is not None
        return bool(self.in_flight or self.handler.retry_queue) or held_back

    def _waiting_for(self) -> set[asyncio.Task[Any]]:
        others = (self.reading, self.saving, self.writing, self.stop_order)
        return {*self.in_flight, *(task for task in others if task is not None)}

    def _timeout(self, wait: float | None) -> float | None:
        """Seconds until there is something to do without anything having happened."""
        now, times = self._now(), [] if wait is None else [wait]
        if self.outcomes.unwritten and self.writing is None and self.handler.stop is None:
            times.append(max(0.0, self.rejected_written + REJECTED_WAIT - now))
        if self.delivery.progress is not None:
            times.append(max(0.0, self._progress_due() - now))
        return min(times, default=None)

    def _start_requests(self) -> float | None:
        """Start as many requests as may start now; returns the seconds until another may, if time alone decides."""
        self.held_by_pacer = False
        while self.handler.stop is None:
            now = self._now()
            batch, ready_in = self._next_batch(now)
            if batch is None:
                return ready_in
            wait = self.pacer.delay(now, len(self.in_flight))
            self.held_by_pacer = wait != 0
            if wait is not None and not self.lease.covers(batch.end):
                # A checkpoint is on its way, or is due at a time that `_save_if_due` knows.
                wait = None if self.saving else self.lease.wait(now)
            if wait is None or wait > 0:
                self._put_back(batch)
                return wait
            self._start(batch, now)
        return None

    def _start(self, batch: Batch, now: float) -> None:
        self.pacer.started(now)
        self.outcomes.counts.requests += 1
        self.retries += batch.attempts > 0
        if batch.may_have_arrived or self.delivery.resume_from.everything_in_doubt:
            self.outcomes.counts.possible_duplicates.add_all(batch.positions())
        request = asyncio.ensure_future(self.send([encoded.body for encoded in batch.encoded()]))
        self.in_flight[request] = (replace(batch, attempts=batch.attempts + 1), now)

    def _next_batch(self, now: float) -> tuple[Batch | None, float | None]:
        """The batch to send next, those that were sent before going first; else the seconds until one is ready."""
        batch, ready_in = self.handler.next_ready(now)
        if batch is None and self.new_batches:
            return self.new_batches.popleft(), None
        return batch, ready_in

    def _put_back(self, batch: Batch) -> None:
        if batch.attempts:
            self.handler.retry_queue.append(batch)
        else:
            self.new_batches.appendleft(batch)

    def _take_in(self, chunk: Sequence[InputEvent] | None) -> None:
        self.exhausted = chunk is None
        try:
            self.new_batches.extend(self.intake.finish() if chunk is None else self.intake.take(chunk))
        except BikError as error:
            self._fail(error)

    def _handle_answers(self) -> None:
        for request in [request for request in self.in_flight if request.done()]:
            batch, started = self.in_flight.pop(request)
            if request.cancelled() or not self._succeeded(request):
                self.outcomes.uncertain.add_all(batch.positions())
                continue
            answer, now = request.result(), self._now()
            self.pacer.answered(answer, started=started, now=now)
            self.handler.handle(batch, answer, started=started, now=now)

    def _note_writes(self) -> None:
        """What cannot be written ends delivery, but what is in flight still gets its answer and its count."""
        if self.saving is not None and self.saving.done():
            self._succeeded(self.saving)
            self.saving = None
        if self.writing is not None and self.writing.done():
            self._succeeded(self.writing)
            self.writing = None

    def _succeeded(self, task: asyncio.Task[Any]) -> bool:
        error = task.exception()
        if error is not None:
            self._fail(error)
        return error is None

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, BikError):
            self.failure = self.failure or error
            self.handler.end(StopReason.FAILED, error.message)
        else:
            self.defect = self.defect or error
            self.handler.end(StopReason.FAILED, type(error).__name__)

    def _note_stop_order(self) -> None:
        if self.stopping.is_set():
            self._cancel("the task was told to stop")

    def _cancel(self, detail: str) -> None:
        if self.cancelled_at is None:
            self.cancelled_at = self._now()
            self.handler.end(StopReason.CANCELLED, detail)

    def _write_rejected_if_due(self) -> None:
        waiting = len(self.outcomes.unwritten)
        waited = self._now() >= self.rejected_written + REJECTED_WAIT
        if self.writing is None and self.handler.stop is None and waiting and (waiting >= REJECTED_AT_ONCE or waited):
            self.writing = asyncio.ensure_future(self._write_rejected())

    async def _write_rejected(self) -> None:
        """They stay among the unwritten ones until they are written: whatever fails, none of them is forgotten."""
        events = list(self.outcomes.unwritten)
        self.rejected_written = self._now()
        await self.delivery.rejected.write(events)
        self.outcomes.written(len(events))
        # Together with the counts, so that no checkpoint names a file whose events it does not count.
        self.rejected_files = list(self.delivery.rejected.files)

    def _save_if_due(self) -> None:
        now = self._now()
        busy = self.new_batches or self.in_flight or self.handler.retry_queue
        if self.saving is not None or self.delivery.dry_run or not busy:
            return
        sent_to, read = self._sent_to(), self.intake.read
        if self.lease.due(now, sent_to=sent_to, read=read):
            self.lease.extend(now, sent_to=sent_to, read=read)
            self.saving = asyncio.ensure_future(self._save("running"))

    async def _save(self, state: Literal["running", "stopped"], in_doubt: Intervals | None = None) -> None:
        leased_to = self.lease.requested_to
        await self.delivery.checkpoints.write(self._checkpoint(state, leased_to, in_doubt))
        self.lease.commit(leased_to)

    def _checkpoint(
        self, state: Literal["running", "stopped"], leased_to: int, in_doubt: Intervals | None
    ) -> Checkpoint:
        resume_from, settled = self.delivery.resume_from, self.outcomes.settled
        # Until the input has proved to be the same, the digest of before stays.
        known = self.intake.read >= resume_from.digest_to
        read = self.intake.read if known else resume_from.digest_to
        self.outcomes.counts.seconds = self._seconds()
        return msgspec.structs.replace(
            resume_from,
            state=state,
            note=f"{len(settled)} events settled of {read} read; only events before {leased_to} can have been sent",
            leased_to=leased_to,
            digest_to=read,
            digest=self.intake.digest if known else resume_from.digest,
            settled=list(settled),
            in_doubt=None if in_doubt is None else list(in_doubt),
            counts=self.outcomes.counts.copy(),
            rejected_files=self.rejected_files,
        )

    async def _wind_up(self) -> None:
        """Leave no task behind, and write down exactly what is in doubt, whatever has happened."""
        if self.in_flight:
            # There was an order to stop, or a defect: else every request has been answered.
            await asyncio.wait(self.in_flight, timeout=REQUESTS_UNTIL)
            self._handle_answers()
            for batch, _ in self.in_flight.values():
                self.outcomes.uncertain.add_all(batch.positions())
        await _abandon([*self.in_flight, *([] if self.reading is None else [self.reading])])
        self.in_flight.clear()
        if self.intake.verified:
            await self._write_down_the_end()
        await _abandon(task for task in (self.saving, self.writing, self.stop_order) if task is not None)

    async def _write_down_the_end(self) -> None:
        """The last write of rejected events, then the last checkpoint, each alone: no two writes cross each other."""
        if self.saving is not None:
            await self._wait_for(self.saving, REJECTED_UNTIL)
        if self.writing is not None:
            await self._wait_for(self.writing, REJECTED_UNTIL)
        self._note_writes()
        if self.outcomes.unwritten and self.writing is None:
            self.writing = asyncio.ensure_future(self._write_rejected())
            await self._wait_for(self.writing, REJECTED_UNTIL)
        if self.saving is None and not self.delivery.dry_run:
            in_doubt = Intervals([*self.outcomes.uncertain, *self.intake.doubt]).without(self.outcomes.settled)
            self.saving = asyncio.ensure_future(self._save("stopped", in_doubt))
            await self._wait_for(self.saving, CHECKPOINT_UNTIL)
        self._note_writes()

    async def _wait_for(self, task: asyncio.Task[None], until: float) -> None:
        """Wait for a write: for as long as it takes; once there is an order to stop, until so long after the order."""
        while not task.done():
            if self.cancelled_at is None:
                await asyncio.wait({task, self.stop_order}, return_when=asyncio.FIRST_COMPLETED)
                self._note_stop_order()
                continue
            left = self.cancelled_at + until - self._now()
            if left <= 0:
                return
            await asyncio.wait({task}, timeout=left)

    def _progress_due(self) -> float:
        """When to tell of progress: every few seconds, and at once when trouble begins or ends."""
        due, handler = self.progress_told + PROGRESS_INTERVAL, self.handler
        if self.trouble_told == (handler.trouble is not None):
            return due
        return min(due, handler.trouble_since + TROUBLE_AFTER) if handler.trouble else self.progress_told

    def _tell_progress_if_due(self) -> None:
        if self.delivery.progress is not None and self._now() >= self._progress_due():
            self._tell_progress()

    def _tell_progress(self, *, is_last: bool = False) -> None:
        if self.delivery.progress is None:
            return
        now, handler = self._now(), self.handler
        has_trouble = handler.trouble is not None and now >= handler.trouble_since + TROUBLE_AFTER
        kind: Literal["throttled", "failing"] = "throttled" if handler.trouble is AnswerClass.THROTTLED else "failing"
        self.progress_told, self.trouble_told = now, has_trouble
        self.outcomes.counts.seconds = self._seconds()
        self.delivery.progress(
            Progress(
                seconds=now - self.began,
                counts=self.outcomes.counts.copy(),
                read=self.intake.read,
                settled=len(self.outcomes.settled),
                in_flight=len(self.in_flight),
                retrying=sum(len(batch.events) for batch in handler.retry_queue),
                answers=dict(handler.answers),
                retries=self.retries,
                trouble=kind if has_trouble else "",
                trouble_seconds=now - handler.trouble_since if has_trouble else 0.0,
                trouble_cause=handler.trouble_cause if has_trouble else "",
                is_last=is_last,
            )
        )

    def _report(self) -> DeliveryReport:
        settled, counts = self.outcomes.settled, self.outcomes.counts
        # If it ended early, an earlier try may have settled events that this one has not read.
        read = max([self.intake.read, *(end for _, end in settled)])
        counts.seconds = self._seconds()
        return DeliveryReport(
            counts=counts,
            read=read,
            unresolved=settled.gaps(read),
            complete=self.exhausted,
            dry_run=self.delivery.dry_run,
            max_requests_per_second=self.delivery.sending.max_requests_per_second,
            stop=self.handler.stop,
            stop_detail=self.handler.stop_detail,
            step_aside=self.handler.step_aside,
            failure=self.failure,
        )

    def _seconds(self) -> float:
        return round(self.delivery.resume_from.counts.seconds + self._now() - self.began, 3)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _next(chunks: AsyncIterator[Sequence[InputEvent]]) -> Sequence[InputEvent] | None:
    return await anext(chunks, None)


async def _abandon(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and give them a moment to end; whatever they raise then is of no interest."""
    left = list(tasks)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=CANCEL_GRACE)
    for task in left:
        if task.done() and not task.cancelled():
            task.exception()
