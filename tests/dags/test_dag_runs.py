"""Both DAGs in a real Airflow, from a small shop into the sandbox."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from bik_shop import FIRST_DAY, TIMEZONE

from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.windows import days
from demo import shop

if TYPE_CHECKING:
    from collections.abc import Iterator

# Airflow's own deprecations are its own affair.
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

DAILY = "bik_daily_incremental_sync"
BACKFILL = "bik_historical_backfill"
ONE_DAY = timedelta(days=1)
HISTORY = FIRST_DAY - 2 * ONE_DAY


class Run:
    """A run of a DAG, finished."""

    def __init__(self, dag_id: str, conf: dict[str, Any] | None = None, logical_date: datetime | None = None) -> None:
        dag = DagBag().get_dag(dag_id)
        dag_run = dag.test(logical_date=logical_date, run_conf=conf)
        self.state = dag_run.state.value
        query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_id, key="return_value")
        with create_session() as session:
            self.tasks = {ti.task_id: ti.state for ti in dag_run.get_task_instances(session=session)}
            rows: list[Any] = list(session.scalars(query))
            values = [(row.task_id, XComModel.deserialize_value(row)) for row in rows]
        self.reports = [value for task_id, value in values if task_id.startswith("send")]
        self.values = dict(values)

    def total(self, count: str) -> int:
        return sum(report[count] for report in self.reports)


def run_backfill(first: date, end: date, **more: object) -> Run:
    return Run(BACKFILL, {"from": str(first), "to": str(end), **more})


def run_daily(day: date) -> Run:
    """The run that Airflow 3 makes at the end of a day."""
    return Run(DAILY, logical_date=datetime.combine(day + ONE_DAY, time.min, tzinfo=shop.ZONE))


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, airflow_db: Path) -> Iterator[Sandbox]:
    assert airflow_db.exists()
    with Sandbox() as running:
        connection = {
            "conn_type": "bik",
            "host": running.url,
            "login": "sandbox-key",
            "password": "sandbox-secret",
        }
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", json.dumps(connection))
        yield running


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two days of history, and the first two days of the daily DAG."""
    path = tmp_path / "shop.db"
    shop.seed(path, first_day=HISTORY, days=4, size=shop.Size(customers=4, carts=12, orders=30))
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    # What was delivered is noted below it, and each test has a shop of its own.
    monkeypatch.setenv("BIK_STAGING", f"file://{tmp_path}/staging")
    monkeypatch.delitem(sys.modules, "bik_shop")
    return path


def rows(database: Path, first: date, end: date) -> int:
    between = days(first, end, timezone=TIMEZONE)
    with closing(sqlite3.connect(database)) as connection:
        return sum(
            connection.execute(
                f"SELECT count(*) FROM {table} WHERE recorded_at >= ? AND recorded_at < ?",
                (between["start"], between["end"]),
            ).fetchone()[0]
            for table in shop.TABLES
        )


def received(sandbox: Sandbox, field: str) -> dict[str | None, int]:
    return {value: count for (value,), count in sandbox.ledger.counts(field).items()}


def test_every_row_reaches_bik_once_across_the_cut_over(sandbox: Sandbox, database: Path) -> None:
    first, second = run_daily(FIRST_DAY), run_daily(FIRST_DAY + ONE_DAY)
    backfill = run_backfill(HISTORY, FIRST_DAY, window_days=1, dry_run=False)
    assert [each.state for each in (first, second, backfill)] == ["success"] * 3
    assert first.total("read") == rows(database, FIRST_DAY, FIRST_DAY + ONE_DAY)
    assert second.total("read") == rows(database, FIRST_DAY + ONE_DAY, FIRST_DAY + 2 * ONE_DAY)
    assert backfill.total("read") == rows(database, HISTORY, FIRST_DAY)
    runs = (first, second, backfill)
    everything = rows(database, HISTORY, HISTORY + 4 * ONE_DAY)
    assert sum(each.total("confirmed") + each.total("rejected") for each in runs) == everything
    assert received(sandbox, "pipeline") == {"migration": sum(each.total("confirmed") for each in runs)}
    assert sandbox.ledger.duplicates() == []
    for key in ("orderId", "cartId"):
        # None stands for the events of the other kinds.
        assert {copies for value, copies in received(sandbox, f"eventProperties.{key}").items() if value} == {1}


