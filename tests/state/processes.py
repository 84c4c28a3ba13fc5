"""Processes that take turns, and that a plan kills, stops, pauses or robs of their store at any point.

Each runs in a thread of its own, and only one of them at a time: so the same seed gives the same story, also where
several tries of one task, or several tasks, are at work at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

import msgspec

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.state.progress import PROGRESS
from airflow_provider_bik.state.storage import Folder
from tests.delivery.virtual_time import DeadlockError, VirtualLoop

__all__ = ["FAULTS", "HungError", "KilledError", "PatientLoop", "Plan", "Process", "Store", "WatchedFolder"]

_T = TypeVar("_T")

FAULTS = ("kill", "kill after", "kill, late", "fail", "fail after", "fail on", "hang", "pause")
"""What may happen at a point, which is a call of a store or a request:

``kill``, ``kill after``: the process is gone before or after it; ``kill, late``: it is gone, and the call that was on
its way lands later. ``fail``, ``fail after``, ``fail on``: the call fails once without or with effect, or all fail from
then on. ``hang``: it never ends. ``pause``: the process goes on only when another one has run meanwhile.
"""


class KilledError(BaseException):
    """The process is gone: nothing that was only in memory is left."""


class HungError(BaseException):
    """A call that does not come back."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens to one process.

    Attributes:
        fault: One of `FAULTS`; empty for none.
        at: The number of the point at which it happens.
        stop_after: Seconds after which it is told to stop; None for never.
        seed: Of all its dice.
        slow: Whether its store is slow.
    """

    fault: str = ""
    at: int = 0
    stop_after: float | None = None
    seed: int = 0
    slow: bool = False


@dataclass(eq=False)
class Process:
    """One try of a task at work.

    Attributes:
        number: Of the try.
        points: How many it has come to.
        leased_to: What its written checkpoints allow for.
        outcome: What its work has returned, once it has ended.
        error: What its work has raised.
        is_dead: Whether it was killed.
    """

    number: int
    plan: Plan
    work: Callable[[Process], Any]
    late: list[Callable[[], Any]] = field(default_factory=list)
    mount: Callable[[], None] = lambda: None
    points: int = 0
    leased_to: dict[str, int] = field(default_factory=dict)
    outcome: Any = None
    error: BaseException | None = None
    is_dead: bool = False
    has_ended: bool = False
    _budget: int | None = None
    _go: threading.Event = field(default_factory=threading.Event)
    _back: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)

    def run(self, points: int | None = None) -> None:
        """Let it work until it ends, pauses, or has come to so many points."""
        if self.has_ended:
            return
        self._budget = points
        self.mount()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        else:
            self._go.set()
        assert self._back.wait(60), "a process neither ends nor comes to a point"
        self._back.clear()

    def _work(self) -> None:
        try:
            self.outcome = self.work(self)
        except (KilledError, HungError) as error:
            # What hangs outside of the event loop can only be killed.
            self.is_dead = True
            if isinstance(error, HungError) and self.rng.random() < 0.5:
                self.late.append(error.call)
        except BaseException as error:  # noqa: BLE001 - the story's judge looks at it
            self.error = error
        self.has_ended = True
        self._back.set()

    def _wait_for_its_turn(self) -> None:
        self._back.set()
        self._go.wait()
        self._go.clear()

    def check_alive(self) -> None:
        """Do nothing more if it was killed."""
        if self.is_dead:
            raise KilledError

    def arrive(self) -> str:
        """Come to a point: what the plan has for it."""
        self.check_alive()
        self.points += 1
        fault = self.plan.fault if self._is_due() else ""
        if self._budget is not None:
            self._budget -= 1
        if fault == "pause" or (self._budget is not None and self._budget < 0):
            self._wait_for_its_turn()
        if fault == "kill":
            self.is_dead = True
            raise KilledError
        return fault

    def _is_due(self) -> bool:
        if self.plan.fault == "fail on":
            return self.points >= self.plan.at
        return self.points == self.plan.at

    def call(self, what: str, act: Callable[[], _T], error: type[Exception] = BikStorageError) -> _T:
        """Make a call of a store, if the plan allows for it."""
        fault = self.arrive()
        if fault == "hang":
            raise HungError(act)
        if fault == "kill, late":
            self.late.append(act)
        if fault in {"kill after", "fail after"}:
            act()
        if fault.startswith("kill"):
            self.is_dead = True
            raise KilledError
        if fault.startswith("fail"):
            message = f"{what} was made to fail"
            raise error(message)
        return act()

    def note_written(self, name: str, content: bytes) -> None:
        """Take note of what a checkpoint allows to be sent."""
        *_, record, generation, file = ("", "", *name.split("/"))
        if file.startswith("checkpoint."):
            generation = f"{record}/{generation}"
            leased_to = msgspec.json.decode(content)["leased_to"]
            self.leased_to[generation] = max(leased_to, self.leased_to.get(generation, 0))

    async def call_in_thread(self, work: Callable[[], _T]) -> _T:
        """Stands in for the thread that nobody waits for; in it, a call that hangs holds up nothing else."""
        try:
            await asyncio.sleep(self.rng.uniform(0, 1.5 if self.plan.slow else 0.05))
        except asyncio.CancelledError:
            # Nobody waits for the thread any more, but it may still come to its end.
            if self.rng.random() < 0.5:
                with contextlib.suppress(BikStorageError, HungError):
                    work()
            raise
        try:
            return work()
        except HungError as hung:
            if self.rng.random() < 0.5:
                self.late.append(hung.call)
            hanging: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
            return await hanging


class PatientLoop(VirtualLoop):
    """Tells when nothing will ever happen, which only somebody outside can end.

    Args:
        idle: Called then; returns whether it has made something happen.
    """

    def __init__(self, idle: Callable[[], bool]) -> None:
        super().__init__()
        jump, wait = self._jump, self._jump.select

        def select(timeout: float | None = None) -> Any:
            try:
                return wait(timeout)
            except DeadlockError:
                if not idle():
                    raise
                return wait(0)

        jump.select = select  # type: ignore[method-assign]
        self.set_exception_handler(lambda *_: None)


class WatchedFolder(Folder):
    """A folder, each call of which is a point of a process.

    Args:
        path: As for `Folder`.
        process: Whose calls they are.
    """

    def __init__(self, path: Any, process: Process) -> None:
        super().__init__(path)
        self._process = process

    def read(self, name: str) -> bytes | None:
        return self._process.call(f"read {name}", lambda: super(WatchedFolder, self).read(name))

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        self._process.call(f"open {name}", lambda: None)
        with super().open(name) as file:
            yield file

    def write(self, name: str, content: Any) -> None:
        whole = b"".join(content)

        def act() -> None:
            super(WatchedFolder, self).write(name, [whole])
            self._process.note_written(f"{self.path}/{name}", whole)

        self._process.call(f"write {name}", act)

    def names(self, folder: str = "") -> list[str]:
        if folder:
            return self.folder(folder).names()
        return self._process.call("list", lambda: super(WatchedFolder, self).names())

    def remove(self, names: Any) -> None:
        for name in list(names):
            self._process.call(f"remove {name}", lambda: super(WatchedFolder, self).remove([name]))  # noqa: B023 - called at once, or as it was


@dataclass
class Store:
    """Stands in for `context["task_state_store"]`, as one process sees it; what it holds outlives the process."""

    values: dict[str, Any]
    process: Process

    def get(self, key: str) -> Any:
        return self.process.call(f"get {key}", lambda: self.values.get(key), OSError)

    def set(self, key: str, value: Any) -> None:
        if key.endswith(f"/{PROGRESS}"):
            # For people to look at, and written beside the delivery: nothing is decided by it.
            return

        def act() -> None:
            self.values[key] = value
            self.process.note_written(key, msgspec.json.encode(value))

        self.process.call(f"set {key}", act, OSError)

    def delete(self, key: str) -> None:
        self.process.call(f"delete {key}", lambda: self.values.pop(key, None), OSError)
