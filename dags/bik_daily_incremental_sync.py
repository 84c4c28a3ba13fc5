"""Every night, send the customers, carts and orders of the day that has just ended to BIK.

## Realtime or migration?

In BIK an event that carries its date must go to the migration pipeline. The real-time stream, which starts journeys,
takes only events without a date and gives them the time of arrival. At night yesterday's orders and customers are
history, so they keep their true dates and go as migration: `pipeline="auto"` does that with dated events. Abandoned
carts are worth a reminder the next morning: with `realtime_max_age` those of a punctual run go out as real-time events,
and those of a late run or a backfill as history, which reminds nobody.

## Which day?

The data interval of the run, which `CronDataIntervalTimetable` makes a calendar day in `TIMEZONE`.

## Is a day ever sent twice?

No. Each kind of event is a stream, and its record says which windows were delivered, by whatever DAG or run: this one,
`bik_historical_backfill`, or Airflow's own Backfill. What was delivered is left out, and the log says so.

Needs the connections `shop_db` (any SQL database) and `bik_default`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import BaseHook, dag, get_current_context, task
from airflow.timetables.interval import CronDataIntervalTimetable
from bik_shop import CARTS, CUSTOMERS, FIRST_DAY, ORDERS, TIMEZONE, TO_BIK

from airflow_provider_bik.events import PipelineRule
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.windows import DATA_INTERVAL, Window


def as_dicts(cursor: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - each database driver has a class of its own
    """Fetch all rows, with the names of their columns."""
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


@dag(
    description="Sends the last day's customers, carts and orders to BIK",
    schedule=CronDataIntervalTimetable("@daily", timezone=TIMEZONE),
    start_date=pendulum.datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tz=TIMEZONE),
    # After an outage, each missed day gets its run. Without this they would be a gap in BIK.
    catchup=True,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["bik"],
    doc_md=__doc__,
)
def bik_daily_incremental_sync() -> None:
    """Send the rows of the data interval."""
    # Many: from the database to BIK by way of a file, in constant memory.
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

    # Few: the rows themselves go to the next task, through XCom. Airflow keeps XCom in its own database and logs it
    # unless told not to; use SqlToBikOperator, or write a file, if personal data must not be there.
    @task(show_return_value_in_logs=False)
    def extract_customers() -> list[dict[str, Any]]:
        context = get_current_context()
        day = Window(context["data_interval_start"], context["data_interval_end"])
        hook: Any = BaseHook.get_hook("shop_db")
        rows: list[dict[str, Any]] = hook.run(CUSTOMERS.sql, parameters=day.parameters, handler=as_dicts)
        return rows

    BikSendEventsOperator(
        task_id="send_customers",
        events=extract_customers(),
        mapping=CUSTOMERS.mapping,
        stream="customers",
        window=DATA_INTERVAL,
        **TO_BIK,
    )


daily = bik_daily_incremental_sync()

if __name__ == "__main__":
    daily.test()
