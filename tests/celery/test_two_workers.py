"""A machine is lost in the middle of a delivery, and Airflow tries again on another one, with a disk of its own."""

from __future__ import annotations

import json
import re

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.celery.celery_airflow import CeleryAirflow
from tests.celery.conftest import NUMBER
from tests.s3 import S3
from tests.scheduler.evidence import check_the_promise, copies, members, twice
from tests.scheduler.real_airflow import TaskRun

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("celery")]


def lose_a_machine(airflow: CeleryAirflow, bik: Sandbox, dag_id: str) -> TaskRun:
    """Run the DAG until a good part has arrived, kill the worker, and wait until the task has ended on the other."""
    airflow.wait_for_workers()
    run = airflow.trigger(dag_id)
    airflow.wait("a good part of the orders", lambda: bik.ledger.count() > NUMBER // 4)
    lost = airflow.worker_of(run)
    airflow.kill_worker(lost)
    assert bik.ledger.count() < NUMBER
    airflow.wait("another worker to take the task", lambda: airflow.worker_of(run) != lost)
    # For the next test; it takes a while.
    airflow.start_worker(lost)
    assert run.wait_for("success", "failed")["try_number"] == 2
    assert airflow.worker_of(run) != lost
    return run


def logged(run: TaskRun, level: str) -> list[str]:
    """The texts of this level that all tries have logged, errors with those of their exceptions."""
    texts = []
    for line in filter(None, run.log().splitlines()):
        entry = json.loads(line)
        if entry["level"] == level:
            causes = [error["exc_value"] for error in entry.get("error_detail", [])]
            texts.append(" ".join([entry["event"], *causes]))
    return texts


def test_with_its_state_on_s3_another_worker_goes_on(airflow: CeleryAirflow, bik: Sandbox, store: S3) -> None:
    run = lose_a_machine(airflow, bik, "shared_state")
    report = run.wait_for("success") and run.xcom()
    check_the_promise(bik, report=report, number=NUMBER)
    assert len(members(report["possible_duplicate_ranges"])) < NUMBER // 2
    assert any(call.target.startswith("/bucket/bik/") for call in store.calls)


def begin_anew(airflow: CeleryAirflow, run: TaskRun, advice: str) -> None:
    """Do what the error says: delete a key of the task's state, and clear the task."""
    key = re.search(r"delete the key (\S+)", advice)
    assert key, advice
    task = run.now
    airflow.call(
        "DELETE", f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/send/state-store/{key[1]}", None
    )
    run.clear()


def test_with_its_state_on_a_local_disk_another_worker_never_stays_silent(airflow: CeleryAirflow, bik: Sandbox) -> None:
    run = lose_a_machine(airflow, bik, "local_state")
    warnings = logged(run, "warning")
    assert any(str(airflow.disk) in text and "CeleryExecutor" in text for text in warnings), warnings
    if run.now["state"] == "failed":
        assert not twice(bik)
        assert len(copies(bik)) < NUMBER
        errors = [text for text in logged(run, "error") if str(airflow.disk) in text]
        assert errors, run.log()
        begin_anew(airflow, run, errors[0])
        run.wait_for("success")
    check_the_promise(bik, report=run.xcom(), number=NUMBER)
