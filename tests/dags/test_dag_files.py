from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def bag(airflow_db: Path) -> DagBag:
    assert airflow_db.exists()
    return DagBag()


def test_the_folder_imports_without_errors_or_warnings(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert set(bag.dags) == {"bik_daily_incremental_sync", "bik_historical_backfill"}


def test_what_is_handed_over_makes_the_order_of_the_tasks(bag: DagBag) -> None:
    daily = bag.dags["bik_daily_incremental_sync"]
    for kind in ("orders", "customers", "carts"):
        assert daily.get_task(f"send_{kind}").upstream_task_ids == {f"extract_{kind}"}
        assert daily.get_task(f"extract_{kind}").upstream_task_ids == {"choose_day"}
    backfill = bag.dags["bik_historical_backfill"]
    assert {task.task_id: task.upstream_task_ids for task in backfill.tasks} == {
        "plan": set(),
        "extract": {"plan"},
        "send": {"extract"},
        "check": {"plan", "send"},
    }


def test_the_form_knows_its_types(bag: DagBag) -> None:
    params = bag.dags["bik_historical_backfill"].params
    schemas = {name: params.get_param(name).schema for name in params}
    assert schemas["from"]["format"] == schemas["to"]["format"] == "date"
    assert schemas["window_days"]["type"] == "integer"
    assert schemas["dry_run"]["type"] == "boolean"
    assert all(schema["title"] for schema in schemas.values())
    assert all(params.get_param(name).description for name in params)
