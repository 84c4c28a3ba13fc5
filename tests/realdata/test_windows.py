"""s23 and K4: whatever the schedule, each row of a table goes out once, or the task says why not."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jinja2
import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable

from airflow_provider_bik.events import EventMapping
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.windows import DATA_INTERVAL
from tests.realdata.support import Outcome, Shop

BEGIN = pendulum.datetime(2026, 3, 22)
HOURS = 21 * 24
ORDERS = EventMapping(event_name="ordered", email="email", created_at="at", properties={"id": "id"})


@pytest.fixture
def table(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """One order an hour, for three weeks in which clocks are put forward."""
    database = shop.directory / "shop.db"
    rows = [
        (n, f"c{n}@example.com", (BEGIN + timedelta(hours=n)).isoformat(timespec="milliseconds")) for n in range(HOURS)
    ]
    with sqlite3.connect(database) as connection:
        connection.execute("create table o (id integer, email text, at text)")
        connection.executemany("insert into o values (?, ?, ?)", rows)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(database)}))


def intervals(timetable: Any, end: datetime) -> Iterator[DataInterval]:
    """The data intervals that Airflow's scheduler gives to the runs of a DAG."""
    last, restriction = None, TimeRestriction(earliest=BEGIN, latest=None, catchup=True)
    while True:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        last = info.data_interval
        if last.start >= end:
            return
        yield last


def send(shop: Shop, start: object, end: object) -> Outcome:
    """Run the task for an interval, as Airflow renders it."""
    given = {"data_interval_start": start, "data_interval_end": end}
    known = {name: value for name, value in given.items() if value is not None}
    operator = SqlToBikOperator(
        task_id="send",
        conn_id="shop",
        sql="select * from o where julianday(at) >= julianday(:start) and julianday(at) < julianday(:end) order by id",
        mapping=ORDERS,
        stream="orders",
        window=jinja2.Template(DATA_INTERVAL).render(known),
        state_path=str(shop.directory / "state"),
    )
    return shop.run(operator)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("timetable", "last"),
    [
        (CronDataIntervalTimetable("@hourly", timezone="UTC"), 12),
        (CronDataIntervalTimetable("@daily", timezone="Asia/Kolkata"), HOURS),
        (CronDataIntervalTimetable("@daily", timezone="Europe/Berlin"), HOURS),
        (CronDataIntervalTimetable("10 0 * * 7", timezone="UTC"), HOURS),
        (CronDataIntervalTimetable("0 6,18 * * MON-FRI", timezone="UTC"), HOURS),
        (DeltaDataIntervalTimetable(timedelta(hours=36)), HOURS),
    ],
    ids=["hourly", "daily", "daily with a short day", "weekly", "with gaps", "every 36 hours"],
)
def test_each_row_goes_out_once(shop: Shop, timetable: Any, last: int) -> None:
    sent: Counter[int] = Counter()
    all_intervals = list(intervals(timetable, BEGIN + timedelta(hours=last)))
    for interval in all_intervals:
        outcome = send(shop, interval.start, interval.end)
        assert outcome.error is None
        sent.update(properties["id"] for properties in outcome.properties)
    assert set(sent.values()) == {1}
    expected = [n for n in range(HOURS) if all_intervals[0].start <= BEGIN + timedelta(hours=n) < all_intervals[-1].end]
    assert sorted(sent) == expected


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("schedule", ["@daily", "@hourly", "@weekly", "*/15 5-21 * * MON-FRI"])
def test_the_cron_schedules_of_airflow_3_say_that_their_intervals_have_no_length(shop: Shop, schedule: str) -> None:
    trigger = pytest.importorskip("airflow.timetables.trigger")
    timetable = trigger.CronTriggerTimetable(schedule, timezone="UTC")
    interval = next(intervals(timetable, BEGIN + timedelta(days=8)))
    outcome = send(shop, interval.start, interval.end)
    assert outcome.events == []
    assert "has no length" in (outcome.error or "")
    assert "CronDataIntervalTimetable" in (outcome.error or "")


@pytest.mark.usefixtures("table")
def test_a_run_by_an_asset_or_by_hand_without_an_interval_says_so(shop: Shop) -> None:
    moment = datetime(2026, 3, 25, 12, 0, 1, 500, tzinfo=UTC)
    for start, end in ((None, None), (moment, moment), (moment, moment + timedelta(hours=1))):
        outcome = send(shop, start, end)
        assert outcome.events == []
        assert "Nothing was sent" in (outcome.error or "")
