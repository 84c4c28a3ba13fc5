"""A process that delivers one file to BIK the way the operator does, made to be killed.

Run as ``python worker.py settings.json``. It prints the report as JSON when it gets that far. With ``--serve`` it takes
one path of settings a line and gives each a process of its own, which is there at once: Airflow's modules are loaded
only once. It answers with the process id, and with the exit code when that process has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.checkpoints import CheckpointFile, StoreJournal
from airflow_provider_bik.client import BikClient, ClientSettings, Credentials
from airflow_provider_bik.dead_letters import DeadLetterFile
from airflow_provider_bik.delivery import (
    Answer,
    Checkpoint,
    DeadLetter,
    DeliveryReport,
    DeliverySettings,
    OnUnconfirmed,
    deliver,
    where_to_begin,
)
from airflow_provider_bik.delivery import intake as intake_module
from airflow_provider_bik.delivery.engine import _Engine
from airflow_provider_bik.delivery.lease import Lease
from airflow_provider_bik.events import Contract
from airflow_provider_bik.sources import in_chunks, read_events

POINTS = (
    "before lease",
    "after lease",
    "before send",
    "after answer",
    "before confirm",
    "after confirm",
    "before dead letter",
    "after dead letter",
)
"""Where a white-box kill may strike; a confirmation is a checkpoint with more settled events than the one before."""


@dataclass
class Killer:
    """Kills its own process, as `kill -9` does, the n-th time a point is passed."""

    point: str | None
    countdown: int

    def passes(self, point: str) -> None:
        if point != self.point:
            return
        self.countdown -= 1
        if self.countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class KillableJournal(StoreJournal):
    killer: Killer

    async def save(self, checkpoint: Checkpoint) -> None:
        before = self.latest
        confirms = before is not None and checkpoint.settled != before.settled
        kind = "confirm" if confirms else "lease"
        self.killer.passes(f"before {kind}")
        await super().save(checkpoint)
        self.killer.passes(f"after {kind}")


class KillableLetters(DeadLetterFile):
    killer: Killer

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            self.killer.passes("before dead letter")
        await super().write(letters)
        if letters:
            self.killer.passes("after dead letter")


def killable_send(client: BikClient, killer: Killer) -> Callable[[Sequence[bytes]], Awaitable[Answer]]:
    async def send(events: Sequence[bytes]) -> Answer:
        killer.passes("before send")
        answer = await client.send(events)
        killer.passes("after answer")
        return answer

    return send


def mutate(name: str | None) -> None:
    """Break the promise on purpose, to show that the tests would notice."""
    if name == "confirm before the answer":
        original = _Engine._start_requests

        def eager(self: _Engine) -> float | None:
            known = set(self.in_flight)
            wait = original(self)
            for request in self.in_flight.keys() - known:
                self.outcomes.settled.add_all(self.in_flight[request][0].positions())
            return wait

        _Engine._start_requests = eager  # type: ignore[method-assign]
    elif name == "no lease":
        Lease.covers = lambda _self, _end: True  # type: ignore[method-assign,assignment]
        Lease.extend = lambda self, now, *, wanted: setattr(self, "_last_asked", now + 0 * wanted)  # type: ignore[method-assign]
    elif name == "dead letter after confirm":

        async def late(self: _Engine) -> None:
            letters, self.outcomes.letters = self.outcomes.letters, []
            self.outcomes.count_letters(letters)
            await self._save("running")
            await self.dead_letters.write(letters)

        _Engine._write_letters = late  # type: ignore[method-assign]
    elif name == "digest ignored":
        intake_module.Intake.digest = property(lambda _self: "same")  # type: ignore[assignment,method-assign]
    elif name is not None:
        sys.exit(f"no such mutant: {name}")


def main(settings: dict[str, Any]) -> None:
    mutate(settings.get("mutant"))
    killer = Killer(settings.get("kill_at"), settings.get("kill_after", 1))
    directory = Path(settings["directory"])
    now = datetime.now(UTC)
    owner = uuid4().hex
    journal = KillableJournal(CheckpointFile(ObjectStoragePath(str(directory / "checkpoint.json"))), owner=owner)
    journal.killer = killer
    start = where_to_begin(journal.load(), owner=owner, run="run", clears=0, now=now.isoformat())
    letters = KillableLetters(str(directory), "rejected.ndjson", start.dead_letters)
    letters.killer = killer

    async def work() -> DeliveryReport:
        client_settings = ClientSettings(
            base_url=settings["url"], credentials=Credentials(key="key", secret="secret"), read_timeout=2.0
        )
        concurrency = settings.get("concurrency", 4)
        async with BikClient(client_settings, max_connections=concurrency) as client:
            return await deliver(
                in_chunks(read_events(settings["input"])),
                contract=Contract(now=datetime.fromisoformat(start.began_at)),
                send=killable_send(client, killer),
                dead_letters=letters,
                settings=DeliverySettings(
                    batch_size=settings.get("batch_size", 20),
                    max_concurrency=concurrency,
                    on_unconfirmed=OnUnconfirmed(settings.get("on_unconfirmed", "resend")),
                ),
                chance=random.Random(settings.get("seed", 0)),
                journal=journal,
                start=start,
            )

    report = asyncio.run(work())
    if report.failure is not None:
        raise report.failure
    letters.join()
    latest = journal.latest or start
    journal.save_now(msgspec.structs.replace(latest, state="done", dead_letters=letters.files))
    letters.tidy()
    print(json.dumps(report.as_dict()))


def serve() -> None:
    for line in sys.stdin:
        path = Path(line.strip())
        child = os.fork()
        if child == 0:
            for number, name in ((1, "out"), (2, "errors")):
                os.dup2(os.open(path.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            try:
                main(json.loads(path.read_text()))
                sys.stdout.flush()
            except BaseException:  # noqa: BLE001 - whatever it was, the test is to see it
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve()
    else:
        main(json.loads(Path(sys.argv[1]).read_text()))
