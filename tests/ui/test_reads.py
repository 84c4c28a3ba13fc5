"""Reads that may take long: shared, limited, and never waited for beyond a moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from airflow_provider_bik.ui.reads import Reads, StillReadingError

LONG = 60.0


class Counted:
    """A read that counts how often it was made, and waits until it may go on."""

    def __init__(self, *, waits: bool = False) -> None:
        self.made = 0
        self.may_go_on = threading.Event()
        if not waits:
            self.may_go_on.set()

    def __call__(self) -> int:
        self.made += 1
        assert self.may_go_on.wait(LONG)
        return self.made


def now(time: float) -> Callable[[], float]:
    return lambda: time


def test_whoever_asks_meanwhile_waits_for_the_same_read() -> None:
    reads, read = Reads(patience=LONG, fresh=0), Counted(waits=True)

    async def ask() -> list[int]:
        asked = [asyncio.create_task(reads.get("key", read)) for _ in range(5)]
        await asyncio.sleep(0)
        read.may_go_on.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [1, 1, 1, 1, 1]


def test_what_was_read_a_moment_ago_is_taken_again_and_no_longer() -> None:
    times = iter([0.0, 4.0, 6.0])
    reads, read = Reads(patience=LONG, fresh=5, clock=lambda: next(times)), Counted()
    assert [asyncio.run(reads.get("key", read)) for _ in range(3)] == [1, 1, 2]


def test_a_read_that_hangs_is_given_up_waiting_for_and_not_begun_again() -> None:
    reads, read = Reads(patience=0.01, fresh=LONG, clock=now(0)), Counted(waits=True)
    for _ in range(3):
        with pytest.raises(StillReadingError):
            asyncio.run(reads.get("key", read))
    assert read.made == 1
    read.may_go_on.set()


def test_reads_that_hang_cost_few_threads() -> None:
    reads, read = Reads(patience=0.01, fresh=0, most=2, clock=now(0)), Counted(waits=True)
    for key in range(5):
        with pytest.raises(StillReadingError):
            asyncio.run(reads.get(key, read))
    assert read.made == 2
    read.may_go_on.set()


def test_what_a_read_raises_is_raised_for_whoever_asks() -> None:
    def fail() -> None:
        message = "no such bucket"
        raise OSError(message)

    with pytest.raises(OSError, match="no such bucket"):
        asyncio.run(Reads(patience=LONG, fresh=0).get("key", fail))
