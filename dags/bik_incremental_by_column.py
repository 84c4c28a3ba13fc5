"""Every hour, send the rows that a table has gained since the last run. This file stands alone: begin here.

1. Copy it, and change the name of the DAG and the five arguments that are marked below.
2. Set the Airflow option `[bik] state_path`, a folder that all workers reach.
3. Add the connections `shop_db` (any SQL database) and `bik_default`.

## What is new?

A column that only grows tells, here the number of the row. The record of the stream says how far the last run came. A
run that fails loses nothing: the next one sends its rows first.

## The first run

It sends all rows from `start` on. Those older than two hours go as migration, with their dates, so nobody is messaged
about them. Newer ones are real-time events.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import dag

from airflow_provider_bik.events import EventMapping, PipelineRule
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator


@dag(
    description="Sends what a table has gained since the last run",
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1),
    # A run sends all that is new, so missed runs need not be made up for.
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["bik"],
    doc_md=__doc__,
)
def bik_incremental_by_column() -> None:
    """Send what is new."""
    SqlToBikIncrementalOperator(
        task_id="send_new_views",
        # Change these five to your own.
        conn_id="shop_db",
        sql="SELECT * FROM catalog_views WHERE view_id >= :watermark",  # with PostgreSQL `%(watermark)s`
        watermark_column="view_id",
        mapping=EventMapping(
            event_name="catalogViewed", email="email", created_at="viewed_at", properties={"catalogId": "catalog_id"}
        ),
        stream="catalog views",
        # The rest can stay.
        start=0,
        lookback=1000,  # a lower number may be committed after a higher one: read the last 1,000 numbers again
        pipeline=PipelineRule(mode="auto", realtime_max_age=timedelta(hours=2)),
    )


incremental = bik_incremental_by_column()

if __name__ == "__main__":
    incremental.test()
