"""A run in a process in which OpenLineage is on: ``python -m tests.operators.lineage_process FILE STATE``."""

from __future__ import annotations

import sys
from pathlib import Path

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.transfers.support import ORDERS
from tests.versions import run


def main(file: str, state: str) -> None:
    """Send the events of a file; and those of two tables, whose query has parameters as a driver writes them."""
    with DAG("lineage", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BikSendEventsOperator(task_id="of_a_file", events=file)
        SqlToBikOperator(
            task_id="of_tables",
            conn_id="shop",
            sql="SELECT o.id, c.email FROM orders o JOIN crm.customers c ON c.id = o.customer WHERE o.id > %(least)s",
            parameters={"least": 1},
            mapping=ORDERS,
            stream="orders",
            state_path=str(Path(state)),
        )
    assert run(dag).state == "success"


if __name__ == "__main__":
    main(*sys.argv[1:])
