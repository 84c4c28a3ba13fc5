"""What is said of an input although every event is right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_bik.events import Column, Contract, Encoder, EventMapping, Hints, Item, Reading

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAN = float("nan")


def hints(rows: list[dict[str, Any]], *, created_at: Any = None, timezone: str = "UTC", **properties: Any) -> list[str]:
    """What is said of rows."""
    said: list[str] = []
    mapping = EventMapping(event_name="ordered", email="email", created_at=created_at, properties=properties)
    contract = Contract(now=NOW, reading=Reading(timezone=timezone), hints=Hints(said.append))
    items = (
        Item(position=number, location=str(number), raw={"email": "a@example.com", **row})
        for number, row in enumerate(rows)
    )
    for _ in Encoder(contract=contract, mapping=mapping).encode_all(items):
        pass
    return said


def test_a_zone_that_was_assumed_is_said_once() -> None:
    rows: list[dict[str, Any]] = [{"at": "2026-01-05 10:00:00"}, {"at": datetime(2026, 1, 5)}, {"at": "2026-01-05"}]  # noqa: DTZ001
    (said,) = hints(rows, created_at="at", timezone="Asia/Kolkata")
    assert "say no zone" in said
    assert "Asia/Kolkata" in said
    assert hints(rows, created_at=Column("at", cast="datetime"), timezone="Asia/Kolkata") == [said]
    assert hints(rows, timezone="Asia/Kolkata", at=Column("at", cast="datetime")) == [said]


def test_nothing_is_said_of_a_zone_that_was_given() -> None:
    rows: list[dict[str, Any]] = [{"at": "2026-01-05T10:00:00Z"}, {"at": NOW}, {"at": 1767607200}]
    assert hints(rows, created_at="at", timezone="Asia/Kolkata") == []
    named = Column("at", cast="datetime", timezone="Asia/Kolkata")
    assert hints([{"at": "2026-01-05 10:00:00"}], created_at=named) == []


@pytest.mark.parametrize("values", [[7.0, NAN], [None, 7.0], ["7.0", ""], [None, "7.0"]])
def test_ids_that_a_gap_has_made_floats_are_named(values: list[Any]) -> None:
    rows = [{"variant": value} for value in values]
    (said,) = hints(rows, variant="variant")
    assert said.startswith("Property 'variant': whole numbers as floats")
    assert hints(rows, variant=Column("variant", cast="integer")) == []
    assert hints([rows[0]], variant="variant") == []


def test_floats_that_are_measures_are_not_named() -> None:
    assert hints([{"n": 7.0}, {"n": None}, {"n": 7.5}], n="n") == []
    assert hints([{"n": 7}, {"n": None}], n="n") == []


def test_json_that_goes_out_as_text_is_named() -> None:
    rows = [{"items": '[{"sku": "A"}]', "note": "{sic}"}, {"items": "", "note": "[x"}]
    (said,) = hints(rows, items="items", note="note")
    assert said.startswith("Property 'items': text that is JSON")
    assert hints(rows, items=Column("items", cast="json")) == []


def test_only_the_first_events_are_looked_at_and_each_thing_is_said_once() -> None:
    rows = [{"variant": 7.0 if number % 2 else None} for number in range(2500)]
    assert len(hints(rows, variant="variant")) == 1


def named(*names: str) -> list[str]:
    """What is said of events with these names."""
    said: list[str] = []
    contract = Contract(now=NOW, hints=Hints(said.append))
    raw = [{"email": "a@example.com", "eventName": name, "eventProperties": {}} for name in names]
    items = (Item(position=number, location=str(number), raw=event) for number, event in enumerate(raw))
    for _ in Encoder(contract=contract).encode_all(items):
        pass
    return said


def test_an_event_name_that_is_not_known_is_said_once_with_the_nearest() -> None:
    (said,) = named("orderd", "ordered", "orderd", "zzz")
    assert "'orderd' is none of those" in said
    assert "The nearest of these is 'ordered'." in said
    (said,) = named("loyaltyPointsExpired")
    assert "nearest" not in said


def test_nothing_is_said_of_known_event_names_nor_of_a_name_that_may_be_somebodys_data() -> None:
    assert named("ordered", "abandonedCartCreated") == []
    assert named("asha@example.com") == []