def test_what_was_delivered_is_not_sent_again(sandbox: Sandbox, database: Path) -> None:
    runs = [run_daily(FIRST_DAY), run_daily(FIRST_DAY)]
    runs += [run_backfill(HISTORY, FIRST_DAY, window_days=1, dry_run=False) for _ in range(2)]
    assert [each.state for each in runs] == ["success"] * 4
    assert [[report["already_delivered"] for report in each.reports] for each in runs] == [
        [False] * 3,
        [True] * 3,
        [False] * 6,
        [True] * 6,
    ]
    assert received(sandbox, "pipeline") == {"migration": runs[0].total("confirmed") + runs[2].total("confirmed")}
    assert sandbox.ledger.duplicates() == []


def test_a_window_that_has_become_longer_is_another_one(sandbox: Sandbox, database: Path) -> None:
    run_backfill(HISTORY, HISTORY + ONE_DAY, window_days=7, dry_run=False)
    longer = run_backfill(HISTORY, FIRST_DAY, window_days=7, dry_run=False)
    assert longer.total("read") == rows(database, HISTORY, FIRST_DAY)


def test_the_ledger_holds_what_sql_counts(sandbox: Sandbox, database: Path) -> None:
    run_backfill(HISTORY, FIRST_DAY + 2 * ONE_DAY, window_days=3, dry_run=False)
    with closing(sqlite3.connect(database)) as connection:
        # Of these tables, only orders and carts have rows of an impossible date.
        possible = "coalesce({0}, recorded_at) BETWEEN '1990' AND '2100'"
        expected = {
            "customerCreated": connection.execute("SELECT count(*) FROM customers").fetchone()[0],
            "abandonedCartCreated": connection.execute(
                f"SELECT count(*) FROM carts WHERE {possible.format('abandoned_at')}"
            ).fetchone()[0],
            "ordered": connection.execute(
                f"SELECT count(*) FROM orders WHERE {possible.format('placed_at')}"
            ).fetchone()[0],
        }
    assert received(sandbox, "eventName") == expected


def test_a_dry_run_tells_what_would_happen_and_sends_nothing(sandbox: Sandbox, database: Path) -> None:
    dry = run_backfill(HISTORY, FIRST_DAY, window_days=1)
    assert dry.state == "success"
    assert received(sandbox, "pipeline") == {}
    totals = dry.values["check"]
    assert totals["read"] == rows(database, HISTORY, FIRST_DAY) == totals["deliverable"] + totals["rejected"]
    run_backfill(HISTORY, FIRST_DAY, window_days=1, dry_run=False)
    assert totals["planned_requests"] == len(sandbox.requests)


def test_last_nights_carts_are_realtime(sandbox: Sandbox, database: Path) -> None:
    today = datetime.now(shop.ZONE).date()
    shop.add_fresh_carts(database, today - ONE_DAY, number=10)
    assert run_daily(today - ONE_DAY).state == "success"
    assert received(sandbox, "pipeline") == {"realtime": 10}


@pytest.mark.usefixtures("database")
def test_the_day_before_the_cut_over_is_left_to_the_backfill(sandbox: Sandbox) -> None:
    clipped = run_daily(FIRST_DAY - ONE_DAY)
    assert clipped.state == "success"
    assert set(clipped.tasks.values()) == {"skipped"}
    assert received(sandbox, "pipeline") == {}


def test_without_a_logical_date_the_last_full_day_is_sent(sandbox: Sandbox, database: Path) -> None:
    shop.add_fresh_carts(database, datetime.now(shop.ZONE).date() - ONE_DAY, number=3)
    assert Run(DAILY).state == "success"
    assert received(sandbox, "pipeline") == {"realtime": 3}


@pytest.mark.usefixtures("database")
def test_a_range_that_ends_before_it_begins_fails_at_once(sandbox: Sandbox) -> None:
    failed = run_backfill(FIRST_DAY, HISTORY, dry_run=False)
    assert failed.state == "failed"
    assert failed.tasks["plan"] == "failed"
    assert received(sandbox, "pipeline") == {}
