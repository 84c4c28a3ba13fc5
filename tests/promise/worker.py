"""A process that runs the operator over one file, made to be killed.

Run as ``python worker.py settings.json``. It prints the report as JSON when it gets that far. With ``--serve`` it is
there for many: it takes commands, one a line, and gives each ``start PATH`` a process of its own, which is there at
once, for Airflow's modules are loaded only once.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, ClassVar, cast

from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_provider_bik.client import BikClient
from airflow_provider_bik.delivery import Answer, Checkpoint, RejectedEvent, Sending
from airflow_provider_bik.delivery.checkpoint import SHORTEST_INTERVAL, Lease
from airflow_provider_bik.delivery.engine import _Engine
from airflow_provider_bik.delivery.intake import Batch, Intake
from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.operators import task_instance
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.state.record import DeliveryRecord, OpenGeneration, Record
from airflow_provider_bik.state.rejected_file import RejectedFile
from airflow_provider_bik.state.storage import Folder

POINTS = (
    "before record",
    "after record",
    "before lease",
    "after lease",
    "before send",
    "after answer",
    "before confirm",
    "after confirm",
    "before rejected",
    "after rejected",
    "before join",
    "after join",
    "after report",
    "before closing",
    "after closing",
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


def make_killable(killer: Killer) -> None:
    """Let the killer see each step of this process; each goes on as it is."""
    make_record_killable(killer)
    make_rejected_file_killable(killer)
    send = BikClient.send

    async def sent(self: BikClient, events: Sequence[bytes]) -> Answer:
        killer.passes("before send")
        answer = await send(self, events)
        killer.passes("after answer")
        return answer

    BikClient.send = sent  # type: ignore[method-assign]


def make_record_killable(killer: Killer) -> None:
    write_record, write_checkpoint, write_file = DeliveryRecord.write, OpenGeneration._write, Folder.write

    def record(self: DeliveryRecord, found: Record) -> None:
        kind = "closing" if found.current.state == "delivered" else "record"
        killer.passes(f"before {kind}")
        write_record(self, found)
        killer.passes(f"after {kind}")

    def checkpoint(self: OpenGeneration, checkpoint: Checkpoint) -> None:
        kind = "confirm" if checkpoint.settled != self.latest.settled else "lease"
        killer.passes(f"before {kind}")
        write_checkpoint(self, checkpoint)
        killer.passes(f"after {kind}")

    def file(self: Folder, name: str, content: Iterable[bytes]) -> None:
        write_file(self, name, content)
        if name.endswith("/report.json"):
            killer.passes("after report")

    DeliveryRecord.write = record  # type: ignore[method-assign,assignment]
    OpenGeneration._write = checkpoint  # type: ignore[method-assign]
    Folder.write = file  # type: ignore[method-assign]


def make_rejected_file_killable(killer: Killer) -> None:
    write_rejected, join = RejectedFile.write, RejectedFile.join

    async def rejected(self: RejectedFile, events: Sequence[RejectedEvent]) -> None:
        if events:
            killer.passes("before rejected")
        await write_rejected(self, events)
        if events:
            killer.passes("after rejected")

    def joined(self: RejectedFile) -> str | None:
        killer.passes("before join")
        path = join(self)
        killer.passes("after join")
        return path

    RejectedFile.write = rejected  # type: ignore[method-assign]
    RejectedFile.join = joined  # type: ignore[method-assign]


class BadFolder(Folder):
    """A store that is slow and fails one call in ten, half of them after the work is done."""

    rng: ClassVar[random.Random]

    def _bad(self, act: Callable[[], Any]) -> Any:
        time.sleep(self.rng.uniform(0.0, 0.03))
        fails = self.rng.random()
        if fails >= 0.05:
            act_result = act()
        if fails < 0.1:
            message = f"{self} does not answer. A retry is safe."
            raise BikStorageError(message)
        return act_result

    def read(self, name: str) -> bytes | None:
        return cast("bytes | None", self._bad(lambda: super(BadFolder, self).read(name)))

    def open(self, name: str) -> Any:
        self._bad(lambda: None)
        return super().open(name)

    def write(self, name: str, content: Iterable[bytes]) -> None:
        self._bad(lambda: super(BadFolder, self).write(name, content))

    def names(self, folder: str = "") -> list[str]:
        return cast("list[str]", self._bad(lambda: super(BadFolder, self).names(folder)))

    def remove(self, names: Iterable[str]) -> None:
        self._bad(lambda: super(BadFolder, self).remove(names))


class StoreOfTheTask:
    """Airflow's task state store as a file: one for all tries, and it survives each of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str, default: object = None) -> object:
        return self._all().get(key, default)

    def set(self, key: str, value: object) -> None:
        self._replace({**self._all(), key: value})

    def delete(self, key: str) -> None:
        self._replace({name: value for name, value in self._all().items() if name != key})

    def _all(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self._path.read_text())) if self._path.exists() else {}

    def _replace(self, content: dict[str, object]) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(content))
        beside.replace(self._path)


