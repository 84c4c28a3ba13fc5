from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery.intake import Batch, Batcher, ReadyEvent
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline


def ready(position: int, size: int) -> ReadyEvent:
    encoded = EncodedEvent(body=b"x" * size, pipeline=Pipeline.REALTIME)
    event = InputEvent(position=position, location=f"[{position}]", result=encoded)
    return ReadyEvent(event=event, encoded=encoded)


@given(sizes=st.lists(st.integers(1, 60)), size=st.integers(1, 10), max_bytes=st.integers(10, 100))
def test_batches_hold_every_event_once_in_order_within_both_bounds(sizes: list[int], size: int, max_bytes: int) -> None:
    batcher = Batcher(size=size, max_bytes=max_bytes)
    given_out = [batcher.add(ready(position, length)) for position, length in enumerate(sizes)]
    batches = [batch for batch in [*given_out, batcher.flush()] if batch is not None]
    assert [position for batch in batches for position in batch.positions()] == list(range(len(sizes)))
    for batch in batches:
        assert len(batch.events) <= size
        joined = sum(len(event.encoded.body) for event in batch.events) + len(batch.events) - 1
        assert joined <= max_bytes or len(batch.events) == 1


def test_250_events_make_batches_of_100_100_and_50() -> None:
    batcher = Batcher()
    batches = [batcher.add(ready(position, 10)) for position in range(250)]
    assert [len(batch.events) for batch in [*batches, batcher.flush()] if batch] == [100, 100, 50]
    assert batcher.flush() is None


@given(st.integers(2, 100))
def test_halves_are_the_whole_and_neither_is_empty(number: int) -> None:
    batch = Batch(events=tuple(ready(position, 1) for position in range(number)), attempts=3)
    first, second = batch.halves()
    assert first.events + second.events == batch.events
    assert 0 <= len(first.events) - len(second.events) <= 1
    assert first.attempts == second.attempts == 3
