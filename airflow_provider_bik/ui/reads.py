"""Reads that may take long or for ever, such as those of an object storage: time-limited, shared, few at a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

__all__ = ["Reads", "StillReadingError"]

_T = TypeVar("_T")


class StillReadingError(Exception):
    """It is not there yet; another read of the same does not begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    outcome: Future[Any]
    began: float


class Reads:
    """Makes reads in threads that nobody waits for longer than a moment.

    Whoever asks for what is being read already waits for the same read, so that a page that many people look at, or
    that refreshes itself, does not read more often. A storage that hangs costs a thread for each read, and at most
    ``most`` of them.

    Args:
        patience: Seconds that a read is waited for.
        fresh: Seconds for which what was read is taken again.
        most: Reads at the same time.
        clock: Seconds of a clock that only goes forward.
    """

    def __init__(
        self, *, patience: float, fresh: float, most: int = 8, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience, self._fresh, self._most, self._clock = patience, fresh, most, clock
        self._reads: dict[Hashable, _Read] = {}
        self._lock = threading.Lock()

    async def get(self, key: Hashable, read: Callable[[], _T]) -> _T:
        """What a read gives.

        Args:
            key: What is read.
            read: Reads it.

        Raises:
            StillReadingError: It takes longer, or too many others do.
            Exception: What the read raises.
        """
        outcome = asyncio.wrap_future(self._outcome(key, read))
        done, _ = await asyncio.wait([outcome], timeout=self._patience)
        if not done:
            raise StillReadingError
        return cast("_T", outcome.result())

    def _outcome(self, key: Hashable, read: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            now = self._clock()
            self._reads = {
                name: each
                for name, each in self._reads.items()
                if not each.outcome.done() or now - each.began < self._fresh
            }
            if key in self._reads:
                return self._reads[key].outcome
            if sum(not each.outcome.done() for each in self._reads.values()) >= self._most:
                raise StillReadingError
            outcome: Future[Any] = Future()
            # So that nobody who gives up waiting can cancel it for the others.
            outcome.set_running_or_notify_cancel()
            self._reads[key] = _Read(outcome=outcome, began=now)
        threading.Thread(target=_settle, args=(outcome, read), name="bik-page", daemon=True).start()
        return outcome


def _settle(outcome: Future[Any], read: Callable[[], Any]) -> None:
    try:
        outcome.set_result(read())
    except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is awaited
        outcome.set_exception(error)
