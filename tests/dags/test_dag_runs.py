"""The DAGs in a real Airflow, from a small shop into the sandbox."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag, DagBag, sync_bag_to_db
from airflow.models import DagModel, DagRun
from airflow.models.backfill import _create_backfill
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.definitions.dag import _run_task
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import select

from airflow_provider_bik.sandbox import Sandbox
from demo import shop
from demo.legs import BACKFILL, BY_DAY, CUT_OVER, DAILY, INCREMENTAL, ONE_DAY
from demo.results import count_rows

# Airflow's own deprecations are its own affair.
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

HISTORY = CUT_OVER - 2 * ONE_DAY
END = CUT_OVER + 2 * ONE_DAY


class Run:
    """A run of a DAG, finished."""

    def __init__(self, dag_run: Any) -> None:
        self.state = dag_run.state.value
        query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, key="return_value")
        with create_session() as session:
            instances = list(session.scalars(select(TaskInstance).where(TaskInstance.run_id == dag_run.run_id)))
            self.tasks = {ti.task_id: ti.state for ti in instances}
            self.names = {ti.rendered_map_index for ti in instances if ti.map_index >= 0}
            rows: list[Any] = list(session.scalars(query))
            values = [(row.task_id, XComModel.deserialize_value(row)) for row in rows]
        self.reports = [value for task_id, value in values if task_id.startswith("send")]
        self.new = [report for report in self.reports if not report["already_delivered"]]
        self.values = dict(values)

    def total(self, count: str) -> int:
        return sum(report[count] for report in self.new)


def run(dag_id: str, **options: Any) -> Run:
    dag = DagBag().get_dag(dag_id)
    assert dag is not None
    return Run(dag.test(**options))


def run_backfill(first: date, end: date, **more: object) -> Run:
    return run(BACKFILL, logical_date=None, run_conf={"from": str(first), "to": str(end), **more})


def run_daily(day: date) -> Run:
    """A run by hand in the night after a day, which has the data interval of the scheduled one."""
    return run(DAILY, logical_date=midnight(day + ONE_DAY) + timedelta(minutes=1))


def run_airflows_backfill(first: date, end: date) -> list[Run]:
    """Airflow's own Backfill of the daily DAG, each of its runs brought to its end as `dag.test` does it."""
    sync()
    _create_backfill(
        dag_id=DAILY,
        from_date=midnight(first),
        to_date=midnight(end - ONE_DAY),
        max_active_runs=1,
        reverse=False,
        dag_run_conf={},
        triggering_user_name="test",
    )
    with create_session() as session:
        made = select(DagRun).where(DagRun.dag_id == DAILY, DagRun.run_type == "backfill").order_by(DagRun.logical_date)
        return [finish(dag_run, session) for dag_run in session.scalars(made).all()]


def finish(dag_run: DagRun, session: Any) -> Run:
    dag = DagBag().get_dag(dag_run.dag_id)
    assert dag is not None
    dag_run.dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    dag_run.state = DagRunState.RUNNING
    while dag_run.state == DagRunState.RUNNING:
        session.commit()
        ready, _ = dag_run.update_state(session=session)
        for ti in ready:
            ti.try_number += 1
            ti.state = TaskInstanceState.SCHEDULED
        session.commit()
        for ti in ready:
            _run_task(ti=ti, task=dag.task_dict[ti.task_id])
        session.expire_all()
    return Run(dag_run)


def sync() -> None:
    """Let Airflow's database know the DAGs, as the DAG processor does."""
    folder = Path(conf.get("core", "dags_folder"))
    sync_bag_to_db(BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder"), "dags-folder", None)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=shop.ZONE)


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
    # What was delivered is noted there, and each test has a shop of its own.
    monkeypatch.setenv("AIRFLOW__BIK__STATE_PATH", f"file://{tmp_path}/state")
    return path


def rows(database: Path, first: date, end: date) -> int:
    return count_rows(database, BY_DAY, first, end)


def received(sandbox: Sandbox, field: str) -> dict[str | None, int]:
    return {value: count for (value,), count in sandbox.ledger.counts(field).items()}


def check_each_row_once(sandbox: Sandbox, database: Path, runs: list[Run]) -> None:
    """Every row of the shop has one outcome, and BIK has each one that could be sent once."""
    everything = rows(database, HISTORY, END)
    assert sum(each.total("read") for each in runs) == everything
    assert sum(each.total("confirmed") + each.total("rejected") for each in runs) == everything
    assert received(sandbox, "pipeline") == {"migration": sum(each.total("confirmed") for each in runs)}
    assert sandbox.ledger.duplicates() == []
    for key in ("orderId", "cartId"):
        # None stands for the events of the other kinds.
        assert {copies for value, copies in received(sandbox, f"eventProperties.{key}").items() if value} == {1}


def test_every_row_reaches_bik_once_across_the_cut_over(sandbox: Sandbox, database: Path) -> None:
    first, second = run_daily(CUT_OVER), run_daily(CUT_OVER + ONE_DAY)
    backfill = run_backfill(HISTORY, CUT_OVER, window_days=1, dry_run=False)
    assert [each.state for each in (first, second, backfill)] == ["success"] * 3
    assert first.total("read") == rows(database, CUT_OVER, CUT_OVER + ONE_DAY)
    assert second.total("read") == rows(database, CUT_OVER + ONE_DAY, END)
    assert backfill.total("read") == rows(database, HISTORY, CUT_OVER)
    check_each_row_once(sandbox, database, [first, second, backfill])


def test_what_was_delivered_is_left_out_whatever_dag_and_window_has_sent_it(sandbox: Sandbox, database: Path) -> None:
    first = run_daily(CUT_OVER)
    # A day of it was sent by the daily DAG; the days before and the day after go as two pieces.
    backfill = run_backfill(HISTORY, END, window_days=4, dry_run=False)
    runs = [first, backfill, run_daily(CUT_OVER), run_daily(HISTORY), run_daily(CUT_OVER + ONE_DAY)]
    runs.append(run_backfill(HISTORY, END, window_days=3, dry_run=False))
    assert [each.state for each in runs] == ["success"] * 6
    assert [len(each.new) for each in runs] == [3, 3, 0, 0, 0, 0]
    assert all(len(report["parts"]) == 2 for report in backfill.new)
    assert runs[-1].values["sum_up"]["already_delivered"] == 6
    check_each_row_once(sandbox, database, runs)


def test_the_daily_dag_the_backfill_and_airflows_own_backfill_send_each_day_once(
    sandbox: Sandbox, database: Path
) -> None:
    by_airflow = run_airflows_backfill(HISTORY, CUT_OVER + ONE_DAY)
    runs = [*by_airflow, run_daily(CUT_OVER), run_backfill(HISTORY, END, window_days=2, dry_run=False)]
    runs.append(run_daily(CUT_OVER + ONE_DAY))
    assert [each.state for each in runs] == ["success"] * 6
    assert [len(each.new) for each in runs] == [3, 3, 3, 0, 3, 0]
    check_each_row_once(sandbox, database, runs)

    # What comes next: the day after those of the backfill, whatever came before the DAG was unpaused.
    sync()
    with create_session() as session:
        dag = session.get(DagModel, DAILY)
        assert dag is not None
        assert dag.next_dagrun_data_interval_start == midnight(CUT_OVER + ONE_DAY)


@pytest.mark.usefixtures("airflow_db")
def test_a_backfill_of_early_days_makes_no_runs_between_them_and_the_first_day() -> None:
    dag: Any = DagBag().get_dag(DAILY)
    timetable: Any = coerce_to_core_timetable(dag.timetable)
    year_ago = timetable.infer_manual_data_interval(run_after=pendulum.instance(dag.start_date).subtract(years=1))
    restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=dag.catchup)
    # To Airflow, the runs of its own Backfill are the latest ones, and the next one comes after them.
    following = timetable.next_dagrun_info(last_automated_data_interval=year_ago, restriction=restriction)
    assert following.data_interval.start == midnight(CUT_OVER)


