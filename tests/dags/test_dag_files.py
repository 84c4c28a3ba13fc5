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
    assert {task.task_id: task.upstream_task_ids for task in daily.tasks} == {
        "choose_day": set(),
        "send_orders": {"choose_day"},
        "send_carts": {"choose_day"},
        "extract_customers": {"choose_day"},
        "send_customers": {"extract_customers"},
    }
    backfill = bag.dags["bik_historical_backfill"]
    assert {task.task_id: task.upstream_task_ids for task in backfill.tasks} == {
        "plan": set(),
        "send_customers": {"plan"},
        "send_carts": {"plan", "send_customers"},
        "send_orders": {"plan", "send_carts"},
        "check": {"plan", "send_customers", "send_carts", "send_orders"},
    }


def test_the_form_knows_its_types(bag: DagBag) -> None:
    params = bag.dags["bik_historical_backfill"].params
    schemas = {name: params.get_param(name).schema for name in params}
    assert schemas["from"]["format"] == schemas["to"]["format"] == "date"
    assert schemas["window_days"]["type"] == "integer"
    assert schemas["dry_run"]["type"] == "boolean"
    assert all(schema["title"] for schema in schemas.values())
    assert all(params.get_param(name).description for name in params)
