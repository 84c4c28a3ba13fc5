"""The demo's other processes: started here, watched here, and ended here, whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.legs import CUT_OVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "sandbox-key"
API_SECRET = "sandbox-secret"  # noqa: S105 - made up, and known to the sandbox only
APP_ID = "sandbox-app"
PATIENCE = 30
"""Seconds for the sandbox to answer; starting it takes about one."""


class DemoError(Exception):
    """The demo cannot go on; the text says why and where to look."""


def environment(home: Path, sandbox: str) -> dict[str, str]:
    """Settings for the demo's own Airflow, untouched by those of another Airflow on this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    bik = {
        "conn_type": "bik",
        "host": sandbox,
        "login": API_KEY,
        "password": API_SECRET,
        "extra": {"app_id": APP_ID},
    }
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), inherited.get("PYTHONPATH")])),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_BIK_DEFAULT": json.dumps(bik),
        "AIRFLOW_CONN_SHOP_DB": json.dumps({"conn_type": "sqlite", "host": str(home / "shop.db")}),
        "AIRFLOW__BIK__STATE_PATH": f"file://{home / 'state'}",
        "BIK_FIRST_DAY": CUT_OVER.isoformat(),
    }


@contextlib.contextmanager
def started(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside the demo, with its output in a file, and end it on the way out."""
    with log.open("ab") as output:
        # In its own session, so that Ctrl-C reaches the demo alone and the demo decides the order.
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def sandbox(log: Path) -> Iterator[str]:
    """A local BIK on a free port; yields its URL."""
    command = [sys.executable, "-m", "airflow_provider_bik.sandbox", "--port", "0"]
    command += ["--api-key", API_KEY, "--api-secret", API_SECRET, "--app-id", APP_ID]
    with started(command, log, os.environ) as process:
        yield _await_url(process, log)


def _await_url(process: subprocess.Popen[bytes], log: Path) -> str:
    """The sandbox says where it is once it is up."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if said := re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8")):
            return said[0]
        time.sleep(0.1)
    message = f"The sandbox did not start. See {log}"
    raise DemoError(message)
