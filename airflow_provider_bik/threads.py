"""Threads where asyncio's own would not do: one for the event loop, and one for reads that may hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextvars import copy_context
from enum import Enum
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, cast

__all__ = ["Background", "StopSignal", "call_in_thread", "in_thread", "run"]

_T = TypeVar("_T")

_NAP = 0.02
"""Seconds after which the end of the work, or a signal, is noticed at the latest."""


class _End(Enum):
    """What comes after the last item of an iterator."""

    END = "end"


def run(work: Coroutine[Any, Any, _T], *, interrupted: Callable[[], None] = lambda: None) -> _T:
    """Run a coroutine from ordinary code, with an event loop in a thread of its own.

    Airflow's signal handlers may raise (``execution_timeout``; SIGTERM below 3). In the loop's own thread the exception
    would strike between any two steps and leave requests behind that nobody remembers. Here it strikes while the thread
    is waited for, and delivery can end in order. It also works where a loop is running already, as in a notebook.

    Args:
        work: The coroutine.
        interrupted: Called if the wait is interrupted; it should make the coroutine end, which is waited for.
    """
    ended: list[tuple[_T | None, BaseException | None]] = []

    def in_thread() -> None:
        try:
            ended.append((asyncio.run(work), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is waited for
            ended.append((None, error))

    thread = threading.Thread(target=copy_context().run, args=(in_thread,), name="bik-delivery")
    thread.start()
    try:
        # Not by a lock: an exception that strikes between taking and releasing it would leave the thread waiting for
        # ever. And in short naps: a signal that the kernel gives to another thread does not wake this one.
        while not ended:
            time.sleep(_NAP)
    except BaseException:
        interrupted()
        thread.join()
        raise
    thread.join()
    outcome, error = ended[0]
    if error is not None:
        raise error
    return cast("_T", outcome)


async def in_thread(source: Iterator[_T]) -> AsyncGenerator[_T, None]:
    """Go through an iterator that blocks, such as one that reads a file, in a thread that nobody waits for.

    A read that hangs must not hold up the end of the task, and `asyncio.run` waits for the threads of
    `asyncio.to_thread`. It is one thread for all items: to start one for each takes longer than to read some.
    """
    loop = asyncio.get_running_loop()
    wanted: SimpleQueue[asyncio.Future[_T | _End] | None] = SimpleQueue()

    def settle(act: Callable[[], None], future: asyncio.Future[_T | _End]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(lambda: None if future.done() else act())

    def work() -> None:
        while future := wanted.get():
            try:
                settle(partial(future.set_result, next(source, _End.END)), future)
            except BaseException as error:  # noqa: BLE001 - it is raised where the item is awaited
                settle(partial(future.set_exception, error), future)

    threading.Thread(target=copy_context().run, args=(work,), name="bik-reading", daemon=True).start()
    try:
        while True:
            future: asyncio.Future[_T | _End] = loop.create_future()
            wanted.put(future)
            item = await future
            if isinstance(item, _End):
                return
            yield item
    finally:
        wanted.put(None)


async def call_in_thread(work: Callable[[], _T]) -> _T:
    """Make one call that blocks, in such a thread."""
    async with contextlib.aclosing(in_thread(work() for _ in range(1))) as outcomes:
        return await anext(outcomes)


class StopSignal:
    """Tells a delivery, from a signal handler or another thread, to end in order."""

    def __init__(self) -> None:
        self._pressed = False
        self._bound: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def press(self) -> None:
        """End delivery; does nothing if there is none."""
        self._pressed = True
        if self._bound is not None:
            loop, event = self._bound
            with contextlib.suppress(RuntimeError):  # the loop may have ended a moment ago
                loop.call_soon_threadsafe(event.set)

    def event(self) -> asyncio.Event:
        """The event for the loop that is running."""
        event = asyncio.Event()
        self._bound = (asyncio.get_running_loop(), event)
        if self._pressed:
            event.set()
        return event


class Background:
    """Does small jobs in their order, in a thread that never holds up who gives them, nor the end of the process.

    A job must not raise.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Do it after those before it; returns at once."""
        self._jobs.put(job)
        if self._thread is None:
            work = partial(copy_context().run, self._work)
            self._thread = threading.Thread(target=work, name="bik-background", daemon=True)
            self._thread.start()

    def wait(self, timeout: float) -> None:
        """Wait until all that was given so far is done, for so many seconds at most."""
        done = threading.Event()
        self.do(done.set)
        done.wait(timeout)

    def close(self) -> None:
        """Nothing else will be given."""
        self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            job()
