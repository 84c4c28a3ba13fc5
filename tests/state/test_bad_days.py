"""A store that is slow and fails one call in ten: a folder tries again by itself, and the promise holds."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.state.storage import Folder
from tests.s3 import S3, S3Faults
from tests.state.stories import Objects, Story, draw, tell

MORE = 10 if os.environ.get("BIK_STORM") else 1

CALLS = ("cat_file", "ls", "open", "pipe_file", "rm_file")


class Weather:
    """Makes one call in ten fail, and all of them slow; not those of the main thread, which looks at what is left.

    Attributes:
        calls: How many were made.
        failed: How many of them have failed.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.calls = self.failed = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def bad(*values: Any, **options: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                return call(*values, **options)
            self.calls += 1
            time.sleep(self.dice.uniform(0, 0.002))
            if self.dice.random() < 0.1:
                self.failed += 1
                message = "made to fail"
                raise OSError(message)
            return call(*values, **options)

        return bad


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Weather:
    weather = Weather(1)
    for kind in (LocalFileSystem, MemoryFileSystem):
        for name in CALLS:
            monkeypatch.setattr(kind, name, weather.around(getattr(kind, name)))
    # The waits of a folder between its attempts, a hundred times as fast.
    sleep = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: sleep(seconds / 100))
    return weather


def _plain(seed: int) -> Story:
    """A story in which nothing else goes wrong with the store."""
    setting, steps = draw(seed, shared=True)
    return setting, tuple(
        replace(step, plan=replace(step.plan, fault="", at=0)) if "fail" in step.plan.fault else step for step in steps
    )


@pytest.mark.parametrize("disks", ["local", "memory"], indirect=True)
def test_a_store_that_is_slow_and_fails_one_call_in_ten_breaks_no_promise(
    disks: Any, shop: Path, weather: Weather
) -> None:
    for seed in range(20 * MORE):
        tell(_plain(seed), disks, shop)
    assert weather.failed > weather.calls / 20


def test_an_s3_server_that_is_slow_and_fails_one_call_in_ten_breaks_no_promise(
    objects: Objects, s3: S3, shop: Path
) -> None:
    s3.faults = S3Faults(latency=(0.0, 0.01), share=0.1, seed=1)
    for seed in range(MORE):
        tell(_plain(seed), objects, shop)
    assert any(call.fault for call in s3.calls)


def test_a_folder_tries_again_by_itself(local: Any, weather: Weather) -> None:
    folder, failed = Folder(local.path()), []

    def work() -> None:
        for number in range(100):
            try:
                folder.write(f"{number}", [b"content"])
                assert folder.read(f"{number}") == b"content"
            except BikStorageError as error:
                failed.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert weather.failed > 2
    assert len(failed) < 2
