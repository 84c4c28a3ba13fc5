"""The sample DAGs as a user has them: ten days of catchup, both kinds of backfill over them, and a run by hand."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.windows import Window
from demo import shop
from tests.scheduler.real_airflow import RealAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

DAGS = Path(__file__).parents[2] / "dags"
DAILY, BACKFILL = "bik_daily_incremental_sync", "bik_historical_backfill"
PATIENCE = 600.0
DAYS = 10
ONE_DAY = timedelta(days=1)
TODAY = datetime.now(shop.ZONE).date()
FIRST_DAY = TODAY - DAYS * ONE_DAY
EARLIEST = FIRST_DAY - DAYS * ONE_DAY
CHANGES = (
    # For a shop with so few events a day, a share is too coarse.
    ("bik_shop.py", '"max_rejected": 0.05', '"max_rejected": 6'),
    # On a busy machine Airflow may fail to start a task, which is nothing to wait for.
    (f"{DAILY}.py", "timedelta(minutes=5)", "timedelta(seconds=2)"),
    (f"{BACKFILL}.py", "timedelta(minutes=5)", "timedelta(seconds=2)"),
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
    shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__", "bik_incremental_by_column.py"))
    for name, theirs, mine in CHANGES:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(theirs) == 1
        (folder / name).write_text(text.replace(theirs, mine), encoding="utf-8")
    bik_default = {"conn_type": "bik", "host": bik.url, "login": "sandbox-key", "password": "sandbox-secret"}
    environment = {
        "AIRFLOW_CONN_BIK_DEFAULT": json.dumps(bik_default),
        "AIRFLOW_CONN_SHOP_DB": json.dumps({"conn_type": "sqlite", "host": str(database)}),
        "AIRFLOW__BIK__STATE_PATH": f"file://{tmp_path}/state",
        "BIK_FIRST_DAY": FIRST_DAY.isoformat(),
        # On a busy machine a task may be silent for long, and is not lost for that.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
    }
    with RealAirflow(tmp_path, dags=2, environment=environment) as running:
        yield running


def runs(airflow: RealAirflow, dag_id: str) -> dict[str, str]:
    """The runs of a DAG and their states."""
    found = airflow.get(f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
    return {run["dag_run_id"]: run["state"] for run in found}


def wait_for_runs(airflow: RealAirflow, number: int, dag_id: str = DAILY, state: str = "success") -> None:
    def ended() -> bool:
        states = list(runs(airflow, dag_id).values())
        assert "failed" not in states or state == "failed", states
        return states.count(state) == number

    airflow.wait(f"{number} runs", ended, PATIENCE)


def delivered(database: Path) -> dict[str, int]:
    """What the records of all windows say, added up; each has one generation, for none was sent again."""
    streams = database.parent / "state" / "streams"
    records = [json.loads(path.read_text()) for path in streams.glob("*/*--*/record.json")]
    assert {record["current"]["state"] for record in records} == {"delivered"}
    assert not [record for record in records if record["earlier"]]
    total: Counter[str] = Counter()
    for record in records:
        total.update(record["current"]["counts"])
    return total


def rows(database: Path, first: date, end: date) -> int:
    """The rows of these days, in all tables."""
    bounds = Window(midnight(first), midnight(end)).parameters
    with closing(sqlite3.connect(database)) as connection:
        queries = [
            f"SELECT count(*) FROM {table} WHERE recorded_at >= :start AND recorded_at < :end" for table in shop.TABLES
        ]
        return sum(int(connection.execute(query, bounds).fetchone()[0]) for query in queries)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=shop.ZONE)


def check(bik: Sandbox, database: Path, first: date) -> None:
    """Each row since that day has its outcome, and BIK has it once, with the right flags."""
    counts = delivered(database)
    assert counts["read"] == counts["confirmed"] + counts["rejected"] == rows(database, first, TODAY)
    assert counts["confirmed"] == bik.ledger.count()
    # Not what the counts call possible: a try that Airflow failed to start leaves the next one in doubt.
    assert bik.ledger.duplicates() == []
    for key in ("orderId", "cartId"):
        assert {count for (value,), count in bik.ledger.counts(f"eventProperties.{key}").items() if value} == {1}
    # Carts of the last 36 hours may still start a journey; all else is history.
    kinds = bik.ledger.counts("pipeline", "eventName")
    assert {pipeline for pipeline, _ in kinds} == {"migration", "realtime"}
    assert {name for pipeline, name in kinds if pipeline == "realtime"} == {"abandonedCartCreated"}
    assert kinds["realtime", "abandonedCartCreated"] < kinds["migration", "abandonedCartCreated"]


def test_catchup_both_kinds_of_backfill_and_a_run_by_hand_send_each_row_once(
    airflow: RealAirflow, bik: Sandbox, database: Path
) -> None:
    wait_for_runs(airflow, DAYS)
    check(bik, database, FIRST_DAY)
    realtime = bik.ledger.counts("pipeline")["realtime",]

    # Windows of three days: the last one holds days that are delivered, and days that are not.
    middle = EARLIEST + 5 * ONE_DAY
    conf = {
        "from": middle.isoformat(),
        "to": (FIRST_DAY + 3 * ONE_DAY).isoformat(),
        "window_days": 3,
        "dry_run": False,
    }
    airflow.call("POST", f"/dags/{BACKFILL}/dagRuns", {"logical_date": None, "conf": conf})
    wait_for_runs(airflow, 1, BACKFILL)
    check(bik, database, middle)

    # Airflow's own, over all days but the last ones: it sends the five that nobody has sent.
    body = {
        "dag_id": DAILY,
        "from_date": midnight(EARLIEST).isoformat(),
        "to_date": midnight(FIRST_DAY + 2 * ONE_DAY).isoformat(),
        "reprocess_behavior": "completed",
        "max_active_runs": 2,
        "run_backwards": False,
        "dag_run_conf": {},
    }
    airflow.call("POST", "/backfills", body)
    airflow.wait("the backfill's runs", lambda: len(runs(airflow, DAILY)) == 2 * DAYS)
    wait_for_runs(airflow, 2 * DAYS)
    check(bik, database, EARLIEST)
    assert bik.ledger.counts("pipeline")["realtime",] == realtime

    before = bik.ledger.count()
    now = datetime.now(shop.ZONE).isoformat()
    airflow.call("POST", f"/dags/{DAILY}/dagRuns", {"logical_date": now})
    wait_for_runs(airflow, 2 * DAYS + 1)
    # Without a logical date it has no day to send, and says so.
    airflow.call("POST", f"/dags/{DAILY}/dagRuns", {"logical_date": None})
    wait_for_runs(airflow, 1, state="failed")
    assert bik.ledger.count() == before
