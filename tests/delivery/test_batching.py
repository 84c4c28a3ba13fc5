from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery.intake import Batch, Batcher
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline


def ready(position: int, size: int) -> InputEvent:
    encoded = EncodedEvent(body=b"x" * size, pipeline=Pipeline.REALTIME)
    return InputEvent(position=position, location=f"[{position}]", result=encoded)


def cut(events: list[InputEvent], batcher: Batcher, at_once: int) -> list[Batch]:
    parts = [events[begin : begin + at_once] for begin in range(0, len(events), at_once)]
    batches = [batch for part in parts for batch in batcher.add(part)]
    last = batcher.flush()
    return [*batches, last] if last else batches


@given(
    sizes=st.lists(st.integers(1, 60)),
    size=st.integers(1, 10),
    max_bytes=st.integers(10, 100),
    at_once=st.integers(1, 30),
)
def test_batches_hold_every_event_once_in_order_within_both_bounds(
    sizes: list[int], size: int, max_bytes: int, at_once: int
) -> None:
    events = [ready(position, length) for position, length in enumerate(sizes)]
    batches = cut(events, Batcher(size=size, max_bytes=max_bytes), at_once)
    assert [position for batch in batches for position in batch.positions()] == list(range(len(sizes)))
    for batch in batches:
        assert 1 <= len(batch.events) <= size
        joined = sum(len(encoded.body) for encoded in batch.encoded()) + len(batch.events) - 1
        assert joined <= max_bytes or len(batch.events) == 1
    # None could have taken the first event of the next.
    for batch, following in pairwise(batches):
        joined = sum(len(encoded.body) + 1 for encoded in batch.encoded()) + len(following.encoded()[0].body)
        assert len(batch.events) == size or joined > max_bytes


def test_250_events_make_batches_of_100_100_and_50() -> None:
    batcher = Batcher()
    batches = cut([ready(position, 10) for position in range(250)], batcher, 40)
    assert [len(batch.events) for batch in batches] == [100, 100, 50]
    assert batcher.flush() is None


@given(st.integers(2, 100))
def test_halves_are_the_whole_and_neither_is_empty(number: int) -> None:
    batch = Batch(events=tuple(ready(position, 1) for position in range(number)), attempts=3)
    first, second = batch.halves()
    assert first.events + second.events == batch.events
    assert 0 <= len(first.events) - len(second.events) <= 1
    assert first.attempts == second.attempts == 3
