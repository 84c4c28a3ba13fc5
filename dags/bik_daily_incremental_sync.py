"""Every night, send the customers, carts and orders of the day that has just ended to BIK.

**Realtime or migration?** In BIK an event that carries its date must go to the migration pipeline; the real-time
stream, which is what starts journeys, takes only events without a date and gives them the time of arrival. At night
yesterday's orders and customers are history, so they keep their true dates and go as migration (`pipeline="auto"`
does that with dated events). Abandoned carts are worth a reminder the next morning: with `realtime_max_age` those of
a punctual run go out as real-time events, and those of a late run or a backfill as history, which reminds nobody.

**Which day?** The one that ended at or before the end of the run's data interval, see `day_window`. On Airflow 3 the
run *dated* 2 January sends 1 January; on Airflow 2 that is the run dated 1 January. No day is sent twice or left out.

**Since when?** `FIRST_DAY` is the first day that this DAG sends by itself. Everything before it is the business of
`bik_historical_backfill`, or of an Airflow backfill of this DAG, which is asked for explicitly.

Needs the connections `shop_db` (any SQL database) and `bik_default`. A run by hand sends the last full day *again*.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    dag,
    get_current_context,
    task,
)
from bik_shop import (
    CARTS,
    CUSTOMERS,
    FIRST_DAY,
    ORDERS,
    STAGING,
    TIMEZONE,
    Event,
    Window,
    local_day,
    read_events,
    staging_file,
    window,
    write_ndjson,
)

from airflow_provider_bik.operators.bik import BikSendEventsOperator

ONE_DAY = timedelta(days=1)


def day_window(
    data_interval_start: datetime | None,
    data_interval_end: datetime | None,
    *,
    run_after: datetime | None = None,
    timezone: str = TIMEZONE,
) -> Window:
    """Tell which calendar day a run has to send.

    Args:
        data_interval_start: As Airflow gives it; None in a run that has no logical date.
        data_interval_end: As Airflow gives it. Airflow 3 makes `@daily` an interval of no length, [D, D]; Airflow 2,
            and `CronDataIntervalTimetable`, make it [D, D+1]. In both, the day to send is over at this moment.
        run_after: Stands in for the interval of a run without a logical date.
        timezone: Whose calendar days are meant. They have 23 or 25 hours where the clocks change.

    Returns:
        The last full day, half-open.

    Raises:
        AirflowFailException: The interval is not one day, so that days would be sent twice or left out.
    """
    end = data_interval_end or run_after
    if end is None:
        message = "The run has neither a data interval nor run_after, so its day is unknown. Give it a logical date."
        raise AirflowFailException(message)
    start = data_interval_start or end
    zone = pendulum.timezone(timezone)
    last = end.astimezone(zone).date()
    if start != end and last - start.astimezone(zone).date() != ONE_DAY:
        message = (
            f"The data interval {start.isoformat()} to {end.isoformat()} is not one day in {timezone}. "
            "Schedule this DAG once a day, and set its start_date in the same time zone."
        )
        raise AirflowFailException(message)
    return window(last - ONE_DAY, last, timezone)


def sends(day: Window, run_type: str) -> bool:
    """Tell whether a run may send a day: from FIRST_DAY on, or any in Airflow's own backfill, which is asked for."""
    return run_type == "backfill" or local_day(day["start"]) >= FIRST_DAY


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
    """Extract one day of the shop and send it."""

    @task
    def choose_day() -> Window:
        context = get_current_context()
        dag_run = context["dag_run"]
        day = day_window(
            context.get("data_interval_start"),
            context.get("data_interval_end"),
            run_after=getattr(dag_run, "run_after", None),
        )
        if not sends(day, dag_run.run_type):
            message = f"{local_day(day['start'])} is before FIRST_DAY {FIRST_DAY}: bik_historical_backfill sends it."
            raise AirflowSkipException(message)
        return day

    # Large: the rows go into a file, and the next task gets its path.
    @task
    def extract_orders(day: Window) -> str:
        target = staging_file("orders", day, str(get_current_context()["run_id"]))
        return write_ndjson(target, read_events(ORDERS, day))

    # Small: the rows themselves go to the next task, through XCom. Airflow keeps XCom in its own database and logs it
    # unless told not to; write a file instead if personal data must not be there.
    @task(show_return_value_in_logs=False)
    def extract_customers(day: Window) -> list[Event]:
        return list(read_events(CUSTOMERS, day))

    @task(show_return_value_in_logs=False)
    def extract_carts(day: Window) -> list[Event]:
        return list(read_events(CARTS, day))

    day: Any = choose_day()
    to_bik: dict[str, Any] = {
        # A shop always has some customers that cannot be reached, and they must not fail every night. A broken
        # extraction rejects far more than one in twenty, and does fail. The rejected events are kept for mending.
        "max_rejected": 0.05,
        "dead_letter_path": f"{STAGING}/rejected",
        "default_region": "IN",
    }
    BikSendEventsOperator(task_id="send_orders", events=extract_orders(day), **to_bik)
    BikSendEventsOperator(task_id="send_customers", events=extract_customers(day), **to_bik)
    BikSendEventsOperator(
        task_id="send_carts",
        events=extract_carts(day),
        # Yesterday's first cart is a day old when the run starts; the rest is room for a delay and retries.
        realtime_max_age=timedelta(hours=36),
        **to_bik,
    )


daily = bik_daily_incremental_sync()

if __name__ == "__main__":
    daily.test()
