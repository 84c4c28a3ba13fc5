"""The links at a task instance lead to its delivery, and are there while it runs."""

from __future__ import annotations

import itertools
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_bik.get_provider_info import get_provider_info
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.links import HAS_PAGE, LINKS
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator
from tests.operators.support import TaskInstance, event
from tests.versions import needs_airflow_3, needs_no_pages, needs_pages, returned, run

_numbers = itertools.count()

DELIVERY = "/bik/delivery?dag_id=dag&run_id=run+%2B1&task_id=send&map_index=-1"


def new_dag() -> DAG:
    return DAG(f"links_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1))


@needs_pages
def test_they_are_there_before_anything_is_sent(bik: Sandbox) -> None:
    instance = TaskInstance("run +1")
    with pytest.raises(Exception, match="no_such_file"):
        instance.execute(BikSendEventsOperator(task_id="send", events="/no_such_file.ndjson"))
    assert not bik.requests
    assert instance.pushed["bik_delivery_link"] == DELIVERY
    assert instance.pushed["bik_rejected_link"] == f"{DELIVERY}#rejected"


@needs_pages
@pytest.mark.parametrize(
    ("base", "begins"),
    [("https://airflow.example.com/data", "/data/bik/"), ("https://airflow.example.com/", "/bik/"), ("", "/bik/")],
)
def test_they_stay_at_the_host_by_which_a_person_knows_airflow(
    base: str, begins: str, bik: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    instance = TaskInstance()
    with pytest.raises(Exception, match="no_such_file"):
        instance.execute(BikSendEventsOperator(task_id="send", events="/no_such_file.ndjson"))
    assert instance.pushed["bik_delivery_link"].startswith(begins)


@needs_airflow_3
@needs_no_pages
def test_where_there_is_no_page_they_lead_to_what_the_task_has_left(bik: Sandbox) -> None:
    instance = TaskInstance("run +1")
    instance.execute(BikSendEventsOperator(task_id="send", events=[event(1)]))
    assert instance.pushed["bik_delivery_link"] == "/dags/dag/runs/run%20%2B1/tasks/send/xcom"


def test_every_operator_has_them_and_airflow_is_told_of_their_classes() -> None:
    for operator in (BikSendEventsOperator, SqlToBikIncrementalOperator):
        assert [link.name for link in operator.operator_extra_links] == ["BIK delivery", "Rejected events"]
    named = [f"{type(link).__module__}.{type(link).__qualname__}" for link in LINKS]
    assert get_provider_info()["extra-links"] == named


def links_in_the_web_interface(dag_run: Any, task_id: str, map_index: int) -> dict[str, str]:
    """What Airflow's web interface shows, from the DAG as it is stored and XCom."""
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415 - Airflow 3.3 and later only
    from airflow.models.taskinstance import TaskInstance as Model  # noqa: PLC0415 - as above
    from airflow.utils.session import create_session  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    with create_session() as session:
        dag: Any = SerializedDagModel.get_dag(dag_run.dag_id, session=session)
        ti = session.scalars(
            select(Model).where(
                Model.run_id == dag_run.run_id,
                Model.dag_id == dag_run.dag_id,
                Model.task_id == task_id,
                Model.map_index == map_index,
            )
        ).one()
        task: Any = dag.get_task(task_id)
        return {name: task.get_extra_links(ti, name) for name in task.extra_links}


@needs_airflow_3
@pytest.mark.airflow
@pytest.mark.usefixtures("airflow_db")
def test_airflow_shows_them_for_a_task_that_failed_and_for_a_mapped_one(bik: Sandbox) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="status", status=401, when="before"),))
    with new_dag() as dag:
        failing: BaseOperator = BikSendEventsOperator(task_id="fails", events=[event(1)], retries=0)
        mapped = BikSendEventsOperator.partial(task_id="mapped", trigger_rule="all_done").expand(
            events=[[event(2)], [event(3)]]
        )
        failing >> mapped
    dag_run = run(dag)
    assert len(returned(dag_run, "mapped")) == 2
    for task_id, map_index in (("fails", -1), ("mapped", 0), ("mapped", 1)):
        shown = links_in_the_web_interface(dag_run, task_id, map_index)
        assert shown.keys() == {"BIK delivery", "Rejected events"}
        if HAS_PAGE:
            assert f"&task_id={task_id}&map_index={map_index}" in shown["BIK delivery"]
            assert shown["Rejected events"] == f"{shown['BIK delivery']}#rejected"
        else:
            mapped = "" if map_index < 0 else f"/mapped/{map_index}"
            assert shown["BIK delivery"].endswith(f"/tasks/{task_id}{mapped}/xcom")
            assert shown["Rejected events"] == shown["BIK delivery"]
