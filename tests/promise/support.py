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
    """Starts worker processes, which are there at once."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(WORKER), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Airflow makes its home where this says while it is imported.
            env={**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"},
        )

    def start(self, settings: Path) -> int:
        """Returns the process id."""
        return self._ask(f"start {settings}")

    def is_running(self, process: int) -> bool:
        return bool(self._ask(f"running {process}"))

    def wait(self, process: int) -> int:
        """Waits for the end of a process; returns its exit code, negative for a signal."""
        return self._ask(f"wait {process}")

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(timeout=30)
        assert self._server.stdout
        self._server.stdout.close()

    def _ask(self, command: str) -> int:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(f"{command}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


@dataclass
class Try:
    """One process of a delivery."""

    workers: Workers
    settings: Path
    process: int

    def wait(self) -> int:
        return self.workers.wait(self.process)

    def report(self) -> dict[str, Any]:
        """Wait for its end, which is to be a good one."""
        assert self.wait() == 0, self.errors()[-3000:]
        report: dict[str, Any] = json.loads(self.settings.with_suffix(".out").read_text().splitlines()[-1])
        return report

    def errors(self) -> str:
        return self.settings.with_suffix(".errors").read_text()

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)


class RefusedError(Exception):
    """A try has sent nothing, because nobody can say what an earlier one has sent."""


@dataclass
class Delivery:
    """One task instance: a directory for its state, an input, and as many tries as it takes."""

    workers: Workers
    directory: Path
    url: str
    options: dict[str, Any]
    tries: int = 0

    @property
    def record(self) -> Path:
        """The folder of its record."""
        return self.directory / "state" / "tasks" / "dag" / "send" / "run"

    @property
    def generation(self) -> Path:
        """The folder of the current generation."""
        return self.record / str(json.loads((self.record / "record.json").read_text())["current"]["id"])

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint that counts, if there is one: of the newest try that has written one."""
        if not (self.record / "record.json").exists():
            return None
        owners = json.loads((self.record / "record.json").read_text())["current"]["owners"]
        written = [self.generation / f"checkpoint.{owner}.json" for owner in reversed(owners)]
        return next((path for path in written if path.exists()), None)

    def start(self, **more: Any) -> Try:
        self.tries += 1
        settings = self.directory / f"try-{self.tries}.json"
        own = {
            "input": str(self.directory / "input.ndjson"),
            "state": str(self.directory / "state"),
            "url": self.url,
            "try_number": self.tries,
        }
        settings.write_text(json.dumps({**own, **self.options, **more}))
        return Try(self.workers, settings, self.workers.start(settings))

    def finish(self, **more: Any) -> dict[str, Any]:
        """Run a try to its end; returns its report."""
        return self.start(**more).report()

    def fails(self, **more: Any) -> str:
        """Run a try that is to fail; returns what it said."""
        started = self.start(**more)
        assert started.wait() == 1
        return started.errors()

    def killed(self, **more: Any) -> bool:
        """Run a try that is to kill itself; returns whether it got as far as its point."""
        started = self.start(**more)
        code = started.wait()
        assert code in {0, -signal.SIGKILL}, started.errors()[-3000:]
        return code != 0

    def killed_at_random(self, bik: Sandbox, rng: random.Random, *, within: float, **more: Any) -> bool | None:
        """Kill a try at a random moment after its first request.

        Returns:
            Whether it was still running; None if it had failed because its storage does not answer.

        Raises:
            RefusedError: The try before had failed so early that nobody knows of it, so that ``hold`` sends nothing.
        """
        before = len(bik.requests)
        started = self.start(**more)
        while len(bik.requests) == before and self.workers.is_running(started.process):
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, within))
        started.signal(signal.SIGKILL)
        code = started.wait()
        if code == 1:
            if self.options.get("on_unconfirmed") == "hold" and "no record of what it has sent" in started.errors():
                raise RefusedError
            assert "BikStorageError" in started.errors(), started.errors()[-3000:]
            return None
        return code != 0

    def in_doubt(self, number: int) -> int:
        """How many of the events may have been sent without the checkpoint knowing what became of them."""
        if self.checkpoint is None:
            return 0
        checkpoint = json.loads(self.checkpoint.read_text())
        return len(set(range(min(number, checkpoint["leased_to"]))) - members(checkpoint["settled"]))

    def rejected(self) -> list[dict[str, Any]]:
        """What the file of rejected events holds, once a try has ended well."""
        path = self.generation / "rejected.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def copies(bik: Sandbox) -> dict[int, int]:
    """How often each numbered event was stored."""
    return {int(str(key[0])): count for key, count in bik.ledger.counts(NUMBER).items()}


def members(ranges: Iterable[Iterable[int]]) -> set[int]:
    return {n for start, end in (tuple(pair) for pair in ranges) for n in range(start, end)}


def check_the_promise(bik: Sandbox, delivery: Delivery, report: dict[str, Any], number: int) -> None:
    """P1 and P2: nothing lost, every duplicate named, rejected events complete and each one there once."""
    stored = copies(bik)
    rejected = [event["position"] for event in delivery.rejected()]
    lost = set(range(number)) - stored.keys() - set(rejected)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    assert len(rejected) == len(set(rejected)), "an event stands twice among the rejected ones"
    assert report["read"] == number == report["confirmed"] + report["rejected"]
    assert (report["skipped"], report["unresolved"]) == (0, 0)
    assert report["rejected"] == len(rejected)
    twice = {n for n, count in stored.items() if count > 1}
    named = members(report["possible_duplicate_ranges"])
    assert twice <= named, f"duplicates that no range names: {sorted(twice - named)[:10]}"
    assert report["rejected_path"] == (str(delivery.generation / "rejected.ndjson") if rejected else None)
