"""What those downstream of a delivery learn of it: events of assets with counts, and lineage."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_provider_bik.assets import asset_uri, create_asset
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import TaskInstance, event
from tests.versions import (
    lineage_collector,
    needs_airflow_3,
    needs_asset_events_in_tests,
    needs_checked_assets,
    returned,
    run,
)

_numbers = itertools.count()

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


def test_openlineage_gets_the_dataset_with_the_number_of_rows(bik: Sandbox, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage", reason="its provider calls the operator")
    send = BikSendEventsOperator(
        task_id="send", events=[event(1), event(2)], stream="orders", state_path=str(tmp_path), if_delivered="skip"
    )
    TaskInstance().execute(send)
    (dataset,) = send.get_openlineage_facets_on_complete(None).outputs
    assert (dataset.namespace, dataset.name) == (f"bik://{bik.url.removeprefix('http://')}", "orders")
    assert dataset.outputFacets["outputStatistics"].rowCount == 2
    TaskInstance("later").execute(send)
    assert send.get_openlineage_facets_on_complete(None).outputs == []


def test_before_it_has_run_there_is_no_lineage() -> None:
    assert BikSendEventsOperator(task_id="send", events=[]).get_openlineage_facets_on_complete(None) is None
