"""The commands that talk to BIK, as real processes against a real local BIK."""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.cli.commands import COMMANDS, main, parser
from airflow_provider_bik.cli.definition import get_bik_cli_commands
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.sandbox import FaultPlan, Sandbox
from tests.cli.support import AIRFLOW_WAY, BOTH_WAYS, PYTHON_WAY, connection, events, run, started
from tests.versions import needs_cli_of_providers

both_ways = pytest.mark.parametrize("way", BOTH_WAYS)


@pytest.fixture
def bik() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def slow_bik() -> Iterator[Sandbox]:
    with Sandbox(faults=FaultPlan(latency=(0.2, 0.3))) as sandbox:
        yield sandbox


@pytest.fixture
def environment(bik: Sandbox) -> dict[str, str]:
    return {"AIRFLOW_CONN_BIK_DEFAULT": connection(bik)}


def number(name: str, said: str) -> int:
    """A number of the table that a command shows."""
    found = re.search(rf"^\s*{name}\s+(\d+)$", said, re.MULTILINE)
    assert found is not None, said
    return int(found[1])


@both_ways
def test_a_good_connection_is_checked_and_no_event_is_sent(
    bik: Sandbox, environment: dict[str, str], tmp_path: Path, way: tuple[str, ...]
) -> None:
    code, said, _ = run("check", way=way, cwd=tmp_path, environment=environment)
    assert code == 0
    assert said.startswith("Good")
    assert bik.url in said
    assert "none: plain http" in said
    assert "BIK accepts this API key and secret for this app_id." in said
    assert "sandbox-secret" not in said
    assert bik.ledger.count() == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": "wrong"}, "HTTP 401"),
        ({"extra": {"app_idd": "x"}}, "unknown extras: app_idd"),
        ({"host": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
    ids=["secret", "extra", "unreachable"],
)
def test_a_connection_that_is_not_good_ends_check_with_1(
    bik: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    says: str,
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(bik, **changes))
    assert main(["check", "--conn-id", "other"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Not good what is" in said
    assert says in said


def test_check_says_that_without_an_app_id_the_credentials_are_not_checked(
    bik: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(bik, extra={}))
    assert main(["check", "--conn-id", "other"]) == 0
    assert "API key and secret are not checked" in " ".join(capsys.readouterr().out.split())


@pytest.mark.airflow
@pytest.mark.usefixtures("airflow_db")
@both_ways
def test_a_connection_is_found_in_the_database_of_airflow_or_said_to_be_missing(
    bik: Sandbox, tmp_path: Path, way: tuple[str, ...]
) -> None:
    conn_id = f"stored_{way[2]}"
    add = [sys.executable, "-m", "airflow", "connections", "add", conn_id, "--conn-json", connection(bik)]
    subprocess.run(add, check=True, capture_output=True, timeout=120)
    code, said, _ = run("check", "--conn-id", conn_id, way=way, cwd=tmp_path, environment={})
    assert (code, said.partition("\n")[0]) == (0, "Good")
    code, said, _ = run("check", "--conn-id", "nobody", way=way, cwd=tmp_path, environment={})
    assert (code, said.partition("\n")[0]) == (1, "Not good")
    assert "nobody" in said


@both_ways
def test_a_file_is_sent_once_whoever_asks_again(
    bik: Sandbox, environment: dict[str, str], tmp_path: Path, way: tuple[str, ...]
) -> None:
    events(tmp_path / "e.ndjson", 250)
    send = ("send", "e.ndjson", "--state-path", "state")
    code, said, log = run(*send, way=way, cwd=tmp_path, environment=environment)
    assert code == 0, log
    assert number("confirmed", said) == bik.ledger.count() == 250
    assert "kavya" not in said + log
    code, said, log = run(*send, way=way, cwd=tmp_path, environment=environment)
    assert code == 1
    assert "was delivered before, by airflow bik send" in log
    code, said, _ = run(*send, "--if-delivered", "skip", way=way, cwd=tmp_path, environment=environment)
    assert code == 0
    assert bik.ledger.count() == 250


def test_rows_become_events_by_a_mapping_and_rejected_ones_are_kept_fixed_and_sent(
    bik: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    mapping = {"event_name": "ordered", "email": "mail", "created_at": "at", "properties": {"orderId": "id"}}
    (tmp_path / "m.json").write_text(json.dumps(mapping))
    (tmp_path / "orders.csv").write_text("id,mail,at\n1,kavya@example.com,2026-01-05\n2,kavya,2026-01-06\n")
    options = ("--mapping", "m.json", "--state-path", "state", "--timezone", "Asia/Kolkata")
    code, said, log = run("send", "orders.csv", *options, cwd=tmp_path, environment=environment)
    assert code == 1
    assert (number("sent as migration", said), number("rejected: email_invalid", said)) == (1, 1)
    assert "kavya" not in said + log
    (rejected,) = tmp_path.rglob("rejected.ndjson")
    assert str(rejected) in said
    fixed = tmp_path / "fixed.ndjson"
    fixed.write_text(rejected.read_text("utf-8").replace('"kavya"', '"nila@example.com"'))
    code, said, log = run("resend", str(fixed), *options, cwd=tmp_path, environment=environment)
    assert code == 0, log
    assert number("confirmed", said) == 1
    assert bik.ledger.count() == 2


def test_as_many_rejected_events_as_are_allowed_are_no_failure(
    bik: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    events(tmp_path / "e.ndjson", 10, bad=[3])
    for allowed, expected in (("0.05", 1), ("0.1", 0), ("1", 0)):
        send = ("send", "e.ndjson", "--state-path", f"state-{allowed}", "--max-rejected", allowed)
        assert run(*send, cwd=tmp_path, environment=environment)[0] == expected


def test_a_dry_run_sends_and_writes_nothing(bik: Sandbox, environment: dict[str, str], tmp_path: Path) -> None:
    events(tmp_path / "e.ndjson", 10, bad=[3])
    code, said, _ = run("send", "e.ndjson", "--dry-run", cwd=tmp_path, environment=environment)
    assert code == 1
    assert number("deliverable", said) == 9
    assert "nothing was sent" in said
    assert bik.ledger.count() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["e.ndjson"]


@pytest.mark.parametrize("number_of_signal", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_a_signal_ends_it_in_order_and_the_same_command_goes_on(
    slow_bik: Sandbox, tmp_path: Path, number_of_signal: signal.Signals
) -> None:
    events(tmp_path / "e.ndjson", 6000)
    environment = {"AIRFLOW_CONN_BIK_DEFAULT": connection(slow_bik)}
    send = ("send", "e.ndjson", "--state-path", "state")
    process = started(*send, cwd=tmp_path, environment=environment)
    while slow_bik.ledger.count() == 0:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number_of_signal)
    said, log = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "It has ended in order. To go on, run the same command again." in log
    assert 0 < number("confirmed", said) == slow_bik.ledger.count() < 6000
    code, said, log = run(*send, cwd=tmp_path, environment=environment)
    assert code == 0, log
    assert "Going on from a checkpoint" in log
    assert number("confirmed", said) == slow_bik.ledger.count() == 6000
    assert slow_bik.ledger.duplicates() == []


def test_on_a_terminal_it_shows_how_far_it_is(slow_bik: Sandbox, tmp_path: Path) -> None:
    events(tmp_path / "e.ndjson", 3000)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PYTHON_WAY, "send", "e.ndjson", "--state-path", "state"],
        cwd=tmp_path,
        env={**os.environ, "AIRFLOW_CONN_BIK_DEFAULT": connection(slow_bik), "COLUMNS": "160", "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "events are done" in text
    assert "kavya" not in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["send", "e.ndjson"], "--state-path is needed"),
        (["send", "e.ndjson", "--state-path", "s", "--mapping", "gone.json"], "gone.json cannot be read"),
        (["send", "e.ndjson", "--state-path", "s", "--timezone", "Bombay"], "timezone"),
        (["send", "e.ndjson", "--state-path", "s", "--max-rejected", "-1"], "max_rejected"),
        (["send", "e.ndjson", "--state-path", "s", "--if-delivered", "trim"], "invalid choice"),
        (["resend", "e.ndjson", "--state-path", "s"], "does not begin with a rejected event"),
        (["send"], "FILE"),
    ],
)
def test_wrong_arguments_end_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    monkeypatch.chdir(tmp_path)
    events(tmp_path / "e.ndjson", 1)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_not_there_ends_it_with_1(environment: dict[str, str], tmp_path: Path) -> None:
    for command in ("send", "resend"):
        code, _, log = run(command, "gone.ndjson", "--state-path", "state", cwd=tmp_path, environment=environment)
        assert code == 1
        assert "gone.ndjson" in log
        assert "Traceback" not in log


@both_ways
def test_the_sandbox_runs_until_it_is_told_to_end(tmp_path: Path, way: tuple[str, ...]) -> None:
    process = started("sandbox", "--port", "0", way=way, cwd=tmp_path, environment={"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    greeting = iter(process.stdout.readline, "")
    exported = next(line for line in greeting if line.startswith("export"))
    value = exported.partition("=")[2].strip().strip("'")
    code, _, _ = run("check", cwd=tmp_path, environment={"AIRFLOW_CONN_BIK_DEFAULT": value})
    assert code == 0
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 0


def flags(described: argparse.ArgumentParser) -> set[str]:
    return set(re.findall(r"--[a-z-]+", described.format_help()))


@needs_cli_of_providers
def test_airflow_describes_the_same_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["airflow", "bik", "send", "--help"])
    (group,) = get_bik_cli_commands()
    assert [command.name for command in group.subcommands] == list(COMMANDS)
    for command in group.subcommands:
        theirs, ours = argparse.ArgumentParser(), argparse.ArgumentParser()
        for argument in command.args:
            argument.add_to_parser(theirs)
        COMMANDS[command.name][1](ours)
        assert flags(theirs) == flags(ours) > {"--help"}
    code, said, _ = run("send", "--help", way=AIRFLOW_WAY, cwd=tmp_path, environment={})
    assert code == 0
    assert "--max-rejected" in said


@needs_cli_of_providers
def test_other_airflow_commands_do_not_pay_for_it() -> None:
    code = """
import sys, airflow.cli.cli_parser as p
sys.argv = ["airflow", "version"]
p.get_parser()
assert "bik" in p.ALL_COMMANDS_DICT
light = ("airflow_provider_bik.cli", "airflow_provider_bik.get_provider_info")
sys.exit(", ".join(m for m in sys.modules if m.startswith("airflow_provider_bik.") and not m.startswith(light)) or 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_default_connection_is_that_of_the_hook() -> None:
    given: Any = parser().parse_args(["check"])
    assert given.conn_id == BikHook.default_conn_name
