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

from airflow_provider_bik.client import BikClient
from airflow_provider_bik.inputs.sql import Query
from airflow_provider_bik.operators.delivering import Delivering
from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.state.generation_file import GenerationFile
from airflow_provider_bik.state.record import OpenGeneration
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator
from tests.operators.support import files_of, named
from tests.transfers.conftest import Database
from tests.transfers.support import Task, orders

ORDER = "eventProperties.orderId"
ROWS = 2000

_context = get_context("forkserver")
# Importing Airflow takes seconds, which each process would take anew.
_context.set_forkserver_preload(["tests.transfers.test_killed"])

POINTS: dict[str, tuple[Any, str, int]] = {
    "in extraction": (Query, "_fetch", 1),
    "in extraction, half-way": (Query, "_fetch", 15),
    # The first is that of the record.
    "in extraction, before the file is there": (os, "fsync", 2),
    # After the record and the file.
    "before the third file is written": (Folder, "write", 3),
    "before anything is sent": (GenerationFile, "read", 1),
    "in sending": (BikClient, "send", 9),
    "before it is delivered": (OpenGeneration, "conclude", 1),
    "after it is delivered": (Delivering, "_tidy_up", 1),
    "before the file is removed": (GenerationFile, "remove", 1),
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
    report = task.run()
    (directory / "report.json").write_text(json.dumps(report))


def run_try(directory: Path, number: int, arguments: dict[str, Any], point: str = "") -> int | None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
    process = _context.Process(target=one_try, args=(directory, number, environment, arguments, point))
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize("incremental", [False, True], ids=["whole", "incremental"])
@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_and_every_duplicate_is_named(
    bik: Sandbox, sqlite: Database, tmp_path: Path, point: str, incremental: bool
) -> None:
    sqlite.run(orders(ROWS))
    arguments: dict[str, Any] = {"fetch_size": 100}
    if incremental:
        arguments |= {
            "operator": SqlToBikIncrementalOperator,
            "sql": "SELECT id, email FROM orders WHERE id >= :watermark ORDER BY id",
            "watermark_column": "id",
            "start": 0,
            "stream": "orders",
        }
    assert run_try(tmp_path, 1, arguments, point) == -signal.SIGKILL
    assert not (tmp_path / "report.json").exists()
    left = files_of(tmp_path, "*input*")
    if point.startswith("in extraction"):
        assert [path.name for path in left if not path.name.startswith(".")] == []
        assert left, "it was killed elsewhere"
        assert bik.requests == []
    elif point != "before the third file is written":
        sqlite.run("DROP TABLE orders")
    assert run_try(tmp_path, 2, arguments) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    stored = {int(str(key[0])): count for key, count in bik.ledger.counts(ORDER).items()}
    assert sorted(stored) == list(range(1, ROWS + 1))
    assert report["confirmed"] == ROWS
    assert {n for n, count in stored.items() if count > 1} <= {n + 1 for n in named(report)}
    [record] = files_of(tmp_path, "record.json")
    assert json.loads(record.read_text())["current"]["state"] == "delivered"
    if incremental:
        [reached] = files_of(tmp_path, "seen.*.json")
        assert json.loads(reached.read_text())["watermark"] == ["int", str(ROWS)]
    sqlite.run("DROP TABLE IF EXISTS orders")
    sqlite.run(orders(3, first=ROWS + 1))
    assert Task(tmp_path, "the next run", **arguments).run()["confirmed"] == 3
