"""What differs between versions of Airflow, for tests: what a test cannot do without, and one way to what moved.

A test that needs something newer carries a marker from here, which skips it and names what is missing.
"""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_2_PLUS,
    AIRFLOW_V_3_3_PLUS,
)

__all__ = [
    "attach",
    "lineage_collector",
    "needs_airflow_2",
    "needs_airflow_3",
    "needs_asset_events_in_tests",
    "needs_checked_assets",
    "needs_cli_of_providers",
    "needs_execute_in_threads",
    "needs_no_pages",
    "needs_openlineage",
    "needs_opentelemetry_in_tasks",
    "needs_pages",
    "needs_retry_policies",
    "needs_runs_without_interval",
    "needs_task_state_store",
    "restored",
    "returned",
    "run",
    "stored_by_airflow",
    "stored_dag",
]


def _needs(here: bool, what: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not here, reason=f"this Airflow has no {what}")


needs_airflow_2 = pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="Airflow 3 has tests of its own, in tests/operators")
needs_airflow_3 = _needs(AIRFLOW_V_3_0_PLUS, "task SDK; tests/compat has the like for it")
needs_asset_events_in_tests = _needs(AIRFLOW_V_3_0_PLUS, "events of assets in dag.test()")
needs_checked_assets = _needs(AIRFLOW_V_3_0_PLUS, "check of assets by their provider")
needs_runs_without_interval = _needs(AIRFLOW_V_3_0_PLUS, "data intervals without length")
needs_execute_in_threads = _needs(AIRFLOW_V_3_0_PLUS, "way to execute an operator in another thread")
needs_pages = _needs(AIRFLOW_V_3_1_PLUS, "pages of plugins in its UI")
needs_no_pages = pytest.mark.skipif(AIRFLOW_V_3_1_PLUS, reason="this Airflow shows pages of plugins in its UI")
needs_cli_of_providers = _needs(AIRFLOW_V_3_2_PLUS, "commands of providers")
needs_opentelemetry_in_tasks = _needs(AIRFLOW_V_3_2_PLUS, "way to flush OpenTelemetry in a task")
needs_task_state_store = _needs(AIRFLOW_V_3_3_PLUS, "task state store")
needs_openlineage = pytest.mark.skipif(
    find_spec("airflow.providers.openlineage") is None, reason="OpenLineage's provider is not installed"
)
needs_retry_policies = _needs(AIRFLOW_V_3_3_PLUS, "retry policies")


def attach(storage: Any, *, protocol: str = "memory", conn_id: str | None = None) -> None:
    """Let Airflow know of an object storage; the Connection need not exist."""
    module = import_module("airflow.sdk.io" if AIRFLOW_V_3_0_PLUS else "airflow.io.store")
    module.attach(protocol, conn_id, fs=storage)


def lineage_collector() -> Any:
    """What hooks tell their lineage to, if somebody reads it."""
    module = import_module("airflow.sdk.lineage" if AIRFLOW_V_3_2_PLUS else "airflow.lineage.hook")
    return module.HookLineageCollector()


def run(dag: DAG, **options: Any) -> Any:
    """Run a DAG of the test's own; returns the DagRun. With Airflow 3, a run may have `logical_date` None."""
    if "logical_date" in options and not AIRFLOW_V_3_0_PLUS:
        options["execution_date"] = options.pop("logical_date")
    if AIRFLOW_V_3_0_PLUS:
        _let_airflow_know(dag)
    return dag.test(**options)


def _let_airflow_know(dag: DAG) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415 - Airflow 3 only

    bags: Any = import_module("airflow.dag_processing.dagbag" if AIRFLOW_V_3_2_PLUS else "airflow.models.dagbag")
    with tempfile.TemporaryDirectory() as empty:
        DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
        bag = bags.DagBag(dag_folder=empty)
        bag.bag_dag(dag)
        if AIRFLOW_V_3_1_PLUS:
            bags.sync_bag_to_db(bag, "dags-folder", None)
        else:
            dag.relative_fileloc = "made_by_a_test.py"
            bag.sync_to_db("dags-folder", None)


def returned(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
    """What a task left in XCom; of a mapped one, a list."""
    from airflow.utils.session import create_session  # noqa: PLC0415 - Airflow needs its database for these
    from sqlalchemy import select  # noqa: PLC0415 - as above

    xcom: Any = import_module("airflow.models.xcom")
    model = xcom.XComModel if AIRFLOW_V_3_0_PLUS else xcom.BaseXCom
    # Airflow 2 decodes a value when it loads the row.
    value_of = model.deserialize_value if AIRFLOW_V_3_0_PLUS else attrgetter("value")
    with create_session() as session:
        rows = session.scalars(
            select(model)
            .where(model.run_id == dag_run.run_id, model.dag_id == dag_run.dag_id)
            .where(model.task_id == task_id, model.key == key)
            .order_by(model.map_index)
        ).all()
        values = [value_of(row) for row in rows]
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


def stored_dag(dag: DAG) -> dict[str, Any]:
    """A DAG as Airflow stores it."""
    return dict(_serialization().to_dict(dag))


def restored(stored: dict[str, Any]) -> Any:
    """What Airflow's web interface makes of a stored DAG."""
    return _serialization().from_dict(stored)


def _serialization() -> Any:
    name = "DagSerialization" if AIRFLOW_V_3_2_PLUS else "SerializedDAG"
    return getattr(import_module("airflow.serialization.serialized_objects"), name)
