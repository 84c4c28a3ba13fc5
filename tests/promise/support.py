"""Starts workers, kills them, and compares what they say with what the sandbox's ledger says."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox

WORKER = Path(__file__).parent / "worker.py"
NUMBER = "eventProperties.number"

FAULTS = FaultPlan(
    seed=1,
    rates=(
        (Fault(kind="reset", when="before"), 0.01),
        (Fault(kind="reset", when="after"), 0.01),
        (Fault(kind="status", status=500, when="before"), 0.01),
        (Fault(kind="status", status=500, when="after"), 0.01),
        (Fault(kind="status", status=429, when="before", retry_after="0"), 0.002),
    ),
    latency=(0.0, 0.01),
)
"""What a bad day does to one request in twenty-five; a 429 is rare, for it rightly slows everything down."""

BAD_EVERY = 97
"""Each such event lacks a property that the sandbox requires, so its whole batch is refused."""


def write_input(path: Path, number: int, *, bad_every: int = BAD_EVERY) -> None:
    """Events numbered from 0; the number is their position as well."""
    with path.open("w") as file:
        for n in range(number):
            properties: dict[str, Any] = {"number": n}
            if not bad_every or n % bad_every:
                properties["variantId"] = "v"
            event = {"email": f"c{n}@example.com", "eventName": "purchasedAProduct", "eventProperties": properties}
            file.write(json.dumps(event) + "\n")


def strict_sandbox(**options: Any) -> Sandbox:
    return Sandbox(
        api_key="key", api_secret="secret", required_properties={"purchasedAProduct": ["variantId"]}, **options
    )


class Workers:
    """Starts worker processes, one at a time and at once."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(WORKER), "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, settings: Path) -> int:
        """Returns the process id."""
        assert self._server.stdin
        self._server.stdin.write(f"{settings}\n")
        self._server.stdin.flush()
        return int(self._line())

    def wait(self) -> int:
        """Waits for the end of the process that was started last; returns its exit code, negative for a signal."""
        return int(self._line())

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(timeout=30)
        assert self._server.stdout
        self._server.stdout.close()

    def _line(self) -> str:
        assert self._server.stdout
        return self._server.stdout.readline()


@dataclass
class Delivery:
    """One task instance: a directory for its state, an input, and as many tries as it takes."""

    workers: Workers
    directory: Path
    url: str
    options: dict[str, Any]

    @property
    def settings(self) -> Path:
        return self.directory / "settings.json"

    def start(self, **more: Any) -> int:
        settings = {"directory": str(self.directory), "input": str(self.directory / "input.ndjson"), "url": self.url}
        self.settings.write_text(json.dumps({**settings, **self.options, **more}))
        return self.workers.start(self.settings)

    def errors(self) -> str:
        return self.settings.with_suffix(".errors").read_text()

    def finish(self, **more: Any) -> dict[str, Any]:
        """Run a try to its end; returns its report."""
        self.start(**more)
        assert self.workers.wait() == 0, self.errors()[-3000:]
        report: dict[str, Any] = json.loads(self.settings.with_suffix(".out").read_text().splitlines()[-1])
        return report

    def fails(self, **more: Any) -> str:
        """Run a try that is to fail; returns what it said."""
        self.start(**more)
        assert self.workers.wait() == 1
        return self.errors()

    def killed(self, **more: Any) -> bool:
        """Run a try that is to kill itself; returns whether it got as far as its point."""
        self.start(**more)
        code = self.workers.wait()
        assert code in {0, -signal.SIGKILL}, self.errors()[-3000:]
        return code != 0

    def killed_at_random(self, bik: Sandbox, chance: random.Random, *, within: float) -> bool:
        """Kill a try at a random moment after its first request; returns whether it was still running."""
        before = len(bik.requests)
        process = self.start()
        deadline = time.monotonic() + 10
        while len(bik.requests) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.uniform(0.0, within))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return self.workers.wait() != 0

    def in_doubt(self, number: int) -> int:
        """How many of the events may have been sent without the checkpoint knowing what became of them."""
        path = self.directory / "checkpoint.json"
        if not path.exists():
            return 0
        checkpoint = json.loads(path.read_text())
        return len(set(range(min(number, checkpoint["leased_to"]))) - members(checkpoint["settled"]))

    def dead_letters(self) -> list[dict[str, Any]]:
        path = self.directory / "rejected.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def copies(bik: Sandbox) -> dict[int, int]:
    """How often each numbered event was stored."""
    return {int(str(key[0])): count for key, count in bik.ledger.counts(NUMBER).items()}


def members(ranges: Iterable[Iterable[int]]) -> set[int]:
    return {n for start, end in (tuple(pair) for pair in ranges) for n in range(start, end)}


def check_the_promise(bik: Sandbox, delivery: Delivery, report: dict[str, Any], number: int) -> None:
    """P1 and P2: nothing lost, every duplicate named, dead letters complete and each one there once."""
    stored = copies(bik)
    letters = [letter["position"] for letter in delivery.dead_letters()]
    lost = set(range(number)) - stored.keys() - set(letters)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    assert len(letters) == len(set(letters)), "an event stands twice among the dead letters"
    assert report["read"] == number == report["confirmed"] + report["rejected"] + report["unresolved"]
    assert report["unresolved"] == 0
    assert report["rejected"] == len(letters)
    twice = {n for n, count in stored.items() if count > 1}
    named = members(report["possible_duplicate_ranges"])
    assert twice <= named, f"duplicates that no range names: {sorted(twice - named)[:10]}"
    assert sorted(path.name for path in delivery.directory.glob("rejected*")) in ([], ["rejected.ndjson"])
