from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.inputs import in_chunks
from airflow_provider_bik.inputs.reading import CHUNK_BYTES


async def collected(weights: list[int], size: int) -> list[Sequence[int]]:
    return [chunk async for chunk in in_chunks(iter(weights), size, weigh=lambda weight: weight)]


@given(weights=st.lists(st.integers(0, CHUNK_BYTES)), size=st.integers(1, 9))
def test_a_chunk_is_bounded_by_number_and_by_weight(weights: list[int], size: int) -> None:
    chunks = asyncio.run(collected(weights, size))
    assert [weight for chunk in chunks for weight in chunk] == weights
    for chunk in chunks:
        assert 0 < len(chunk) <= size
        assert sum(chunk[:-1]) < CHUNK_BYTES
