"""Threads where asyncio's own would not do: one for the event loop, and one for reads that may hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar, cast

__all__ = ["read_in_thread", "run"]

_T = TypeVar("_T")

_NAP = 0.02
"""Seconds after which the end of the work, or a signal, is noticed at the latest."""


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


async def read_in_thread(read: Callable[[], _T]) -> _T:
    """Do a read that blocks, as `asyncio.to_thread` does, in a thread that nobody waits for.

    A read that hangs must not hold up the end of the task, and `asyncio.run` waits for the threads of `to_thread`.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(act: Callable[[Any], None], outcome: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(lambda: None if future.done() else act(outcome))

    def work() -> None:
        try:
            outcome = read()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            settle(future.set_exception, error)
        else:
            settle(future.set_result, outcome)

    threading.Thread(target=copy_context().run, args=(work,), name="bik-reading", daemon=True).start()
    return await future
