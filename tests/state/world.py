"""The world of the model: BIK, a shop's data, tasks that deliver them, and the truth about every event."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from airflow_provider_bik.delivery import Answer, AnswerClass, Delivery, DeliveryReport, Sending, deliver
from airflow_provider_bik.delivery.checkpoint import Checkpoint
from airflow_provider_bik.errors import BikError
from airflow_provider_bik.events import Contract, Encoder, EventMapping, PipelineRule, Reading
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.operators.delivering import Delivering, Ended
from airflow_provider_bik.operators.inputs import EventsInput, Input
from airflow_provider_bik.operators.task_instance import TaskRun
from airflow_provider_bik.state.record import Delivered, IfDelivered
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.threads import StopSignal
from airflow_provider_bik.transfers.query_input import QueryInput
from airflow_provider_bik.transfers.sql_to_bik_incremental import IncrementalInput
from airflow_provider_bik.transfers.watermark import WatermarkColumn
from airflow_provider_bik.windows import Window
from tests.state.processes import HungError, PatientLoop, Plan, Process, Store, WatchedFolder

__all__ = ["FIRST_MOMENT", "KINDS", "Setting", "Task", "Violation", "World"]

KINDS = ("list", "file", "whole", "window of a list", "window of a query", "growing")

MAPPING = EventMapping(event_name="ordered", email="email", created_at="at", properties={"orderId": "id", "v": "v"})
FIRST_MOMENT = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
SQL = "SELECT id, email, at, v FROM orders WHERE {where} ORDER BY at, id"


class Violation(AssertionError):  # noqa: N818 - it is the promise that is violated
    """The promise is broken."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is the same through one story.

    Attributes:
        kind: Of the input: one of `KINDS`.
        hold: Whether events that may have arrived are held back.
        policies: ``if_delivered`` of the tasks, in turn.
        days: The windows of the tasks, as days from and to, in turn.
        has_store: Whether there is a task state store.
        has_path: Whether there is a state path.
        max_rejected: Of every task.
        trouble: The share of BIK's answers that are none.
        seed: Of BIK's and the shop's dice.
    """

    kind: str
    hold: bool = False
    policies: tuple[str, ...] = ("resend",)
    days: tuple[tuple[int, int], ...] = ((0, 2),)
    has_store: bool = False
    has_path: bool = True
    max_rejected: float = 1.0
    trouble: float = 0.1
    seed: int = 0


class Bik:
    """Stores what it takes, and counts it."""

    def __init__(self, rng: random.Random, trouble: float) -> None:
        self.rng, self.trouble = rng, trouble
        self.stored: Counter[int] = Counter()
        self.long_pause = False

    @staticmethod
    def is_bad(event: int) -> bool:
        return event % 23 == 7

    def take(self, events: Sequence[int]) -> bool:
        if any(map(self.is_bad, events)):
            return False
        self.stored.update(events)
        return True

    def answer(self, events: Sequence[int]) -> Answer:
        mood = self.rng.random()
        if self.long_pause and mood < 0.3:
            return Answer(means=AnswerClass.THROTTLED, status=429, cause="HTTP 429", retry_after=3600)
        if mood < self.trouble:
            return self._troubled(events, self.rng.randrange(6))
        if self.take(events):
            return Answer(means=AnswerClass.CONFIRMED, status=200, cause="HTTP 200")
        return Answer(means=AnswerClass.REJECTED_BY_BIK, status=400, cause="HTTP 400", message="no")

    def _troubled(self, events: Sequence[int], kind: int) -> Answer:
        if kind in {0, 1}:
            self.take(events)
        if kind == 3:
            return Answer.not_sent("no connection")
        if kind == 4:
            return Answer(means=AnswerClass.THROTTLED, status=429, cause="HTTP 429", retry_after=0.5)
        return Answer(means=AnswerClass.UNKNOWN, status=500, cause="HTTP 500")


@dataclass(eq=False)
class Task:
    """One task instance."""

    number: int
    policy: str
    days: tuple[int, int]
    run_id: str
    tries: int = 0
    max_tries: int = 3
    clear_number: int = 0
    run_type: str = "manual"
    prev_success: bool = False
    state: str = "none"
    last_error: BikError | None = None
    values: dict[str, Any] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)
    rows_at_first: frozenset[int] | None = None


class World:
    """Everything that outlives a process.

    Args:
        setting: Of the story.
        path: Where state is kept.
        directory: For the shop's files.
        mounts: Switches to the disk of a worker.
    """

    def __init__(self, setting: Setting, path: str, directory: Path, mounts: Any) -> None:
        self.setting, self.path, self.directory, self.mounts = setting, path, directory, mounts
        self.rng = random.Random(setting.seed)
        self.bik = Bik(random.Random(setting.seed + 1), setting.trouble)
        self.late: list[Any] = []
        self.clock = FIRST_MOMENT
        self.worker = 0
        self.version = 0
        self.running: Process | None = None
        self.named: set[int] = set()
        self.sent: dict[str, dict[int, int]] = {}
        self.delivered: set[str] = set()
        self.handmade = False
        self.items = list(range(self.rng.choice([0, 1, 20, 40, 40])))
        self.next_item = 1000
        self.too_late: set[int] = set()
        self.has_delivered = False
        self.owners = 0
        self.at_first: dict[tuple[int, int], frozenset[int]] = {}
        self.rows: dict[int, tuple[str, int]] = {}
        self.tasks: list[Task] = []
        self._make_data()
        for number, policy in enumerate(setting.policies):
            self.add_task(policy, setting.days[number % len(setting.days)])

    # The shop

    @property
    def is_query(self) -> bool:
        """Whether the input is the rows of a table, each with its time."""
        return self.setting.kind in {"window of a query", "growing"}

    @property
    def has_times(self) -> bool:
        return self.is_query or self.setting.kind.startswith("window")

    def _make_data(self) -> None:
        if self.has_times:
            for item in self.items:
                self.rows[item] = (self._time(item), 0)
        self._write()

    def _time(self, item: int) -> str:
        at = FIRST_DAY + timedelta(minutes=self.rng.randrange(6 * 24 * 60), milliseconds=item)
        return at.isoformat(timespec="milliseconds")

    def write_rows(self) -> None:
        database = self.directory / "shop.db"
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("DROP TABLE IF EXISTS orders")
            connection.execute("CREATE TABLE orders (id INTEGER, email TEXT, at TEXT, v INTEGER)")
            rows = [(item, _email(item), at, v) for item, (at, v) in self.rows.items()]
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
            connection.commit()

    def write_file(self) -> None:
        lines = [json.dumps(_event(item, self.version)) for item in self.items]
        (self.directory / "events.ndjson").write_text("".join(f"{line}\n" for line in lines), "utf-8")

    def add_late(self, number: int) -> None:
        """More events than there were, anywhere among the others in a table, at the end elsewhere."""
        for _ in range(number):
            self.next_item += 1
            self.items.append(self.next_item)
            if self.has_delivered:
                self.too_late.add(self.next_item)
            if self.has_times:
                self.rows[self.next_item] = (self._time(self.next_item), 0)
        self._write()

    def change(self, how: int) -> None:
        """Another input in the place of the one before."""
        if self.setting.kind == "growing":
            # Rows that change are other events, and may be sent again; a query that only looks different must not.
            self.version += 1
        elif self.is_query and how % 2:
            for item in random.Random(how).sample(sorted(self.rows), len(self.rows) // 3):
                self.rows[item] = (self.rows[item][0], self.rows[item][1] + 1)
        elif self.is_query or how % 3 == 0:
            self.version += 1
        elif self.items:
            gone = random.Random(how).choice(self.items)
            self.items.remove(gone)
            self.rows.pop(gone, None)
        self._write()

    def _write(self) -> None:
        if self.is_query:
            self.write_rows()
        self.write_file()

    def rows_of(self, task: Task, *, any_query: bool = False) -> frozenset[int]:
        """What the task should deliver, as things are; or what it could, whatever its query."""
        if not self.has_times:
            return frozenset(self.items)
        if self.setting.kind == "growing":
            return frozenset(self.rows)
        start, end = (text.isoformat(timespec="milliseconds") for text in _days(task.days))
        is_narrow = self.is_query and self.version % 2 == 0 and not any_query
        return frozenset(
            item for item, (at, _) in self.rows.items() if start <= at < end and not (is_narrow and item % 5 == 0)
        )

    # Tasks

    def add_task(self, policy: str, days: tuple[int, int]) -> Task:
        number = len(self.tasks)
        succeeded = any(task.state == "success" for task in self.tasks)
        task = Task(number=number, policy=policy, days=days, run_id=f"run {number}", prev_success=succeeded)
        self.tasks.append(task)
        return task

    def begin(self, task: Task, plan: Plan) -> Process:
        """Airflow starts a try of a task."""
        task.tries += 1
        if task.rows_at_first is None:
            task.rows_at_first = self.rows_of(task)
        self.at_first.setdefault(task.days, self.rows_of(task, any_query=True))
        attempt = _Try(self, task, task.tries, self.worker)
        process = Process(number=task.tries, plan=plan, work=attempt.work, late=self.late, mount=attempt.mount)
        task.running.append(process)
        task.state = "running"
        return process

    def run(self, task: Task, process: Process, points: int | None = None) -> None:
        """Let a try go on; judge it if it has ended."""
        self.clock += timedelta(seconds=1)
        process.run(points)
        if not process.has_ended:
            return
        task.running.remove(process)
        self._judge(task, process)

    def _judge(self, task: Task, process: Process) -> None:
        if process.is_dead:
            self._set(task, process, "failed")
            return
        if process.error is not None:
            if not isinstance(process.error, BikError):
                message = f"a raw error: {process.error!r}"
                raise Violation(message) from process.error
            self._set(task, process, "failed", process.error)
            return
        outcome = cast("_Outcome", process.outcome)
        for generation, report in [*outcome.reports, *outcome.earlier]:
            self.note_named(generation, report)
        if outcome.error is not None:
            self._set(task, process, "failed", outcome.error)
        elif outcome.stepped_aside:
            self._set(task, process, "failed")
        else:
            for generation, report in outcome.reports:
                self._check_success(generation, report, outcome.readings[generation])
            self._check_task(task, outcome)
            self.has_delivered = True
            self._set(task, process, "success")

    @staticmethod
    def _set(task: Task, process: Process, state: str, error: BikError | None = None) -> None:
        # Airflow listens to the newest try alone.
        if process.number == task.tries:
            task.state, task.last_error = state, error

    def note_named(self, generation: str, report: dict[str, Any]) -> None:
        sent = self.sent.get(generation, {})
        for first, end in report["possible_duplicate_ranges"]:
            self.named.update(sent[position] for position in range(first, end) if position in sent)

    def _check_success(self, generation: str, report: dict[str, Any], reading: list[int]) -> None:
        """P1 for one generation."""
        if report["unresolved"] or not report["complete"]:
            message = f"success with {report['unresolved']} unresolved"
            raise Violation(message)
        if report["read"] != report["confirmed"] + report["rejected"] + report["skipped"]:
            message = f"the equation: {report}"
            raise Violation(message)
        if report["read"] != len(reading):
            message = f"read {report['read']}, but the input had {len(reading)}"
            raise Violation(message)
        kept = self._rejected_in(report["rejected_path"])
        if not self.handmade and len(kept) != report["rejected"]:
            message = f"{report['rejected']} rejected, and {len(kept)} in the file"
            raise Violation(message)
        if len(set(kept)) != len(kept):
            message = f"rejected twice: {sorted(kept)}"
            raise Violation(message)
        self.delivered.add(generation)
        lost = set(reading) - self.bik.stored.keys() - set(kept)
        if lost:
            message = f"lost {sorted(lost)} of {len(reading)}: neither in BIK nor rejected"
            raise Violation(message)

    def _rejected_in(self, path: str | None) -> list[int]:
        if path is None:
            return []
        folder, _, name = path.rpartition("/")
        with Folder(folder).open(name) as file:
            lines = file.read().splitlines()
        return [_item_in(msgspec.json.decode(line)) for line in lines]

    def _check_task(self, task: Task, outcome: _Outcome) -> None:
        """P1 for what the task was to deliver."""
        if outcome.before or len(outcome.reports) == 0:
            return
        readings = [item for generation, _ in outcome.reports for item in outcome.readings[generation]]
        if self.setting.kind == "growing":
            missing = (task.rows_at_first or frozenset()) - self.bik.stored.keys() - self._rejected_anywhere()
        elif self.is_query:
            # Other tasks may have delivered a part of the window.
            # Another task may have begun what this one goes on with.
            missing = (self.rows_of(task) & self.at_first[task.days]) - set(readings)
            missing -= self.bik.stored.keys() | self._rejected_anywhere()
            if task.policy == "trim":
                # What came into a window after another task had delivered it, or was not in its query.
                missing -= self.too_late | {item for item in missing if self.version and item % 5 == 0}
        else:
            # A file may have changed while the try had paused.
            missing = (outcome.rows & self.rows_of(task)) - set(readings)
        if missing:
            message = f"never read: {sorted(missing)}"
            raise Violation(message)

    def _rejected_anywhere(self) -> set[int]:
        files = self.mounts.files("rejected.")
        return {_item_in(msgspec.json.decode(line)) for _, content in files for line in content.splitlines()}

    def check_all(self) -> None:
        """P2 and P4, over everything that has happened."""
        twice = {event for event, copies in self.bik.stored.items() if copies > 1}
        if self.setting.hold and twice:
            message = f"hold, and stored twice: {sorted(twice)}"
            raise Violation(message)
        if unnamed := twice - self.named - self._known_to_records():
            message = f"stored twice and named nowhere: {sorted(unnamed)}"
            raise Violation(message)

    def _known_to_records(self) -> set[int]:
        """What a generation that was never delivered says of its positions: each try of it has ended with an error."""
        known: set[int] = set()
        for generation, checkpoint in self._checkpoints():
            if generation in self.delivered:
                continue
            sent = self.sent.get(generation, {})
            if checkpoint.get("everything_in_doubt"):
                known.update(sent.values())
            in_doubt = Checkpoint.from_json(checkpoint).doubt()
            for first, end in [*in_doubt, *checkpoint["counts"]["possible_duplicates"]]:
                known.update(sent[position] for position in range(first, end) if position in sent)
        return known

    def _checkpoints(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, content in self.mounts.files("checkpoint."):
            yield "/".join(name.split("/")[-3:-1]), msgspec.json.decode(content)
        for task in self.tasks:
            for key, value in task.values.items():
                if "checkpoint." in key:
                    yield "/".join(key.split("/")[-3:-1]), value

    # Time

    def land(self) -> None:
        """What was on its way when its process was killed arrives."""
        while self.late:
            act = self.late.pop(0)
            with contextlib.suppress(BikError, OSError):
                act()


@dataclass
class _Outcome:
    reports: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    earlier: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    readings: dict[str, list[int]] = field(default_factory=dict)
    error: BikError | None = None
    stepped_aside: bool = False
    before: bool = False
    rows: frozenset[int] = frozenset()


@dataclass(eq=False)
class _Try:
    """What one try does, as the operator does it."""

    world: World
    task: Task
    number: int
    worker: int

    def mount(self) -> None:
        self.world.mounts.switch(self.worker)

    def work(self, process: Process) -> _Outcome:
        world, task = self.world, self.task
        outcome = _Outcome(rows=world.rows_of(task))
        hook = _Hook(world, process, outcome.readings)
        delivering = self._delivering(process, hook)
        stream, window = None, None
        if world.setting.kind not in {"list", "file"}:
            stream = "orders"
        if world.setting.kind.startswith("window"):
            window = Window(*_days(task.days))
        pieces = delivering.pieces(stream, window)
        if isinstance(pieces, Delivered):
            outcome.before = True
            return outcome
        for piece in pieces:
            ended = delivering.deliver(piece)
            self._note(outcome, ended, hook.generation)
            hook.generation = ""
            if ended.error is not None or ended.step_aside is not None:
                outcome.error, outcome.stepped_aside = ended.error, ended.step_aside is not None
                return outcome
        return outcome

    @staticmethod
    def _note(outcome: _Outcome, ended: Ended, key: str) -> None:
        report = cast("dict[str, Any]", dict(ended.report))
        if report.get("already_delivered") or not key:
            # Nothing was read in this try; its report is that of an earlier one.
            outcome.before = True
            for part in report.get("parts", [report] if report.get("record_path") else []):
                outcome.earlier.append((key_of(part["record_path"], part["generation"]), part))
            return
        for part in report.get("parts", ()):
            outcome.reports.append((key_of(part["record_path"], part["generation"]), part))
        if "parts" not in report and "possible_duplicate_ranges" in report:
            if report.get("generation"):
                key = key_of(report["record_path"], report["generation"])
            outcome.reports.append((key, report))

    def _delivering(self, process: Process, hook: _Hook) -> Delivering:
        world, task, setting = self.world, self.task, self.world.setting
        folder = WatchedFolder(world.path, process) if setting.has_path else None
        context: dict[str, Any] = {
            "ti": SimpleNamespace(
                dag_id="dag",
                run_id=task.run_id,
                task_id="send",
                map_index=-1,
                try_number=self.number,
                max_tries=task.max_tries,
                xcom_push=lambda **_: None,
            ),
            "dag_run": SimpleNamespace(run_type=task.run_type, clear_number=task.clear_number),
        }
        if setting.has_store:
            context["task_state_store"] = Store(task.values, process)
        if task.prev_success:
            context["prev_start_date_success"] = world.clock
        run = TaskRun(cast("Any", context), task_id="send", zone=UTC, folder=folder)
        # No two are the same, whatever the plans.
        world.owners += 1
        owner = f"{world.owners:06x}{process.rng.getrandbits(24):06x}"
        run.attempt = replace(run.attempt, now=world.clock, owner=owner)
        stopping = StopSignal()
        mode = "migration" if task.run_type == "backfill" else "auto"
        contract = Contract(now=world.clock, rule=PipelineRule(mode=cast("Any", mode)), reading=Reading())
        return Delivering(
            task=run,
            hook=cast("Any", hook),
            given=self._given(stopping),
            encoder=Encoder(contract=contract, mapping=MAPPING if world.is_query else None),
            sending=Sending(
                batch_size=4,
                max_concurrency=2,
                on_unconfirmed="hold" if setting.hold else "resend",
                max_attempts=4,
                give_up_after=60,
            ),
            if_delivered=IfDelivered(task.policy),
            max_rejected=setting.max_rejected if setting.has_path else 0,
            stopping=stopping,
        )

    def _given(self, stopping: StopSignal) -> Input:
        world = self.world
        match world.setting.kind:
            case "file":
                return EventsInput(events=str(world.directory / "events.ndjson"), reading=Reading())
            case "window of a query":
                where = "at >= :start AND at < :end"
                if world.version % 2 == 0:
                    where += " AND id % 5 <> 0"
                return self._query(where, stopping)
            case "growing":
                where = f"id >= :watermark /* {world.version} */"
                column = WatermarkColumn(name="id", start=0, lookback=10**6)
                return IncrementalInput(query=self._query(where, stopping), column=column)
            case _:
                chosen = world.rows_of(self.task)
                events = [_event(item, world.version) for item in world.items if item in chosen]
                return EventsInput(events=events, reading=Reading())

    def _query(self, where: str, stopping: StopSignal) -> QueryInput:
        return QueryInput(
            sql=SQL.format(where=where), conn_id="shop", parameters=None, fetch_size=20, stopping=stopping
        )


class _Reading:
    """One reading of an input, which may hang.

    Attributes:
        places: The positions of the items so far.
    """

    def __init__(self, events: Iterator[InputEvent]) -> None:
        self._events = events
        self.places: dict[int, int] = {}

    async def next_chunk(self) -> list[InputEvent]:
        await asyncio.sleep(0.02)
        try:
            chunk = list(itertools.islice(self._events, 7))
        except HungError:
            await asyncio.get_running_loop().create_future()
            raise
        self.places |= {_item(event): event.position for event in chunk}
        return chunk


class _Hook:
    """Sends to the world's BIK, in virtual time."""

    host = "bik.test"

    def __init__(self, world: World, process: Process, readings: dict[str, list[int]]) -> None:
        self._world, self._process, self._readings = world, process, readings
        self.generation = ""

    def deliver(self, events: Iterator[InputEvent], delivery: Delivery, *, stopping: StopSignal) -> DeliveryReport:
        process, world = self._process, self._world
        generation = getattr(delivery.checkpoints, "generation", None)
        if generation is None:
            self.generation = f"try {process.rng.getrandbits(32)}"
        else:
            documents = delivery.checkpoints.record.documents  # type: ignore[attr-defined]
            self.generation = key_of(getattr(documents, "path", "bik"), generation.id)
        reading = _Reading(events)
        sent = world.sent.setdefault(self.generation, {})

        async def chunks() -> AsyncIterator[Sequence[InputEvent]]:
            while chunk := await reading.next_chunk():
                yield chunk
            self._readings[self.generation] = list(reading.places)

        async def send(bodies: Sequence[bytes]) -> Answer:
            items = [msgspec.json.decode(body)["eventProperties"]["orderId"] for body in bodies]
            with contextlib.suppress(HungError):
                if process.arrive() in {"kill after", "kill, late"}:
                    process.is_dead = True
            for item in items:
                self._note_sent(sent, reading.places[item], item, delivery)
            try:
                await asyncio.sleep(process.rng.uniform(0.01, 0.5))
                process.check_alive()
            except BaseException:
                # The sender is gone, but what it has sent may arrive.
                if process.rng.random() < 0.5:
                    world.bik.take(items)
                raise
            return world.bik.answer(items)

        return self._run(chunks(), delivery, send, stopping)

    def _note_sent(self, sent: dict[int, int], position: int, item: int, delivery: Delivery) -> None:
        if sent.setdefault(position, item) != item:
            message = f"position {position} of {self.generation} meant {sent[position]} and means {item}"
            raise Violation(message)
        if any(first <= position < end for first, end in delivery.resume_from.settled):
            message = f"position {position} was settled and is sent again"
            raise Violation(message)
        if not self.generation.startswith("try") and position >= self._process.leased_to.get(self.generation, 0):
            message = f"position {position} is sent without a lease"
            raise Violation(message)

    def _run(self, chunks: Any, delivery: Delivery, send: Any, stopping: StopSignal) -> DeliveryReport:
        process, ordered = self._process, False

        def idle() -> bool:
            nonlocal ordered
            if ordered:
                return False
            # Airflow's time-out of the task.
            ordered = True
            stopping.press()
            return True

        # Telling of progress is due for ever, so that nobody would see that nothing else will ever happen.
        untold = replace(delivery, progress=None)

        async def work() -> DeliveryReport:
            event = stopping.event()
            if process.plan.stop_after is not None:
                asyncio.get_running_loop().call_later(process.plan.stop_after, stopping.press)
            return await deliver(chunks, untold, send=send, rng=random.Random(process.rng.random()), stopping=event)

        with asyncio.Runner(loop_factory=lambda: PatientLoop(idle)) as runner:
            return runner.run(work())


def key_of(record: str, generation: str) -> str:
    """A generation's name is its own within its record only."""
    return f"{record.rstrip('/').rpartition('/')[2]}/{generation}"


def _days(days: tuple[int, int]) -> tuple[datetime, datetime]:
    return FIRST_DAY + timedelta(days=days[0]), FIRST_DAY + timedelta(days=days[1])


def _email(item: int) -> str | None:
    return None if item % 19 == 3 else f"customer{item}@example.com"


def _event(item: int, version: int) -> dict[str, Any]:
    return {
        "email": _email(item),
        "eventName": "ordered",
        "eventProperties": {"orderId": item, "v": version},
        "createdAt": "2026-01-01T10:00:00.000Z",
    }


def _item(event: InputEvent) -> int:
    if isinstance(event.result, EncodedEvent):
        return int(msgspec.json.decode(event.result.body)["eventProperties"]["orderId"])
    return _item_in({"event": event.raw})


def _item_in(line: dict[str, Any]) -> int:
    raw = line.get("event") or line["row"]
    return int(raw["eventProperties"]["orderId"] if "eventProperties" in raw else raw["id"])
