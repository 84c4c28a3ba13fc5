"""Runs the operators of queries directly, try by try, and tells what is left of it on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.operators.support import TaskInstance, files_of

__all__ = ["INPUT", "ORDERS", "Task", "orders"]

ORDERS = EventMapping(event_name="ordered", email="email", properties={"orderId": "id"})

INPUT = "input.ndjson.gz"
"""The file of the rows that are not delivered yet."""


def orders(number: int, first: int = 1) -> str:
    """A statement that makes a table of orders, in any dialect."""
    rows = ", ".join(f"({n}, 'c{n}@example.com')" for n in range(first, first + number))
    return f"CREATE TABLE orders AS SELECT * FROM (SELECT 0 AS id, '' AS email UNION ALL VALUES {rows}) t WHERE id > 0"


class Task(TaskInstance):
    """One task of one run, with its files below a directory.

    Args:
        directory: For everything that the operator writes.
        run_id: Of the run; others share the state.
        operator: The class of the operator.
        arguments: Of the operator.
    """

    def __init__(
        self,
        directory: Path,
        run_id: str = "run",
        *,
        operator: type[SqlToBikOperator] = SqlToBikOperator,
        **arguments: Any,
    ) -> None:
        super().__init__(run_id)
        self.state = directory / "state"
        self.arguments = {
            "sql": "SELECT id, email FROM orders ORDER BY id",
            "conn_id": "shop",
            "mapping": ORDERS,
            "state_path": str(self.state),
            **arguments,
        }
        self._kind = operator
        self.operator: SqlToBikOperator | None = None

    def run(self, *, rendered: Mapping[str, object] | None = None, **changes: Any) -> dict[str, Any]:
        """One try; returns the report.

        Args:
            rendered: What Airflow makes of templates after the operator was made.
            changes: Arguments that are others in this try.
        """
        self.operator = self._kind(task_id="send", **{**self.arguments, **changes})
        for name, value in (rendered or {}).items():
            setattr(self.operator, name, value)
        return self.execute(self.operator)

    def files(self, name: str) -> list[Path]:
        """The files of a name, or a pattern, in all records."""
        return files_of(self.state, name)
