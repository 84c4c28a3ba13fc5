"""What those downstream of a delivery learn of it: events of assets with counts, and lineage."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, task
from airflow.providers.postgres.hooks.postgres import PostgresHook

from airflow_provider_bik.assets import asset_uri, create_asset
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.outlets import file_datasets
from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.transfers.query_input import table_datasets
from tests.operators.support import TaskInstance, event
from tests.postgres import postgres_server
from tests.versions import (
    lineage_collector,
    needs_airflow_3,
    needs_asset_events_in_tests,
    needs_checked_assets,
    needs_openlineage,
    returned,
    run,
)

_numbers = itertools.count()

SHOP = """
    CREATE SCHEMA crm;
    CREATE TABLE crm.customers (id integer, email text);
    CREATE TABLE orders (id integer, customer integer);
    INSERT INTO crm.customers VALUES (1, 'c1@example.com');
    INSERT INTO orders VALUES (1, 1), (2, 1);
"""

WINDOW = "2026-01-05T00:00:00+00:00/2026-01-06T00:00:00+00:00"


def new_dag() -> DAG:
    return DAG(f"outlets_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1))


class OutletEvents:
    """What Airflow puts into the context: an event for each asset."""

    def __init__(self) -> None:
        self._events: dict[str, SimpleNamespace] = {}

    def __getitem__(self, asset: Any) -> SimpleNamespace:
        return self._events.setdefault(asset.uri, SimpleNamespace(extra={}))


def test_the_event_of_an_asset_tells_what_has_arrived(bik: Sandbox, tmp_path: Path) -> None:
    orders = Asset("orders_in_bik")
    events = OutletEvents()
    events[orders].extra["own"] = 1
    send = BikSendEventsOperator(
        task_id="send",
        events=[event(1), event(2), event(3, email="", phoneNumber="x")],
        stream="orders",
        window=WINDOW,
        state_path=str(tmp_path),
        max_rejected=1,
        outlets=[orders],
    )
    TaskInstance(outlet_events=events).execute(send)
    assert events[orders].extra["own"] == 1
    assert events[orders].extra["bik"] == {
        "name": "orders",
        "window": WINDOW,
        "confirmed": 2,
        "rejected": 1,
        "skipped": 0,
        "possible_duplicates": 0,
        "already_delivered": False,
        "dry_run": False,
    }


@needs_asset_events_in_tests
@pytest.mark.airflow
@pytest.mark.usefixtures("airflow_db")
def test_airflow_stores_it_and_a_task_downstream_reads_it(bik: Sandbox) -> None:
    arrived = Asset(f"arrived_{next(_numbers)}")
    with new_dag() as dag:

        @task(inlets=[arrived])
        def look(*, inlet_events: Any) -> int:
            return int(inlet_events[arrived][-1].extra["bik"]["confirmed"])

        BikSendEventsOperator(task_id="send", events=[event(1), event(2)], outlets=[arrived]) >> look()  # type: ignore[call-arg]  # Airflow gives it
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert returned(dag_run, "look") == 2


@pytest.mark.parametrize(
    "uri", ["bik://127.0.0.1:8787/orders", asset_uri("BIK.example", "orders"), asset_uri("bik.example", "my orders")]
)
def test_airflow_takes_assets_in_bik(uri: str) -> None:
    assert Asset(uri).uri == uri
    assert create_asset(host="BIK.example", name="orders").uri == "bik://bik.example/orders"


@needs_checked_assets
@pytest.mark.parametrize("uri", ["bik://bik.example", "bik://bik.example/a/b", "bik://bik.example/orders?key=secret"])
def test_what_is_no_asset_in_bik_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="is written bik://host/name"):
        Asset(uri)


@needs_airflow_3
def test_the_hook_tells_airflow_what_it_has_written(bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without somebody who reads lineage, Airflow collects none.
    collector = lineage_collector()
    monkeypatch.setattr("airflow_provider_bik.hooks.bik.get_hook_lineage_collector", lambda: collector)
    BikHook().send_events([event(1), event(2, createdAt="2024-01-05T10:00:00Z")])
    host = bik.url.removeprefix("http://")
    written = {output.asset.uri for output in collector.collected_assets.outputs}
    assert written == {f"bik://{host}/realtime", f"bik://{host}/migration"}


@needs_openlineage
def test_openlineage_gets_the_dataset_with_the_number_of_rows(bik: Sandbox, tmp_path: Path) -> None:
    send = BikSendEventsOperator(
        task_id="send", events=[event(1), event(2)], stream="orders", state_path=str(tmp_path), if_delivered="skip"
    )
    TaskInstance().execute(send)
    lineage = send.get_openlineage_facets_on_complete(None)
    (dataset,) = lineage.outputs
    assert (dataset.namespace, dataset.name) == (f"bik://{bik.url.removeprefix('http://')}", "orders")
    assert dataset.outputFacets["outputStatistics"].rowCount == 2
    assert lineage.inputs == []
    TaskInstance("later").execute(send)
    assert send.get_openlineage_facets_on_complete(None).outputs == []


@needs_openlineage
@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("/data/orders.ndjson", ("file", "/data/orders.ndjson")),
        ("file:///data/orders-*.csv.gz", ("file", "/data")),
        ("/data/2026-0[1-3]/day.csv", ("file", "/data")),
        ("s3://aws_default@bucket/shop/orders.csv", ("s3://bucket", "shop/orders.csv")),
        ("s3://bucket/*.csv", ("s3://bucket", "/")),
        ("https://files.example/orders.csv?signature=secret", ("https://files.example", "orders.csv")),
    ],
)
def test_openlineage_gets_a_file_that_was_read_without_who_may_read_it(path: str, dataset: tuple[str, str]) -> None:
    (found,) = file_datasets(path)
    assert (found.namespace, found.name) == dataset
    assert file_datasets([path, [path]]) == [found]


@needs_openlineage
@pytest.mark.parametrize("query", ["SELECT 1 AS id", "this is no SQL", ""])
def test_where_nobody_can_tell_what_a_query_has_read_openlineage_is_told_nothing(
    query: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", f"sqlite:///{tmp_path / 'shop.db'}")
    assert table_datasets(query, "shop") == []
    assert table_datasets(query, "no_such_connection") == []


@needs_openlineage
@needs_airflow_3
@pytest.mark.airflow
@pytest.mark.usefixtures("airflow_db")
def test_openlineage_tells_what_was_read_and_what_was_written(bik: Sandbox, tmp_path: Path) -> None:
    file, told = tmp_path / "orders.ndjson", tmp_path / "told.ndjson"
    file.write_bytes(b"".join(msgspec.json.encode(event(number)) + b"\n" for number in range(3)))
    with postgres_server() as uri, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SHOP", uri)
        patch.setenv("AIRFLOW__OPENLINEAGE__DISABLED", "False")
        transport = {"type": "file", "log_file_path": str(told), "append": True}
        patch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
        PostgresHook("shop").run(SHOP)
        command = [sys.executable, "-m", "tests.operators.lineage_process", str(file), str(tmp_path / "state")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = told.read_text("utf-8")
    events = [json.loads(line) for line in text.splitlines()]
    ends = {each["job"]["name"]: each for each in events if each["eventType"] == "COMPLETE"}
    of_a_file, of_tables = ends["lineage.of_a_file"], ends["lineage.of_tables"]
    assert [(each["namespace"], each["name"]) for each in of_a_file["inputs"]] == [("file", str(file))]
    assert {each["name"].partition(".")[2] for each in of_tables["inputs"]} == {"public.orders", "crm.customers"}
    assert [rows_of(each) for each in of_a_file["outputs"]] == [("auto", 3)]
    assert [rows_of(each) for each in of_tables["outputs"]] == [("orders", 1)]
    assert "@example.com" not in text


def rows_of(dataset: dict[str, Any]) -> tuple[str, int]:
    return dataset["name"], dataset["outputFacets"]["outputStatistics"]["rowCount"]


def test_before_it_has_run_there_is_no_lineage() -> None:
    assert BikSendEventsOperator(task_id="send", events=[]).get_openlineage_facets_on_complete(None) is None
