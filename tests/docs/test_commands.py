"""Every command on the pages works: it is run here, or by the gate, or stands in a short list with a reason."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_bik.cli.commands import parser as commands_parser
from airflow_provider_bik.get_provider_info import get_provider_info
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.inputs.sql import database_hook
from airflow_provider_bik.sandbox import Sandbox
from airflow_provider_bik.sandbox.__main__ import parser
from tests.docs.pages import ROOT, commands

SANDBOX = "python -m airflow_provider_bik.sandbox"
COMMANDS = ("python -m airflow_provider_bik ", "airflow bik ")
CONNECTION = "export AIRFLOW_CONN_"
OPTION = "export AIRFLOW__BIK__"
NOT_RUN = {
    "pip install": "`make dist` installs the built wheel, with its extras, into a clean environment",
    "make help": "a test of its own runs it",
    "make tables": "it would change the pages; a test says whether they are stale",
    "make constraints": "it would renew the versions that these tests run with",
    "make clean": "it would remove the environment in which these tests run",
    "make storm": "it takes half an hour; `make test` runs a short form",
    "make matrix": "it takes hours; the gate runs the oldest Airflow of it by `make compat`",
    "make bench": "it takes some minutes; `make test` runs a quick form",
    "python -m benchmarks.startup": "it takes two minutes; `make test` runs what it measures, once",
    "python -m benchmarks.sql": "it takes some minutes; `make test` runs it over a small table",
    "python -m tests.delivery.simulation": "it prints the figures that `make test` compares with the scenario files",
    "make demo KEEP=1": "it stays up until Ctrl-C; without KEEP it is run by the gate",
    "airflow dags test": "the DAG of that name is run by the test of the snippets",
    "airflow state-store clean": "it is Airflow's own, and removes what has expired",
    "airflow backfill create": "it needs a running Airflow; tests/scheduler asks for the same backfill by the REST API",
}
"""Beginnings of commands that nothing runs, and why."""

AIRFLOW = {
    "airflow connections test": "Connection success!",
    "airflow connections add": "Successfully added",
    "airflow db migrate": "Database migration done!",
    "airflow version": "3.",
    "airflow pools set": "Pool bik created",
    "airflow providers get": "airflow-provider-bik",
}
"""Beginnings of commands that are run in a real Airflow, and what they say if all is well."""

DATABASES = {"postgres": True, "mysql": True, "snowflake": False, "gcpbigquery": False}
"""Types of Connections to databases on the pages, and whether what they need is installed here."""

ALL = list(dict.fromkeys(block.text for block in commands()))


def command_of(text: str) -> str:
    """The command line without the variables that stand before it."""
    return re.sub(r"^(?!export)(?:\w+=\S* )+", "", text)


def chosen(*beginnings: str) -> list[str]:
    return [text for text in ALL if command_of(text).startswith(beginnings)]


OF_DATABASES = [text for text in chosen(CONNECTION) if any(f'"conn_type": "{kind}"' in text for kind in DATABASES)]


def airflow(command: str, **environment: str) -> str:
    """Run a command line as it stands on the page; `airflow` is the one beside this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euc", command],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": path, **environment},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_no_command_is_left_out() -> None:
    covered = {*chosen("make ", *AIRFLOW, SANDBOX, *COMMANDS, CONNECTION, OPTION, *NOT_RUN)}
    assert [text for text in ALL if text not in covered] == []


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    said = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert re.findall(r"^make (\w+) +\S.*$", said, re.MULTILINE) == targets[1].split()


@pytest.mark.parametrize("command", chosen("make "))
def test_a_make_command_is_run_by_the_gate(command: str) -> None:
    if not command.startswith(tuple(NOT_RUN)):
        gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        assert " ".join(command.split()[:2]) in gate


@pytest.mark.parametrize("command", chosen(SANDBOX))
def test_a_command_line_of_the_sandbox_is_understood_by_it(command: str) -> None:
    arguments = shlex.split(command.removeprefix(SANDBOX).split("&")[0], comments=True)
    assert parser().parse_args([word for word in arguments if word != "…"])


@pytest.mark.parametrize("command", [text for text in chosen(*COMMANDS) if "…" not in text])
def test_a_command_line_of_the_package_is_understood_by_it(command: str) -> None:
    beginning = next(each for each in COMMANDS if command.startswith(each))
    assert commands_parser().parse_args(shlex.split(command.removeprefix(beginning)))


@pytest.mark.parametrize("command", [text for text in chosen(CONNECTION) if text not in OF_DATABASES])
def test_a_connection_on_the_pages_is_one_that_the_hook_takes(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, value = shlex.split(command)[1].partition("=")
    monkeypatch.setenv(name, value)
    settings = BikHook(name.removeprefix("AIRFLOW_CONN_").lower()).settings
    assert settings.base_url.startswith(("https://bikapi.bikayi.app", "http://127.0.0.1:"))
    assert settings.credentials.key
    assert settings.credentials.secret


@pytest.mark.parametrize("command", OF_DATABASES)
def test_a_connection_of_a_database_leads_to_it(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, value = shlex.split(command)[1].partition("=")
    conn_type = json.loads(value)["conn_type"]
    if DATABASES[conn_type]:
        monkeypatch.setenv(name, value)
        assert database_hook(name.removeprefix("AIRFLOW_CONN_").lower()).conn_type == conn_type


@pytest.mark.parametrize("command", chosen(OPTION))
def test_a_variable_on_the_pages_sets_an_option_that_the_provider_has(command: str) -> None:
    name, _, value = shlex.split(command)[1].partition("=")
    assert name.removeprefix(OPTION.split()[1]).lower() in get_provider_info()["config"]["bik"]["options"]
    assert value


@pytest.mark.airflow
@pytest.mark.usefixtures("airflow_db")
@pytest.mark.parametrize("command", chosen(*AIRFLOW))
def test_a_command_of_airflow_does_what_the_page_says(command: str) -> None:
    with Sandbox() as bik:
        environment = {"BIK_API_KEY": "sandbox-key", "BIK_API_SECRET": "sandbox-secret"}
        if " test " in command:
            stored = {"conn_type": "bik", "host": bik.url, "login": "sandbox-key", "password": "sandbox-secret"}
            environment["AIRFLOW_CONN_BIK_DEFAULT"] = json.dumps({**stored, "extra": {"app_id": "sandbox-app"}})
        said = airflow(command, **environment)
        assert bik.ledger.count() == 0
    assert next(words for beginning, words in AIRFLOW.items() if command_of(command).startswith(beginning)) in said
