"""A DAG that steps aside after a second, so that a test need not wait for longer pauses."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_bik.delivery import answers
from airflow_provider_bik.operators.bik import BikSendEventsOperator

answers.LONGEST_PAUSE = 1.0

with DAG("short_pause", schedule=None):
    BikSendEventsOperator(
        task_id="send",
        bik_conn_id="{{ dag_run.conf.bik }}",
        events="{{ dag_run.conf.events }}",
        retries=2,
        retry_delay=timedelta(seconds=1),
    )
