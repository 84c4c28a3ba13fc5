"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour passes in a moment."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["DeadlockError", "VirtualLoop", "run"]

_T = TypeVar("_T")


class DeadlockError(Exception):
    """Nothing is ready, nothing is due, and nothing will ever happen."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting for a file, lets the time pass for which the loop would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                message = f"every task waits for another one, at {self.now:.3f} s"
                raise DeadlockError(message)
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        # A timer a hair before its time would otherwise make the loop turn without the clock moving.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jump.now


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in virtual time, from 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
