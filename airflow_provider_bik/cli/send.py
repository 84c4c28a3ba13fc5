"""``send``: one file, delivered as the operator delivers it, with a record of its own, so that it can go on."""

from __future__ import annotations

import argparse
import inspect
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_bik.cli.connection import add_conn_id, look_up_connections_as_airflow_does
from airflow_provider_bik.cli.file_arguments import add_file_arguments, mapping_of, reading_of
from airflow_provider_bik.cli.screen import show_table
from airflow_provider_bik.errors import BikConfigError

if TYPE_CHECKING:
    from airflow_provider_bik.cli.watching import Watching
    from airflow_provider_bik.operators.bik import BikSendEventsOperator

__all__ = ["add_delivery_arguments", "describe", "run"]

_SHOWN = ("read", "confirmed", "deliverable", "rejected", "skipped", "unresolved", "possible_duplicates", "requests")
_PATHS = ("rejected_path", "record_path")


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.description = (
        "Send a file of events or rows, as the operator would. What was sent is kept below the state path: run the "
        "same command again after a failure, and it goes on from there. Personal data is never shown."
    )
    parser.set_defaults(run=run, parser=parser)
    add_file_arguments(parser)
    add_delivery_arguments(parser)


def add_delivery_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe how a file is delivered."""
    parser.epilog = "Exit code: 0 if all of it is delivered, 1 if not, 2 if the arguments are wrong."
    option = parser.add_argument
    add_conn_id(parser)
    option("--state-path", metavar="PATH", help="folder for the record (default: the Airflow option [bik] state_path)")
    option("--stream", metavar="NAME", help="under which others know of this delivery (default: the path of the file)")
    option(
        "--if-delivered",
        choices=("refuse", "skip", "resend"),
        default="refuse",
        help="(default: %(default)s) what happens if the stream was delivered before",
    )
    option(
        "--max-rejected",
        type=_number,
        default=0,
        metavar="N",
        help="how many rejected events still count as success: a number, or a share such as 0.01 (default: 0)",
    )
    option("--dry-run", action="store_true", help="read, check and report; send and write nothing")


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def run(given: argparse.Namespace) -> int:
    """Deliver the file; returns the exit code."""
    from airflow.providers.common.compat.sdk import AirflowException  # noqa: PLC0415 - --help can do without

    from airflow_provider_bik.cli.watching import Watching, ended_by_signals  # noqa: PLC0415 - as above

    look_up_connections_as_airflow_does()
    try:
        operator = _operator(given)
    except BikConfigError as error:
        given.parser.error(error.message)
    command = _Command()
    execute = inspect.unwrap(type(operator).execute)  # Airflow wraps it with a check that a task calls it
    said = None
    with Watching() as watching, ended_by_signals(operator.on_kill) as signals:
        try:
            command.report = execute(operator, cast("Any", command.context(watching)))
        except AirflowException as error:
            said = str(error)
    if command.report:
        _show(given.file, command.report)
    if said is not None:
        print(said, file=sys.stderr)  # noqa: T201 - for the person at the terminal
    if signals:
        print("It has ended in order. To go on, run the same command again.", file=sys.stderr)  # noqa: T201 - as above
    return 0 if said is None else 1


def _operator(given: argparse.Namespace) -> BikSendEventsOperator:
    """The operator that does what the command line says.

    Raises:
        BikConfigError: An argument is wrong.
    """
    from airflow_provider_bik.operators.bik import BikSendEventsOperator  # noqa: PLC0415 - --help can do without
    from airflow_provider_bik.operators.task_instance import state_folder  # noqa: PLC0415 - as above

    state_path = None if given.state_path is None else _absolute(given.state_path)
    if not given.dry_run and state_folder(state_path) is None:
        message = "--state-path is needed, or the Airflow option [bik] state_path: what was sent is kept there."
        raise BikConfigError(message)
    return BikSendEventsOperator(
        task_id="send",
        events=given.file,
        mapping=mapping_of(given),
        pipeline=given.pipeline,
        reading=reading_of(given),
        bik_conn_id=given.conn_id,
        state_path=state_path,
        stream=given.stream or f"file {_absolute(given.file)}",
        if_delivered=given.if_delivered,
        max_rejected=given.max_rejected,
        dry_run=given.dry_run,
    )


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).absolute())


class _Command:
    """Stands where a task instance of Airflow stands; each call of the command is a run of its own."""

    dag_id, task_id, map_index = "airflow bik", "send", -1
    try_number = max_tries = 1

    def __init__(self) -> None:
        self.run_id = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.report: Any = None

    def context(self, watching: Watching) -> dict[str, object]:
        """What the operator looks at."""
        return {"ti": self, "task_state_store": watching.store}

    def xcom_push(self, key: str, value: object) -> None:
        """Keep the report of a failed delivery; nobody reads anything else."""
        if key == "report":
            self.report = value


def _show(file: str, report: dict[str, Any]) -> None:
    """Show the counts that say something, and where more stands."""
    dry = report.get("dry_run", False)
    sent, other = ("would be sent", "confirmed") if dry else ("sent", "deliverable")
    rows: list[tuple[str, object]] = [
        (name.replace("_", " "), report[name]) for name in _SHOWN if name != other and report.get(name) is not None
    ]
    rows += [(f"{sent} as {pipeline}", count) for pipeline, count in report.get("pipelines", {}).items() if count]
    rows += [(f"rejected: {reason}", count) for reason, count in report.get("reasons", {}).items()]
    rows += [(name.replace("_", " "), report[name]) for name in _PATHS if report.get(name)]
    show_table(f"{file}{', dry run: nothing was sent' if dry else ''}", ("what", "number, or where"), rows)
