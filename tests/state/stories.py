"""Stories: a setting and steps, all of them plain values, drawn from a seed, told, and made short when they fail."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from unittest.mock import patch

from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_bik.errors import (
    BikAlreadyDeliveredError,
    BikConfigError,
    BikInputChangedError,
    BikOverlapError,
    BikRecordError,
    BikTooManyRejectedError,
)
from airflow_provider_bik.operators import task_instance
from airflow_provider_bik.state import record, rejected_file
from airflow_provider_bik.state.storage import Folder, storage_path
from airflow_provider_bik.transfers import query_input, sql_to_bik_incremental
from tests.state.processes import FAULTS, Plan, Process, WatchedFolder
from tests.state.world import FIRST_MOMENT, KINDS, Setting, Task, Violation, World

__all__ = ["LocalDisks", "MemoryDisks", "Objects", "Step", "Story", "draw", "shorten", "step", "tell"]

WAYS_OUT = (
    BikAlreadyDeliveredError,
    BikConfigError,
    BikInputChangedError,
    BikOverlapError,
    BikRecordError,
    BikTooManyRejectedError,
)
"""Errors with which a story may end: each says what a person is to do."""

FINAL = (BikAlreadyDeliveredError, BikTooManyRejectedError)
"""Those of them that clearing the task does not change."""

MOST_POINTS = 45

NOTHING = Plan()
"""A plan in which nothing goes wrong."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happens.

    Attributes:
        do: What.
        task: To which task.
        plan: Of the try that it starts, if it does.
        number: How many, how long or which, by what it does.
    """

    do: str
    task: int = 0
    plan: Plan = NOTHING
    number: int = 0

    def __repr__(self) -> str:
        parts = [repr(self.do)]
        parts += [f"{name}={getattr(self, name)}" for name in ("task", "number") if getattr(self, name)]
        chosen = [f"{n}={v!r}" for n, v in vars(self.plan).items() if v != getattr(NOTHING, n)]
        if chosen:
            parts.append(f"plan=Plan({', '.join(chosen)})")
        return f"step({', '.join(parts)})"


Story: TypeAlias = tuple[Setting, tuple[Step, ...]]


class Disks(Protocol):
    """Where state is: a disk of each worker, or a store that all of them reach."""

    def switch(self, worker: int) -> None:
        """Go to another worker."""

    def files(self, part: str) -> Iterator[tuple[str, bytes]]:
        """The files of all of them with such a name."""

    def path(self) -> str:
        """A place with nothing in it."""


class LocalDisks:
    """Of each worker one, at the same path."""

    are_shared = False

    def __init__(self, directory: Path) -> None:
        self._directory, self._link = directory, directory / "mounted"
        self._number = 0

    def path(self) -> str:
        for old in self._directory.glob("disk-*"):
            shutil.rmtree(old)
        self.switch(0)
        return str(self._link / "state")

    def switch(self, worker: int) -> None:
        disk = self._directory / f"disk-{worker}"
        disk.mkdir(exist_ok=True)
        if self._link.is_symlink():
            if self._link.readlink() == disk:
                return
            self._link.unlink()
        self._link.symlink_to(disk)

    def files(self, part: str) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self._directory.glob("disk-*/**/*")):
            if path.name.startswith(part) and path.is_file():
                yield str(path), path.read_bytes()


class Objects:
    """A store that all workers reach.

    Args:
        root: A URL.
    """

    are_shared = True

    def __init__(self, root: str) -> None:
        self._root, self._numbers, self._path = root, itertools.count(), root

    def path(self) -> str:
        self._path = f"{self._root}/{next(self._numbers)}"
        return self._path

    def switch(self, worker: int) -> None:
        """All workers see the same."""

    def files(self, part: str) -> Iterator[tuple[str, bytes]]:
        path = storage_path(self._path)
        fs: Any = path.fs
        fs.invalidate_cache()
        for name in sorted(fs.find(path.path)):
            if name.rpartition("/")[2].startswith(part):
                yield name, fs.cat_file(name)


class MemoryDisks(Objects):
    """Objects in memory, which go when the story ends."""

    def path(self) -> str:
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]
        return super().path()


def draw(seed: int, *, shared: bool) -> Story:
    """A story."""
    rng = random.Random(seed)
    kind = rng.choice(KINDS)
    hold = rng.random() < 0.35
    own = kind in {"list", "file"}
    has_path = not own or rng.random() < 0.8
    number = 1 if own else rng.choice([1, 2, 2, 3])
    policies = ["resend", "resend", "skip", "trim", "refuse"]
    if hold:
        policies = ["refuse", "skip", "trim"]
    setting = Setting(
        kind=kind,
        hold=hold,
        policies=tuple(rng.choice(policies) for _ in range(number)),
        days=tuple(rng.choice([(0, 2), (0, 2), (1, 3), (0, 4), (2, 3)]) for _ in range(number)),
        has_store=rng.random() < 0.4 or (not has_path and rng.random() < 0.7),
        has_path=has_path,
        max_rejected=rng.choice([1.0, 1.0, 0]),
        trouble=rng.choice([0.0, 0.1, 0.3]),
        seed=rng.getrandbits(32),
    )
    return setting, tuple(_draw_step(rng, setting, shared=shared) for _ in range(rng.randrange(1, 9)))


def _draw_step(rng: random.Random, setting: Setting, *, shared: bool) -> Step:
    own = setting.kind in {"list", "file"}
    weights = {
        "try": 10,
        "race": 0 if own else 4,
        "resume": 3,
        "clear": 3,
        "clear, fewer retries": 1,
        "backfill": 1,
        "run": 0 if own else 2,
        "late": 2,
        "change": 1.5,
        "lose input": 1.5,
        "damage input": 1.5,
        "edit rejected": 1,
        "delete record": 1,
        "delete all": 0.5 if own and setting.has_path else 0,
        "move": 1 if own and not shared else 0,
        "jump": 1,
        "long pause": 0.5,
    }
    return Step(
        do=rng.choices(list(weights), list(weights.values()))[0],
        task=rng.randrange(4),
        plan=_draw_plan(rng),
        number=rng.getrandbits(16),
    )


def _draw_plan(rng: random.Random) -> Plan:
    faulty = rng.random() < 0.65
    return Plan(
        fault=rng.choice(FAULTS) if faulty else "",
        at=rng.randrange(1, MOST_POINTS) if faulty else 0,
        stop_after=rng.uniform(0.1, 5.0) if rng.random() < 0.15 else None,
        seed=rng.getrandbits(32),
        slow=rng.random() < 0.15,
    )


def tell(story: Story, disks: Any, directory: Path, stuck: Counter[str] | None = None) -> None:
    """Let a story happen, to its good end.

    Args:
        story: What happens.
        disks: Where state is kept.
        directory: For the shop's files.
        stuck: Counts the errors with which tasks have ended.

    Raises:
        Violation: The promise is broken.
    """
    setting, steps = story
    world = World(setting, disks.path(), directory, disks)
    with _patched(world):
        teller = _Teller(world)
        for step in steps:
            teller.tell(step)
        teller.end(stuck if stuck is not None else Counter())
        world.check_all()


@contextlib.contextmanager
def _patched(world: World) -> Iterator[None]:
    """Threads that nobody waits for become calls that take virtual time; folders that the package opens are watched."""
    running: list[Process] = []
    run = Process.run

    def note_running(process: Process, points: int | None = None) -> None:
        running.append(process)
        run(process, points)
        running.pop()

    async def call_in_thread(work: Callable[[], Any]) -> Any:
        return await running[-1].call_in_thread(work)

    def stoppable(work: Callable[[], Any], **_: Any) -> Any:
        return work()

    hook = SqliteHook()  # type: ignore[no-untyped-call]
    hook.get_conn = lambda: sqlite3.connect(world.directory / "shop.db")  # type: ignore[method-assign]
    with (
        patch.object(Process, "run", note_running),
        patch.object(record, "call_in_thread", call_in_thread),
        patch.object(rejected_file, "call_in_thread", call_in_thread),
        patch.object(query_input, "stoppable", stoppable),
        patch.object(query_input, "database_hook", lambda _: hook),
        patch.object(sql_to_bik_incremental, "database_hook", lambda _: hook),
        patch.object(task_instance, "Folder", lambda path: WatchedFolder(path, running[-1])),
        patch.object(task_instance, "_worker", lambda: f"worker {world.worker}"),
        patch.object(os, "fsync", lambda _: None),
    ):
        yield


class _Teller:
    def __init__(self, world: World) -> None:
        self.world = world

    def tell(self, step: Step) -> None:
        task = self.world.tasks[step.task % len(self.world.tasks)]
        match step.do:
            case "try":
                self._try(task, step.plan)
            case "race":
                self._race(step)
            case "resume":
                self._resume(task)
            case "clear" | "clear, fewer retries" | "backfill":
                self._clear(task, step.do)
            case _:
                self._happen(step)

    def _happen(self, step: Step) -> None:
        """What no task does."""
        world = self.world
        match step.do:
            case "run":
                days = world.setting.days[step.number % len(world.setting.days)]
                world.add_task(world.setting.policies[step.number % len(world.setting.policies)], days)
            case "late":
                world.add_late(1 + step.number % 5)
            case "change":
                world.change(step.number)
            case "jump":
                world.clock = FIRST_MOMENT + timedelta(days=step.number % 40 - 20)
            case "move":
                world.worker = step.number % 2
            case "long pause":
                world.bik.long_pause = not world.bik.long_pause
            case _:
                self._by_hand(step)

    def _try(self, task: Task, plan: Plan) -> None:
        if task.state == "success" or len(task.running) > 2:
            return
        self.world.run(task, self.world.begin(task, plan))

    def _race(self, step: Step) -> None:
        """Several tasks at once, or two tries of one."""
        world, dice = self.world, random.Random(step.number)
        chosen = [task for task in world.tasks if task.state != "success" and not task.running][:3]
        running = [(task, world.begin(task, replace(step.plan, seed=dice.getrandbits(32)))) for task in chosen]
        while running:
            task, process = dice.choice(running)
            world.run(task, process, dice.randrange(1, 12))
            if process.plan.fault == "pause" or process.has_ended:
                running.remove((task, process))

    def _resume(self, task: Task) -> None:
        if task.running:
            self.world.run(task, task.running[0])
        self.world.land()

    def _clear(self, task: Task, how: str) -> None:
        if task.state == "none" or task.running:
            return
        if how == "clear":
            task.max_tries = task.tries + 3
        if how != "clear" or task.number % 2:
            task.clear_number += 1
        if how == "backfill":
            task.run_type = "backfill"
        task.state = "none"

    def _by_hand(self, step: Step) -> None:
        """What somebody does to the files, while nobody works with them."""
        world = self.world
        if any(task.running for task in world.tasks):
            return
        if step.do == "delete record" and not world.setting.has_path:
            for task in world.tasks:
                task.values.pop("bik/record.json", None)
        part = {"edit rejected": "rejected", "delete record": "record.json", "delete all": ""}.get(step.do, "input")
        found = [name for name, _ in world.mounts.files(part)]
        if not found:
            return
        chosen = found if step.do == "delete all" else [found[step.number % len(found)]]
        for path in chosen:
            folder, _, name = path.rpartition("/")
            self._change_file(step, Folder(self._with_scheme(folder)), name)

    def _with_scheme(self, folder: str) -> str:
        scheme, separator, rest = self.world.path.partition("://")
        if not separator:
            return folder
        authority = rest.partition("@")[0] + "@" if "@" in rest else ""
        return f"{scheme}://{authority}{folder.lstrip('/')}"

    @staticmethod
    def _change_file(step: Step, folder: Folder, name: str) -> None:
        if step.do in {"lose input", "delete record", "delete all"}:
            folder.remove([name])
            return
        content = bytearray(folder.read(name) or b"")
        if step.do == "edit rejected":
            content = content.rstrip(b"\n")
        elif step.number % 2:
            del content[len(content) // 2 :]
        elif content:
            content[step.number % len(content)] ^= 1 << step.number % 8
        folder.write(name, [bytes(content)])

    def end(self, stuck: Counter[str]) -> None:
        """Everything goes well from here on, and a person clears what does not."""
        world = self.world
        world.bik.trouble, world.bik.long_pause = 0.0, False
        for task in world.tasks:
            while task.running:
                process = task.running[0]
                process.plan = replace(process.plan, fault="", stop_after=None)
                world.run(task, process)
        world.land()
        world.worker = 0
        for _ in range(4):
            for task in world.tasks:
                self._bring_to_its_end(task)
            left = [task for task in world.tasks if task.state != "success"]
            for task in left:
                if not isinstance(task.last_error, FINAL):
                    self._clear(task, "clear")
                    task.state = "failed"
        for task in world.tasks:
            if task.state == "success":
                continue
            stuck[type(task.last_error).__name__] += 1
            if not isinstance(task.last_error, WAYS_OUT):
                message = f"a task does not come to its end: {task.last_error!r}"
                raise Violation(message)

    def _bring_to_its_end(self, task: Task) -> None:
        for _ in range(3):
            if task.state == "success" or isinstance(task.last_error, FINAL):
                return
            self._try(task, Plan(seed=self.world.rng.getrandbits(32)))
            if task.last_error is not None and not task.last_error.retry_can_help:
                return


def shorten(story: Story, fails: Callable[[Story], bool]) -> Story:
    """Leave out what the failure does not need."""
    setting, steps = story
    progress = True
    while progress:
        progress = False
        for shorter in _shorter(setting, steps):
            if fails(shorter):
                (setting, steps), progress = shorter, True
                break
    return setting, steps


def _shorter(setting: Setting, steps: Sequence[Step]) -> Iterator[Story]:
    for index in range(len(steps)):
        yield setting, (*steps[:index], *steps[index + 1 :])
    plainer = (replace(setting, trouble=0.0), replace(setting, has_store=False), replace(setting, max_rejected=1.0))
    yield from ((each, tuple(steps)) for each in plainer if each != setting)
    if len(setting.policies) > 1:
        yield replace(setting, policies=setting.policies[:-1], days=setting.days[:-1]), tuple(steps)
    for index, each in enumerate(steps):
        plan = each.plan
        for plainer_plan in (replace(plan, slow=False), replace(plan, stop_after=None), replace(plan, fault="", at=0)):
            if plainer_plan != plan:
                yield setting, (*steps[:index], replace(each, plan=plainer_plan), *steps[index + 1 :])


def step(do: str, *, task: int = 0, plan: Plan = NOTHING, number: int = 0) -> Step:
    """A step, as its text says it."""
    return Step(do=do, task=task, plan=plan, number=number)
