"""DAGs whose runs say in their conf what to send, and where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_bik.operators.bik import BikSendEventsOperator

COMMON: dict[str, Any] = {
    "bik_conn_id": "{{ dag_run.conf.bik }}",
    "dead_letter_path": "{{ dag_run.conf.dead_letters }}",
    # Empty: the task state store.
    "checkpoint_path": "{{ dag_run.conf.checkpoints }}",
    "max_rejected": 1000,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}

with DAG("one", schedule=None):
    BikSendEventsOperator(task_id="send", events="{{ dag_run.conf.events }}", **COMMON)

with DAG("mapped", schedule=None):
    BikSendEventsOperator.partial(task_id="send", **COMMON).expand(
        events=["{{ dag_run.conf.events }}/first.ndjson", "{{ dag_run.conf.events }}/second.ndjson"]
    )
