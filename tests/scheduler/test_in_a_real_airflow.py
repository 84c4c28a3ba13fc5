"""Tasks of a running Airflow are killed, marked, cleared and put off; the sandbox's ledger says what came of it."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.scheduler.evidence import (
    KEY,
    SECRET,
    State,
    check_the_promise,
    copies,
    in_doubt,
    strict_sandbox,
    twice,
    write_events,
)
from tests.scheduler.real_airflow import HEARTBEAT_TIMEOUT, RealAirflow, TaskRun, parent

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

NUMBER = 50_000
LATENCY = FaultPlan(latency=(0.01, 0.04))

IN_BOTH = pytest.mark.parametrize("dag_id", ["in_files", "in_store"])
"""The record lies in files, or in the task state store."""

_numbers = itertools.count()


@pytest.fixture
def bik() -> Iterator[Sandbox]:
    with strict_sandbox(faults=LATENCY) as sandbox:
        yield sandbox


def trigger(airflow: RealAirflow, bik: Sandbox, tmp_path: Path, events: Path, dag_id: str = "in_files") -> TaskRun:
    conn_id = f"bik_{next(_numbers)}"
    airflow.add_connection(conn_id, bik.url, KEY, SECRET)
    return airflow.trigger(dag_id, events=str(events), bik=conn_id, state=str(tmp_path / "state"))


def start(airflow: RealAirflow, bik: Sandbox, tmp_path: Path, dag_id: str) -> tuple[TaskRun, State]:
    """A run of 50,000 events, some of them bad ones if rejected events can be kept."""
    in_files = dag_id == "in_files"
    events = write_events(tmp_path / "events.ndjson", NUMBER, bad_every=997 if in_files else 0)
    run = trigger(airflow, bik, tmp_path, events, dag_id)
    return run, State.below(tmp_path / "state") if in_files else run.state()


def in_the_middle(airflow: RealAirflow, bik: Sandbox, state: State) -> None:
    """Wait until a good part, far from all, has arrived and the checkpoint knows of some of it."""
    airflow.wait("a good part of the events", lambda: bik.ledger.count() > NUMBER // 5)
    airflow.wait("a checkpoint", lambda: len(state.settled()) > NUMBER // 20)


def saved_by(state: State) -> dict[str, Any]:
    """The checkpoint of the one try so far."""
    [owner] = state.owners
    saved = state.checkpoint(owner)
    assert saved
    return saved


def strike(airflow: RealAirflow, run: TaskRun, act: Callable[[], None]) -> float:
    """Do something to a running task; returns the seconds until its process has ended."""
    pid = run.pid()
    struck = time.monotonic()
    act()
    airflow.wait("the task's end", lambda: not is_running(pid))
    return time.monotonic() - struck


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@IN_BOTH
def test_a_killed_task_goes_on_from_its_checkpoint(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path, dag_id: str
) -> None:
    run, state = start(airflow, bik, tmp_path, dag_id)
    in_the_middle(airflow, bik, state)
    before = run.now["try_number"]
    os.kill(run.pid(), signal.SIGKILL)
    saved = saved_by(state)
    assert saved["state"] == "running"
    assert run.wait_for("success")["try_number"] == before + 1
    assert "Going on from a checkpoint: " in run.log()
    check_the_promise(bik, report=run.xcom(), number=NUMBER)
    assert twice(bik) <= in_doubt(saved)
    extra = sum(copies(bik).values()) - len(copies(bik))
    assert extra <= len(in_doubt(saved))


def test_a_task_that_has_lost_its_supervisor_and_with_it_its_record_stops_and_its_retry_goes_on(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path
) -> None:
    run, state = start(airflow, bik, tmp_path, "in_store")
    in_the_middle(airflow, bik, state)
    pid = run.pid()
    seconds = strike(airflow, run, lambda: os.kill(parent(pid), signal.SIGKILL))
    saved, requests, sent = saved_by(state), len(bik.requests), copies(bik)
    assert run.now["state"] == "running", "the scheduler has found out before the heartbeat was overdue"
    assert seconds < HEARTBEAT_TIMEOUT
    assert max(sent) < saved["leased_to"] < NUMBER
    assert len(bik.requests) == requests
    assert run.wait_for("success")["try_number"] == 2
    assert "Going on from a checkpoint: " in run.log()
    check_the_promise(bik, report=run.xcom(), number=NUMBER)
    assert twice(bik) <= in_doubt(saved)
    assert sum(copies(bik).values()) - len(copies(bik)) <= len(in_doubt(saved))


def test_a_task_that_has_lost_its_supervisor_goes_on_until_its_retry_takes_over(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path
) -> None:
    bik.faults = FaultPlan(latency=(0.2, 0.3))
    run, state = start(airflow, bik, tmp_path, "in_files")
    airflow.wait("a good part of the events", lambda: bik.ledger.count() > NUMBER // 20)
    pid, [owner] = run.pid(), state.owners
    os.kill(parent(pid), signal.SIGKILL)
    airflow.wait("the next try", lambda: len(state.owners) > 1)
    bik.faults = FaultPlan()
    assert run.wait_for("success")["try_number"] == 2
    airflow.wait("the end of the first try", lambda: not is_running(pid))
    assert state.owners[0] == owner
    check_the_promise(bik, report=run.xcom(), number=NUMBER)


@IN_BOTH
def test_a_running_task_that_is_marked_failed_ends_in_order(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path, dag_id: str
) -> None:
    run, state = start(airflow, bik, tmp_path, dag_id)
    in_the_middle(airflow, bik, state)
    seconds = strike(airflow, run, lambda: run.mark("failed"))
    saved, before = saved_by(state), copies(bik)
    assert seconds < 10
    assert len(before) < NUMBER
    assert run.now["state"] == "failed"
    assert (saved["state"], in_doubt(saved)) == ("stopped", set())
    run.clear()
    run.wait_for("success")
    assert f"Going on from a checkpoint: {saved['note']}" in run.log()
    check_the_promise(bik, report=run.xcom(), number=NUMBER)
    assert not twice(bik)


@IN_BOTH
def test_a_running_task_that_is_cleared_stops_and_its_next_try_goes_on(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path, dag_id: str
) -> None:
    run, state = start(airflow, bik, tmp_path, dag_id)
    in_the_middle(airflow, bik, state)
    tries = run.now["max_tries"]
    seconds = strike(airflow, run, run.clear)
    saved, before = saved_by(state), copies(bik)
    assert seconds < 10
    assert max(before) < saved["leased_to"] < NUMBER
    # Airflow takes nothing more for its store from a try that was cleared, so there what was last written holds.
    assert saved["state"] == ("running" if dag_id == "in_store" else "stopped")
    assert run.wait_for("success")["max_tries"] > tries
    assert f"Going on from a checkpoint: {saved['note']}" in run.log()
    check_the_promise(bik, report=run.xcom(), number=NUMBER)
    assert twice(bik) <= (in_doubt(saved) if dag_id == "in_store" else set())


def test_a_task_cleared_after_success_sends_everything_again(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path
) -> None:
    run = trigger(airflow, bik, tmp_path, write_events(tmp_path / "events.ndjson", 500))
    tries = run.wait_for("success")["max_tries"]
    assert set(copies(bik).values()) == {1}
    first = run.xcom()
    run.clear()
    assert run.wait_for("success")["max_tries"] > tries
    assert set(copies(bik).values()) == {2}
    second = run.xcom()
    assert second["confirmed"] == first["confirmed"] == 500
    assert (first["possible_duplicates"], second["possible_duplicates"]) == (0, 500)


def test_a_task_cleared_after_failure_goes_on(airflow: RealAirflow, bik: Sandbox, tmp_path: Path) -> None:
    bik.faults = FaultPlan(script=(None, None, Fault(kind="status", status=403)))
    run = trigger(airflow, bik, tmp_path, write_events(tmp_path / "events.ndjson", 5000))
    tries = run.wait_for("failed")["max_tries"]
    assert 0 < len(copies(bik)) < 5000
    assert run.xcom("report")["stopped_by"] == "fatal answer"
    run.clear()
    assert run.wait_for("success")["max_tries"] > tries
    assert "Going on from a checkpoint: " in run.log()
    check_the_promise(bik, report=run.xcom(), number=5000)
    assert not twice(bik)


def test_a_task_steps_aside_for_a_long_pause_and_comes_back_to_where_it_was(
    airflow: RealAirflow, bik: Sandbox, tmp_path: Path
) -> None:
    pause = Fault(kind="status", status=429, retry_after="6")
    bik.faults = FaultPlan(script=(None, None, pause))
    run = trigger(airflow, bik, tmp_path, write_events(tmp_path / "events.ndjson", 5000), "short_pause")
    state = run.state()
    aside = run.wait_for("up_for_reschedule")
    assert aside["try_number"] == 1
    struck = next(request.received_at for request in bik.requests if request.status == 429)
    until = datetime.fromisoformat(
        next(line for line in run.log().splitlines() if "Stepping aside until" in line)
        .partition("Stepping aside until ")[2]
        .split(".")[0]
    )
    assert abs(until - datetime.now(UTC)) < timedelta(seconds=8)
    saved = saved_by(state)
    assert (saved["state"], in_doubt(saved)) == ("stopped", set())
    done = run.wait_for("success")
    assert (done["try_number"], done["max_tries"]) == (1, 2)
    came_back = min(request.received_at for request in bik.requests if request.received_at > struck + 3)
    assert came_back >= struck + 6
    check_the_promise(bik, report=run.xcom(), number=5000)
    assert not twice(bik)


def test_mapped_tasks_keep_records_of_their_own(airflow: RealAirflow, bik: Sandbox, tmp_path: Path) -> None:
    write_events(tmp_path / "first.ndjson", NUMBER // 2)
    write_events(tmp_path / "second.ndjson", 1000, first=NUMBER // 2)
    run = trigger(airflow, bik, tmp_path, tmp_path, "mapped")
    first, second = run.mapped(0), run.mapped(1)
    airflow.wait("a good part of the events", lambda: bik.ledger.count() > NUMBER // 8)
    airflow.wait("a checkpoint", lambda: first.state().settled())
    os.kill(first.pid(), signal.SIGKILL)
    saved = saved_by(first.state())
    assert first.wait_for("success")["try_number"] == 2
    assert second.wait_for("success")["try_number"] == 1
    assert [len(task.state().owners) for task in (first, second)] == [2, 1]
    assert second.xcom()["confirmed"] == 1000
    assert second.xcom()["possible_duplicates"] == 0
    check_the_promise(bik, report=first.xcom(), number=NUMBER // 2)
    assert len(copies(bik)) == NUMBER // 2 + 1000
    assert twice(bik) <= in_doubt(saved)
