from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scheduler.real_airflow import RealAirflow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    """A running Airflow with the DAGs beside this file."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    for dag_file in ("sending_dags.py", "short_pause_dag.py"):
        shutil.copy(HERE / dag_file, home / "dags")
    with pytest.MonkeyPatch.context() as patch:
        runtime = home / "run"
        runtime.mkdir(mode=0o700)
        # Where the PostgreSQL that comes as a package keeps its socket.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        with RealAirflow(home, dags=4) as running:
            yield running
