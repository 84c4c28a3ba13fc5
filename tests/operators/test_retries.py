"""Whether and when a task that has failed runs again."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_bik import errors
from airflow_provider_bik.errors import BikError
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.retries import BikRetryPolicy, for_airflow
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import TaskInstance, event
from tests.versions import needs_retry_policies, run

_numbers = itertools.count()

ERRORS = [getattr(errors, name) for name in errors.__all__]


@needs_retry_policies
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_that_another_try_would_meet_again_ends_the_task_and_others_are_retried(kind: type[BikError]) -> None:
    decision = BikRetryPolicy().evaluate(for_airflow(kind("what happened")), 1, 3, {})
    assert decision.action is (sdk.RetryAction.DEFAULT if kind.retry_can_help else sdk.RetryAction.FAIL)


@needs_retry_policies
def test_what_is_no_error_of_this_package_is_left_to_airflow() -> None:
    assert BikRetryPolicy().evaluate(RuntimeError("x"), 1, 3, None).action is sdk.RetryAction.DEFAULT


@needs_retry_policies
@pytest.mark.parametrize(("usual", "waits"), [(timedelta(minutes=5), 3600), (timedelta(hours=2), None)])
def test_a_pause_that_bik_asks_for_is_waited_for_and_never_shortens_the_tasks_own(
    usual: timedelta, waits: int | None, bik: Sandbox
) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="status", status=429, when="before", retry_after="3600"),))
    send = BikSendEventsOperator(task_id="send", events=[event(1)], retry_delay=usual)
    with pytest.raises(Exception, match="Retry-After 3600 s") as caught:
        TaskInstance().execute(send)
    decision = BikRetryPolicy().evaluate(caught.value, 1, 3, {"task": send})
    assert decision.retry_delay == (None if waits is None else timedelta(seconds=waits))


@needs_retry_policies
def test_a_window_that_is_not_over_is_retried_when_it_is(bik: Sandbox, tmp_path: Path) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=10)
    send = BikSendEventsOperator(
        task_id="send",
        events=[event(1)],
        stream="orders",
        window={"start": "2026-01-01T00:00:00+00:00", "end": end.isoformat()},
        state_path=str(tmp_path),
    )
    with pytest.raises(Exception, match="is not over") as caught:
        TaskInstance().execute(send)
    decision = BikRetryPolicy().evaluate(caught.value, 1, 3, {})
    assert decision.retry_delay is not None
    assert timedelta(hours=9) < decision.retry_delay <= timedelta(hours=10)


@needs_retry_policies
def test_the_policy_of_the_dag_wins() -> None:
    own = sdk.ExceptionRetryPolicy([sdk.RetryRule(exception=ValueError, action=sdk.RetryAction.FAIL)])
    assert BikSendEventsOperator(task_id="one", events=[], retry_policy=own).retry_policy is own
    with DAG("policies", schedule=None, default_args={"retry_policy": own}):
        assert BikSendEventsOperator(task_id="two", events=[]).retry_policy is own
    assert isinstance(BikSendEventsOperator(task_id="three", events=[]).retry_policy, BikRetryPolicy)


@pytest.mark.airflow
def test_in_airflow_a_wrong_key_is_one_try_and_its_error_stands_in_the_log_once(
    bik: Sandbox, airflow_db: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="status", status=401, when="before"),))
    with DAG(f"retries_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator(task_id="send", events=[event(1)], retries=3, retry_delay=0)
    capfd.readouterr()
    dag_run: Any = run(dag)
    printed = capfd.readouterr()
    assert dag_run.state == "failed"
    (ti,) = dag_run.get_task_instances()
    assert ti.try_number == 1
    assert len(bik.requests) == 1
    # Airflow 2 says it once for the task and once for the run, and prints a task's log to as many places as it knows.
    logged, times = (printed.out, 1) if AIRFLOW_V_3_0_PLUS else (caplog.text, 2)
    assert logged.count("rejects every request") == times
