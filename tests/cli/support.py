"""Runs the commands as real processes, as `python -m airflow_provider_bik` and as `airflow bik`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.versions import needs_cli_of_providers

__all__ = ["AIRFLOW_WAY", "APP_ID", "BOTH_WAYS", "connection", "events", "run", "started"]

APP_ID = "sandbox-app"
PYTHON_WAY = (sys.executable, "-m", "airflow_provider_bik")
AIRFLOW_WAY = (sys.executable, "-m", "airflow", "bik")
BOTH_WAYS = [
    pytest.param(PYTHON_WAY, id="python -m airflow_provider_bik"),
    pytest.param(AIRFLOW_WAY, id="airflow bik", marks=needs_cli_of_providers),
]
_PATIENCE = 120.0
_LOG_LINE = re.compile(r"\[?\d{4}-\d\d-\d\dT")


def connection(bik: Sandbox, **changes: object) -> str:
    """The value of AIRFLOW_CONN_BIK_DEFAULT for a sandbox."""
    stored = {"conn_type": "bik", "host": bik.url, "login": "sandbox-key", "password": "sandbox-secret"}
    return json.dumps({**stored, "extra": {"app_id": APP_ID}, **changes})


def events(path: Path, number: int, bad: Iterable[int] = ()) -> Path:
    """A file of events, some of them without anybody's address."""
    path.write_text(
        "".join(
            json.dumps(
                {
                    "email": "kavya" if n in bad else f"kavya{n}@example.com",
                    "eventName": "ordered",
                    "eventProperties": {"orderId": f"order-{n}"},
                }
            )
            + "\n"
            for n in range(number)
        )
    )
    return path


def started(
    *arguments: str, way: tuple[str, ...] = PYTHON_WAY, cwd: Path, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [*way, *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    *arguments: str, way: tuple[str, ...] = PYTHON_WAY, cwd: Path, environment: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run a command; gives its exit code and what it wrote."""
    process = started(*arguments, way=way, cwd=cwd, environment=environment)
    out, error = process.communicate(timeout=_PATIENCE)
    # Below 3.3, Airflow logs to the standard output, also before the command begins.
    own = (line for line in out.splitlines(keepends=True) if not _LOG_LINE.match(line))
    return process.returncode, "".join(own), error
