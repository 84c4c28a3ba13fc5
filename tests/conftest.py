"""A metadata database and a home for Airflow of the tests' own, made before Airflow is imported for the first time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.s3 import s3, s3_server

__all__ = ["s3", "s3_server"]

REPOSITORY = Path(__file__).parent.parent

# One home for each process: pytest-xdist runs several of them, and SQLite has one writer.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)

# How fast a busy machine makes and runs examples says nothing of what is tested.
hypothesis.settings.register_profile(
    "whatever the time", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("whatever the time")

os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
    AIRFLOW__CORE__INTERNAL_API_SECRET_KEY="only-for-tests",
    AIRFLOW__API_AUTH__JWT_SECRET="only-for-tests-and-long-enough-to-pass-for-a-secret-of-64-bytes-and-more",
    # Where a developer's environment says where OpenLineage's events go, each run of a test would send some.
    AIRFLOW__OPENLINEAGE__DISABLED="True",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones go first: begun last, each would keep one process busy while the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """Airflow's home, with an up-to-date metadata database in it."""
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return Path(_HOME.name)


@pytest.fixture(scope="session", autouse=True)
def _home_goes_when_the_tests_end() -> Iterator[None]:
    yield
    _HOME.cleanup()
