"""Runs a DAG made in a test in a real Airflow, and tells what Airflow stored of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bik.sandbox import Sandbox

KEY, SECRET, APP_ID = "key-of-the-tests", "secret-of-the-tests", "app-of-the-tests"


def event(number: int = 0, **changes: object) -> dict[str, Any]:
    """An event that BIK takes; each number makes another one."""
    return {
        "email": f"customer{number}@example.com",
        "eventName": "ordered",
        "eventProperties": {"orderId": f"order-{number}"},
        **changes,
    }


def connection(bik: Sandbox, **changes: object) -> str:
    """The value of AIRFLOW_CONN_BIK_DEFAULT for a sandbox."""
    return json.dumps({"conn_type": "bik", "host": bik.url, "login": KEY, "password": SECRET, **changes})


def run(dag: DAG, **options: Any) -> Any:
    """Run a DAG of the test's own; returns the DagRun."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415 - Airflow 3 and later only
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db  # noqa: PLC0415 - Airflow 3.3 and later only

    with tempfile.TemporaryDirectory() as empty:
        DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
        bag = DagBag(dag_folder=empty)
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        return dag.test(**options)


def returned(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
    """What a task left in XCom; of a mapped one, a list."""
    from airflow.models.xcom import XComModel  # noqa: PLC0415 - Airflow 3 and later only
    from airflow.utils.session import create_session  # noqa: PLC0415 - with the other imports of Airflow's insides
    from sqlalchemy import select  # noqa: PLC0415 - with the other imports of Airflow's insides

    with create_session() as session:
        rows = session.scalars(
            select(XComModel)
            .where(XComModel.run_id == dag_run.run_id, XComModel.dag_id == dag_run.dag_id)
            .where(XComModel.task_id == task_id, XComModel.key == key)
            .order_by(XComModel.map_index)
        ).all()
        values = [XComModel.deserialize_value(row) for row in rows]
    return values[0] if len(values) == 1 else values


def stored_by_airflow(dag_run: Any, task_id: str) -> str:
    """Everything that Airflow stored of a task's rendered fields and XCom, as text."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields  # noqa: PLC0415 - as above
    from airflow.utils.session import create_session  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    with create_session() as session:
        rendered = session.scalars(
            select(RenderedTaskInstanceFields).where(
                RenderedTaskInstanceFields.run_id == dag_run.run_id,
                RenderedTaskInstanceFields.dag_id == dag_run.dag_id,
                RenderedTaskInstanceFields.task_id == task_id,
            )
        ).all()
        fields = [json.dumps(row.rendered_fields, default=str) for row in rendered]
    return "\n".join([*fields, json.dumps(returned(dag_run, task_id), default=str)])


def log_text(home: Path) -> str:
    """All task logs that Airflow wrote so far."""
    return "\n".join(path.read_text("utf-8", "replace") for path in sorted((home / "logs").rglob("*.log")))
