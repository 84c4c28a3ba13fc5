"""The operator in a real Airflow: what is rendered, stored and logged, and that every row of a database arrives."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import Reading
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.state.progress import DeliveryProgress
from airflow_provider_bik.windows import DATA_INTERVAL
from tests.operators.support import APP_ID, KEY, SECRET, connection, event, files_of, log_text, named
from tests.postgres import postgres_server
from tests.versions import (
    needs_airflow_3,
    needs_runs_without_interval,
    needs_task_state_store,
    returned,
    run,
    stored_by_airflow,
    stored_dag,
)

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

TEMPLATES = ["{{ conn.bik_default.password }}", "{{ ds }}", "{% x", "{# #}", "line\n", "*.json", "orders.sql"]
TRICKY = [
    event(number, name=text, eventProperties={"k": text, "list": [text], "nested": {text: text}})
    for number, text in enumerate(TEMPLATES)
]
MARK = "customer"
"""A piece of every e-mail address in the events."""

_numbers = itertools.count()


def new_dag(**options: Any) -> DAG:
    return DAG(f"dag_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1), **options)


def state_store(dag_run: Any, task_id: str) -> dict[str, str]:
    """What is in the task state store of a task."""
    from airflow.models.task_state_store import TaskStateStoreModel  # noqa: PLC0415 - Airflow 3.3 and later only
    from airflow.utils.session import create_session  # noqa: PLC0415 - with the other imports of Airflow's insides
    from sqlalchemy import select  # noqa: PLC0415 - with the other imports of Airflow's insides

    with create_session() as session:
        rows = session.scalars(
            select(TaskStateStoreModel).where(
                TaskStateStoreModel.run_id == dag_run.run_id,
                TaskStateStoreModel.dag_id == dag_run.dag_id,
                TaskStateStoreModel.task_id == task_id,
            )
        ).all()
        return {row.key: row.value for row in rows}


def received(bik: Sandbox) -> list[Any]:
    """The events of all requests, as the server got them."""
    bodies = [json.loads(request.body or b"{}") for request in bik.requests]
    events = [item for body in bodies for item in body.get("events", [body.get("event")])]
    return sorted(events, key=lambda item: str(item["email"]))


def literal_list(_: DAG) -> None:
    BikSendEventsOperator(task_id="send", events=TRICKY)


def from_upstream(_: DAG) -> None:
    @task(show_return_value_in_logs=False)
    def extract() -> list[dict[str, Any]]:
        return TRICKY

    BikSendEventsOperator(task_id="send", events=extract())


def two_upstreams_and_a_literal(_: DAG) -> None:
    @task(show_return_value_in_logs=False)
    def extract(part: int) -> list[dict[str, Any]]:
        return TRICKY[1 + part : 3 + part] if part == 0 else TRICKY[3:]

    BikSendEventsOperator(task_id="send", events=[extract(0), extract(1), TRICKY[0]])


def expanded(_: DAG) -> None:
    BikSendEventsOperator.partial(task_id="send").expand(events=[TRICKY[:3], TRICKY[3:]])


def expanded_from_upstream(_: DAG) -> None:
    @task(show_return_value_in_logs=False)
    def extract() -> list[list[dict[str, Any]]]:
        return [TRICKY[:3], TRICKY[3:]]

    BikSendEventsOperator.partial(task_id="send").expand(events=extract())


def expanded_kwargs(_: DAG) -> None:
    BikSendEventsOperator.partial(task_id="send").expand_kwargs([{"events": TRICKY[:3]}, {"events": TRICKY[3:]}])


def expanded_kwargs_from_upstream(_: DAG) -> None:
    @task(show_return_value_in_logs=False)
    def extract() -> list[dict[str, Any]]:
        return [{"events": TRICKY[:3]}, {"events": TRICKY[3:]}]

    BikSendEventsOperator.partial(task_id="send").expand_kwargs(extract())


def output_of_mapped_tasks(_: DAG) -> None:
    @task(show_return_value_in_logs=False)
    def extract(bounds: list[int]) -> list[dict[str, Any]]:
        return TRICKY[slice(*bounds)]

    BikSendEventsOperator(task_id="send", events=extract.expand(bounds=[[0, 3], [3, None]]))


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize(
    "build",
    [
        literal_list,
        from_upstream,
        two_upstreams_and_a_literal,
        expanded,
        expanded_from_upstream,
        expanded_kwargs,
        expanded_kwargs_from_upstream,
        output_of_mapped_tasks,
    ],
)
def test_event_data_arrives_to_the_letter_and_is_stored_nowhere(bik: Sandbox, build: Any, native: bool) -> None:
    with new_dag(render_template_as_native_obj=native) as dag:
        build(dag)
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert received(bik) == TRICKY
    stored = stored_by_airflow(dag_run, "send")
    assert "event data" in stored
    assert MARK not in stored


def test_paths_are_templates(bik: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "orders.ndjson").write_text("".join(json.dumps(item) + "\n" for item in TRICKY))
    with new_dag(params={"directory": str(tmp_path)}) as dag:
        BikSendEventsOperator(task_id="send", events="{{ params.directory }}/orders.ndjson")
    dag_run = run(dag)
    assert received(bik) == TRICKY
    assert "orders.ndjson" in stored_by_airflow(dag_run, "send")


def test_a_pattern_of_files_of_several_formats_is_a_template(bik: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("".join(json.dumps(item) + "\n" for item in TRICKY[:3]))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps(TRICKY[3:]).encode()))
    with new_dag(params={"directory": str(tmp_path)}) as dag:
        BikSendEventsOperator(task_id="send", events="{{ params.directory }}/*.*")
    run(dag)
    assert received(bik) == TRICKY


@needs_airflow_3
def test_the_output_of_many_mapped_tasks_is_fetched_in_slices(bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence  # noqa: PLC0415 - Airflow 3 only

    fetch, fetched = LazyXComSequence.__getitem__, list[object]()

    def counted(self: Any, asked: Any) -> Any:
        fetched.append(asked)
        return fetch(self, asked)

    monkeypatch.setattr(LazyXComSequence, "__getitem__", counted)
    with new_dag() as dag:

        @task(show_return_value_in_logs=False)
        def extract(number: int) -> dict[str, Any]:
            return event(number)

        BikSendEventsOperator(task_id="send", events=extract.expand(number=list(range(30))))
    assert returned(run(dag), "send")["confirmed"] == 30
    assert [item["email"] for item in received(bik)] == sorted(f"customer{n}@example.com" for n in range(30))
    assert fetched == [slice(0, 1), slice(1, 101), slice(30, 130)]


def test_dry_run_can_come_from_a_param(bik: Sandbox) -> None:
    with new_dag(params={"dry_run": True}) as dag:
        BikSendEventsOperator(task_id="send", events=TRICKY, dry_run="{{ params.dry_run }}")
    assert returned(run(dag), "send")["deliverable"] == len(TRICKY)
    assert bik.requests == []
    run(dag, run_conf={"dry_run": False})
    assert received(bik) == TRICKY


def test_a_wrong_key_fails_once_and_leaves_no_credential_anywhere(
    bik: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], airflow_db: Path
) -> None:
    key, secret = "a-key-to-look-for", "a-secret-to-look-for"
    token = base64.b64encode(f"{key}:{secret}".encode()).decode()
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, login=key, password=secret))
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=TRICKY, retries=3, retry_delay=0)
    dag_run = run(dag)
    assert dag_run.state == "failed"
    assert len(bik.requests) == 1
    captured = capfd.readouterr()
    printed = captured.out + captured.err
    # Airflow 3.0 itself shows at level DEBUG, to which dag.test() sets it, what it is told to mask.
    printed = "\n".join(line for line in printed.splitlines() if "type='MaskSecret'" not in line)
    everything = printed + log_text(airflow_db) + stored_by_airflow(dag_run, "send")
    everything += json.dumps(returned(dag_run, "send", key="report"))
    assert "check both in the Connection" in everything
    for word in (key, secret, token, MARK):
        assert word not in everything


def test_the_log_says_that_a_retry_sends_everything_again_where_nothing_keeps_a_record(
    bik: Sandbox, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=TRICKY)
    run(dag)
    captured = capfd.readouterr()
    logged = captured.out + captured.err + caplog.text
    assert "confirmed 7" in logged
    said = "No record is kept, so a retry sends everything again; set state_path." in logged
    assert said is not AIRFLOW_V_3_3_PLUS


def test_event_data_is_not_logged(
    bik: Sandbox,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    airflow_db: Path,
    tmp_path: Path,
) -> None:
    bad = [event(100, email="", phoneNumber="+customer"), event(101, eventProperties={"customer": b""})]
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=[*TRICKY, *bad], max_rejected=2, state_path=str(tmp_path))
    assert run(dag).state == "success"
    captured = capfd.readouterr()
    everything = captured.out + captured.err + caplog.text + log_text(airflow_db)
    assert "confirmed 7, rejected 2" in everything
    assert MARK not in everything.replace("eventProperties.customer", "")


def with_fixed_events(_: DAG) -> None:
    BikSendEventsOperator.partial(task_id="send", events=TRICKY).expand(pipeline=["auto", "realtime"])


@pytest.mark.parametrize(
    "build",
    [literal_list, two_upstreams_and_a_literal, expanded, expanded_kwargs, with_fixed_events],
)
def test_no_event_stands_in_the_stored_dag_which_is_the_same_each_time(build: Callable[[DAG], None]) -> None:
    def stored() -> str:
        with DAG("stored", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
            build(dag)
        return json.dumps(stored_dag(dag)["dag"]["tasks"])

    assert MARK not in stored()
    assert "<event data: " in stored()
    assert stored() == stored()


def test_events_that_are_the_same_in_all_mapped_tasks_arrive_from_each(bik: Sandbox) -> None:
    with new_dag() as dag:
        with_fixed_events(dag)
    dag_run = run(dag)
    assert [report["confirmed"] for report in returned(dag_run, "send")] == [len(TRICKY)] * 2
    assert MARK not in stored_by_airflow(dag_run, "send")


def test_events_in_the_default_arguments_of_a_dag_are_refused_for_airflow_stores_these() -> None:
    with new_dag(default_args={"events": TRICKY}), pytest.raises(BikConfigError, match="in the default_args"):
        BikSendEventsOperator(task_id="send")  # type: ignore[call-arg]  # Airflow gives the argument
    with new_dag(default_args={"events": "{{ params.path }}"}):
        operator = BikSendEventsOperator(task_id="send")  # type: ignore[call-arg]  # as above
        assert operator.events == "{{ params.path }}"


@needs_task_state_store
def test_the_state_store_of_the_task_says_where_its_record_is_and_how_far_it_has_come(
    bik: Sandbox, tmp_path: Path
) -> None:
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    with new_dag() as dag:
        BikSendEventsOperator(
            task_id="send",
            events=[event(number) for number in range(250)],
            state_path=str(tmp_path),
            sending=Sending(max_concurrency=1),
            retries=0,
        )
    dag_run = run(dag)
    assert dag_run.state == "failed"
    stored = state_store(dag_run, "send")
    assert set(stored) == {"bik/record_at", "bik/progress"}
    pointer = json.loads(stored["bik/record_at"])
    assert pointer["folders"] == [str(path.parent) for path in files_of(tmp_path, "record.json")]
    assert pointer["worker"] == socket.gethostname()
    progress = msgspec.json.decode(stored["bik/progress"], type=DeliveryProgress)
    assert (progress.state, progress.confirmed, progress.total) == ("failed", 100, 250)


@needs_task_state_store
def test_without_a_path_the_record_is_in_the_state_store_and_a_cleared_task_goes_on_from_it(bik: Sandbox) -> None:
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=500, when="before")))
    with new_dag() as dag:
        BikSendEventsOperator(
            task_id="send",
            events=[event(number) for number in range(250)],
            sending=Sending(max_concurrency=1, max_attempts=1),
            retries=1,
            retry_delay=0,
        )
    dag_run = run(dag)
    assert dag_run.state == "success"
    report = returned(dag_run, "send")
    assert (report["confirmed"], report["rejected_path"], report["record_path"]) == (250, None, None)
    counts = bik.ledger.counts("event.email")
    twice = {int(str(key[0]).removeprefix("customer").partition("@")[0]) for key, n in counts.items() if n > 1}
    assert len(counts) == 250
    assert twice <= named(report)
    assert "bik/record.json" in state_store(dag_run, "send")


def test_the_option_of_the_deployment_is_the_state_path(
    bik: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BIK__STATE_PATH", str(tmp_path / "deployment"))
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=[event(1), event(2, email="")], max_rejected=1)
        BikSendEventsOperator(task_id="own", events=[event(3)], state_path=str(tmp_path / "own"))
    dag_run = run(dag)
    assert Path(returned(dag_run, "send")["rejected_path"]).is_relative_to(tmp_path / "deployment")
    assert Path(returned(dag_run, "own")["record_path"]).is_relative_to(tmp_path / "own")


def test_the_window_is_the_data_interval_of_the_run(bik: Sandbox, tmp_path: Path) -> None:
    timetable = CronDataIntervalTimetable("@daily", timezone="Asia/Kolkata")
    options: dict[str, Any] = {"state_path": str(tmp_path), "reading": Reading(timezone="Asia/Kolkata")}
    with DAG(f"dag_{next(_numbers)}", schedule=timetable, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator(task_id="send", events=[event(1)], stream="orders", window=DATA_INTERVAL, **options)
    dag_run = run(dag, logical_date=pendulum.datetime(2026, 1, 3, tz="Asia/Kolkata"))
    assert dag_run.state == "success"
    [record] = files_of(tmp_path, "record.json")
    assert record.parent == tmp_path / "streams" / "orders" / "2026-01-02T00-00+0530--2026-01-03T00-00+0530"


@needs_runs_without_interval
def test_a_data_interval_without_length_is_an_error_that_names_the_timetable(
    bik: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with DAG(f"dag_{next(_numbers)}", schedule="@daily", start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator(
            task_id="send",
            events=[event(1)],
            stream="orders",
            window=DATA_INTERVAL,
            state_path=str(tmp_path),
            retries=3,
        )
    assert run(dag, logical_date=pendulum.datetime(2026, 1, 2)).state == "failed"
    assert bik.requests == []
    assert "has no length" in (said := "".join(capfd.readouterr()))
    assert "schedule=CronDataIntervalTimetable" in said


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
def test_names_and_windows_that_are_rendered_to_numbers_and_times_are_taken(
    bik: Sandbox, tmp_path: Path, native: bool
) -> None:
    params = {"stream": 20260101, "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-02T00:00:00+00:00"}
    with new_dag(render_template_as_native_obj=native, params=params) as dag:
        BikSendEventsOperator(
            task_id="send",
            events=[event(1)],
            stream="{{ params.stream }}",
            window="{{ params.start }}/{{ params.end }}",
            state_path=str(tmp_path),
        )
    assert run(dag).state == "success"
    [record] = files_of(tmp_path, "record.json")
    assert record.parent.parent == tmp_path / "streams" / "20260101"


@pytest.fixture
def postgres() -> Iterator[str]:
    with postgres_server() as uri:
        yield uri


def test_every_row_of_a_real_postgresql_arrives_once(
    bik: Sandbox, postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: PLC0415 - needed here only

    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", postgres)
    PostgresHook("shop_db").run(
        "CREATE TABLE orders AS SELECT n AS id, 'customer' || n || '@example.com' AS email,"
        " (n * 1.01)::numeric(10,2) AS total,"
        " timestamptz '2024-03-10 12:30+00' + n * interval '1 minute' AS placed_at FROM generate_series(1, 2345) AS n"
    )
    with new_dag() as dag:

        @task(show_return_value_in_logs=False)
        def extract() -> list[dict[str, Any]]:
            rows = PostgresHook("shop_db").get_records(
                "SELECT id, email, total::float, placed_at FROM orders ORDER BY id"
            )
            return [
                {
                    "email": email,
                    "eventName": "ordered",
                    "eventProperties": {"orderId": str(number), "orderValue": total},
                    "createdAt": placed_at.isoformat(),
                }
                for number, email, total, placed_at in rows
            ]

        BikSendEventsOperator(task_id="send", events=extract())
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert returned(dag_run, "send")["confirmed"] == 2345
    assert bik.ledger.counts("pipeline") == {("migration",): 2345}
    assert bik.ledger.duplicates() == []
    assert len(bik.ledger.counts("eventProperties.orderId")) == 2345


@pytest.mark.parametrize(
    ("changes", "works", "says"),
    [
        ({"extra": {"app_id": APP_ID}}, True, "BIK accepts"),
        ({"extra": {"app_id": "another"}}, False, "app_id"),
        ({"extra": {"app_id": APP_ID}, "password": "wrong-secret"}, False, "does not know this API key and secret"),
        ({}, True, "can be reached, and the fields have the right form. API key and secret are not checked"),
        ({"extra": {"appid": "x"}}, False, "unknown extras: appid"),
    ],
)
def test_the_connection_test_says_whether_it_works_and_sends_nothing(
    bik: Sandbox, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], works: bool, says: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, **changes))
    outcome, message = BikHook().test_connection()
    assert outcome is works
    assert says in message
    assert not [word for word in (KEY, SECRET, "wrong-secret") if word in message]
    assert bik.ledger.count() == 0
