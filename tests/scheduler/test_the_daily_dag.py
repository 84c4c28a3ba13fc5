"""The daily DAG as a user has it: ten days of catchup, an Airflow backfill of ten earlier days, and a run by hand."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.windows import Window, days
from demo import shop
from tests.scheduler.real_airflow import RealAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

DAGS = Path(__file__).parents[2] / "dags"
DAILY = "bik_daily_incremental_sync"
PATIENCE = 600.0
DAYS = 10
ONE_DAY = timedelta(days=1)
TODAY = datetime.now(shop.ZONE).date()
FIRST_DAY = TODAY - DAYS * ONE_DAY
EARLIEST = FIRST_DAY - DAYS * ONE_DAY
CHANGES = (
    ("bik_shop.py", "FIRST_DAY = date(2026, 1, 1)", f"FIRST_DAY = date({FIRST_DAY:%Y, %-m, %-d})"),
    # For a shop with so few events a day, a share is too coarse.
    ("bik_shop.py", '"max_rejected": 0.05', '"max_rejected": 6'),
    # On a busy machine Airflow may fail to start a task, which is nothing to wait for.
    (f"{DAILY}.py", "timedelta(minutes=5)", "timedelta(seconds=2)"),
)


@pytest.fixture
def bik() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    shop.seed(path, first_day=EARLIEST, days=2 * DAYS, size=shop.Size(customers=3, carts=6, orders=12))
    return path


@pytest.fixture
def airflow(tmp_path: Path, bik: Sandbox, database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAirflow]:
    """An Airflow with the sample DAGs, which somebody has made their own, as the page says."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "dags"
    shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, theirs, mine in CHANGES:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(theirs) == 1
        (folder / name).write_text(text.replace(theirs, mine), encoding="utf-8")
    bik_default = {"conn_type": "bik", "host": bik.url, "login": "sandbox-key", "password": "sandbox-secret"}
    environment = {
        "AIRFLOW_CONN_BIK_DEFAULT": json.dumps(bik_default),
        "AIRFLOW_CONN_SHOP_DB": json.dumps({"conn_type": "sqlite", "host": str(database)}),
        "BIK_STAGING": f"file://{tmp_path}/staging",
    }
    with RealAirflow(tmp_path, dags=2, environment=environment) as running:
        yield running


def runs(airflow: RealAirflow) -> dict[str, str]:
    """The runs of the daily DAG and their states."""
    found = airflow.get(f"/dags/{DAILY}/dagRuns?limit=100")["dag_runs"]
    return {run["dag_run_id"]: run["state"] for run in found}


def wait_for_runs(airflow: RealAirflow, number: int) -> None:
    def ended() -> bool:
        states = list(runs(airflow).values())
        assert "failed" not in states, states
        return states.count("success") == number

    airflow.wait(f"{number} runs", ended, PATIENCE)


def reports(airflow: RealAirflow) -> list[dict[str, Any]]:
    """What all tasks that send have returned, in all runs."""
    found = []
    for run_id in runs(airflow):
        for kind in ("orders", "carts", "customers"):
            path = f"/dags/{DAILY}/dagRuns/{run_id}/taskInstances/send_{kind}"
            if airflow.get(path)["state"] == "success":
                found.append(airflow.get(f"{path}/xcomEntries/return_value?deserialize=true")["value"])
    return found


def rows(database: Path, first: date, end: date) -> int:
    between = days(first, end, timezone="Asia/Kolkata")
    with closing(sqlite3.connect(database)) as connection:
        return sum(_count(connection, table, between) for table in shop.TABLES)


def _count(connection: sqlite3.Connection, table: str, between: Window) -> int:
    query = f"SELECT count(*) FROM {table} WHERE recorded_at >= :start AND recorded_at < :end"
    return int(connection.execute(query, dict(between)).fetchone()[0])


def midnight(day: date) -> str:
    return datetime.combine(day, time.min, tzinfo=shop.ZONE).isoformat()


def check(airflow: RealAirflow, bik: Sandbox, database: Path, first: date) -> None:
    """Each row since that day has its outcome, and BIK has it once, with the right flags."""
    told = [report for report in reports(airflow) if not report["already_delivered"]]
    assert sum(report["read"] for report in told) == rows(database, first, TODAY)
    assert sum(report["confirmed"] for report in told) == bik.ledger.count()
    assert sum(report["confirmed"] + report["rejected"] for report in told) == rows(database, first, TODAY)
    assert bik.ledger.duplicates() == []
    for key in ("orderId", "cartId"):
        assert {count for (value,), count in bik.ledger.counts(f"eventProperties.{key}").items() if value} == {1}
    # Carts of the last 36 hours may still start a journey; all else is history.
    kinds = bik.ledger.counts("pipeline", "eventName")
    assert {pipeline for pipeline, _ in kinds} == {"migration", "realtime"}
    assert {name for pipeline, name in kinds if pipeline == "realtime"} == {"abandonedCartCreated"}
    assert kinds["realtime", "abandonedCartCreated"] < kinds["migration", "abandonedCartCreated"]


def test_catchup_a_backfill_and_a_run_by_hand_send_each_row_once(
    airflow: RealAirflow, bik: Sandbox, database: Path
) -> None:
    # The run dated FIRST_DAY is for the day before, which is not this DAG's to send: it skips itself.
    wait_for_runs(airflow, DAYS + 1)
    check(airflow, bik, database, FIRST_DAY)

    realtime = bik.ledger.counts("pipeline")["realtime",]
    body = {
        "dag_id": DAILY,
        "from_date": midnight(EARLIEST + ONE_DAY),
        "to_date": midnight(FIRST_DAY),
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "run_backwards": False,
        "dag_run_conf": {},
    }
    airflow.call("POST", "/backfills", body)
    airflow.wait("the backfill's runs", lambda: len(runs(airflow)) == 2 * DAYS)
    wait_for_runs(airflow, 2 * DAYS)
    check(airflow, bik, database, EARLIEST)
    assert bik.ledger.counts("pipeline")["realtime",] == realtime

    before = bik.ledger.count()
    airflow.call("POST", f"/dags/{DAILY}/dagRuns", {"logical_date": None})
    wait_for_runs(airflow, 2 * DAYS + 1)
    assert bik.ledger.count() == before
    assert sum(report["already_delivered"] for report in reports(airflow)) == 3
