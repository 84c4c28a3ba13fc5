"""``python -m airflow_provider_bik validate``: what would become of a file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_bik.cli.commands import main
from airflow_provider_bik.cli.screen import masked, show_table

MAPPING = {
    "event_name": "ordered",
    "name": "name",
    "email": "mail",
    "phone_number": "phone",
    "created_at": "at",
    "properties": {"orderId": "id", "total": {"column": "total", "cast": "number"}, "note": "note"},
}
HEADER = "id,name,mail,phone,at,total,note\n"
GOOD = "A-1,Kavya Nair,kavya@example.com,98123 45670,2026-01-05 10:00:00,7.5,Ring Kavya on 9812345670\n"
BAD_PHONE = "A-2,Nila Das,nila@example.com,12,2026-01-06,,\n"
BAD_EMAIL = "A-3,Arjun,arjun,,2026-01-06,,\n"
NO_DATE = "A-4,Nila Das,nila@example.com,,,5,\n"
PERSONAL = ("kavya", "Kavya", "Nair", "nila@", "98123", "45670")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "m.json").write_text(json.dumps(MAPPING))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def validate(*arguments: str) -> int:
    return main(["validate", "orders.csv", "--mapping", "m.json", "--default-region", "IN", *arguments])


def test_a_file_that_is_right_is_shown_without_persons(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "orders.csv").write_text(HEADER + GOOD)
    assert validate("--timezone", "Asia/Kolkata") == 0
    said = capsys.readouterr().out
    assert "1 events read, 1 would be sent, 0 rejected, 0 skipped. Nothing was sent." in said
    assert "2026-01-05T04:30:00.000Z" in said
    assert '"note": "Xxxx Xxxxx xx 9999999999"' in said
    assert '"email": "k***@e***.com"' in said
    assert "They are taken for times in Asia/Kolkata" in said
    assert not [word for word in PERSONAL if word in said]


def test_what_would_be_rejected_and_left_out_is_counted_with_its_first_places(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "orders.csv").write_text(HEADER + GOOD + BAD_PHONE + BAD_EMAIL * 7 + NO_DATE)
    assert validate() == 1
    said = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "migration 2" in lines
    assert any(line.startswith("email_invalid 7 orders.csv:4, orders.csv:5, orders.csv:6,") for line in lines)
    assert any(line.startswith("created_at_missing 1 orders.csv:11") for line in lines)
    assert "telephone number: phone_invalid 1 orders.csv:3" in lines
    assert "null values 2" in lines
    assert said.count("Sample event") == 2
    assert not [word for word in PERSONAL if word in said]


def test_the_pipeline_decides(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "orders.csv").write_text(HEADER + GOOD)
    assert validate("--pipeline", "realtime") == 1
    assert "created_at_not_allowed" in capsys.readouterr().out


def test_personal_data_is_shown_if_it_is_asked_for(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "orders.csv").write_text(HEADER + GOOD * 5)
    assert validate("--show-personal-data") == 0
    said = capsys.readouterr().out
    assert said.count("Sample event") == 3
    assert '"phoneNumber": "+919812345670"' in said


def test_events_need_no_mapping_and_undated_ones_are_noted(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = {"email": "kavya@example.com", "eventName": "ordered", "eventProperties": {}}
    events = [event, {**event, "createdAt": "2026-01-05"}]
    (directory / "page.json").write_text(json.dumps({"events": events}))
    assert main(["validate", "page.json", "--json-path", "events"]) == 0
    assert "1 of 2 events had no date and would go out as realtime" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("id;Mail\nA-1;x\n", "there is no column 'mail'; the nearest is 'Mail'"),
        ("PK\x03\x04" + "x" * 30, "a zip archive"),
        ("", "no header line"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    directory: Path, capsys: pytest.CaptureFixture[str], content: str | None, says: str
) -> None:
    if content is not None:
        (directory / "orders.csv").write_text(content)
    assert validate() == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["send"],
        ["validate"],
        ["validate", "orders.csv", "--pipeline", "later"],
        ["validate", "orders.csv", "--timezone", "Bombay"],
        ["validate", "orders.csv", "--default-region", "India"],
        ["validate", "orders.csv", "--delimiter", ";;"],
        ["validate", "orders.csv", "--encoding", "utf-80"],
        ["validate", "orders.csv", "--mapping", "gone.json"],
        ["validate", "orders.csv", "--mapping", "broken.json"],
        ["validate", "orders.csv", "--mapping", "wrong.json"],
        ["validate", "s3://bucket/orders.csv"],
    ],
)
def test_wrong_arguments_end_with_2(directory: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    (directory / "broken.json").write_text("{")
    (directory / "wrong.json").write_text('{"event_nam": "ordered"}')
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.txt", "mail\tid\nkavya@example.com\t1\n", ["--file-format", "csv"]),
        ("a.csv", "mail~id\nkavya@example.com~1\n", ["--delimiter", "~"]),
        ("a.csv", "mail\tid\nkavya@example.com\t1\n", ["--delimiter", r"\t"]),
        ("a.csv", "mail,id\nkavya@example.com,É\n".encode("cp1252"), ["--encoding", "cp1252"]),
    ],
    ids=["format", "delimiter", "tab", "encoding"],
)
def test_the_form_of_a_file_can_be_said(directory: Path, name: str, content: str | bytes, options: list[str]) -> None:
    (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (directory / "m.json").write_text('{"event_name": "ordered", "email": "mail", "properties": {"id": "id"}}')
    assert main(["validate", name, "--mapping", "m.json", *options]) == 0


def test_as_a_process_it_makes_no_database_and_helps_without_airflow(directory: Path) -> None:
    (directory / "orders.csv").write_text(HEADER + BAD_EMAIL)
    environment = {**os.environ, "AIRFLOW_HOME": str(directory / "home")}
    environment.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", None)
    command = [sys.executable, "-m", "airflow_provider_bik", "validate", "orders.csv", "--mapping", "m.json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert "email_invalid" in ended.stdout
    assert not list(directory.rglob("*.db"))
    code = (
        "import sys; from airflow_provider_bik.cli import commands as c; c.parser(); sys.exit('airflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_nothing_that_may_be_a_person_is_shown_of_properties() -> None:
    event = {
        "name": "Kavya  Nair",
        "phoneNumber": "+919812345670",
        "eventName": "ordered",
        "eventProperties": {
            "address": {"city": "Kochi", "lines": ["12, MG Road", None]},
            "phone": 919812345670,
            "kavya@example.com": True,
            "total": 12.5,
        },
    }
    assert masked(event) == {
        "name": "K*** N***",
        "phoneNumber": "+91***70",
        "eventName": "ordered",
        "eventProperties": {
            "address": {"city": "Xxxxx", "lines": ["99, XX Xxxx", None]},
            "phone": "999999999999",
            "***3": True,
            "total": 12.5,
        },
    }


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [io.StringIO, _Terminal])
def test_a_table_shows_brackets_as_they_are(kind: type[io.StringIO]) -> None:
    file = kind()
    show_table("Rejected", ("reason", "at"), [("x", "[17]")], file)
    show_table("Nothing", ("reason",), [], file)
    assert "[17]" in file.getvalue()
    assert "Nothing" not in file.getvalue()
