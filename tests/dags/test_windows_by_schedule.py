"""A delivery of the data interval, by the schedules of Airflow 3: each row once, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, Asset
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import DagRunInfo, TimeRestriction

from airflow_provider_bik.sandbox import Sandbox
from tests.dags.windows_by_schedule import SCHEDULES, START, Ended, check, make_orders, send_orders
from tests.operators.support import connection
from tests.versions import run

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.usefixtures("airflow_db"),
    # Airflow's own deprecations are its own affair.
    pytest.mark.filterwarnings("default"),
]

WITH_LENGTH = [name for name, schedule in SCHEDULES.items() if schedule.has_length]
WITHOUT_LENGTH = [name for name, schedule in SCHEDULES.items() if not schedule.has_length]

_numbers = count()


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS", make_orders(tmp_path / "orders.db"))
    with Sandbox(api_key="key-of-the-tests", api_secret="secret-of-the-tests") as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        yield sandbox


class Orders:
    """A DAG with a schedule, its runs and their errors."""

    def __init__(self, schedule: Any, tmp_path: Path) -> None:
        self.errors: list[str] = []
        self.runs: list[Ended] = []
        self.dag: DAG = send_orders(f"by_schedule_{next(_numbers)}", schedule, tmp_path / "state", self.errors)
        self.timetable: Any = coerce_to_core_timetable(self.dag.timetable)

    def scheduled(self, number: int) -> list[DagRunInfo]:
        """What the scheduler would make of it: its first runs."""
        infos: list[DagRunInfo] = []
        restriction = TimeRestriction(earliest=pendulum.instance(START), latest=None, catchup=True)
        for _ in range(number):
            last = infos[-1].data_interval if infos else None
            infos.append(self.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction))
        return infos

    def run(self, logical_date: datetime | None) -> None:
        self.runs.append(Ended.of(run(self.dag, logical_date=logical_date)))

    def run_as_scheduled(self, number: int) -> None:
        for info in self.scheduled(number):
            # `dag.test` takes a date as that of a run by hand, which has the interval that has just ended.
            assert self.timetable.infer_manual_data_interval(run_after=info.run_after) == info.data_interval
            self.run(info.run_after)


@pytest.mark.parametrize("name", WITH_LENGTH)
def test_runs_in_a_row_send_each_order_once_and_a_run_by_hand_none(bik: Sandbox, tmp_path: Path, name: str) -> None:
    orders = Orders(SCHEDULES[name].of_dag(), tmp_path)
    orders.run_as_scheduled(SCHEDULES[name].runs)
    assert all(ended.succeeded for ended in orders.runs)
    assert all(earlier.end == later.start for earlier, later in pairwise(orders.runs))
    check(orders.runs, orders.errors, bik)
    sent = bik.ledger.count()
    assert sent > 0

    last = orders.runs[-1].end
    assert last is not None
    orders.run(last + timedelta(minutes=7))
    assert orders.runs[-1].succeeded
    check(orders.runs, orders.errors, bik)
    if name != "five hours":
        # Those intervals are not aligned to anything: a run by hand sends the minutes since the last run.
        assert bik.ledger.count() == sent


@pytest.mark.parametrize("name", WITHOUT_LENGTH)
def test_intervals_without_length_are_refused_with_the_remedy(bik: Sandbox, tmp_path: Path, name: str) -> None:
    orders = Orders(SCHEDULES[name].of_dag(), tmp_path)
    orders.run_as_scheduled(SCHEDULES[name].runs)
    assert not any(ended.succeeded for ended in orders.runs)
    assert all("has no length" in error and "CronDataIntervalTimetable" in error for error in orders.errors)
    check(orders.runs, orders.errors, bik)


@pytest.mark.parametrize("name", ["hourly", "daily, plain"])
def test_a_run_by_hand_without_a_logical_date_is_refused_with_the_remedy(
    bik: Sandbox, tmp_path: Path, name: str
) -> None:
    orders = Orders(SCHEDULES[name].of_dag(), tmp_path)
    orders.run(None)
    assert not orders.runs[-1].succeeded
    assert "Trigger it with a logical date" in orders.errors[0]
    check(orders.runs, orders.errors, bik)


def test_a_window_that_is_not_over_is_not_sent(bik: Sandbox, tmp_path: Path) -> None:
    orders = Orders(SCHEDULES["hourly"].of_dag(), tmp_path)
    orders.run(datetime.now(UTC) + timedelta(hours=2))
    assert not orders.runs[-1].succeeded
    assert "is not over" in orders.errors[0]
    check(orders.runs, orders.errors, bik)


def test_a_run_that_an_asset_triggers_is_refused_with_the_remedy(bik: Sandbox, tmp_path: Path) -> None:
    orders = Orders([Asset("shop")], tmp_path)
    orders.run(None)
    orders.run(START)
    assert not any(ended.succeeded for ended in orders.runs)
    check(orders.runs, orders.errors, bik)


def test_a_dag_without_a_schedule_has_no_window_of_its_own(bik: Sandbox, tmp_path: Path) -> None:
    orders = Orders(None, tmp_path)
    orders.run(START)
    assert "has no length" in orders.errors[0]
    check(orders.runs, orders.errors, bik)
