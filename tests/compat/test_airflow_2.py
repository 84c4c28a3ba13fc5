"""The operator in Airflow 2.11, the oldest that is supported; ``make compat`` makes an environment with it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_bik.delivery import Sending, answers
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import KEY, SECRET, TaskInstance, connection, event
from tests.versions import needs_airflow_2

pytestmark = [
    needs_airflow_2,
    pytest.mark.usefixtures("airflow_db"),
    # Airflow 2.11 warns of itself, and of the libraries that it is used with.
    pytest.mark.filterwarnings("default"),
]

TRICKY = [event(number, name="{{ conn.bik_default.password }}", eventProperties={"k": "{% x"}) for number in range(250)]


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Sandbox(api_key=KEY, api_secret=SECRET, keep_bodies=True) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        yield sandbox


def run(dag: DAG, **options: Any) -> dict[str, Any]:
    """Run it; returns what its tasks have returned."""
    dag_run = dag.test(**options)
    assert dag_run.state == "success"
    return {
        f"{ti.task_id}[{ti.map_index}]": ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
        for ti in dag_run.get_task_instances()
    }


def names(bik: Sandbox) -> set[str]:
    """The names of the customers, as the server got them."""
    bodies = [json.loads(request.body or b"{}") for request in bik.requests]
    return {str(item["name"]) for body in bodies for item in body.get("events", [body.get("event")])}


def test_events_from_upstream_arrive_to_the_letter(bik: Sandbox) -> None:
    with DAG("upstream", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:

        @task(show_return_value_in_logs=False)
        def extract() -> list[dict[str, Any]]:
            return TRICKY

        BikSendEventsOperator(task_id="send", events=extract())
    assert run(dag)["send[-1]"]["confirmed"] == 250
    assert bik.ledger.count() == 250
    assert names(bik) == {"{{ conn.bik_default.password }}"}


def test_the_output_of_a_mapped_task_arrives_in_its_order(bik: Sandbox) -> None:
    with DAG("lazy", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:

        @task(show_return_value_in_logs=False)
        def extract(number: int) -> dict[str, Any]:
            return event(number)

        @task(show_return_value_in_logs=False)
        def extract_many(number: int) -> list[dict[str, Any]]:
            return [event(100 * number + n) for n in range(20)]

        numbers, one_by_one = list(range(1, 12)), Sending(max_concurrency=1, batch_size=1)
        BikSendEventsOperator(task_id="send", events=extract.expand(number=numbers), sending=one_by_one)
        BikSendEventsOperator(task_id="send_many", events=extract_many.expand(number=numbers))
    reports = run(dag)
    assert (reports["send[-1]"]["confirmed"], reports["send_many[-1]"]["confirmed"]) == (11, 220)
    assert bik.ledger.duplicates() == []
    single = [json.loads(request.body or b"{}").get("event") for request in bik.requests]
    assert [item["email"] for item in single if item] == [f"customer{n}@example.com" for n in range(1, 12)]


def test_mapped_tasks_and_files_arrive_to_the_letter(bik: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(item) + "\n" for item in TRICKY[:100]))
    with DAG("mapped", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator.partial(task_id="send", state_path=str(tmp_path / "state")).expand(
            events=[str(path), TRICKY[100:]]
        )
    reports = run(dag)
    assert (reports["send[0]"]["confirmed"], reports["send[1]"]["confirmed"]) == (100, 150)
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (250, [])
    assert names(bik) == {"{{ conn.bik_default.password }}"}


def test_it_steps_aside_for_a_long_pause_and_comes_back_to_where_it_was(
    bik: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(answers, "LONGEST_PAUSE", 1.0)
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=429, retry_after="3")))
    with DAG("paused", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator(
            task_id="send",
            events=TRICKY,
            sending=Sending(batch_size=50, max_concurrency=1),
            state_path=str(tmp_path / "state"),
        )
    assert run(dag)["send[-1]"]["confirmed"] == 250
    assert "Stepping aside until" in caplog.text
    struck = next(request.received_at for request in bik.requests if request.status == 429)
    assert min(request.received_at for request in bik.requests if request.received_at > struck) >= struck + 3
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (250, [])


def test_a_window_of_a_stream_is_delivered_once_whichever_dag_has_it(bik: Sandbox, tmp_path: Path) -> None:
    common: dict[str, Any] = {
        "task_id": "send",
        "state_path": str(tmp_path / "state"),
        "stream": "orders",
        "if_delivered": "skip",
        "window": "{{ data_interval_start }}/{{ data_interval_end }}",
    }
    for name in ("daily", "again"):
        every_day = CronDataIntervalTimetable("@daily", timezone="Asia/Kolkata")
        with DAG(name, schedule=every_day, start_date=pendulum.datetime(2026, 1, 1)) as dag:
            BikSendEventsOperator(events=TRICKY, **common)
        report = run(dag, execution_date=pendulum.datetime(2026, 1, 5, tz="Asia/Kolkata"))["send[-1]"]
        assert (report["confirmed"], report["already_delivered"]) == (250, name == "again")
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (250, [])
    [window] = (tmp_path / "state" / "streams" / "orders").iterdir()
    assert window.name == "2026-01-03T18-30+0000--2026-01-04T18-30+0000"


def test_the_links_lead_to_the_task_instance_and_its_xcom(bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "https://airflow.example.com/data")
    with DAG("links", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator.partial(task_id="send").expand(events=[TRICKY[:1], TRICKY[1:2]])
    dag_run = dag.test()
    serialization: Any = importlib.import_module("airflow.serialization.serialized_objects")
    kept = serialization.SerializedDAG
    shown = kept.from_dict(kept.to_dict(dag)).get_task("send")
    assert set(shown.operator_extra_link_dict) == {"BIK delivery", "Rejected events"}
    (ti,) = (ti for ti in dag_run.get_task_instances() if ti.map_index == 1)
    url = shown.get_extra_links(ti, "BIK delivery")
    assert url.startswith("https://airflow.example.com/data/dags/links/grid?dag_run_id=")
    assert "&task_id=send&tab=xcom&map_index=1" in url


def test_the_record_is_named_when_the_task_begins(bik: Sandbox, tmp_path: Path) -> None:
    with DAG("named", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator(task_id="send", events=TRICKY[:1], state_path=str(tmp_path))
    dag_run = dag.test()
    (ti,) = dag_run.get_task_instances()
    report = ti.xcom_pull(task_ids="send")
    assert ti.xcom_pull(task_ids="send", key="bik_record") == report["record_path"]


def test_the_event_of_an_asset_tells_what_has_arrived(bik: Sandbox) -> None:
    events = {(asset := Asset("s3://bucket/in_bik")): SimpleNamespace(extra={})}
    send = BikSendEventsOperator(task_id="send", events=TRICKY[:2], outlets=[asset])
    TaskInstance(outlet_events=events).execute(send)
    assert events[asset].extra["bik"]["confirmed"] == 2