def confirm_before_the_answer() -> None:
    start = _Engine._start

    def eager(self: _Engine, batch: Batch, now: float) -> None:
        start(self, batch, now)
        self.outcomes.settled.add_all(batch.positions())

    _Engine._start = eager  # type: ignore[method-assign]


def no_lease() -> None:
    def extend(self: Lease, now: float, *, sent_to: int, read: int) -> None:
        self._last_request, self._shortest = now + 0 * (sent_to + read), SHORTEST_INTERVAL

    Lease.extend = extend  # type: ignore[method-assign]
    Lease.covers = lambda _self, _end: True  # type: ignore[method-assign,assignment]


def rejected_after_confirm() -> None:
    async def late(self: _Engine) -> None:
        if self.saving is not None:
            # It knows nothing of these events, and would else be written last.
            await asyncio.wait({self.saving})
        events = list(self.outcomes.unwritten)
        self.outcomes.written(len(events))
        await self._save("running")
        await self.delivery.rejected.write(events)
        self.rejected_files = list(self.delivery.rejected.files)

    _Engine._write_rejected = late  # type: ignore[method-assign]


def digest_ignored() -> None:
    Intake.digest = property(lambda _self: "same")  # type: ignore[assignment,method-assign]


def ownership_not_checked() -> None:
    DeliveryRecord.check_mine = lambda self, _id: cast("Record", self.find())  # type: ignore[method-assign,assignment]


MUTANTS = {
    "confirm before the answer": confirm_before_the_answer,
    "no lease": no_lease,
    "rejected after confirm": rejected_after_confirm,
    "digest ignored": digest_ignored,
    "ownership not checked": ownership_not_checked,
}
"""Each breaks the promise on purpose, to show that the tests would notice."""


def main(settings: dict[str, Any]) -> None:
    if mutant := settings.get("mutant"):
        MUTANTS[mutant]()
    make_killable(Killer(settings.get("kill_at"), settings.get("kill_after", 1)))
    if settings.get("bad_store"):
        BadFolder.rng = random.Random()
        setattr(task_instance, "Folder", BadFolder)  # noqa: B010 - it is not that module's to export
    connection = {"conn_type": "bik", "host": settings["url"], "login": "key", "password": "secret"}
    os.environ["AIRFLOW_CONN_BIK_DEFAULT"] = json.dumps({**connection, "extra": {"read_timeout": 2}})
    operator = BikSendEventsOperator(
        task_id="send",
        events=settings["input"],
        sending=Sending(
            batch_size=settings.get("batch_size", 20),
            max_concurrency=settings.get("concurrency", 4),
            on_unconfirmed=settings.get("on_unconfirmed", "resend"),
        ),
        state_path=settings["state"],
        max_rejected=1_000_000,
    )
    task = {"dag_id": "dag", "run_id": "run", "task_id": "send", "map_index": -1, "max_tries": 3}
    context: dict[str, Any] = {
        "ti": SimpleNamespace(**task, try_number=settings["try_number"], xcom_push=lambda **_: None)
    }
    if settings.get("store", True):
        context["task_state_store"] = StoreOfTheTask(Path(settings["state"]).with_name("task-store.json"))
    # Airflow refuses to execute an operator that it has not begun itself.
    inside = contextvars.copy_context()
    inside.run(ExecutorSafeguard.tracker.set, operator)
    print(json.dumps(inside.run(operator.execute, context=cast("Any", context))))


def start(path: Path) -> int:
    """Give the settings at that path a process; returns its id."""
    child = os.fork()
    if child:
        return child
    for number, name in ((1, "out"), (2, "errors")):
        os.dup2(os.open(path.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    try:
        main(json.loads(path.read_text()))
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - whatever it was, the test is to see it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def answers(commands: IO[str]) -> Iterator[int]:
    """``start PATH``: the process id. ``running PID``: 1 or 0. ``wait PID``: its exit code, negative for a signal."""
    for line in commands:
        command, _, argument = line.strip().partition(" ")
        if command == "start":
            yield start(Path(argument))
        elif command == "running":
            state = os.waitid(os.P_PID, int(argument), os.WEXITED | os.WNOHANG | os.WNOWAIT)
            yield int(state is None)
        else:
            yield os.waitstatus_to_exitcode(os.waitpid(int(argument), 0)[1])


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        for answer in answers(sys.stdin):
            print(answer, flush=True)
    else:
        main(json.loads(Path(sys.argv[1]).read_text()))
