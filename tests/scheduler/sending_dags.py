"""DAGs whose runs say in their conf what to send, and where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_bik.operators.bik import BikSendEventsOperator

COMMON: dict[str, Any] = {
    "bik_conn_id": "{{ dag_run.conf.bik }}",
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}
IN_FILES: dict[str, Any] = {**COMMON, "state_path": "{{ dag_run.conf.state }}", "max_rejected": 1000}

with DAG("in_files", schedule=None):
    BikSendEventsOperator(task_id="send", events="{{ dag_run.conf.events }}", **IN_FILES)

# Without a state path, the record is kept in the task state store.
with DAG("in_store", schedule=None):
    BikSendEventsOperator(task_id="send", events="{{ dag_run.conf.events }}", **COMMON)

with DAG("mapped", schedule=None):
    BikSendEventsOperator.partial(task_id="send", **COMMON).expand(
        events=["{{ dag_run.conf.events }}/first.ndjson", "{{ dag_run.conf.events }}/second.ndjson"]
    )
