"""A worker that is killed on the way from a database to BIK loses nothing, and a retry names what it doubles."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik import spool
from airflow_provider_bik.client import BikClient
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.sources.sql import Query
from airflow_provider_bik.transfers.incremental import Incremental
from tests.transfers.conftest import Database
from tests.transfers.support import Task, orders

ORDER = "eventProperties.orderId"
ROWS = 2000

_context = get_context("forkserver")
# Importing Airflow takes seconds, which each process would take anew.
_context.set_forkserver_preload(["tests.transfers.test_killed"])

POINTS: dict[str, tuple[Any, str, int]] = {
    "in extraction": (Query, "_fetch", 1),
    "in spooling, half-way": (Query, "_fetch", 15),
    # The first is that of the probe among the dead letters.
    "in spooling, before the file is there": (os, "fsync", 2),
    "before anything is sent": (spool.Spool, "rows", 1),
    "in sending": (BikClient, "send", 9),
    "before the watermark moves": (Incremental, "conclude", 1),
    "after the watermark has moved": (BikSendEventsOperator, "_conclude", 1),
    "before the spool is removed": (spool.Spool, "remove", 1),
}
"""Where, as a function, and the how manieth call of it."""


def kill_at(point: str) -> None:
    """Make this process end as by `kill -9` when it comes to a point."""
    owner, name, count = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def lethal(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given, **named)

    setattr(owner, name, lethal)


def one_try(directory: Path, number: int, environment: dict[str, str], arguments: dict[str, Any], point: str) -> None:
    """The whole of a worker's life."""
    os.environ.update(environment)
    task = Task(directory, **arguments)
    task.tries = number - 1
    if point:
        kill_at(point)
    report = task.execute()
    (directory / "report.json").write_text(json.dumps(report))


def run_try(directory: Path, number: int, arguments: dict[str, Any], point: str = "") -> int | None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
    process = _context.Process(target=one_try, args=(directory, number, environment, arguments, point))
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize(
    ("point", "watermark"),
    [(point, watermark) for point in POINTS for watermark in (False, True) if watermark or "watermark" not in point],
)
def test_nothing_is_lost_and_every_duplicate_is_named(
    bik: Sandbox, sqlite: Database, tmp_path: Path, point: str, watermark: bool
) -> None:
    sqlite.run(orders(ROWS))
    arguments: dict[str, Any] = {"batch_size": 50, "max_concurrency": 4, "fetch_size": 100}
    if watermark:
        arguments |= {
            "sql": "SELECT id, email FROM orders WHERE id >= :watermark ORDER BY id",
            "watermark_column": "id",
            "watermark_start": 0,
            "watermark_path": str(tmp_path / "watermarks"),
        }
    assert run_try(tmp_path, 1, arguments, point) == -signal.SIGKILL
    assert not (tmp_path / "report.json").exists()
    if point in {"in extraction", "in spooling, half-way", "in spooling, before the file is there"}:
        left = list((tmp_path / "spool").glob("*"))
        assert [path.name for path in left if not path.name.startswith(".")] == []
        assert bool(left) is ("spooling" in point), "it was killed elsewhere"
        assert bik.requests == []
    else:
        sqlite.run("DROP TABLE orders")
    assert run_try(tmp_path, 2, arguments) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    stored = {int(str(key[0])): count for key, count in bik.ledger.counts(ORDER).items()}
    assert sorted(stored) == list(range(1, ROWS + 1))
    assert report["confirmed"] == ROWS
    named = {n + 1 for start, end in report["possible_duplicate_ranges"] for n in range(start, end)}
    assert {n for n, count in stored.items() if count > 1} <= named
    assert list((tmp_path / "spool").iterdir()) == []
    if watermark:
        [state] = (tmp_path / "watermarks").iterdir()
        assert json.loads(state.read_text())["watermark"] == ROWS
