"""Rows and a mapping, in a real Airflow: each way to give rows ends in the same events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import Reading
from airflow_provider_bik.events.mapping import Column, Constant, EventMapping
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import TaskInstance, event, log_text, rejected_lines
from tests.versions import restored, returned, run, stored_by_airflow, stored_dag

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

ROWS: list[dict[str, Any]] = [
    {"id": n, "mail": f"customer{n}@example.com", "total": "12.50", "city": "{{ ds }}", "at": "2024-03-10T12:30:00Z"}
    for n in range(5)
]
MAPPING = EventMapping(
    event_name="ordered",
    email="mail",
    created_at="at",
    properties={
        "orderId": Column("id", cast="string"),
        "total": Column("total", cast="number"),
        "currency": Constant("INR"),
        "address.city": "city",
    },
)
EVENTS: list[dict[str, Any]] = [
    {
        "email": f"customer{n}@example.com",
        "eventName": "ordered",
        "eventProperties": {"orderId": str(n), "total": 12.5, "currency": "INR", "address": {"city": "{{ ds }}"}},
        "createdAt": "2024-03-10T12:30:00.000Z",
        "isMigration": True,
    }
    for n in range(5)
]

_numbers = itertools.count()


def new_dag() -> DAG:
    return DAG(f"rows_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1))


def received(bik: Sandbox) -> list[Any]:
    """The events of all requests, as the server got them."""
    bodies = [json.loads(request.body or b"{}") for request in bik.requests]
    events = [item for body in bodies for item in body.get("events", [body.get("event")])]
    return sorted(events, key=lambda item: str(item["email"]))


def ndjson(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def literal(_: Path) -> None:
    BikSendEventsOperator(task_id="send", events=ROWS, mapping=MAPPING)


def json_form(_: Path) -> None:
    BikSendEventsOperator(task_id="send", events=ROWS, mapping=MAPPING.to_json())


def upstream(_: Path) -> None:
    @task(show_return_value_in_logs=False)
    def extract() -> list[dict[str, Any]]:
        return ROWS

    BikSendEventsOperator(task_id="send", events=extract(), mapping=MAPPING)


def file_of_rows(path: Path) -> None:
    BikSendEventsOperator(task_id="send", events=ndjson(path / "rows.ndjson", ROWS), mapping=MAPPING)


def expanded(_: Path) -> None:
    BikSendEventsOperator.partial(task_id="send", mapping=MAPPING).expand(events=[ROWS[:2], ROWS[2:]])


def expanded_mappings(_: Path) -> None:
    calls: list[dict[str, Any]] = [
        {"events": ROWS[:2], "mapping": MAPPING},
        {"events": ROWS[2:], "mapping": MAPPING.to_json()},
    ]
    BikSendEventsOperator.partial(task_id="send").expand_kwargs(calls)


def callable_of_the_dag(_: Path) -> None:
    def to_event(row: dict[str, Any]) -> dict[str, Any]:
        number: int = row["id"]
        return EVENTS[number]

    BikSendEventsOperator.partial(task_id="send", mapping=EventMapping(to_event=to_event)).expand(events=[ROWS])


@pytest.mark.parametrize(
    "build", [literal, json_form, upstream, file_of_rows, expanded, expanded_mappings, callable_of_the_dag]
)
def test_however_rows_are_given_they_arrive_as_the_same_events_and_are_stored_nowhere(
    bik: Sandbox, tmp_path: Path, build: Callable[[Path], None]
) -> None:
    with new_dag() as dag:
        build(tmp_path)
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert received(bik) == EVENTS
    assert "customer" not in stored_by_airflow(dag_run, "send")


def test_a_dag_with_a_mapping_is_serialised_the_same_every_time() -> None:
    def build() -> dict[str, Any]:
        with DAG("serialised", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
            BikSendEventsOperator(task_id="a", events=[], mapping=MAPPING)
            BikSendEventsOperator.partial(task_id="b", mapping=MAPPING).expand(events=[[]])
            BikSendEventsOperator.partial(task_id="c", mapping=EventMapping(to_event=lambda row: row)).expand(
                events=[[]]
            )
        serialised = stored_dag(dag)
        assert restored(serialised).task_ids == ["a", "b", "c"]
        return serialised

    assert json.dumps(build()["dag"]["tasks"]) == json.dumps(build()["dag"]["tasks"])


def test_a_mapping_is_no_template() -> None:
    operator = BikSendEventsOperator(task_id="send", events=[], mapping=MAPPING)
    assert operator.mapping is MAPPING
    assert "mapping" not in operator.template_fields


@pytest.mark.parametrize("mapping", [{"event_name": "ordered", "emial": "mail"}, "mapping.json", {}])
def test_a_wrong_mapping_fails_when_the_dag_is_parsed(mapping: Any) -> None:
    with pytest.raises(BikConfigError, match="mapping"):
        BikSendEventsOperator(task_id="send", events=[], mapping=mapping)


def test_a_column_that_is_not_there_fails_at_the_first_row_before_anything_is_sent(
    bik: Sandbox, airflow_db: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with new_dag() as dag:
        rows = [{key.upper(): value for key, value in row.items()} for row in ROWS]
        BikSendEventsOperator(task_id="send", events=rows, mapping=MAPPING, retries=3, retry_delay=0)
    assert run(dag).state == "failed"
    assert bik.requests == []
    captured = capfd.readouterr()
    everything = captured.out + captured.err + log_text(airflow_db)
    assert "there is no column 'mail'; the nearest is 'MAIL'" in everything
    assert "customer0" not in everything


def test_rejected_rows_and_events_are_sent_again_each_as_what_it_is(bik: Sandbox, tmp_path: Path) -> None:
    rows = [{**row} for row in ROWS]
    rows[1]["total"] = "n/a"  # the mapping rejects the row
    rows[3]["mail"] = None  # the mapping makes an event of it, which the contract rejects
    source_of_event = {"bik_rejected": 1, "event": {**event(5), "email": None}}
    source = ndjson(tmp_path / "rows.ndjson", rows)
    with open(source, "a", encoding="utf-8") as file:  # noqa: PTH123 - one more line
        file.write(json.dumps(source_of_event) + "\n{broken\n")
    with new_dag() as dag:
        BikSendEventsOperator(
            task_id="send", events=source, mapping=MAPPING, state_path=str(tmp_path / "state"), max_rejected=4
        )
    report = returned(run(dag), "send")
    assert report["reasons"] == {"cast_failed": 1, "identity_missing": 2, "unparsable": 1}
    assert received(bik) == [EVENTS[n] for n in (0, 2, 4)]

    lines = {line["position"]: line for line in rejected_lines(report)}
    assert [lines[n]["row"] for n in (1, 3, 6)] == [rows[1], rows[3], "{broken"]
    assert lines[5]["event"] == source_of_event["event"]
    assert all(("event" in lines[n], "row" in lines[n]) == (n == 5, n != 5) for n in (1, 3, 5, 6))

    lines[1]["row"]["total"] = "12.50"
    lines[3]["row"]["mail"] = ROWS[3]["mail"]
    lines[5]["event"]["email"] = "customer5@example.com"
    del lines[6]
    fixed = ndjson(tmp_path / "fixed.ndjson", list(lines.values()))
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=fixed, mapping=MAPPING)
    assert returned(run(dag), "send")["confirmed"] == 3
    assert received(bik) == [*EVENTS, event(5)]


def test_a_rejected_row_is_not_sent_without_a_mapping_and_stays_a_row(bik: Sandbox, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"bik_rejected": 1, "attempts": 0, "row": ROWS[0]},
        {"bik_rejected": 1, "attempts": 0, "event": EVENTS[1]},
    ]
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=lines, state_path=str(tmp_path), max_rejected=1)
    report = returned(run(dag), "send")
    assert report["reasons"] == {"mapping_missing": 1}
    assert received(bik) == [EVENTS[1]]
    (written,) = rejected_lines(report)
    assert written["row"] == ROWS[0]
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=[written], mapping=MAPPING)
    run(dag)
    assert received(bik) == EVENTS[:2]


def test_a_decimal_in_a_rejected_row_is_still_a_number_when_it_is_sent_again(bik: Sandbox, tmp_path: Path) -> None:
    mapping = EventMapping(event_name="ordered", email="mail", properties={"total": "total", "count": "count"})
    rows = [{"mail": mail, "total": Decimal("12.50"), "count": Decimal(3)} for mail in (None, "a@example.com")]
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=rows, mapping=mapping, state_path=str(tmp_path), max_rejected=1)
    (line,) = rejected_lines(returned(run(dag), "send"))
    line["row"]["mail"] = "b@example.com"
    BikHook().send_events([line], mapping=mapping)
    assert [item["eventProperties"] for item in received(bik)] == [{"total": 12.5, "count": 3}] * 2


def test_a_round_through_the_rejected_events_gives_the_bytes_of_the_first_try(bik: Sandbox, tmp_path: Path) -> None:
    mapping = EventMapping(
        event_name="ordered",
        phone_number="phone",
        created_at="placed",
        properties={"placed": "placed", "day": "day", "total": "total", "id": "id"},
    )
    placed = datetime(2026, 1, 1, 10, 0)  # noqa: DTZ001 - it is read in the zone of the shop
    row = {"placed": placed, "day": placed.date(), "total": Decimal("12.50"), "id": 2**53 - 1}
    reading, state = Reading(timezone="Asia/Kolkata"), str(tmp_path / "state")
    rows = [{**row, "phone": "+919876543210"}, {**row, "phone": "98765"}]
    operator = BikSendEventsOperator(
        task_id="send", events=rows, mapping=mapping, reading=reading, state_path=state, max_rejected=1
    )
    (line,) = rejected_lines(TaskInstance().execute(operator))
    line["row"]["phone"] = "+919876543210"
    fixed = ndjson(tmp_path / "fixed.ndjson", [line])
    TaskInstance().execute(BikSendEventsOperator(task_id="send", events=fixed, mapping=mapping, reading=reading))
    first, second = (request.body for request in bik.requests)
    assert first == second
    assert b'"createdAt":"2026-01-01T04:30:00.000Z"' in (first or b"")


def test_a_table_with_a_column_of_the_name_that_marks_rejected_events_is_a_table(bik: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("mail,id,bik_rejected\na@example.com,1,1\n,2,1\n")
    mapping = EventMapping(event_name="ordered", email="mail", properties={"id": "id"})
    operator = BikSendEventsOperator(
        task_id="send", events=str(path), mapping=mapping, state_path=str(tmp_path / "state"), max_rejected=1
    )
    report = TaskInstance().execute(operator)
    assert (report["confirmed"], report["reasons"]) == (1, {"identity_missing": 1})
    assert rejected_lines(report)[0]["row"] == {"mail": None, "id": "2", "bik_rejected": "1"}


def test_a_dry_run_maps_and_counts_and_sends_nothing(bik: Sandbox) -> None:
    with new_dag() as dag:
        BikSendEventsOperator(task_id="send", events=ROWS, mapping=MAPPING, dry_run=True)
    assert returned(run(dag), "send")["deliverable"] == len(ROWS)
    assert bik.requests == []


def test_the_hook_takes_a_mapping_and_its_json_form(bik: Sandbox) -> None:
    assert BikHook().send_events(ROWS[:2], mapping=MAPPING).confirmed == 2
    assert BikHook().send_events(ROWS[2:], mapping=MAPPING.to_json()).confirmed == 3
    assert received(bik) == EVENTS
