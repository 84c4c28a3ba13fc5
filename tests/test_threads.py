from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from airflow_provider_bik.threads import StopSignal, call_in_thread, in_thread, run


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
    go_on, began, threads = threading.Event(), threading.Event(), []

    def source() -> Iterator[int]:
        threads.append(threading.current_thread())
        began.set()
        go_on.wait()
        yield 1

    async def work() -> None:
        reading = asyncio.ensure_future(anext(in_thread(source())))
        await asyncio.to_thread(began.wait)
        await asyncio.wait_for(reading, timeout=0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    assert threads[0].is_alive()
    assert threads[0].daemon
    go_on.set()
    threads[0].join(timeout=10)
    assert not threads[0].is_alive()


def test_a_call_that_hangs_does_not_hold_up_the_end() -> None:
    go_on = threading.Event()

    async def work() -> None:
        await asyncio.wait_for(call_in_thread(go_on.wait), timeout=0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    go_on.set()


def test_a_call_gives_what_it_returns_or_raises() -> None:
    def fails() -> None:
        message = "gone"
        raise OSError(message)

    assert run(call_in_thread(lambda: 5)) == 5
    with pytest.raises(OSError, match="gone"):
        run(call_in_thread(fails))


def test_context_variables_are_seen_in_the_threads() -> None:
    variable = ContextVar[str]("variable")
    variable.set("here")
    assert run(call_in_thread(variable.get)) == "here"


def test_work_is_done_where_a_loop_is_running_already() -> None:
    async def outer() -> int:
        return run(call_in_thread(lambda: 5))

    assert asyncio.run(outer()) == 5


def test_an_interruption_is_raised_after_the_work_has_ended_in_order() -> None:
    ended: list[str] = []

    async def work(stop: StopSignal) -> None:
        stopping = stop.event()
        # As a signal handler of Airflow's raises, in the main thread.
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        await stopping.wait()
        ended.append("in order")

    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    before, stop = signal.signal(signal.SIGALRM, handler), StopSignal()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(work(stop), interrupted=stop.press)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ended == ["in order"]


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_signal_reaches_the_loop_whenever_it_is_pressed(when: str) -> None:
    stop = StopSignal()

    async def work() -> bool:
        if when == "before":
            stop.press()
        event = stop.event()
        if when == "while":
            threading.Thread(target=stop.press).start()
        return await asyncio.wait_for(event.wait(), timeout=10)

    assert asyncio.run(work())
    stop.press()
