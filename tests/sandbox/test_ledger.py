from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_bik.sandbox import Ledger, Sandbox
from tests.sandbox.calls import Caller, event

DATE = "2024-05-01T10:00:00.000Z"


def eventually(happens: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if happens():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("flags", "pipeline"),
    [
        ({}, "realtime"),
        ({"isMigration": False}, "realtime"),
        ({"isMigration": True, "createdAt": DATE}, "migration"),
        ({"isMigration": True}, "history_lost"),
        ({"createdAt": DATE}, "stream_rejected"),
        ({"isMigration": False, "createdAt": DATE}, "stream_rejected"),
    ],
)
def test_the_flags_send_an_event_where_the_documented_matrix_says(
    bik: Sandbox, caller: Caller, flags: dict[str, object], pipeline: str
) -> None:
    assert caller.send_event({**event(), **flags}).status == 200
    assert bik.ledger.counts("pipeline") == {(pipeline,): 1}
    assert [stored.pipeline for stored in bik.ledger.stored()] == [pipeline]


def test_events_are_counted_by_any_field(bik: Sandbox, caller: Caller) -> None:
    caller.send_events([event(1), event(2, eventName="ordered"), event(3, isMigration=True, createdAt=DATE)])
    caller.send_event(event(4, email=None, eventProperties={"paid": True, "deep": {"er": 1.5}}))
    assert bik.ledger.count() == 4
    assert bik.ledger.count(pipeline="realtime") == 3
    assert bik.ledger.count(pipeline="realtime", eventName="ordered") == 1
    assert bik.ledger.count(**{"eventProperties.itemPrice": 500}) == 3
    assert bik.ledger.count(**{"eventProperties.deep.er": 1.5}) == 1
    assert bik.ledger.count(**{"eventProperties.paid": True}) == 1
    assert bik.ledger.count(isMigration=None) == 3
    assert bik.ledger.counts("pipeline", "eventName") == {
        ("realtime", "purchasedAProduct"): 2,
        ("realtime", "ordered"): 1,
        ("migration", "purchasedAProduct"): 1,
    }
    assert bik.ledger.counts("event.email", where={"eventName": "ordered"}) == {("test2@bik.ai",): 1}
    assert bik.ledger.counts("eventProperties.currency") == {("INR",): 3, (None,): 1}
    assert bik.ledger.counts() == {(): 4}


@pytest.mark.parametrize("field", ["", "a..b", "event."])
def test_a_name_that_no_field_can_have_is_an_error(bik: Sandbox, field: str) -> None:
    with pytest.raises(ValueError, match="not the name of a field"):
        bik.ledger.counts(field)


def test_content_stored_more_than_once_is_listed_with_its_copies(bik: Sandbox, caller: Caller) -> None:
    caller.send_events([event(1), event(2), event(2), event(3)])
    caller.send_events([event(2), event(3)])
    found = bik.ledger.duplicates(key="eventProperties.orderId")
    assert [(each.copies, each.example) for each in found] == [(3, "order-2"), (2, "order-3")]
    assert found[0].content_hash == next(bik.ledger.stored(email="test2@bik.ai")).content_hash


def test_the_order_of_fields_makes_no_other_content(bik: Sandbox, caller: Caller) -> None:
    caller.send_event(event())
    caller.send_event(dict(reversed(event().items())))
    assert [each.copies for each in bik.ledger.duplicates()] == [2]


def test_stored_events_come_in_order_however_many_they_are(bik: Sandbox, caller: Caller) -> None:
    for first in range(0, 2500, 100):
        caller.send_events([event(serial) for serial in range(first, first + 100)])
    emails = [stored.event["email"] for stored in bik.ledger.stored()]
    assert emails == [f"test{serial}@bik.ai" for serial in range(2500)]
    assert [stored.sequence for stored in bik.ledger.stored(email="test7@bik.ai")] == [8]


def test_a_cleared_ledger_is_empty(bik: Sandbox, caller: Caller) -> None:
    caller.send_events([event(1), event(1)])
    bik.ledger.clear()
    assert (bik.ledger.count(), bik.ledger.duplicates(), list(bik.ledger.stored())) == (0, [], [])


def test_a_ledger_file_is_private_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    for expected in (1, 2):
        with Sandbox(ledger_path=path) as bik:
            caller = Caller(bik)
            caller.send_event(event())
            assert bik.ledger.count() == expected
            assert caller.call("GET", "/stats").json["pipelines"]["realtime"]["total"] == expected
            caller.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_ledger_file_of_a_sandbox_that_was_killed_half_way_goes_on_with_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    ledger.store([event(1), event(2)])
    ledger.close()
    path.write_bytes(path.read_bytes()[:-7])
    again = Ledger(path)
    again.store([event(3)])
    again.close()
    after = Ledger(path)
    assert [stored.event for stored in after.stored()] == [event(1), event(3)]
    after.clear()
    after.close()
    assert path.read_bytes() == b""


def test_half_a_surrogate_pair_is_stored_counted_and_shown(bik: Sandbox, caller: Caller) -> None:
    odd = event(eventProperties={"note": "\ud83d"}, eventName="\ud83d")
    assert caller.send_event(odd).status == 200
    assert bik.ledger.counts("eventProperties.note") == {("\ud83d",): 1}
    assert caller.call("GET", "/stats").json["latest"][0]["eventName"] == "\ud83d"
    assert caller.call("GET", "/ledger/events/1").json["event"]["eventName"] == "\ud83d"


def test_the_ledger_can_be_asked_after_the_with_block() -> None:
    with Sandbox() as bik:
        caller = Caller(bik)
        caller.send_event(event())
        caller.close()
    assert bik.ledger.count() == 1
