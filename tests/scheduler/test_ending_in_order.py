"""SIGTERM in every phase of a delivery, and two processes with one record."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.scheduler.evidence import (
    KEY,
    SECRET,
    check_the_promise,
    copies,
    in_doubt,
    members,
    strict_sandbox,
    twice,
    write_events,
)
from tests.scheduler.task_process import Handler, TaskProcess

pytestmark = pytest.mark.slow

NUMBER = 6000
PATIENCE = 60.0
IN_ORDER = 3.0
"""Seconds within which a task has ended after SIGTERM."""

SLOW = FaultPlan(latency=(0.15, 0.25))

HANDLERS: tuple[Handler, ...] = ("airflow 3", "airflow 2", "execution timeout")


def connection(bik: Sandbox) -> str:
    return json.dumps({"conn_type": "bik", "host": bik.url, "login": KEY, "password": SECRET})


def wait(what: str, happened: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, f"waited for {what} in vain"
        time.sleep(0.02)


def ends_in_order(task: TaskProcess, bik: Sandbox, ready: Callable[[], object], *, stalls: float = 0) -> set[int]:
    """Start a try, end it with SIGTERM when it is ready; returns what its checkpoint has in doubt."""
    process = task.start(connection(bik), stalls=stalls)
    wait("the right moment", lambda: ready() or not process.is_alive())
    assert process.is_alive(), task.ending()
    assert process.pid
    struck = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    process.join(PATIENCE)
    seconds = time.monotonic() - struck
    saved = task.state.checkpoint()
    assert saved
    doubt = in_doubt(saved)
    assert process.exitcode == 0
    assert seconds < IN_ORDER
    assert saved["state"] == "stopped"
    assert saved["in_doubt"] is not None
    assert not members(saved["settled"]) & doubt
    return doubt


def goes_on(task: TaskProcess, bik: Sandbox, doubt: set[int], *, number: int = NUMBER) -> None:
    """The next try finishes, and sends nothing twice but what was in doubt."""
    bik.faults = FaultPlan()
    process = task.start(connection(bik))
    process.join(PATIENCE)
    report = task.ending()["report"]
    check_the_promise(bik, report=report, number=number)
    assert twice(bik) <= doubt


def expect(ending: str, handler: Handler) -> bool:
    return ending == ("BikDeliveryIncompleteError" if handler == "airflow 3" else "TerminatedError")


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_while_sending_ends_in_order(tmp_path: Path, handler: Handler) -> None:
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", NUMBER), handler)
    with strict_sandbox(faults=SLOW) as bik:
        doubt = ends_in_order(task, bik, lambda: bik.ledger.count() > NUMBER // 4)
        assert expect(task.ending()["error"], handler)
        requests = len(bik.requests)
        time.sleep(0.5)
        assert requests == len(bik.requests)
        assert len(copies(bik)) < NUMBER
        assert doubt == set()
        goes_on(task, bik, doubt)


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_while_no_answer_comes_has_in_doubt_just_what_is_unanswered(tmp_path: Path, handler: Handler) -> None:
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", NUMBER), handler)
    hang = Fault(kind="hang", when="after")
    with strict_sandbox(faults=FaultPlan(script=(None,) * 20, rates=((hang, 1.0),))) as bik:
        doubt = ends_in_order(task, bik, lambda: sum(request.fault == "hang" for request in bik.requests) >= 3)
        assert expect(task.ending()["error"], handler)
        assert copies(bik).keys() - task.state.settled() <= doubt
        # What eight requests hold.
        assert 0 < len(doubt) <= 800
        goes_on(task, bik, doubt)


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_during_an_outage_ends_in_order(tmp_path: Path, handler: Handler) -> None:
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", NUMBER), handler)
    ledger = tmp_path / "ledger"
    with ExitStack() as up:
        bik = up.enter_context(strict_sandbox(faults=SLOW, ledger_path=ledger))

        def in_backoff() -> bool:
            if bik.ledger.count() <= NUMBER // 4:
                return False
            up.close()
            time.sleep(2)
            return True

        doubt = ends_in_order(task, bik, in_backoff)
    assert expect(task.ending()["error"], handler)
    with strict_sandbox(port=int(bik.url.rpartition(":")[2]), ledger_path=ledger) as bik:
        goes_on(task, bik, doubt)


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_during_a_pause_that_was_asked_for_ends_in_order(tmp_path: Path, handler: Handler) -> None:
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", NUMBER), handler)
    pause = Fault(kind="status", status=429, retry_after="60")
    with strict_sandbox(faults=FaultPlan(script=(None,) * 10, rates=((pause, 1.0),))) as bik:

        def in_the_pause() -> bool:
            arrived = [request for request in bik.requests if request.status == 429]
            return bool(arrived) and time.monotonic() > arrived[-1].received_at + 1

        doubt = ends_in_order(task, bik, in_the_pause)
        assert expect(task.ending()["error"], handler)
        assert doubt == set()
        goes_on(task, bik, doubt)


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_while_batches_are_split_ends_in_order(tmp_path: Path, handler: Handler) -> None:
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", NUMBER, bad_every=60), handler)
    with strict_sandbox(faults=FaultPlan(latency=(0.03, 0.06))) as bik:

        def splitting() -> bool:
            return sum(request.endpoint == "sendEvent" for request in bik.requests) > 10

        doubt = ends_in_order(task, bik, splitting)
        assert expect(task.ending()["error"], handler)
        assert doubt == set()
        goes_on(task, bik, doubt)


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_while_the_input_is_late_ends_in_order(tmp_path: Path, handler: Handler) -> None:
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", NUMBER), handler)
    with strict_sandbox() as bik:
        doubt = ends_in_order(task, bik, lambda: bik.ledger.count() == 1000, stalls=8)
        assert doubt == set()
        goes_on(task, bik, doubt)


def test_of_two_processes_with_one_record_the_older_stops_within_its_lease(tmp_path: Path) -> None:
    number = 50_000
    task = TaskProcess(tmp_path, write_events(tmp_path / "events.ndjson", number))
    slow, few = FaultPlan(latency=(0.08, 0.12)), Sending(max_concurrency=4)
    with strict_sandbox(faults=slow) as for_the_older, strict_sandbox() as for_the_newer:
        older = task.start(connection(for_the_older), sending=few)
        wait("a good part of the events", lambda: for_the_older.ledger.count() > number // 10)
        [owner] = task.state.owners
        newer = task.start(connection(for_the_newer), sending=few)
        leased_to = 0
        while older.is_alive():
            leased_to = (task.state.checkpoint(owner) or {"leased_to": leased_to})["leased_to"]
            time.sleep(0.01)
        newer.join(PATIENCE)
        assert (older.exitcode, newer.exitcode) == (0, 0)
        assert task.ending(1)["error"] == "BikSupersededError"
        assert "Another try (dag send run) has taken over" in task.ending(1)["text"]
        check_the_promise(for_the_older, for_the_newer, report=task.ending(2)["report"], number=number)
        assert max(copies(for_the_older)) < leased_to < number
