"""What a task process, or whatever parses DAGs, imports because of this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.startup import IMPORTS, added_modules
from tests.conftest import REPOSITORY

OWN = "airflow_provider_bik"
LATER = {
    "email_validator": "with the first event",
    "pandas": "if the events are a frame",
    "phonenumbers": "with the first event",
    "polars": "if the events are a frame",
    "pyarrow": "with a Parquet file",
    "rich": "by the commands",
    "starlette": "by the pages and the sandbox",
    "uvicorn": "by the sandbox",
}
"""The module -> when it is imported."""

PARSED = """
import json, sys
import airflow.sdk, airflow.models, airflow.timetables.interval
before = set(sys.modules)
sys.path.insert(0, {dags!r})
import {name}
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("title", IMPORTS)
def test_an_operator_imports_itself_and_what_belongs_to_airflow(title: str) -> None:
    modules = added_modules(IMPORTS[title])
    assert packages(modules) <= {OWN, "airflow"}
    assert not modules & {f"{OWN}.cli", f"{OWN}.sandbox", f"{OWN}.ui"}


@pytest.mark.parametrize("dag", sorted(path.stem for path in (REPOSITORY / "dags").glob("bik_*.py")))
def test_parsing_a_sample_dag_imports_nothing_that_only_a_delivery_needs(dag: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARSED.format(dags=str(REPOSITORY / "dags"), name=dag)],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert f"{OWN}.events" in modules
    assert not packages(modules) & LATER.keys()
