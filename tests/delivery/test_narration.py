"""What a log says while events are sent, told by the real engine in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from airflow_provider_bik.delivery import Answer, Delivery, Progress, Sending, deliver
from airflow_provider_bik.delivery.answers import AnswerClass, classify
from airflow_provider_bik.delivery.narration import CALM, Narrator, duration_text
from airflow_provider_bik.events.item import InputEvent
from tests.delivery import virtual_time
from tests.delivery.world import GOOD, forever, in_chunks, input_event

REFUSED = Answer.not_sent("no connection (refused)")
THROTTLED = classify(429, b"", retry_after=4.0)

Told = list[tuple[float, str]]


def told(
    answers: Callable[[float], Answer],
    *,
    number: int = 20_000,
    total: int | None = 20_000,
    chunks: AsyncIterator[Sequence[InputEvent]] | None = None,
) -> tuple[Told, Narrator]:
    """The lines of one delivery with the second of each; BIK answers by the time."""
    narrator, lines = Narrator(total=total), Told()

    def tell(progress: Progress) -> None:
        lines.extend((progress.seconds, line.text) for line in narrator.tell(progress))

    async def send(_: Sequence[bytes]) -> Answer:
        await asyncio.sleep(0.5)
        return answers(asyncio.get_running_loop().time())

    async def work() -> None:
        given = chunks or in_chunks([input_event(n) for n in range(number)])
        sending = Sending(batch_size=10, max_concurrency=8)
        await deliver(given, Delivery(sending=sending, progress=tell), send=send, rng=random.Random(1))

    virtual_time.run(work())
    return lines, narrator


def test_while_all_goes_well_there_is_one_line_every_quarter_of_a_minute_and_none_at_the_end() -> None:
    lines, _ = told(lambda _: GOOD)
    assert len(lines) > 5
    times = [at for at, _ in lines]
    assert all(CALM <= later - earlier <= CALM + 6 for earlier, later in itertools.pairwise(times))
    first = lines[0][1]
    assert first.endswith(" left.")
    assert " of 20000 events are done (" in first
    assert ", 0 rejected, " in first
    assert " a second, about " in first


def test_the_time_left_is_nearly_right() -> None:
    lines, _ = told(lambda _: GOOD)
    at, text = lines[-1]
    end = 20_000 / 160
    left = float(text.partition("about ")[2].partition(" s left")[0])
    assert abs(at + left - end) < 10


def test_without_a_known_total_there_is_neither_share_nor_time_left() -> None:
    lines, _ = told(lambda _: GOOD, total=None)
    assert " read so far, 0 rejected" in lines[0][1]
    assert all("%" not in text and "left" not in text for _, text in lines)


def test_the_beginning_of_an_outage_is_told_within_seconds_and_its_end_with_how_long_and_what() -> None:
    lines, narrator = told(lambda now: REFUSED if 20 < now < 80 else GOOD)
    began = next((at, text) for at, text in lines if "BIK is failing" in text)
    again = next((at, text) for at, text in lines if "answers again" in text)
    assert 20 < began[0] < 25
    assert "no connection (refused)" in began[1]
    assert again[0] > 80
    assert "it was failing for 1 min" in again[1] or "it was failing for 2 min" in again[1]
    between = [text for at, text in lines if began[0] < at < again[0]]
    assert between
    assert all("BIK has been failing for" in text and "wait to be sent again" in text for text in between)
    assert [(outage.kind, outage.what) for outage in narrator.outages] == [("failing", "no connection (refused)")]


def test_the_end_says_what_has_failed_and_for_how_long() -> None:
    lines, _ = told(lambda now: REFUSED if 20 < now < 80 else GOOD)
    end = lines[-1][1]
    assert end.startswith("BIK was failing for ")
    assert "(no connection (refused))" in end
    assert "requests of this try were not confirmed" in end


def test_a_long_throttling_is_told_as_that() -> None:
    lines, narrator = told(lambda now: THROTTLED if 30 < now < 70 else GOOD)
    assert any("BIK is throttling: HTTP 429" in text for _, text in lines)
    assert {outage.kind for outage in narrator.outages} == {"throttled"}


def test_single_failures_among_good_answers_are_no_outage() -> None:
    chance = random.Random(3)
    lines, narrator = told(lambda _: classify(500, b"") if chance.random() < 0.03 else GOOD)
    assert not narrator.outages
    assert not any("failing" in text for _, text in lines)
    assert "requests of this try were not confirmed" in lines[-1][1]


def test_a_server_that_comes_and_goes_does_not_flood_the_log() -> None:
    lines, narrator = told(lambda now: REFUSED if now % 12 < 6 else GOOD)
    assert len(narrator.outages) > 5
    minutes = lines[-1][0] / 60
    assert len(lines) / minutes <= 3 * 60 / CALM


def test_an_outage_that_does_not_end_is_in_the_last_line() -> None:
    lines, narrator = told(lambda now: REFUSED if now > 20 else GOOD)
    assert lines[-1][1].startswith("BIK was failing for ")
    assert not any("answers again" in text for _, text in lines)
    assert narrator.trouble is None


def test_a_slow_input_is_told_as_calmly() -> None:
    async def slowly() -> AsyncIterator[Sequence[InputEvent]]:
        yield [input_event(n) for n in range(10)]
        await asyncio.sleep(100)
        yield [input_event(10)]

    lines, _ = told(lambda _: GOOD, total=11, chunks=slowly())
    assert 5 <= len(lines) <= 7
    assert "10 of 11 events are done (90 %)" in lines[0][1]


def test_the_last_progress_has_every_event_answer_and_retry() -> None:
    seen: list[Progress] = []
    answers = iter([GOOD, classify(500, b""), *[GOOD] * 1000])

    async def send(_: Sequence[bytes]) -> Answer:
        return next(answers)

    async def work() -> None:
        chunks = in_chunks([input_event(n) for n in range(95)])
        delivery = Delivery(sending=Sending(batch_size=10), progress=seen.append)
        await deliver(chunks, delivery, send=send, rng=random.Random(1))

    virtual_time.run(work())
    last = seen[-1]
    assert (last.is_last, last.settled, last.in_flight, last.retrying, last.retries) == (True, 95, 0, 0, 1)
    assert last.answers == {AnswerClass.CONFIRMED: 10, AnswerClass.UNKNOWN: 1}
    assert not any(progress.is_last for progress in seen[:-1])


def test_a_task_that_is_cancelled_tells_no_end_that_was_none() -> None:
    seen: list[Progress] = []

    async def hanging() -> AsyncIterator[Sequence[InputEvent]]:
        yield [input_event(0)]
        await forever()

    async def send(_: Sequence[bytes]) -> Answer:
        return GOOD

    async def work() -> None:
        delivery = Delivery(progress=seen.append)
        task = asyncio.ensure_future(deliver(hanging(), delivery, send=send, rng=random.Random(1)))
        await asyncio.sleep(12)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(work())
    assert not any(progress.is_last for progress in seen)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (280, "4 min 40 s"),
        (7500, "2 h 5 min"),
        (3599.7, "1 h 0 min"),
    ],
)
def test_durations_are_told_as_a_person_would(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
