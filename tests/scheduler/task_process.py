"""A process that runs the operator as Airflow's task runner does, for what a scheduler would only make slower.

What happens on SIGTERM is taken from Airflow: 3 calls ``on_kill`` in the signal handler and lets ``execute`` go on;
2.11 also raises an exception out of the handler, wherever the main thread happens to be. So does
``execution_timeout``, in all versions; it calls ``on_kill`` only once ``execute`` has ended.
"""

from __future__ import annotations

import contextvars
import json
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, Literal, cast

from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_provider_bik.operators.bik import BikSendEventsOperator
from tests.scheduler.evidence import State

__all__ = ["Handler", "TaskProcess"]

Handler = Literal["airflow 3", "airflow 2", "execution timeout"]

_context = get_context("forkserver")
# Importing Airflow takes seconds, which each process would take anew.
_context.set_forkserver_preload(["airflow_provider_bik.operators.bik", "airflow.sdk.definitions.connection"])


class TerminatedError(BaseException):
    """Airflow's AirflowTaskTerminated and AirflowTaskTimeout, which are no `Exception` either."""


class TaskProcess:
    """One task instance; each `start` is one try.

    Args:
        directory: For its state, and how its tries ended.
        events: The input's path.
        handler: Whose signal handler it has.
    """

    def __init__(self, directory: Path, events: Path, handler: Handler = "airflow 3") -> None:
        self.directory = directory
        self.state = State.below(directory / "state")
        self._events, self._handler = events, handler
        self._tries = 0

    def start(self, connection: str, *, stalls: float = 0, **options: Any) -> ForkServerProcess:
        """Start a try.

        Args:
            connection: The value of AIRFLOW_CONN_BIK_DEFAULT.
            stalls: Seconds for which the input gives nothing, after 1000 events.
            options: Further arguments of the operator.
        """
        self._tries += 1
        arguments = {
            "events": str(self._events) if not stalls else (str(self._events), stalls),
            "state_path": str(self.directory / "state"),
            "max_rejected": 10_000,
            **options,
        }
        process = _context.Process(
            target=_main, args=(arguments, connection, self._handler, self._tries, str(self._ending(self._tries)))
        )
        process.start()
        return process

    def ending(self, number: int | None = None) -> dict[str, Any]:
        """How a try ended, the last one unless its number is given: its error's class and text, or its report."""
        found: dict[str, Any] = json.loads(self._ending(number or self._tries).read_text())
        return found

    def _ending(self, number: int) -> Path:
        return self.directory / f"ending-{number}.json"


def _main(arguments: dict[str, Any], connection: str, handler: Handler, try_number: int, ending: str) -> None:
    os.environ["AIRFLOW_CONN_BIK_DEFAULT"] = connection
    if not isinstance(arguments["events"], str):
        arguments["events"] = _stalling(*arguments["events"])
    operator = BikSendEventsOperator(task_id="send", **arguments)

    def on_term(_number: int, _frame: FrameType | None) -> None:
        if handler != "execution timeout":
            operator.on_kill()
        if handler != "airflow 3":
            raise TerminatedError

    signal.signal(signal.SIGTERM, on_term)
    pushed: dict[str, Any] = {}
    task_instance = SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="send",
        map_index=-1,
        try_number=try_number,
        max_tries=3,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    context = contextvars.copy_context()
    context.run(ExecutorSafeguard.tracker.set, operator)
    result: dict[str, Any]
    try:
        result = {"report": context.run(operator.execute, context=cast("Any", {"ti": task_instance}))}
    except BaseException as error:  # noqa: BLE001 - the test judges what it is
        cause = getattr(error, "bik_error", error)
        result = {**pushed, "error": type(cause).__name__, "text": str(error)}
    Path(ending).write_text(json.dumps(result))


def _stalling(path: str, seconds: float) -> Iterator[Any]:
    with Path(path).open() as lines:
        for number, line in enumerate(lines):
            if number == 1000:
                time.sleep(seconds)
            yield json.loads(line)
