"""Schedules of every kind, a table with one order an hour, and what must become of it; for every version of Airflow.

A test of one version makes a DAG of each of `SCHEDULES` by `send_orders`, lets its runs take place, and hands what
became of them to `check`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable

from airflow_provider_bik.events import EventMapping
from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.windows import DATA_INTERVAL

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday, and the time of order 0."""

HOURS = 24 * 7 * 4
KOLKATA, BERLIN = "Asia/Kolkata", "Europe/Berlin"
REMEDIES = ("CronDataIntervalTimetable", "logical date", "Retry after the end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What stands in a DAG as ``schedule=``.

    Attributes:
        of_dag: Makes it.
        runs: How many runs in a row are worth looking at.
        has_length: Whether its data intervals have a length on Airflow 3; on Airflow 2 all of them have.
    """

    of_dag: Callable[[], Any]
    runs: int
    has_length: bool = True


SCHEDULES = {
    "hourly": Schedule(of_dag=lambda: CronDataIntervalTimetable("@hourly", timezone="UTC"), runs=4),
    "daily": Schedule(of_dag=lambda: CronDataIntervalTimetable("@daily", timezone=KOLKATA), runs=3),
    "weekly": Schedule(of_dag=lambda: CronDataIntervalTimetable("@weekly", timezone=BERLIN), runs=3),
    "with gaps": Schedule(of_dag=lambda: CronDataIntervalTimetable("10 9-18/9 * * MON-FRI", timezone=KOLKATA), runs=12),
    "five hours": Schedule(of_dag=lambda: DeltaDataIntervalTimetable(timedelta(hours=5)), runs=4),
    "hourly, plain": Schedule(of_dag=lambda: "@hourly", runs=2, has_length=False),
    "daily, plain": Schedule(of_dag=lambda: "@daily", runs=2, has_length=False),
    "weekly, plain": Schedule(of_dag=lambda: "@weekly", runs=2, has_length=False),
    "with gaps, plain": Schedule(of_dag=lambda: "*/30 5-21 * * MON-FRI", runs=2, has_length=False),
    "five hours, plain": Schedule(of_dag=lambda: timedelta(hours=5), runs=2, has_length=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that has ended.

    Attributes:
        start: Of its data interval, if it has one.
        end: Of its data interval, if it has one.
        succeeded: Whether it did.
    """

    start: datetime | None
    end: datetime | None
    succeeded: bool

    @classmethod
    def of(cls, dag_run: Any) -> Self:
        """As Airflow has it. What SQLite gives it back has no zone, and is UTC."""
        start, end = (
            None if time is None else time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
            for time in (dag_run.data_interval_start, dag_run.data_interval_end)
        )
        return cls(start=start, end=end, succeeded=dag_run.state == "success")


def make_orders(path: Path) -> str:
    """Make a table with one order an hour, on the hour, numbered; returns the value of AIRFLOW_CONN_ORDERS."""
    times = [START + timedelta(hours=n) for n in range(HOURS)]
    rows = [(n, f"c{n}@example.com", time.isoformat(timespec="milliseconds")) for n, time in enumerate(times)]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER, email TEXT, ordered_at TEXT)")
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    return json.dumps({"conn_type": "sqlite", "host": str(path)})


def send_orders(dag_id: str, schedule: Any, state: Path, errors: list[str]) -> DAG:
    """A DAG that sends the orders of each run's data interval.

    Args:
        dag_id: Its name, and that of its stream.
        schedule: Its schedule.
        state: Where its records go.
        errors: Gets the text of each error.
    """
    start = pendulum.instance(START) if schedule is not None else None
    with DAG(dag_id, schedule=schedule, start_date=start, catchup=True) as dag:
        SqlToBikOperator(
            task_id="send",
            conn_id="orders",
            sql="SELECT * FROM orders WHERE ordered_at >= :start AND ordered_at < :end",
            mapping=EventMapping(
                event_name="ordered", email="email", created_at="ordered_at", properties={"orderId": "id"}
            ),
            stream=dag_id,
            window=DATA_INTERVAL,
            if_delivered="trim",
            state_path=f"file://{state}",
            on_failure_callback=lambda context: errors.append(str(context["exception"])),
        )
    return dag


def check(runs: Iterable[Ended], errors: list[str], bik: Sandbox) -> None:
    """Each order of a run that has succeeded is there once, and no other; a run that has not says what to do."""
    runs = list(runs)
    ended = [run for run in runs if run.succeeded]
    expected = {number for run in ended for number in orders_between(run.start, run.end)}
    found = {int(str(value)): copies for (value,), copies in bik.ledger.counts("eventProperties.orderId").items()}
    assert found == dict.fromkeys(expected, 1)
    assert len(errors) == len(runs) - len(ended)
    for error in errors:
        assert "Nothing was sent" in error
        assert any(remedy in error for remedy in REMEDIES)


def orders_between(start: datetime | None, end: datetime | None) -> set[int]:
    """The numbers of the orders of a stretch of time."""
    assert start is not None
    assert end is not None
    assert start < end, "a run without a window has succeeded"
    times = {n: START + timedelta(hours=n) for n in range(HOURS)}
    return {n for n, time in times.items() if start <= time < end}
