from __future__ import annotations

import sys
from datetime import datetime, time
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from bik_shop import FIRST_DAY

from demo import shop

pytestmark = pytest.mark.airflow

DAILY, BACKFILL, INCREMENTAL = "bik_daily_incremental_sync", "bik_historical_backfill", "bik_incremental_by_column"


@pytest.fixture(scope="module")
def bag(airflow_db: Path) -> DagBag:
    assert airflow_db.exists()
    return DagBag()


def test_the_folder_imports_without_errors_or_warnings(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert set(bag.dags) == {DAILY, BACKFILL, INCREMENTAL}


def test_every_dag_says_what_it_does(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert dag.description
        assert dag.doc_md
        assert "\n## " in dag.doc_md


def test_what_is_handed_over_makes_the_order_of_the_tasks(bag: DagBag) -> None:
    assert {task.task_id: task.upstream_task_ids for task in bag.dags[DAILY].tasks} == {
        "send_orders": set(),
        "send_carts": set(),
        "extract_customers": set(),
        "send_customers": {"extract_customers"},
    }
    assert {task.task_id: task.upstream_task_ids for task in bag.dags[BACKFILL].tasks} == {
        "plan": set(),
        "send_customers": {"plan"},
        "send_carts": {"plan", "send_customers"},
        "send_orders": {"plan", "send_carts"},
        "sum_up": {"send_customers", "send_carts", "send_orders"},
    }


def test_the_form_knows_its_types(bag: DagBag) -> None:
    params = bag.dags[BACKFILL].params
    schemas = {name: params.get_param(name).schema for name in params}
    assert schemas["from"]["format"] == schemas["to"]["format"] == "date"
    assert schemas["window_days"]["type"] == "integer"
    assert schemas["dry_run"]["type"] == "boolean"
    assert all(schema["title"] for schema in schemas.values())
    assert all(params.get_param(name).description for name in params)


def test_the_form_sends_nothing_unless_asked(bag: DagBag) -> None:
    assert bag.dags[BACKFILL].params["dry_run"] is True


def test_the_daily_dag_begins_with_its_first_day(bag: DagBag) -> None:
    dag = bag.dags[DAILY]
    assert FIRST_DAY is not None
    assert dag.start_date == datetime.combine(FIRST_DAY, time.min, tzinfo=shop.ZONE)
    assert dag.catchup


def test_until_its_first_day_is_set_the_daily_dag_has_no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIK_FIRST_DAY")
    monkeypatch.delitem(sys.modules, "bik_shop")
    bag = DagBag()
    monkeypatch.delitem(sys.modules, "bik_shop")
    assert bag.import_errors == {}
    assert bag.dags[DAILY].schedule is None
    assert "FIRST_DAY" in str(bag.dags[DAILY].description)
    assert set(bag.dags) == {DAILY, BACKFILL, INCREMENTAL}
