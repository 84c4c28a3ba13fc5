"""The file that holds the events of a generation: what is written is read back, whole or not at all."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events import Contract, EncodedEvent, Encoder, EventMapping, InputEvent, Item
from airflow_provider_bik.state.generation_file import INPUT, GenerationFile
from airflow_provider_bik.state.storage import Folder
from tests.versions import attach

NOW = datetime(2026, 12, 1, tzinfo=UTC)
GENERATION = "2026-12-01T00-00-00-abcdef-0"


def event(number: int, **changes: object) -> dict[str, Any]:
    return {"email": f"c{number}@example.com", "eventName": "ordered", "eventProperties": {"n": number}, **changes}


def encoded(*raw: object, mapping: EventMapping | None = None) -> list[InputEvent]:
    items = [Item(position=position, location=f"row {position + 1}", raw=each) for position, each in enumerate(raw)]
    return list(Encoder(contract=Contract(now=NOW), mapping=mapping).encode_all(items))


EVENTS = encoded(
    event(1),
    event(2, createdAt="2026-01-01T00:00:00Z"),
    event(3, phoneNumber="n/a", name=None),
    {"eventName": "ordered"},
    event(5, email="not an address"),
    None,
    event(7, name="naïve \N{PARTY POPPER} \n \x00"),
)


@pytest.fixture
def file(tmp_path: Path) -> GenerationFile:
    return GenerationFile(Folder(str(tmp_path)), GENERATION)


def stored(tmp_path: Path) -> Path:
    [path] = tmp_path.iterdir()
    return path


def test_it_gives_back_its_events_and_what_shaped_them(file: GenerationFile) -> None:
    assert file.fingerprint() is None
    file.write(EVENTS, "shape")
    assert file.fingerprint() == "shape"
    assert list(file.read()) == EVENTS
    assert sum(isinstance(each.result, EncodedEvent) for each in EVENTS) == 4


def test_a_skipped_event_stays_one(file: GenerationFile) -> None:
    skipped = [InputEvent(position=0, location="row 1", result=None)]
    file.write(skipped, "shape")
    assert list(file.read()) == skipped


def test_a_rejected_row_keeps_what_json_can_say_of_it(file: GenerationFile) -> None:
    row = {"id": Decimal("12.50"), "at": NOW, "raw": b"\xff"}
    file.write(encoded(row, mapping=EventMapping(event_name="ordered", email="mail")), "shape")
    [found] = file.read()
    assert (found.is_row, found.raw) == (True, {"id": 12.5, "at": "2026-12-01T00:00:00.000Z", "raw": "\\xff"})


def test_an_empty_result_is_a_whole_file(file: GenerationFile) -> None:
    file.write([], "shape")
    assert file.fingerprint() == "shape"
    assert list(file.read()) == []


def test_it_is_private_and_gone_after_it_is_removed(file: GenerationFile, tmp_path: Path) -> None:
    file.write(EVENTS, "shape")
    assert stored(tmp_path).name == INPUT
    assert stat.S_IMODE(stored(tmp_path).stat().st_mode) == 0o600
    assert gzip.decompress(stored(tmp_path).read_bytes()).count(b"\n") == len(EVENTS) + 1
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_events_that_break_off_leave_nothing(file: GenerationFile, tmp_path: Path) -> None:
    def breaks_off() -> Iterator[InputEvent]:
        yield from EVENTS * 1000
        raise RuntimeError

    with pytest.raises(RuntimeError):
        file.write(breaks_off(), "shape")
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_another_generation_is_none(file: GenerationFile, tmp_path: Path) -> None:
    file.write(EVENTS, "shape")
    assert GenerationFile(Folder(str(tmp_path)), "another").fingerprint() is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_that_is_cut_or_changed_anywhere_never_passes_for_a_whole_one(
    file: GenerationFile, tmp_path: Path, data: st.DataObject
) -> None:
    file.write(EVENTS, "shape")
    whole = stored(tmp_path).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        broken = whole[:at]
    else:
        changed = data.draw(st.integers(1, 255))
        broken = whole[:at] + bytes([whole[at] ^ changed]) + whole[at + 1 :]
    stored(tmp_path).write_bytes(broken)
    # What gzip's header says of time and system has nothing to do with the events.
    if file.fingerprint() is not None:
        assert list(file.read()) == EVENTS


def test_one_that_is_cut_while_it_is_read_is_an_error_that_says_what_a_retry_does(
    file: GenerationFile, tmp_path: Path
) -> None:
    file.write(EVENTS, "shape")
    stored(tmp_path).write_bytes(stored(tmp_path).read_bytes()[:-9])
    with pytest.raises(BikStorageError, match=r"is damaged\. A retry is safe: it runs the query again"):
        list(file.read())
    file.remove()
    with pytest.raises(BikStorageError, match=r"is gone\. A retry is safe"):
        list(file.read())


def test_it_works_on_an_object_store() -> None:
    MemoryFileSystem.store.clear()
    attach(MemoryFileSystem())
    file = GenerationFile(Folder("memory://bucket/state"), GENERATION)
    assert file.fingerprint() is None
    file.write(EVENTS, "shape")
    assert file.fingerprint() == "shape"
    assert list(file.read()) == EVENTS
    file.remove()
    assert file.fingerprint() is None
    assert MemoryFileSystem.store == {}
