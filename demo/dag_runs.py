"""The demo's Airflow process: runs each leg's DAG as `airflow dags test` would, and writes its outcome to a JSON file.

Call: `python -m demo.dag_runs FOLDER SANDBOX_URL TODAY`.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

from demo import shop
from demo.ledger import Ledger
from demo.legs import Leg, Outcome, legs


def run(leg: Leg, ledger: Ledger) -> Outcome:
    """Run one DAG and collect what it says and what the sandbox says."""
    folder = Path(conf.get("core", "dags_folder"))
    dag = BundleDagBag(folder, bundle_path=folder).get_dag(leg.dag_id)
    if dag is None:
        message = f"{leg.dag_id} is not in the DAGs folder or cannot be imported."
        raise LookupError(message)
    dag_run = dag.test(logical_date=leg.logical_date, run_conf=leg.conf)
    sends = [task_id for task_id in dag.task_ids if task_id.startswith("send")]
    query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=leg.dag_id, task_ids=sends, key="return_value")
    with create_session() as session:
        reports = [XComModel.deserialize_value(row) for row in session.scalars(query)]
    return Outcome(state=str(dag_run.state.value), reports=reports, ledger=ledger.counts())


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
