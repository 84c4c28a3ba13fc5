"""Every night, send the customers, carts and orders of the day that has just ended to BIK.

**Realtime or migration?** In BIK an event that carries its date must go to the migration pipeline; the real-time
stream, which is what starts journeys, takes only events without a date and gives them the time of arrival. At night
yesterday's orders and customers are history, so they keep their true dates and go as migration (`pipeline="auto"`
does that with dated events). Abandoned carts are worth a reminder the next morning: with `realtime_max_age` those of
a punctual run go out as real-time events, and those of a late run or a backfill as history, which reminds nobody.

**Which day?** The one that ended at or before the end of the run's data interval: on Airflow 3 the run *dated*
2 January sends 1 January; on Airflow 2 that is the run dated 1 January. No day is sent twice or left out.

**Since when?** `FIRST_DAY` is the first day that this DAG sends by itself. Everything before it is the business of
`bik_historical_backfill`, or of an Airflow backfill of this DAG, which is asked for explicitly.

**Again?** Each day's delivery has a name. A run by hand, or a cleared task, for a day that was sent sends nothing: it
returns the earlier report, and its log says so.

Needs the connections `shop_db` (any SQL database) and `bik_default`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowSkipException, BaseHook, dag, get_current_context, task
from bik_shop import CARTS, CUSTOMERS, FIRST_DAY, ORDERS, STAGING, TIMEZONE, TO_BIK

from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.windows import Window, day_of_run, first_day

DAY = "{{ ti.xcom_pull(task_ids='choose_day')['start'] }}"


def sends(day: Window, run_type: str) -> bool:
    """Tell whether a run may send a day: from FIRST_DAY on, or any in Airflow's own backfill, which is asked for."""
    return run_type == "backfill" or first_day(day, timezone=TIMEZONE) >= FIRST_DAY


def as_dicts(cursor: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - each database driver has a class of its own
    """Fetch all rows, with the names of their columns."""
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


@dag(
    schedule="@daily",
    start_date=pendulum.datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tz=TIMEZONE),
    # After an outage, each missed day gets its run. Without this they would be a gap in BIK.
    catchup=True,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["bik"],
    doc_md=__doc__,
)
def bik_daily_incremental_sync() -> None:
    """Choose the day, then send its rows."""

    # A schedule that is not daily is not mended by trying again.
    @task(retries=0)
    def choose_day() -> Window:
        context = get_current_context()
        day = day_of_run(context, timezone=TIMEZONE)
        if not sends(day, context["dag_run"].run_type):
            chosen = first_day(day, timezone=TIMEZONE)
            message = f"{chosen} is before FIRST_DAY {FIRST_DAY}: bik_historical_backfill sends it."
            raise AirflowSkipException(message)
        return day

    day: Any = choose_day()

    # Many: from the database to BIK by way of a file, in constant memory.
    SqlToBikOperator(
        task_id="send_orders",
        conn_id="shop_db",
        sql=ORDERS.sql,
        parameters=day,
        mapping=ORDERS.mapping,
        spool_path=f"{STAGING}/spool",
        delivery_id=f"orders {DAY}",
        **TO_BIK,
    )
    SqlToBikOperator(
        task_id="send_carts",
        conn_id="shop_db",
        sql=CARTS.sql,
        parameters=day,
        mapping=CARTS.mapping,
        spool_path=f"{STAGING}/spool",
        delivery_id=f"carts {DAY}",
        # Yesterday's first cart is a day old when the run starts; the rest is room for a delay and retries.
        realtime_max_age=timedelta(hours=36),
        **TO_BIK,
    )

    # Few: the rows themselves go to the next task, through XCom. Airflow keeps XCom in its own database and logs it
    # unless told not to; use SqlToBikOperator, or write a file, if personal data must not be there.
    @task(show_return_value_in_logs=False)
    def extract_customers(day: Window) -> list[dict[str, Any]]:
        hook: Any = BaseHook.get_hook("shop_db")
        rows: list[dict[str, Any]] = hook.run(CUSTOMERS.sql, parameters=day, handler=as_dicts)
        return rows

    BikSendEventsOperator(
        task_id="send_customers",
        events=extract_customers(day),
        mapping=CUSTOMERS.mapping,
        delivery_id=f"customers {DAY}",
        **TO_BIK,
    )


daily = bik_daily_incremental_sync()

if __name__ == "__main__":
    daily.test()