def test_the_ledger_holds_what_sql_counts(sandbox: Sandbox, database: Path) -> None:
    run_backfill(HISTORY, END, window_days=3, dry_run=False)
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
    dry = run_backfill(HISTORY, CUT_OVER, window_days=1)
    assert dry.state == "success"
    assert received(sandbox, "pipeline") == {}
    totals = dry.values["sum_up"]
    assert totals["read"] == rows(database, HISTORY, CUT_OVER) == totals["deliverable"] + totals["rejected"]
    real = run_backfill(HISTORY, CUT_OVER, window_days=1, dry_run=False)
    assert totals["planned_requests"] == len(sandbox.requests)
    assert real.values["sum_up"]["confirmed"] == totals["deliverable"]


@pytest.mark.usefixtures("database", "sandbox")
def test_each_task_of_the_backfill_shows_the_day_with_which_its_window_begins() -> None:
    assert run_backfill(HISTORY, END, window_days=2).names == {str(HISTORY), str(CUT_OVER)}


def test_last_nights_carts_are_realtime(sandbox: Sandbox, database: Path) -> None:
    today = datetime.now(shop.ZONE).date()
    shop.add_fresh_carts(database, today - ONE_DAY, number=10)
    assert run_daily(today - ONE_DAY).state == "success"
    assert received(sandbox, "pipeline") == {"realtime": 10}


@pytest.mark.usefixtures("database")
def test_a_run_by_hand_without_a_logical_date_sends_nothing(sandbox: Sandbox) -> None:
    # Its query would be tried again after some minutes.
    failed = run(DAILY, logical_date=None, mark_success_pattern="extract_customers")
    assert {state for task_id, state in failed.tasks.items() if task_id.startswith("send")} == {"failed"}
    assert received(sandbox, "pipeline") == {}


@pytest.mark.usefixtures("database")
def test_a_range_that_ends_before_it_begins_fails_at_once(sandbox: Sandbox) -> None:
    failed = run_backfill(CUT_OVER, HISTORY, dry_run=False)
    assert failed.state == "failed"
    assert failed.tasks["plan"] == "failed"
    assert received(sandbox, "pipeline") == {}


def test_the_incremental_dag_sends_each_row_once_also_one_that_comes_late(sandbox: Sandbox, database: Path) -> None:
    shop.add_views(database, midnight(HISTORY).astimezone(UTC), 120, every=timedelta(minutes=1))
    with closing(sqlite3.connect(database)) as connection, connection:
        late = connection.execute("SELECT * FROM catalog_views WHERE view_id = 90").fetchone()
        connection.execute("DELETE FROM catalog_views WHERE view_id = 90")
    first, nothing = run(INCREMENTAL), run(INCREMENTAL)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO catalog_views VALUES (?, ?, ?, ?)", late)
    shop.add_views(database, datetime.now(UTC) - timedelta(minutes=30), 25, every=timedelta(minutes=1))
    second = run(INCREMENTAL)
    assert [each.total("read") for each in (first, nothing, second)] == [119, 0, 26]
    assert [each.total("confirmed") for each in (first, nothing, second)] == [119, 0, 26]
    assert received(sandbox, "pipeline") == {"migration": 120, "realtime": 25}
    sold = Counter({f"C-{n % 40}": 3 for n in range(120)}) + Counter(f"C-{n}" for n in range(25))
    assert received(sandbox, "eventProperties.catalogId") == sold
