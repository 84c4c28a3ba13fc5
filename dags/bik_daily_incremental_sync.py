"""Every night, send the customers, carts and orders of the day that has just ended.

1. Set `FIRST_DAY` in `bik_shop.py`. Until then this DAG has no schedule and sends nothing.
2. Set the Airflow option `[bik] state_path`, a folder that all workers reach.
3. Add the connections `shop_db` (any SQL database) and `bik_default`.

## Real-time or migration?

- **Orders and customers** are history by the time of the run. They keep their dates and go as migration.
- **Carts younger than 36 hours** go as real-time events, without a date, because a reminder is what they are for.
- **Older carts**, from a late run or a backfill, go as migration. Nobody is reminded of a cart of last month.

## Is a day ever sent twice?

No. The records of each stream say what was delivered, by whatever DAG or run: this one, `bik_historical_backfill`, or
Airflow's own Backfill. What was delivered is left out, and the log says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import BaseHook, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable
from bik_shop import CARTS, CUSTOMERS, FIRST_DAY, ORDERS, TIMEZONE, TO_BIK

from airflow_provider_bik.events import PipelineRule
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.windows import DATA_INTERVAL, Window


def as_dicts(cursor: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - each database driver has a class of its own
    """Fetch all rows, with the names of their columns."""
    return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]


@dag(
    description="Sends the customers, carts and orders of the last day"
    if FIRST_DAY
    else "Needs FIRST_DAY in bik_shop.py",
    schedule=CronDataIntervalTimetable("@daily", timezone=TIMEZONE) if FIRST_DAY else None,
    start_date=pendulum.datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tz=TIMEZONE) if FIRST_DAY else None,
    # After an outage, each missed day gets its run. Without this they would be a gap in BIK.
    catchup=True,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["bik"],
    doc_md=__doc__,
)
def bik_daily_incremental_sync() -> None:
    """Send the rows of the data interval, which is a calendar day in TIMEZONE."""
    # Many rows: from the database to BIK by way of a file, in constant memory.
    SqlToBikOperator(
        task_id="send_orders",
        conn_id="shop_db",
        sql=ORDERS.sql,
        mapping=ORDERS.mapping,
        stream="orders",
        window=DATA_INTERVAL,
        **TO_BIK,
    )
    SqlToBikOperator(
        task_id="send_carts",
        conn_id="shop_db",
        sql=CARTS.sql,
        mapping=CARTS.mapping,
        stream="carts",
        window=DATA_INTERVAL,
        # Yesterday's first cart is a day old when the run starts; the rest is room for a delay and retries.
        pipeline=PipelineRule(mode="auto", realtime_max_age=timedelta(hours=36)),
        **TO_BIK,
    )

    # Few rows: they go to the next task through XCom, which Airflow keeps in its own database. If personal data must
    # not be there, send customers as the others are sent.
    @task(show_return_value_in_logs=False)
    def extract_customers(window: str) -> list[dict[str, Any]]:
        hook: Any = BaseHook.get_hook("shop_db")
        rows: list[dict[str, Any]] = hook.run(CUSTOMERS.sql, parameters=Window.of(window).parameters, handler=as_dicts)
        return rows

    BikSendEventsOperator(
        task_id="send_customers",
        events=extract_customers(DATA_INTERVAL),
        mapping=CUSTOMERS.mapping,
        stream="customers",
        window=DATA_INTERVAL,
        **TO_BIK,
    )


daily = bik_daily_incremental_sync()

if __name__ == "__main__":
    daily.test()
