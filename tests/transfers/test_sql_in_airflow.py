"""The operator in a real Airflow: templates, what is stored, and the watermark in an asset's state store."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import Asset
from airflow.sdk import DAG

from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.operators.support import log_text, returned, run, stored_by_airflow
from tests.transfers.conftest import Database
from tests.transfers.support import ORDERS, orders

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

_numbers = itertools.count()


def new_dag(**options: Any) -> DAG:
    return DAG(f"sql_dag_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1), **options)


def test_sql_comes_from_a_file_and_everything_else_from_templates(
    bik: Sandbox, postgres: Database, tmp_path: Path, airflow_db: Path, capfd: pytest.CaptureFixture[str]
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
            spool_path="{{ params.files }}",
            mapping=ORDERS,
        )
    dag_run = run(dag)
    assert dag_run.state == "success"
    assert returned(dag_run, "send")["confirmed"] == 200
    assert list((tmp_path / "files").iterdir()) == []
    stored = stored_by_airflow(dag_run, "send")
    assert "FROM orders WHERE" in stored
    everything = stored + log_text(airflow_db) + "".join(capfd.readouterr())
    assert "The query gave 200 rows" in everything
    assert "@example.com" not in everything


def test_it_can_be_mapped_over_queries(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(20))
    halves = [f"SELECT id, email FROM orders WHERE id % 2 = {half}" for half in (0, 1)]
    with new_dag() as dag:
        SqlToBikOperator.partial(
            task_id="send", conn_id="shop", spool_path=str(tmp_path / "spool"), mapping=ORDERS
        ).expand(sql=halves)
    dag_run = run(dag)
    assert [report["confirmed"] for report in returned(dag_run, "send")] == [10, 10]
    assert len(bik.ledger.counts("eventProperties.orderId")) == 20


def test_the_watermark_is_kept_in_the_state_store_of_the_asset(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(20))
    with new_dag() as dag:
        SqlToBikOperator(
            task_id="send",
            sql="SELECT id, email FROM orders WHERE id >= :watermark ORDER BY id",
            conn_id="shop",
            mapping=ORDERS,
            spool_path=str(tmp_path / "spool"),
            dead_letter_path=str(tmp_path / "dead"),
            watermark_column="id",
            watermark_start=0,
            outlets=[Asset(f"orders_in_bik_{next(_numbers)}")],
        )
    assert returned(run(dag), "send")["confirmed"] == 20
    sqlite.run("INSERT INTO orders VALUES (21, 'late@example.com')")
    assert returned(run(dag), "send")["confirmed"] == 1
    assert bik.ledger.duplicates() == []
    assert len(bik.ledger.counts("eventProperties.orderId")) == 21
