from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from airflow_provider_bik.threads import in_thread


def test_items_come_in_order_from_one_thread_that_is_not_the_loops() -> None:
    def source() -> Iterator[tuple[int, int]]:
        for number in range(5):
            yield number, threading.get_ident()

    async def work() -> list[tuple[int, int]]:
        return [item async for item in in_thread(source())]

    items = asyncio.run(work())
    assert [number for number, _ in items] == list(range(5))
    assert len({thread for _, thread in items}) == 1
    assert threading.get_ident() not in {thread for _, thread in items}


def test_what_a_read_raises_is_raised_where_its_item_is_awaited() -> None:
    def source() -> Iterator[int]:
        yield 1
        message = "gone"
        raise OSError(message)

    async def work(seen: list[int]) -> None:
        async for item in in_thread(source()):
            seen.append(item)  # noqa: PERF401 - what came before the error counts

    seen: list[int] = []
    with pytest.raises(OSError, match="gone"):
        asyncio.run(work(seen))
    assert seen == [1]


def test_a_read_that_hangs_does_not_hold_up_the_end_and_its_thread_ends_with_it() -> None:
    go_on, threads = threading.Event(), []

    def source() -> Iterator[int]:
        threads.append(threading.current_thread())
        go_on.wait()
        yield 1

    async def work() -> None:
        await asyncio.wait_for(anext(in_thread(source())), timeout=0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    assert threads[0].is_alive()
    assert threads[0].daemon
    go_on.set()
    threads[0].join(timeout=10)
    assert not threads[0].is_alive()
