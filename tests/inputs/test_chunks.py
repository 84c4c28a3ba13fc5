from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.inputs import in_chunks


async def collected(items: list[int], size: int) -> list[Sequence[int]]:
    return [chunk async for chunk in in_chunks(iter(items), size)]


@given(items=st.lists(st.integers()), size=st.integers(1, 9))
def test_a_chunk_is_bounded_by_number(items: list[int], size: int) -> None:
    chunks = asyncio.run(collected(items, size))
    assert [item for chunk in chunks for item in chunk] == items
    for chunk in chunks:
        assert 0 < len(chunk) <= size
