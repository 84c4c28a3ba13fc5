"""s22, s29 and K15 in a real Airflow: what upstream tasks hand over, and what Airflow keeps of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, task, task_group

from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import event, log_text
from tests.versions import run, stored_by_airflow

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

MARK = "kavya"
EVENT = event(email=f"{MARK}@example.com", eventProperties={"note": "{{ ds }} {% x %}"})
JSON_TEXT = json.dumps([EVENT])
OBJECT_TEXT = json.dumps(EVENT, indent=1)
LINES = f"email,eventName\n{MARK}@example.com,ordered\n"

_numbers = itertools.count()


def new_dag(**options: Any) -> DAG:
    return DAG(f"real_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1), **options)


def returned_as(text: object) -> Any:
    @task(show_return_value_in_logs=False)
    def fetch() -> object:
        return text

    return fetch()


def by_argument(text: object) -> None:
    BikSendEventsOperator(task_id="send", events=returned_as(text))


def by_template(text: object) -> None:
    returned_as(text) >> BikSendEventsOperator(task_id="send", events="{{ ti.xcom_pull(task_ids='fetch') }}")


def by_template_of_several_lines(text: object) -> None:
    template = "{{ ti.xcom_pull(\n    task_ids='fetch'\n) }}"
    returned_as(text) >> BikSendEventsOperator(task_id="send", events=template)


def by_a_list_of_templates(text: object) -> None:
    template = "{{ ti.xcom_pull(task_ids='fetch') }}"
    returned_as(text) >> BikSendEventsOperator(task_id="send", events=[template, "orders.ndjson"])


def by_a_list_of_arguments(text: object) -> None:
    BikSendEventsOperator(task_id="send", events=[returned_as(text), "orders.ndjson"])


def expanded(text: object) -> None:
    BikSendEventsOperator.partial(task_id="send").expand(events=returned_as([text]))


@pytest.mark.parametrize(
    "text", [JSON_TEXT, OBJECT_TEXT, LINES, f"{MARK}@example.com"], ids=["array", "object", "lines", "address"]
)
@pytest.mark.parametrize(
    "build",
    [by_argument, by_template, by_template_of_several_lines, by_a_list_of_templates, by_a_list_of_arguments, expanded],
)
def test_s22_text_that_is_no_path_is_named_and_stays_nowhere(
    bik: Sandbox, build: Callable[[object], None], text: str, airflow_db: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with new_dag() as dag:
        build(text)
    dag_run = run(dag)
    assert dag_run.state == "failed"
    assert bik.requests == []
    said = capfd.readouterr()
    log = said.out + said.err + log_text(airflow_db)
    assert "not a path" in log
    assert MARK not in log
    stored = stored_by_airflow(dag_run, "send")
    assert "event data: text of" in stored
    assert MARK not in stored


def test_k15_a_template_may_give_what_was_decoded(bik: Sandbox) -> None:
    with new_dag(render_template_as_native_obj=True) as dag:
        by_template([EVENT])
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert MARK not in stored_by_airflow(dag_run, "send")
    assert [item.event for item in bik.ledger.stored()] == [EVENT]


@pytest.mark.parametrize("count", [2, 1, 0])
def test_s29_the_output_of_any_number_of_mapped_tasks(bik: Sandbox, count: int) -> None:
    with new_dag() as dag:

        @task(show_return_value_in_logs=False)
        def fetch(number: int) -> list[dict[str, Any]]:
            return [event(number)]

        BikSendEventsOperator(task_id="send", events=fetch.expand(number=returned_as(list(range(count)))))
    run(dag)
    assert bik.ledger.count() == count


@pytest.mark.parametrize("count", [2, 1])
def test_s29_the_output_of_a_mapped_task_group(bik: Sandbox, count: int) -> None:
    with new_dag() as dag:

        @task_group
        def each(number: Any) -> Any:
            @task(show_return_value_in_logs=False)
            def fetch_one(number: int) -> dict[str, Any]:
                return event(number)

            return fetch_one(number)

        BikSendEventsOperator(task_id="send", events=each.expand(number=returned_as(list(range(count)))))
    run(dag)
    assert bik.ledger.count() == count
