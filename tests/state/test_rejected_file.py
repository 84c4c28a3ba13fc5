"""The file of rejected events: what was written counts once, and survives what people and crashes do to it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_bik.delivery import RejectedEvent
from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events import Contract, Encoder, InputEvent, Item, Reason, Rejection
from airflow_provider_bik.events.item import unwrapped
from airflow_provider_bik.state.rejected_file import REJECTED, RejectedFile
from airflow_provider_bik.state.storage import Folder

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def rejected(position: int, raw: object = None, **changes: Any) -> RejectedEvent:
    rejection = Rejection(reason=Reason.IDENTITY_MISSING, detail="")
    event = InputEvent(position=position, location=f"[{position}]", result=rejection, raw=raw, **changes)
    return RejectedEvent(event=event, rejection=rejection, status=None, message="", attempts=0)


def write(file: RejectedFile, *positions: int) -> None:
    asyncio.run(file.write([rejected(position) for position in positions]))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / REJECTED).read_text("utf-8").splitlines()]


def positions(folder: Path) -> list[int]:
    return [line["position"] for line in lines(folder)]


def test_without_rejected_events_there_is_no_file(tmp_path: Path) -> None:
    file = RejectedFile(Folder(str(tmp_path)), "a1")
    asyncio.run(file.write([]))
    assert (file.files, file.pattern, file.join()) == ([], None, None)
    assert list(tmp_path.iterdir()) == []


def test_the_events_of_all_tries_become_one_file(tmp_path: Path) -> None:
    first = RejectedFile(Folder(str(tmp_path)), "a1")
    write(first, 0, 1)
    write(first, 2)
    second = RejectedFile(Folder(str(tmp_path)), "b2", files=first.files)
    write(second, 3)
    assert second.files == ["a1:2", "b2:1"]
    assert second.pattern == f"{tmp_path}/rejected*.ndjson"
    assert second.join() == str(tmp_path / REJECTED)
    assert positions(tmp_path) == [0, 1, 2, 3]
    second.remove_parts()
    assert [path.name for path in tmp_path.iterdir()] == [REJECTED]


def test_what_no_checkpoint_knows_does_not_count_and_is_removed_in_the_end(tmp_path: Path) -> None:
    killed = RejectedFile(Folder(str(tmp_path)), "a1")
    write(killed, 0)
    known = killed.files
    write(killed, 1)
    (tmp_path / "rejected.ndjson.bak").write_text("a person's")
    file = RejectedFile(Folder(str(tmp_path)), "b2", files=known)
    write(file, 1)
    file.join()
    assert positions(tmp_path) == [0, 1]
    file.remove_parts()
    assert sorted(path.name for path in tmp_path.iterdir()) == [REJECTED, "rejected.ndjson.bak"]


def test_a_try_that_rejects_nothing_leaves_a_file_that_a_person_has_fixed(tmp_path: Path) -> None:
    first = RejectedFile(Folder(str(tmp_path)), "a1")
    write(first, 0)
    first.join()
    (tmp_path / REJECTED).write_text("fixed by hand")
    assert RejectedFile(Folder(str(tmp_path)), "b2", files=first.files).join() == str(tmp_path / REJECTED)
    assert (tmp_path / REJECTED).read_text() == "fixed by hand"


@pytest.mark.parametrize("edit", [str.rstrip, lambda text: text + "\n", lambda text: text.replace(",", ", ")])
def test_a_part_that_a_person_has_edited_loses_nothing(tmp_path: Path, edit: Any) -> None:
    first = RejectedFile(Folder(str(tmp_path)), "a1")
    write(first, 0, 1)
    [part] = tmp_path.iterdir()
    part.write_text(edit(part.read_text()))
    second = RejectedFile(Folder(str(tmp_path)), "b2", files=first.files)
    write(second, 2)
    second.join()
    found = [json.loads(line) for line in (tmp_path / REJECTED).read_text().splitlines() if line]
    assert [line["position"] for line in found] == [0, 1, 2]


def test_a_part_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = RejectedFile(Folder(str(tmp_path)), "a1")
    write(file, 0)
    [part] = tmp_path.iterdir()
    part.unlink()
    with pytest.raises(BikStorageError, match=r"rejected\.a1-00000\.ndjson, .* Restore it and retry, which is safe"):
        file.join()
    assert list(tmp_path.iterdir()) == []


def test_what_counts_stays_short_however_many_there_are(tmp_path: Path) -> None:
    file = RejectedFile(Folder(str(tmp_path)), "a1")
    for number in range(300):
        write(file, number)
    assert file.files == ["a1:300"]
    file.join()
    assert positions(tmp_path) == list(range(300))


def test_an_event_of_many_thousand_values_is_whole(tmp_path: Path) -> None:
    raw = {"eventName": "ordered", "eventProperties": {f"k{n}": n for n in range(50_000)}}
    file = RejectedFile(Folder(str(tmp_path)), "a1")
    asyncio.run(file.write([rejected(0, raw)]))
    file.join()
    assert lines(tmp_path)[0]["event"] == raw


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("x", "x"),
        ("\ud800", "\\ud800"),
        (b"\xff", "\\xff"),
        (True, True),
        (2**53 + 1, 2**53 + 1),
        (2**64, str(2**64)),
        pytest.param(10**20_000, "(integer of more than 64 bits)", id="huge"),
        (Decimal("12.50"), 12.5),
        (Decimal(3), 3),
        (Decimal("1" * 30), "1" * 30),
        (float("nan"), None),
        (float("inf"), "inf"),
        (datetime(2026, 1, 1, 10, tzinfo=UTC), "2026-01-01T10:00:00.000Z"),
        (datetime(2026, 1, 1, 10), "2026-01-01T04:30:00.000Z"),  # noqa: DTZ001 - it is read in the reader's zone
        (date(2026, 1, 1), "2026-01-01"),
        ((1, [2]), [1, [2]]),
        ({1: {None: 2}}, {"1": {"None": 2}}),
    ],
)
def test_whatever_was_read_can_be_written_down_and_seen(tmp_path: Path, value: object, written: object) -> None:
    file = RejectedFile(Folder(str(tmp_path)), "a1", ZoneInfo("Asia/Kolkata"))
    asyncio.run(file.write([rejected(0, {"v": value}, is_row=True)]))
    file.join()
    assert lines(tmp_path)[0]["row"] == {"v": written}


def test_a_value_that_holds_itself_ends(tmp_path: Path) -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    file = RejectedFile(Folder(str(tmp_path)), "a1")
    asyncio.run(file.write([rejected(0, value)]))
    file.join()
    assert "deeper than a file can hold" in (tmp_path / REJECTED).read_text()


def test_an_event_that_bik_rejected_is_written_as_it_was_sent(tmp_path: Path) -> None:
    raw = {"email": "a@example.com", "eventName": "ordered", "eventProperties": {"b": 1.0, "a": None}}
    item = Item(position=0, location="[0]", raw=raw)
    [event] = Encoder(contract=Contract(now=NOW)).encode_all([item])
    given = RejectedEvent(
        event=event,
        rejection=Rejection(reason=Reason.REJECTED_BY_BIK, detail=""),
        status=400,
        message="no",
        attempts=2,
    )
    file = RejectedFile(Folder(str(tmp_path)), "a1")
    asyncio.run(file.write([given]))
    file.join()
    [line] = lines(tmp_path)
    assert (line["status"], line["message"], line["attempts"]) == (400, "no", 2)
    [again] = Encoder(contract=Contract(now=NOW)).encode_all([unwrapped(Item(position=0, location="[0]", raw=line))])
    assert again.result == msgspec_body(event)


def msgspec_body(event: InputEvent) -> object:
    """As it was encoded, but for what was left out on the first way."""
    import msgspec  # noqa: PLC0415 - used here only

    return msgspec.structs.replace(event.result, dropped_nulls=0)  # type: ignore[type-var]  # it was encoded
