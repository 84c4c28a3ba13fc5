"""`airflow standalone` and the sandbox's command, each started as a person starts it at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from tests.scheduler.real_airflow import end_with_all_below, free_port

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0
"""Seconds within which whatever is waited for must have happened; only a broken test takes them."""


class Terminal:
    """A command that runs while its ``with`` block does; it leads a process group, and nothing below it is left.

    Args:
        log: Where its output goes.
        command: Arguments of Python.
        environment: For the command and all below it.
    """

    def __init__(self, log: Path, *command: str, environment: dict[str, str]) -> None:
        self.log = log
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                env=self._environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            end_with_all_below(self._process)

    def wait(self, what: str, happened: Callable[[], T | None]) -> T:
        """Ask until the answer is truthy, and return it; no answer is taken for not yet."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            assert self._process is not None
            assert self._process.poll() is None, f"{self._command} has ended.\n{self.tail()}"
            try:
                if answer := happened():
                    return answer
            except requests.RequestException:
                pass
            time.sleep(0.2)
        message = f"Waited for {what} in vain.\n{self.tail()}"
        raise AssertionError(message)

    def tail(self) -> str:
        """The end of its output."""
        return self.log.read_text("utf-8", "replace")[-5000:]


class Standalone(Terminal):
    """`airflow standalone` with everything as it comes, but for ports, paces, and where its files are.

    Args:
        home: A directory of its own, with the DAG files in ``dags``.
        environment: On top of that.
    """

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self._port = free_port()
        super().__init__(
            home / "standalone.log", "airflow", "standalone", environment={**self._settings(), **environment}
        )

    def _settings(self) -> dict[str, str]:
        settings = {
            "API__BASE_URL": self.url,
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self._port),
            "API__WORKERS": "1",
            "CORE__DAGS_FOLDER": str(self.home / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "4",
            "CORE__TEST_CONNECTION": "Enabled",
            "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            # So that a killed task is found out soon, and one on a busy machine is not taken for one.
            "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        paths = [str(ROOT), inherited.get("PYTHONPATH", "")]
        return {
            **inherited,
            **named,
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": "127.0.0.1",
            # It starts its parts by their name, as in an environment that is activated.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]]),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }

    @property
    def url(self) -> str:
        """Of its UI."""
        return f"http://127.0.0.1:{self._port}"

    def wait_until_up(self, dags: int) -> None:
        """Wait until all its parts are healthy and it knows so many DAGs."""
        self.wait("Airflow to be up", self._is_up)
        self.wait("the DAGs", lambda: self.get("/dags")["total_entries"] >= dags)

    def _is_up(self) -> bool:
        health = self._ask("GET", f"{self.url}/api/v2/monitor/health").json()
        return all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))

    def password(self) -> str:
        """Of the user ``admin``; the terminal says it, too."""
        written = self.home / "simple_auth_manager_passwords.json.generated"
        found: dict[str, str] = json.loads(written.read_text(encoding="utf-8"))
        return found["admin"]

    def get(self, path: str) -> Any:
        """Ask Airflow's REST API as the user ``admin``."""
        login = {"username": "admin", "password": self.password()}
        token = self._ask("POST", f"{self.url}/auth/token", json=login).json()["access_token"]
        return self._ask("GET", f"{self.url}/api/v2{path}", headers={"Authorization": f"Bearer {token}"}).json()

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, timeout=PATIENCE, **more)
        answer.raise_for_status()
        return answer


class LocalBik:
    """`python -m airflow_provider_bik sandbox`, which can be ended and started again with what it has received.

    Args:
        home: For its ledger and its output.
        faults: Its fault plan, each time that it starts.
    """

    def __init__(self, home: Path, faults: dict[str, object]) -> None:
        self.port = free_port()
        self._home = home
        (home / "faults.json").write_text(json.dumps(faults), encoding="utf-8")
        self._running: Terminal | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ("airflow_provider_bik", "sandbox", "--port", str(self.port), "--ledger", "ledger.db")
        self._running = Terminal(
            self._home / "sandbox.log",
            *(*command, "--faults", "faults.json"),
            environment={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        ).__enter__()
        self._running.wait("the sandbox", lambda: self._ask("GET", "stats"))

    def stop(self) -> None:
        """End it, as a machine that fails does."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None

    def plan(self, faults: dict[str, object]) -> None:
        """Put another fault plan in force."""
        self._ask("PUT", "faults", json=faults)

    def counts(self, by: str) -> dict[str, int]:
        """How many events it has stored, by a field."""
        rows = self._ask("GET", f"ledger/counts?by={by}").json()["counts"]
        return {str(row[by]): int(row["count"]) for row in rows}

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, f"http://127.0.0.1:{self.port}/{path}", timeout=PATIENCE, **more)
        answer.raise_for_status()
        return answer
