"""Runs the operator directly, try by try, and tells what is left of it on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator

__all__ = ["ORDERS", "Task", "orders"]

ORDERS = EventMapping(event_name="ordered", email="email", properties={"orderId": "id"})


def orders(number: int, first: int = 1) -> str:
    """A statement that makes a table of orders, in any dialect."""
    rows = ", ".join(f"({n}, 'c{n}@example.com')" for n in range(first, first + number))
    return f"CREATE TABLE orders AS SELECT * FROM (SELECT 0 AS id, '' AS email UNION ALL VALUES {rows}) t WHERE id > 0"


class Task:
    """One task of one run, with its files below a directory.

    Args:
        directory: For everything that the operator writes.
        run_id: Of the run; others share the watermark only.
        arguments: Of the operator.
    """

    def __init__(self, directory: Path, run_id: str = "run", **arguments: Any) -> None:
        self.directory, self.run_id = directory, run_id
        self.arguments = {
            "sql": "SELECT id, email FROM orders ORDER BY id",
            "conn_id": "shop",
            "mapping": ORDERS,
            "spool_path": str(directory / "spool"),
            "dead_letter_path": str(directory / "dead"),
            "checkpoint_path": str(directory / "checkpoints"),
            **arguments,
        }
        self.tries, self.max_tries = 0, 3
        self.pushed: dict[str, Any] = {}
        self.operator: SqlToBikOperator | None = None

    def clear(self) -> None:
        """As a person does it in the web page."""
        self.max_tries += 1

    def execute(self, *, rendered: Mapping[str, object] | None = None, **changes: Any) -> dict[str, Any]:
        """One try; returns the report.

        Args:
            rendered: What Airflow makes of templates after the operator was made.
            changes: Arguments that are others in this try.
        """
        self.tries += 1
        self.operator = SqlToBikOperator(task_id="send", **{**self.arguments, **changes})
        for name, value in (rendered or {}).items():
            setattr(self.operator, name, value)
        instance = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id="send",
            map_index=-1,
            try_number=self.tries,
            max_tries=self.max_tries,
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        return cast("dict[str, Any]", self.operator.execute(cast("Any", {"ti": instance})))

    def files(self, kind: str) -> list[Path]:
        """What is in one of its directories."""
        return sorted((self.directory / kind).iterdir()) if (self.directory / kind).exists() else []
