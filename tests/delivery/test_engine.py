"""What delivery does where several things meet; its promise as a whole is in `test_promise_model`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from airflow_provider_bik.delivery import (
    Answer,
    Checkpoint,
    Delivery,
    DeliveryReport,
    Progress,
    RejectedEvent,
    Sending,
    StopReason,
    deliver,
)
from airflow_provider_bik.delivery.answers import classify
from airflow_provider_bik.delivery.checkpoint import Intervals
from airflow_provider_bik.delivery.engine import MOST_UNWRITTEN
from airflow_provider_bik.errors import BikInputChangedError, BikStorageError
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason
from tests.delivery import virtual_time
from tests.delivery.world import (
    GOOD,
    Disk,
    Rejected,
    forever,
    in_chunks,
    input_event,
    numbers,
    rejected_event,
    skipped_event,
)

Answers = Callable[[Sequence[int]], Answer]

LOST = Answer.lost("connection reset")


def run(
    events: Sequence[InputEvent],
    answers: Answers = lambda _: GOOD,
    *,
    disk: Disk | None = None,
    sending: Sending | None = None,
    takes: float = 0.1,
    **delivery: object,
) -> tuple[DeliveryReport, Disk]:
    """Deliver the events to a BIK that answers by the positions in a request."""
    disk = disk or Disk()

    async def send(bodies: Sequence[bytes]) -> Answer:
        await asyncio.sleep(takes)
        return answers(numbers(bodies))

    return virtual_time.run(
        _deliver(in_chunks(events), send, disk, sending or Sending(batch_size=10), **delivery)
    ), disk


async def _deliver(
    chunks: AsyncIterator[Sequence[InputEvent]],
    send: Callable[[Sequence[bytes]], Awaitable[Answer]],
    disk: Disk,
    sending: Sending,
    **delivery: object,
) -> DeliveryReport:
    resume_from = disk.checkpoint or Checkpoint()
    rejected = Rejected(disk, resume_from.rejected_files)
    value = Delivery(sending=sending, rejected=rejected, checkpoints=disk, resume_from=resume_from, **delivery)  # type: ignore[arg-type]
    return await deliver(chunks, value, send=send, rng=random.Random(1))


def events(number: int) -> list[InputEvent]:
    return [input_event(n) for n in range(number)]


HOLD = Sending(batch_size=10, max_concurrency=1, on_unconfirmed="hold")


@pytest.mark.parametrize("number", [0, 5, 120])
def test_an_input_of_nothing_but_skipped_events_ends_with_a_checkpoint_and_no_request(number: int) -> None:
    report, disk = run([skipped_event(n) for n in range(number)])
    assert (report.read, report.skipped, report.counts.requests, report.complete) == (number, number, 0, True)
    assert disk.checkpoint is not None
    assert (disk.checkpoint.state, len(Intervals(disk.checkpoint.settled))) == ("stopped", number)


def test_skipped_and_rejected_events_count_once_over_all_tries() -> None:
    mixed = [(input_event, skipped_event, rejected_event)[n % 3](n) for n in range(90)]
    first, disk = run(mixed, lambda _: classify(401, b""))
    assert first.stop is StopReason.FATAL_ANSWER
    second, _ = run(mixed, disk=disk)
    assert (second.read, second.confirmed, second.rejected, second.skipped) == (90, 30, 30, 30)


def test_a_skipped_event_that_was_an_event_before_is_a_changed_input() -> None:
    _, disk = run(events(20))
    before = disk.checkpoint
    report, _ = run([*events(19), skipped_event(19)], disk=disk)
    assert isinstance(report.failure, BikInputChangedError)
    assert disk.checkpoint == before


def test_what_is_left_out_of_events_is_counted_by_its_kind() -> None:
    encoded = EncodedEvent(
        body=b'{"number":0}',
        pipeline=Pipeline.MIGRATION,
        dropped_nulls=2,
        dropped_created_at=True,
        dropped_identity=Reason.PHONE_INVALID,
    )
    given = [InputEvent(position=n, location=f"row {n}", result=encoded) for n in range(30)]
    first, disk = run(given, lambda _: classify(401, b""))
    assert first.stop is not None
    counts = run(given, disk=disk)[0].counts
    assert (counts.dropped_nulls, counts.dropped_created_at) == (60, 30)
    assert counts.dropped_identities == {Reason.PHONE_INVALID: 30}
    assert counts.dropped_identity_examples == {Reason.PHONE_INVALID: [f"row {n}" for n in range(5)]}
    assert counts.pipelines[Pipeline.MIGRATION] == 30


def test_held_events_whose_rejection_cannot_be_written_stay_in_doubt() -> None:
    disk = Disk(failing=lambda kind: kind == "rejected")
    report, _ = run(events(40), lambda sent: LOST if 30 in sent else GOOD, disk=disk, sending=HOLD)
    assert isinstance(report.failure, BikStorageError)
    assert disk.checkpoint is not None
    assert disk.checkpoint.in_doubt == [(30, 40)]
    assert list(report.unresolved) == [(30, 40)]
    disk.failing = lambda _: False
    report, _ = run(events(40), disk=disk, sending=HOLD)
    assert (report.confirmed, report.counts.reasons) == (30, {Reason.DELIVERY_UNKNOWN: 10})


@pytest.mark.parametrize("on_unconfirmed", ["resend", "hold"])
@pytest.mark.parametrize("answer", [classify(500, b""), LOST, classify(503, b"", retry_after=1.0)])
def test_in_an_outage_delivery_gives_up_and_only_what_was_sent_is_unknown(on_unconfirmed: str, answer: Answer) -> None:
    sending = Sending(batch_size=10, on_unconfirmed=on_unconfirmed)  # type: ignore[arg-type]
    sent: set[int] = set()

    def answers(positions: Sequence[int]) -> Answer:
        sent.update(positions)
        return GOOD if max(positions) < 500 else answer

    report, _ = run(events(20_000), answers, sending=sending)
    assert report.stop is StopReason.OUT_OF_REACH
    assert report.counts.seconds < 1200
    assert report.rejected == (len({n for n in sent if n >= 500}) if sending.hold else 0)
    # Eight in flight when it began, then one at a time with growing pauses.
    assert len(sent) <= 500 + 10 * 60


@pytest.mark.parametrize("on_unconfirmed", ["resend", "hold"])
def test_a_long_retry_after_makes_the_task_step_aside(on_unconfirmed: str) -> None:
    sending = Sending(batch_size=10, on_unconfirmed=on_unconfirmed)  # type: ignore[arg-type]
    report, _ = run(events(2000), lambda _: classify(503, b"", retry_after=86_400.0), sending=sending)
    assert report.stop is StopReason.THROTTLED
    assert report.step_aside == 86_400.0
    assert report.counts.requests == 1


def test_a_fatal_answer_beside_a_long_pause_wins() -> None:
    def answers(positions: Sequence[int]) -> Answer:
        if positions[0] < 1000:
            return GOOD
        return classify(429, b"", retry_after=3600.0) if positions[0] % 20 else classify(401, b"")

    report, _ = run(events(5000), answers)
    assert report.stop is StopReason.FATAL_ANSWER
    assert report.step_aside is None
    assert "API key" in report.stop_detail


def test_time_in_which_nothing_is_asked_does_not_use_up_the_patience() -> None:
    requests = 0

    async def slow() -> AsyncIterator[Sequence[InputEvent]]:
        await asyncio.sleep(901)
        yield events(100)
        await asyncio.sleep(2000)
        yield [input_event(n) for n in range(100, 200)]

    async def send(_: Sequence[bytes]) -> Answer:
        nonlocal requests
        requests += 1
        await asyncio.sleep(0.1)
        return classify(503, b"") if requests in {1, 12} else GOOD

    report = virtual_time.run(_deliver(slow(), send, Disk(), Sending(batch_size=10)))
    assert (report.stop, report.confirmed) == (None, 200)


def test_a_slow_store_does_not_use_up_the_patience() -> None:
    requests = 0

    def answers(_: Sequence[int]) -> Answer:
        nonlocal requests
        requests += 1
        return classify(503, b"") if requests == 1 else GOOD

    report, _ = run(events(100), answers, disk=Disk(slowness=950.0))
    assert (report.stop, report.confirmed) == (None, 100)


@pytest.mark.parametrize("where", ["reading", "checkpoint", "rejected"])
def test_an_unexpected_exception_is_raised_after_the_last_checkpoint_was_written(where: str) -> None:
    disk, failed = Disk(), False
    sent: set[int] = set()

    def fails(kind: str) -> bool:
        nonlocal failed
        if kind == where and len(sent) >= 500 and not failed:
            failed = True
            raise ZeroDivisionError
        return False

    disk.failing = fails

    async def chunks() -> AsyncIterator[Sequence[InputEvent]]:
        async for chunk in in_chunks([rejected_event(n) if n % 7 == 0 else input_event(n) for n in range(50_000)]):
            yield chunk
            fails("reading")

    async def send(bodies: Sequence[bytes]) -> Answer:
        await asyncio.sleep(0.3)
        sent.update(numbers(bodies))
        return GOOD

    with pytest.raises(ZeroDivisionError):
        virtual_time.run(_deliver(chunks(), send, disk, Sending(batch_size=10)))
    assert disk.checkpoint is not None
    assert (disk.checkpoint.state, disk.checkpoint.in_doubt) == ("stopped", [])
    # What was in flight got its answer and its count.
    assert sent <= {n for start, end in disk.checkpoint.settled for n in range(start, end)}


def test_while_rejected_events_cannot_be_written_yet_reading_pauses() -> None:
    disk, read = Disk(hanging=lambda kind: kind == "rejected"), 0

    async def chunks() -> AsyncIterator[Sequence[InputEvent]]:
        nonlocal read
        async for chunk in in_chunks([rejected_event(n) for n in range(50_000)]):
            read += len(chunk)
            yield chunk

    async def send(_: Sequence[bytes]) -> Answer:
        raise AssertionError

    async def work() -> None:
        task = asyncio.ensure_future(_deliver(chunks(), send, disk, Sending()))
        await asyncio.sleep(60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(work())
    assert read <= MOST_UNWRITTEN + 50


def test_a_dry_run_sends_and_writes_nothing_and_says_how_long_sending_takes() -> None:
    mixed = [(input_event, input_event, skipped_event, rejected_event)[n % 4](n) for n in range(400)]
    sending = Sending(batch_size=10, max_requests_per_second=2.0)
    report, disk = run(mixed, sending=sending, dry_run=True)
    assert (report.deliverable, report.confirmed, report.rejected, report.skipped) == (200, 0, 100, 100)
    assert (report.counts.requests, report.counts.planned_requests, report.planned_seconds) == (0, 20, 10.0)
    assert disk.checkpoint is None
    assert sum(map(len, disk.files.values())) == 100


def test_progress_tells_counts_and_whether_bik_answers() -> None:
    told: list[Progress] = []

    def answers(_: Sequence[int]) -> Answer:
        now = asyncio.get_running_loop().time()
        if 20 < now < 60:
            return classify(500, b"")
        return classify(429, b"", retry_after=1.0) if 80 < now < 120 else GOOD

    report, _ = run(events(20_000), answers, sending=Sending(batch_size=10), takes=0.5, progress=told.append)
    assert report.stop is None
    assert {progress.trouble for progress in told} == {"", "failing", "throttled"}
    assert max(progress.trouble_seconds for progress in told if progress.trouble == "failing") > 10
    assert [progress.settled for progress in told] == sorted(progress.settled for progress in told)
    assert all(progress.settled == progress.counts.passed <= progress.read for progress in told)
    assert len(told) >= report.counts.seconds / 6
    assert any(progress.retrying for progress in told)
    assert told[-1].is_last


def test_progress_goes_on_while_nothing_happens() -> None:
    told: list[Progress] = []

    async def chunks() -> AsyncIterator[Sequence[InputEvent]]:
        yield events(10)
        await forever()

    async def send(_: Sequence[bytes]) -> Answer:
        return GOOD

    async def work() -> None:
        task = asyncio.ensure_future(_deliver(chunks(), send, Disk(), Sending(), progress=told.append))
        await asyncio.sleep(61)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(work())
    assert len(told) == 12


def test_a_refused_batch_is_split_until_the_bad_event_stands_alone_and_its_message_is_kept() -> None:
    kept: list[RejectedEvent] = []

    class Keep:
        files: list[str] = []  # noqa: RUF012 - a test's own

        async def write(self, events: Sequence[RejectedEvent]) -> None:
            kept.extend(events)

    async def send(bodies: Sequence[bytes]) -> Answer:
        bad = classify(400, b'{"status": 400, "errors": [{"message": "\'eventProperties.variantId\' is required"}]}')
        return bad if 13 in numbers(bodies) else GOOD

    delivery = Delivery(sending=Sending(batch_size=50), rejected=Keep())
    report = virtual_time.run(deliver(in_chunks(events(100)), delivery, send=send, rng=random.Random(1)))
    assert [(one.event.position, one.status, one.message) for one in kept] == [
        (13, 400, "'eventProperties.variantId' is required")
    ]
    assert kept[0].attempts > 1
    assert kept[0].rejection.reason is Reason.REJECTED_BY_BIK
    assert list(report.counts.resent_after_rejection) == [(0, 50)]


def test_the_note_of_a_checkpoint_says_no_more_than_the_input_has() -> None:
    noted: list[str] = []

    class Noting(Disk):
        async def write(self, checkpoint: Checkpoint) -> None:
            await super().write(checkpoint)
            noted.append(checkpoint.note)

    first, disk = run(events(300), lambda sent: classify(401, b"") if 250 in sent else GOOD, disk=Noting())
    assert first.stop is StopReason.FATAL_ANSWER
    run(events(300), disk=disk)
    numbers_in_notes = {int(word) for note in noted for word in note.split() if word.isdigit()}
    assert noted
    assert max(numbers_in_notes) == 300
