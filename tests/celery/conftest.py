from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_bik.sandbox import FaultPlan, Sandbox
from tests.celery.celery_airflow import CeleryAirflow, cannot_run
from tests.s3 import S3

HERE = Path(__file__).parent
NUMBER = 6000
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of orders, numbered from 0, within January 2026."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    # The query compares text with text, and the ends of a window have milliseconds.
    times = ((FIRST + n * timedelta(minutes=5)).isoformat(timespec="milliseconds") for n in range(NUMBER))
    orders = ((n, f"c{n}@example.com", time) for n, time in enumerate(times))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, email TEXT, recorded_at TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", orders)
    return path


@pytest.fixture(scope="module")
def whole_bik() -> Iterator[Sandbox]:
    # Slow enough to be killed half-way, and for two requests at a time.
    with Sandbox(faults=FaultPlan(latency=(0.04, 0.06))) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def store() -> Iterator[S3]:
    with S3() as server:
        yield server


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, whole_bik: Sandbox, store: S3, shop: Path
) -> Iterator[CeleryAirflow]:
    """A running Airflow with the DAGs beside this file and two workers.

    Where that cannot be, the test is skipped, unless the environment insists on it by BIK_REQUIRE_CELERY=1.
    """
    if reason := cannot_run():
        if os.environ.get("BIK_REQUIRE_CELERY") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    shutil.copy(HERE / "shop_dags.py", home / "dags")
    bik_default = {"conn_type": "bik", "host": whole_bik.url, "login": "sandbox-key", "password": "sandbox-secret"}
    environment = {
        **store.environment,
        "AIRFLOW_CONN_BIK_DEFAULT": json.dumps(bik_default),
        "AIRFLOW_CONN_SHOP_DB": json.dumps({"conn_type": "sqlite", "host": str(shop)}),
        "BIK_SHARED": store.path("bik"),
        "BIK_LOCAL": f"file://{CeleryAirflow.disk_at(home)}/bik",
    }
    with pytest.MonkeyPatch.context() as patch:
        runtime = home / "run"
        runtime.mkdir(mode=0o700)
        # Where the PostgreSQL that comes as a package keeps its socket.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        with CeleryAirflow(home, dags=2, environment=environment) as running:
            yield running


@pytest.fixture
def bik(whole_bik: Sandbox) -> Sandbox:
    """BIK, of which no event is known yet."""
    whole_bik.clear()
    return whole_bik
