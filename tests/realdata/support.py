"""Sends small inputs through the real operator to a local BIK, and tells what became of them.

The cases are called s01 to s32, the kinds K1 to K15, as in issue 8. People, numbers and shops are invented.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox

MOBILE = "+919812345670"
"""An Indian number that exists on paper only."""

_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an input.

    Attributes:
        report: The report, also of a task that failed.
        events: What BIK stored, in the order of arrival, without the flags.
        pipelines: Of these events.
        created_at: Of these events.
        rejected: The lines of the file of rejected events.
        error: The text of the error, if the task failed.
        log: What the task logged.
    """

    report: dict[str, Any]
    events: list[dict[str, Any]]
    pipelines: list[str]
    created_at: list[str | None]
    rejected: list[dict[str, Any]]
    error: str | None
    log: list[str]

    @property
    def reasons(self) -> list[str]:
        return [str(line["reason"]) for line in self.rejected]

    def of(self, name: str) -> list[Any]:
        """A field of each event."""
        return [event.get(name) for event in self.events]

    @property
    def properties(self) -> list[Any]:
        return self.of("eventProperties")

    def logged(self, text: str) -> bool:
        return any(text in line for line in self.log)


@dataclass(kw_only=True)
class Shop:
    """A directory for exports, and the task that sends them."""

    bik: Sandbox
    directory: Path
    log: pytest.LogCaptureFixture
    pushed: dict[str, Any] = field(default_factory=dict)

    def file(self, name: str, content: str | bytes | list[Any]) -> str:
        """Write a file; a list as one object a line."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def send(self, events: object, mapping: Any = None, **arguments: Any) -> Outcome:
        """Run the task; an error ends up in the outcome."""
        arguments = {"state_path": str(self.directory / "state"), **arguments}
        return self.run(BikSendEventsOperator(task_id="send", events=events, mapping=mapping, **arguments))

    def run(self, operator: BikSendEventsOperator) -> Outcome:
        """Run a task of any kind that sends."""
        self.bik.clear()
        self.log.clear()
        run = f"run-{next(_numbers)}"
        pushed: dict[str, Any] = {}
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=run,
            task_id="send",
            map_index=-1,
            try_number=1,
            max_tries=0,
            xcom_push=pushed.setdefault,
        )
        ti.xcom_push = lambda key, value: pushed.update({key: value})
        error, report = None, {}
        with self.log.at_level("INFO"):
            try:
                report = cast("dict[str, Any]", operator.execute(cast("Any", {"ti": ti})))
            except Exception as exc:  # noqa: BLE001 - whatever the task fails with
                error = str(exc)
                report = pushed.get("report", {})
        stored = list(self.bik.ledger.stored())
        return Outcome(
            report=report,
            events=[_without_flags(item.event) for item in stored],
            pipelines=[str(item.pipeline) for item in stored],
            created_at=[cast("str | None", item.event.get("createdAt")) for item in stored],
            rejected=_lines(report.get("rejected_path")),
            error=error,
            log=[record.getMessage() for record in self.log.records],
        )


def _without_flags(event: Any) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in {"createdAt", "isMigration"}}


def _lines(path: str | None) -> list[dict[str, Any]]:
    return [] if path is None else [json.loads(line) for line in Path(path).read_text().splitlines()]
