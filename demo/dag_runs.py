"""The demo's Airflow process: runs each leg's DAG as `airflow dags test` would, and writes its outcome to a JSON file.

Call: `python -m demo.dag_runs FOLDER SANDBOX_URL TODAY`.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from demo import shop
from demo.ledger import Ledger
from demo.legs import Leg, Outcome, legs


def run(leg: Leg, ledger: Ledger) -> Outcome:
    """Run one DAG and collect what it says and what the sandbox says."""
    dag = _bag().get_dag(leg.dag_id)
    if dag is None:
        message = f"{leg.dag_id} is not in the DAGs folder or cannot be imported."
        raise LookupError(message)
    dated = {"logical_date" if AIRFLOW_V_3_0_PLUS else "execution_date": leg.logical_date}
    dag_run = dag.test(run_conf=leg.conf, **dated)
    pulled = [
        ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
        for ti in dag_run.get_task_instances()
        if ti.task_id.startswith("send")
    ]
    reports = [report for report in pulled if report]
    return Outcome(state=str(getattr(dag_run.state, "value", dag_run.state)), reports=reports, ledger=ledger.counts())


def _bag() -> Any:  # noqa: ANN401 - its class depends on the version
    folder = Path(conf.get("core", "dags_folder"))
    try:
        from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415 - Airflow 3.2 and later
    except ImportError:
        from airflow.models.dagbag import DagBag  # noqa: PLC0415 - Airflow below 3.2

        # Airflow has its DAGs folder on the path.
        sys.path.insert(0, str(folder))
        return DagBag(folder)
    return BundleDagBag(folder, bundle_path=folder)


def main(folder: str, sandbox: str, today: str) -> None:
    """Run all legs, stopping at the first that fails."""
    for leg in legs(date.fromisoformat(today)):
        if leg.new_views:
            # Seconds apart, so that all of them are young enough to be real-time events.
            first = datetime.now(UTC) - timedelta(minutes=5)
            shop.add_views(Path(folder, "shop.db"), first, leg.new_views, every=timedelta(seconds=2))
        outcome = run(leg, Ledger(sandbox))
        target = Path(folder, f"{leg.name}.json")
        part = target.with_suffix(".part")
        part.write_text(json.dumps(outcome.as_dict()), encoding="utf-8")
        part.replace(target)
        if outcome.state != "success":
            sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
