"""``python -m airflow_provider_bik status``: which days are delivered, by the records that deliveries have left."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.cli.commands import main
from airflow_provider_bik.events import Reading
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.windows import cut
from tests.operators.conftest import bik
from tests.operators.support import TaskInstance, event, files_of

__all__ = ["bik"]

ZONE = "Europe/Berlin"
CLOCKS_CHANGE = date(2026, 3, 28)


def deliver(state: Path, window: str | None, *, stream: str = "orders", number: int = 3, zone: str = ZONE) -> None:
    operator = BikSendEventsOperator(
        task_id="send",
        events=[*(event(each) for each in range(number)), event(number, eventName="")],
        reading=Reading(timezone=zone),
        stream=stream,
        window=window,
        state_path=str(state),
        max_rejected=0.5,
        if_delivered="resend",
    )
    TaskInstance(f"run-{window}").execute(operator)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["status", *arguments])
    return code, capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code, text = told(capsys, *arguments, "--json")
    found: list[dict[str, Any]] = json.loads(text)
    return code, found


def windows(number: int) -> list[str]:
    return cut(CLOCKS_CHANGE, CLOCKS_CHANGE + timedelta(days=number), timezone=ZONE)


def test_days_over_a_change_of_the_clocks_are_whole_days_of_the_zone_they_are_named_in(
    tmp_path: Path, bik: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for window in windows(3):
        deliver(tmp_path, window)
    code, (stream,) = as_json(capsys, "--state-path", str(tmp_path))
    assert (code, stream["stream"], stream["whole"]) == (0, "orders", True)
    assert [(day["day"], day["state"], day["confirmed"]) for day in stream["days"]] == [
        ("2026-03-28", "delivered", 3),
        ("2026-03-29", "delivered", 3),
        ("2026-03-30", "delivered", 3),
    ]
    assert stream["counts"] == {"confirmed": 9, "rejected": 3, "skipped": 0, "possible_duplicates": 0}


def test_a_gap_an_overlap_and_a_delivery_that_has_failed_are_named(
    tmp_path: Path, bik: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _, third, fourth = windows(4)
    deliver(tmp_path, first)
    deliver(tmp_path, third)
    deliver(tmp_path, f"{third.partition('/')[0]}/{third.partition('/')[0].replace('T00', 'T06')}")
    bik.faults = FaultPlan(script=(Fault(kind="status", status=403),))
    with pytest.raises(Exception, match="rejects every request"):
        deliver(tmp_path, fourth)
    code, (stream,) = as_json(capsys, "--state-path", str(tmp_path))
    assert code == 1
    assert [day["state"] for day in stream["days"]] == ["delivered", "gap", "overlap", "open"]
    assert stream["gaps"] == ["2026-03-29T00:00:00+01:00/2026-03-30T00:00:00+02:00"]
    assert stream["overlaps"] == ["2026-03-30T00:00:00+02:00/2026-03-30T06:00:00+02:00"]
    assert [each["window"] for each in stream["open"]] == [fourth]


def test_a_table_names_each_stream_and_another_one_its_days(
    tmp_path: Path, bik: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BIK__STATE_PATH", str(tmp_path))
    deliver(tmp_path, windows(1)[0])
    deliver(tmp_path, None, stream="Cliënten & co")
    code, text = told(capsys)
    assert code == 0
    assert "Cliënten & co" in text
    assert "orders         2026-03-28  2026-03-28  1" in text
    code, text = told(capsys, "--stream", "orders")
    assert "Days, the latest last" in text
    assert "Cliënten" not in text


def test_a_record_that_cannot_be_read_is_named_and_the_others_are_told(
    tmp_path: Path, bik: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for window in windows(2):
        deliver(tmp_path, window)
    files_of(tmp_path, "record.json")[0].write_text("{")
    code, (stream,) = as_json(capsys, "--state-path", str(tmp_path))
    assert code == 1
    assert [each["note"] for each in stream["open"]] == ["BikRecordError"]
    assert stream["counts"]["confirmed"] == 3


@pytest.mark.parametrize("arguments", [[], ["--state-path", "{empty}"], ["--timezone", "Mars/Olympus"]])
def test_what_cannot_be_answered_ends_with_2(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__BIK__STATE_PATH", raising=False)
    with pytest.raises(SystemExit, match="2"):
        main(["status", *(each.format(empty=tmp_path) for each in arguments)])
    assert "error: " in capsys.readouterr().err


def test_days_can_be_told_in_another_zone(tmp_path: Path, bik: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(tmp_path, windows(1)[0])
    _, (stream,) = as_json(capsys, "--state-path", str(tmp_path), "--timezone", "Asia/Tokyo")
    assert [(day["day"], day["state"]) for day in stream["days"]] == [
        ("2026-03-28", "partly"),
        ("2026-03-29", "partly"),
    ]
