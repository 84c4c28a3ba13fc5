from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from airflow_provider_bik.sandbox import __main__ as command
from airflow_provider_bik.sandbox import contract, faults

ROOT = Path(__file__).resolve().parents[2]
MODULE = "airflow_provider_bik.sandbox"
PATIENCE = 30


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", MODULE, "--port", "0", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command_line = [sys.executable, *arguments]
    return subprocess.run(
        command_line, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def greeting(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(5)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    with running("--ledger", str(tmp_path / "ledger.db")) as process:
        lines = greeting(process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    url = lines[0].removeprefix("BIK sandbox: ").rstrip("/")
    name, _, value = shlex.split(lines[2])[1].partition("=")
    assert name == "AIRFLOW_CONN_BIK_DEFAULT"
    assert json.loads(value) == {
        "conn_type": "bik",
        "host": url,
        "login": "sandbox-key",
        "password": "sandbox-secret",
        "extra": {"app_id": "sandbox-app"},
    }


def test_every_option_reaches_the_sandbox(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"seed": 5}')
    given = ["--api-key", "k", "--api-secret", "s", "--app-id", "a", "--faults", str(plan)]
    given += ["--require", "ordered:orderId", "--require", "ordered:currency", "--max-body-bytes", "99", "--port", "0"]
    with command.sandbox(command.parser().parse_args(given)) as bik:
        assert bik.faults == faults.FaultPlan(seed=5)
        assert (bik.rules.api_key, bik.rules.api_secret, bik.rules.app_id) == ("k", "s", "a")
        assert (bik.rules.max_body_bytes, bik.rules.required_properties) == (99, {"ordered": ["orderId", "currency"]})


@pytest.mark.parametrize(
    "arguments",
    [["--port", "70000"], ["--require", "ordered"], ["--require", ":x"]],
)
def test_a_wrong_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parser().parse_args(arguments)
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("plan", ["[]", None])
def test_a_plan_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, plan: str | None) -> None:
    path = tmp_path / "plan.json"
    if plan is not None:
        path.write_text(plan)
    ended = run(["-m", MODULE, "--faults", str(path)])
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)


def test_a_file_that_is_no_ledger_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("a shopping list\n")
    ended = run(["-m", MODULE, "--port", "0", "--ledger", str(path)])
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"{path} is no ledger of the sandbox\n")


def test_the_documentation_names_every_option_fault_and_setting() -> None:
    text = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    options = re.findall(r"--[a-z-]+", command.parser().format_help().replace("--help", ""))
    settings = [field.name for kind in (faults.Fault, faults.FaultPlan) for field in dataclasses.fields(kind)]
    names = {*options, *settings, *get_args(faults.Kind), *get_args(faults.OnBadEvent), *contract.PIPELINES} - {"kind"}
    assert [name for name in sorted(names) if f"`{name}" not in text] == []
    for plan in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        assert faults.FaultPlan.from_json(plan).rates


def test_without_the_extra_it_names_the_extra_in_one_line() -> None:
    script = f"""
        import runpy, sys
        sys.modules["uvicorn"] = None
        sys.argv = ["sandbox"]
        runpy.run_module("{MODULE}", run_name="__main__")
    """
    ended = run(["-c", textwrap.dedent(script)])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "The sandbox needs uvicorn: pip install 'airflow-provider-bik[sandbox]'\n"


def test_the_fixture_gives_a_sandbox_to_a_users_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(f'pytest_plugins = ["{MODULE}.pytest_plugin"]\n')
    (tmp_path / "test_dag.py").write_text(
        "def test_first(bik_sandbox):\n"
        "    assert bik_sandbox.url.startswith('http://127.0.0.1:')\n"
        "    assert bik_sandbox.ledger.count() == 0\n"
    )
    ended = run(
        ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    )
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
