"""Every hour, send the rows that a table has gained since the last run. This file stands alone: begin here.

## To make it yours

1. Change the lines from `conn_id` to `stream`.
2. Set the Airflow option `[bik] state_path`, a folder that all workers reach.
3. Add the connections `shop_db` (any SQL database) and `bik_default`.

## How it knows what is new

By a column that only grows, here the number of the row. The record of the stream says how far the last run came. A run
that fails loses nothing: the next one sends its rows first.

## Rows that come late

A database gives out numbers before it commits, so a lower number may appear after a higher one. `lookback` reads the
last 1,000 numbers again. What was sent before is known, and left out.

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
        conn_id="shop_db",
        # `:watermark` is how SQLite binds a value; with PostgreSQL write `%(watermark)s`.
        sql="SELECT * FROM catalog_views WHERE view_id >= :watermark",
        watermark_column="view_id",
        start=0,
        lookback=1000,
        mapping=EventMapping(
            event_name="catalogViewed",
            email="email",
            created_at="viewed_at",
            properties={"catalogId": "catalog_id"},
        ),
        stream="catalog views",
        pipeline=PipelineRule(mode="auto", realtime_max_age=timedelta(hours=2)),
    )


incremental = bik_incremental_by_column()

if __name__ == "__main__":
    incremental.test()
