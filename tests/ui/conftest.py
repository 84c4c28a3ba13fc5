from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task

from airflow_provider_bik.events import Reading
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.ui.plugin import BikPlugin
from tests.operators.support import APP_ID, KEY, SECRET, connection, event
from tests.versions import run

_numbers = itertools.count()

HOSTILE = "<img src=x onerror=alert(1)>"
"""A property's name that would do something, were it not escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A run with one delivery, of 8 events of which 3 are rejected.

    Attributes:
        dag_id: Of its DAG.
        run_id: Of the run.
        state: The state path.
    """

    dag_id: str
    run_id: str
    state: Path

    @property
    def query(self) -> dict[str, str]:
        """What the page of a delivery is asked for."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": "send", "map_index": "{MAP_INDEX}"}


@pytest.fixture(scope="module")
def delivered(airflow_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    """A real run of a real DAG, on Airflow's real database."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch, Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID) as bik:
        patch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik))
        patch.setenv("AIRFLOW__BIK__STATE_PATH", str(state))
        with DAG(f"ui_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
            BikSendEventsOperator(
                task_id="send",
                events=[
                    *(event(number) for number in range(5)),
                    event(5, eventName=""),
                    event(6, eventProperties={HOSTILE: float("inf")}),
                    event(7, email="priya@", phoneNumber=None),
                ],
                reading=Reading(timezone="Asia/Kolkata"),
                stream="orders",
                window="2026-01-05T00:00:00+05:30/2026-01-06T00:00:00+05:30",
                max_rejected=0.5,
            )
        found = run(dag)
        assert found.state == "success"
        yield Delivered(dag_id=dag.dag_id, run_id=found.run_id, state=state)


@pytest.fixture(scope="module")
def mapped(airflow_db: Path) -> dict[str, str]:
    """A real run of which one task was split into two windows, and another one never will be; names of both by key."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID) as bik:
        patch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik))
        with DAG(f"ui_{next(_numbers)}", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
            BikSendEventsOperator.partial(task_id="split").expand(events=[[event(1)], [event(2)]])

            @task(retries=0)
            def windows() -> list[list[dict[str, Any]]]:
                raise AirflowFailException

            BikSendEventsOperator.partial(task_id="not_split").expand(events=windows())
        return {"dag_id": dag.dag_id, "run_id": run(dag).run_id}


@pytest.fixture
def pages(airflow_db: Path) -> Iterator[Any]:
    """The pages as an API server has them that has just been started, asked over HTTP."""
    from airflow.api_fastapi.app import init_auth_manager  # noqa: PLC0415 - Airflow 3 and later only
    from fastapi import FastAPI  # noqa: PLC0415 - Airflow 3 and later only
    from starlette.testclient import TestClient  # noqa: PLC0415 - as above

    server = FastAPI()
    for app in BikPlugin.fastapi_apps:
        server.mount(app["url_prefix"], type(app["app"])())
    init_auth_manager(server)
    with TestClient(server) as client:
        yield client


def headers(role: str | None) -> dict[str, str]:
    """Log somebody in, with a token that Airflow takes."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - Airflow 3 and later only
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415 - as above

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=f"a-{role}", role=role))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def viewer(pages: Any) -> dict[str, str]:
    """Somebody who may read all DAGs and change none."""
    return headers("viewer")


@pytest.fixture
def stranger(pages: Any) -> dict[str, str]:
    """Somebody with an account and no right."""
    return headers(None)


@pytest.fixture
def state_path(delivered: Delivered, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The option that the API server reads."""
    monkeypatch.setenv("AIRFLOW__BIK__STATE_PATH", str(delivered.state))
    return delivered.state


class TaskState:
    """Sets the state of the delivery's task instance, as a worker and the scheduler do."""

    def __init__(self, delivered: Delivered) -> None:
        self._delivered = delivered

    def __call__(self, state: str) -> None:
        from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415 - Airflow's insides
        from airflow.utils.session import create_session  # noqa: PLC0415 - as above
        from sqlalchemy import update  # noqa: PLC0415 - as above

        with create_session() as session:
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.dag_id == self._delivered.dag_id, TaskInstance.run_id == self._delivered.run_id)
                .values(state=state, start_date=datetime(2026, 1, 5, 19, 30, tzinfo=UTC))
            )


@pytest.fixture
def task_state(delivered: Delivered) -> Iterator[TaskState]:
    """What sets it; it is as it was afterwards."""
    change = TaskState(delivered)
    yield change
    change("success")
