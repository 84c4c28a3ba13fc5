"""Runs operators directly, try by try, and DAGs in a real Airflow; tells what is left of either."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from airflow.providers.common.compat.sdk import BaseOperator

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


class Store:
    """A task state store that lives in memory, with Airflow's three calls; holds JSON only, as that one does."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self.values.get(key, "null"))

    def set(self, key: str, value: object) -> None:
        self.values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


class TaskInstance:
    """A task instance of one run, as far as the operators look at it.

    Args:
        run_id: Of its run.
        task_id: Of the task.
        store: Its task state store, if Airflow has one.
        run_type: Of its run.
        more: What else is in the context.
    """

    def __init__(
        self,
        run_id: str = "run",
        *,
        task_id: str = "send",
        store: Any = None,
        run_type: str = "manual",
        **more: Any,
    ) -> None:
        self.run_id, self.task_id, self.store = run_id, task_id, store
        self.dag_run = SimpleNamespace(run_type=run_type, clear_number=0)
        self.more = more
        self.tries, self.max_tries = 0, 3
        self.pushed: dict[str, Any] = {}

    def clear(self) -> None:
        """As a person does it in the web page."""
        self.max_tries = self.tries + 3

    def execute(self, operator: BaseOperator) -> dict[str, Any]:
        """One try; returns the report."""
        self.tries += 1
        instance = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id=self.task_id,
            map_index=-1,
            try_number=self.tries,
            max_tries=self.max_tries,
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        context = {"ti": instance, "dag_run": self.dag_run, **self.more}
        if self.store is not None:
            context["task_state_store"] = self.store
        return cast("dict[str, Any]", operator.execute(cast("Any", context)))


def rejected_lines(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What is in the file of rejected events that a report names."""
    path = Path(str(report["rejected_path"]).removeprefix("file://"))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def files_of(state: Path, name: str) -> list[Path]:
    """The files of a name, or a pattern, in all records below a state path."""
    return sorted(state.rglob(name))


def named(report: dict[str, Any]) -> set[int]:
    """The positions of all possible duplicates that a report names."""
    return {n for start, end in report["possible_duplicate_ranges"] for n in range(start, end)}


def log_text(home: Path) -> str:
    """All task logs that Airflow wrote so far."""
    return "\n".join(path.read_text("utf-8", "replace") for path in sorted((home / "logs").rglob("*.log")))
