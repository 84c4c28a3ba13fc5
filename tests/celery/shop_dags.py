"""Two DAGs that send the same orders: one keeps its state where both workers reach it, one on its worker's disk."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator

MAPPING = EventMapping(
    event_name="ordered",
    email="email",
    created_at="recorded_at",
    properties={"number": "number"},
)


for dag_id, state_path in (("shared_state", os.environ["BIK_SHARED"]), ("local_state", os.environ["BIK_LOCAL"])):
    with DAG(dag_id, schedule=None):
        SqlToBikOperator(
            task_id="send",
            conn_id="shop_db",
            sql="SELECT number, email, recorded_at FROM orders "
            "WHERE recorded_at >= :start AND recorded_at < :end ORDER BY number",
            mapping=MAPPING,
            state_path=state_path,
            stream="orders",
            window="2026-01-01T00:00:00+00:00/2026-02-01T00:00:00+00:00",
            sending=Sending(batch_size=20, max_concurrency=2),
            retries=2,
            retry_delay=timedelta(seconds=1),
        )
