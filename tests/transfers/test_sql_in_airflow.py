"""The operators in a real Airflow: templates, what is stored, and runs that follow each other."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator
from airflow_provider_bik.windows import DATA_INTERVAL
from tests.operators.support import files_of, log_text
from tests.transfers.conftest import Database
from tests.transfers.support import ORDERS, orders
from tests.versions import returned, run, stored_by_airflow

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

_numbers = itertools.count()


def new_dag(**options: Any) -> DAG:
    return DAG(f"sql_dag_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1), **options)


def test_sql_comes_from_a_file_and_everything_else_from_templates(
    bik: Sandbox,
    postgres: Database,
    tmp_path: Path,
    airflow_db: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    postgres.run(orders(250))
    capfd.readouterr()
    (tmp_path / "orders.sql").write_text("SELECT id, email FROM {{ params.table }} WHERE id > %(least)s ORDER BY id")
    params = {"table": "orders", "least": 50, "files": str(tmp_path / "files"), "database": "shop"}
    with new_dag(params=params, template_searchpath=str(tmp_path)) as dag:
        SqlToBikOperator(
            task_id="send",
            sql="orders.sql",
            parameters={"least": "{{ params.least }}"},
            conn_id="{{ params.database }}",
            state_path="{{ params.files }}",
            mapping=ORDERS,
        )
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert returned(dag_run, "send")["confirmed"] == 200
    assert files_of(tmp_path / "files", "*input*") == []
    stored = stored_by_airflow(dag_run, "send")
    assert "FROM orders WHERE" in stored
    everything = stored + log_text(airflow_db) + caplog.text + "".join(capfd.readouterr())
    assert "The query gave 200 events" in everything
    assert "@example.com" not in everything


def test_it_can_be_mapped_over_queries(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(20))
    halves = [f"SELECT id, email FROM orders WHERE id % 2 = {half}" for half in (0, 1)]
    with new_dag() as dag:
        SqlToBikOperator.partial(
            task_id="send", conn_id="shop", state_path=str(tmp_path / "state"), mapping=ORDERS
        ).expand(sql=halves)
    dag_run = run(dag)
    assert [report["confirmed"] for report in returned(dag_run, "send")] == [10, 10]
    assert len(bik.ledger.counts("eventProperties.orderId")) == 20


def test_each_run_sends_what_the_table_has_gained(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(20))
    with new_dag() as dag:
        SqlToBikIncrementalOperator(
            task_id="send",
            sql="SELECT id, email FROM orders WHERE id >= :watermark",
            conn_id="shop",
            mapping=ORDERS,
            state_path=str(tmp_path),
            stream="orders by id",
            watermark_column="id",
            start=0,
        )
    report = returned(run(dag), "send")
    assert (report["confirmed"], report["possible_duplicates"]) == (20, 0)
    sqlite.run("INSERT INTO orders VALUES (21, 'late@example.com')")
    report = returned(run(dag), "send")
    assert (report["confirmed"], report["possible_duplicates"]) == (1, 0)
    assert bik.ledger.duplicates() == []
    assert len(bik.ledger.counts("eventProperties.orderId")) == 21


def test_a_run_by_window_asks_the_database_for_the_data_interval(
    bik: Sandbox, sqlite: Database, tmp_path: Path
) -> None:
    sqlite.run("CREATE TABLE orders (id integer, email text, at text)")
    for day in range(1, 6):
        sqlite.run(f"INSERT INTO orders VALUES ({day}, 'c@example.com', '2026-01-0{day}T12:00:00.000+00:00')")
    timetable = CronDataIntervalTimetable("@daily", timezone="UTC")
    start = pendulum.datetime(2026, 1, 1)
    with DAG(f"sql_dag_{next(_numbers)}", schedule=timetable, start_date=start) as dag:
        SqlToBikOperator(
            task_id="send",
            sql="SELECT id, email FROM orders WHERE at >= :start AND at < :end",
            conn_id="shop",
            mapping=ORDERS,
            state_path=str(tmp_path),
            stream="orders",
            window=DATA_INTERVAL,
        )
    for day in (3, 4):
        assert returned(run(dag, logical_date=pendulum.datetime(2026, 1, day)), "send")["confirmed"] == 1
    assert {str(key[0]) for key in bik.ledger.counts("eventProperties.orderId")} == {"2", "3"}
