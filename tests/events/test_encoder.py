"""Items become checked events: lines, mappings and rows, with and without a mapping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import (
    Column,
    Contract,
    EncodedEvent,
    Encoder,
    EventMapping,
    InputEvent,
    Item,
    Pipeline,
    PipelineRule,
    Reading,
    Reason,
    Rejection,
)
from airflow_provider_bik.inputs.files import item_of_text
from tests.events.support import body, reason

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTRACT = Contract(now=NOW)
EVENT = {"email": "a@example.com", "eventName": "ordered", "eventProperties": {"id": 1}}
MAPPING = EventMapping(event_name="ordered", email="mail", properties={"id": Column("id", cast="number")})


def encoded(*items: Item, mapping: EventMapping | None = None, **contract: Any) -> list[InputEvent]:
    return list(Encoder(contract=Contract(now=NOW, **contract), mapping=mapping).encode_all(iter(items)))


def item(raw: object = None, position: int = 0, **more: Any) -> Item:
    return Item(position=position, location=f"[{position}]", raw=raw, **more)


def line(text: bytes, **more: Any) -> Item:
    return item(line=text, **more)


def test_a_good_event_keeps_its_position_and_nothing_that_was_read() -> None:
    for given in (item(EVENT, 5, attempts=2), line(json.dumps(EVENT).encode(), position=5, attempts=2)):
        (event,) = encoded(given)
        assert body(event) == EVENT
        assert (event.position, event.location, event.attempts) == (5, "[5]", 2)
        assert (event.raw, event.is_row) == (None, False)


def test_a_rejected_event_keeps_what_was_read() -> None:
    bad = {**EVENT, "eventName": " "}
    for given in (item(bad), line(json.dumps(bad).encode())):
        (event,) = encoded(given)
        assert reason(event) is Reason.FIELD_MISSING
        assert (event.raw, event.is_row) == (bad, False)


@pytest.mark.parametrize("mapping", [None, MAPPING])
@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"5", b"null", b'"a"', b'{"a":"\xff"}', b"{}{}", b"[" * 5000])
def test_a_line_that_is_no_json_object_is_unparsable_and_kept_as_text(
    text: bytes, mapping: EventMapping | None
) -> None:
    (event,) = encoded(line(text), mapping=mapping)
    assert reason(event) is Reason.UNPARSABLE
    assert event.raw == text.decode("utf-8", "replace")
    assert event.is_row is (mapping is not None)


def test_what_could_not_be_read_keeps_its_problem() -> None:
    problem = Rejection(reason=Reason.UNPARSABLE, detail="2 cells, but 1 column")
    (event,) = encoded(item("a,b", problem=problem, attempts=1), mapping=MAPPING)
    assert (event.result, event.raw, event.is_row, event.attempts) == (problem, "a,b", True, 1)


def test_with_a_mapping_rows_and_lines_are_rows() -> None:
    row = {"mail": "a@example.com", "id": "7"}
    for given in (item(row), line(json.dumps(row).encode())):
        (event,) = encoded(given, mapping=MAPPING)
        assert body(event) == {"email": "a@example.com", "eventName": "ordered", "eventProperties": {"id": 7}}
        assert event.is_row is False


def test_a_row_that_cannot_become_an_event_stays_a_row() -> None:
    row = {"mail": "a@example.com", "id": "seven"}
    (event,) = encoded(item(row, attempts=3), mapping=MAPPING)
    assert reason(event) is Reason.CAST_FAILED
    assert event.raw is row
    assert (event.is_row, event.attempts) == (True, 3)


@pytest.mark.parametrize("row", [None, 5, "text", ["a"], [("email", "a")]])
def test_what_is_not_a_mapping_is_no_row(row: object) -> None:
    (event,) = encoded(item(row), mapping=MAPPING)
    assert reason(event) is Reason.NOT_A_ROW


def opened(**more: object) -> Item:
    rejected = {"bik_rejected": 1, "position": 9, "reason": "x", "attempts": 3, **more}
    return item_of_text(json.dumps(rejected).encode(), 0, "rejected.ndjson:1")


def test_a_file_of_rejected_events_gives_the_events_and_rows_in_it() -> None:
    row = {"mail": "b@example.com", "id": 1}
    for mapping in (None, MAPPING):
        event, bad = encoded(opened(event=EVENT), opened(event={**EVENT, "email": None}), mapping=mapping)
        assert (body(event), event.attempts) == (EVENT, 3)
        assert (reason(bad), bad.raw) == (Reason.IDENTITY_MISSING, {**EVENT, "email": None})
        assert (bad.attempts, bad.is_row) == (3, False)
    (mapped,) = encoded(opened(row=row), mapping=MAPPING)
    assert (body(mapped)["email"], mapped.attempts) == ("b@example.com", 3)
    (unmapped,) = encoded(opened(row=row))
    assert reason(unmapped) is Reason.MAPPING_MISSING
    assert (unmapped.raw, unmapped.is_row, unmapped.attempts) == (row, True, 3)


def test_what_the_reader_says_of_an_item_counts() -> None:
    passed, mapped = encoded(item(EVENT, is_row=False), item({"mail": "a@example.com"}, is_row=True), mapping=MAPPING)
    assert body(passed) == EVENT
    assert body(mapped)["eventProperties"] == {}
    (unmapped,) = encoded(item({"mail": "a@example.com"}, is_row=True))
    assert reason(unmapped) is Reason.MAPPING_MISSING


@pytest.mark.parametrize("value", [0, 2, "1", None, "yes"])
def test_a_table_may_have_a_column_that_is_called_like_the_mark_of_rejected_events(value: object) -> None:
    mapping = EventMapping(event_name="ordered", email="mail", properties={"flag": "bik_rejected"})
    (event,) = encoded(item({"mail": "a@example.com", "bik_rejected": value}), mapping=mapping)
    assert body(event)["email"] == "a@example.com"
    (event,) = encoded(item({"mail": "a@example.com", "bik_rejected": 1, "event": "ordered"}), mapping=mapping)
    assert body(event)["eventProperties"] == {"flag": 1}


@pytest.mark.parametrize("empty", [None, "", " ", float("nan"), "NULL", r"\N", "absent"])
def test_a_row_without_the_date_that_the_mapping_names_is_rejected(empty: object) -> None:
    mapping = EventMapping(event_name="ordered", email="mail", created_at="paid_at", properties={})
    row = {"mail": "a@example.com", "paid_at": empty}
    if empty == "absent":
        del row["paid_at"]
    (event,) = encoded(item(row), mapping=mapping)
    assert reason(event) is Reason.CREATED_AT_MISSING
    (event,) = encoded(item(row), mapping=mapping, rule=PipelineRule(on_undated="realtime"))
    assert isinstance(event.result, EncodedEvent)
    assert event.result.pipeline is Pipeline.REALTIME


def test_columns_are_checked_against_the_mapping_and_nothing_without_one() -> None:
    Encoder(contract=CONTRACT).check_columns(["x"], "orders.csv")
    Encoder(contract=CONTRACT, mapping=MAPPING).check_columns(["id", "mail"], "orders.csv")
    with pytest.raises(
        BikConfigError, match=r"does not fit orders\.csv: there is no column 'mail'; the nearest is 'Mail'"
    ):
        Encoder(contract=CONTRACT, mapping=MAPPING).check_columns(["id", "Mail"], "orders.csv")


@pytest.mark.parametrize(
    "text", [" " * 10**6, "1" + " " * 10**6 + "1", "9" * 10**6, "a" * 10**6 + "@example.com", "2024-" * 10**5]
)
def test_a_very_long_text_costs_no_time(text: str) -> None:
    for field in ("email", "phoneNumber", "createdAt"):
        (event,) = encoded(item({**EVENT, field: text}))
        assert isinstance(event.result, EncodedEvent | Rejection)


def test_values_that_cannot_be_compared_are_no_obstacle() -> None:
    np = pytest.importorskip("numpy")
    mapping = EventMapping(event_name="ordered", email="mail", group_by="key", properties={"mark": "bik_rejected"})
    row = {"mail": "a@example.com", "key": np.array([1, 2]), "bik_rejected": np.array([1, 1])}
    (event,) = encoded(item(row), item(row, 1), mapping=mapping)
    assert body(event)["eventProperties"] == {"mark": [1, 1]}


def to_event(row: dict[str, object]) -> dict[str, object]:
    return {**EVENT, "eventProperties": row}


def fingerprint(mapping: EventMapping | None = None, now: datetime = NOW, **contract: Any) -> str:
    return Encoder(contract=Contract(now=now, **contract), mapping=mapping).fingerprint


def test_the_fingerprint_changes_with_the_mapping_and_the_options_and_not_with_the_time() -> None:
    assert fingerprint() == fingerprint(now=NOW + timedelta(1))
    assert fingerprint(MAPPING) == fingerprint(EventMapping.of(MAPPING.to_json()))
    made = [
        fingerprint(),
        fingerprint(MAPPING),
        fingerprint(EventMapping(to_event=to_event)),
        fingerprint(EventMapping(to_event=dict)),
        fingerprint(rule=PipelineRule(mode="migration")),
        fingerprint(rule=PipelineRule(on_undated="realtime")),
        fingerprint(reading=Reading(timezone="Asia/Kolkata")),
        fingerprint(reading=Reading(default_region="IN")),
        fingerprint(reading=Reading(null_values=("-",))),
        fingerprint(reading=Reading(on_bad_identity="reject")),
    ]
    assert len(set(made)) == len(made)


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    code = (
        "from tests.events.test_encoder import *; print(fingerprint(MAPPING, reading=Reading(timezone='Asia/Kolkata')))"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert shown == {fingerprint(MAPPING, reading=Reading(timezone="Asia/Kolkata"))}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_the_numbers_that_python_writes_and_json_does_not_have_are_named(number: str) -> None:
    line = f'{{"email": "a@example.com", "eventProperties": {{"total": {number}}}}}'.encode()
    outcome = next(Encoder(contract=Contract(now=NOW)).encode_all([Item(position=0, location="1", line=line)])).result
    assert isinstance(outcome, Rejection)
    assert "has no NaN" in outcome.detail
