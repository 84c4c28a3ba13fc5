from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.sandbox.calls import Caller, event

DATE = "2024-05-01T10:00:00.000Z"
PERSONAL = b"ada@example.com"


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


@pytest.mark.parametrize("field", ["", "a..b", 'a"b', "event.", "a\\b"])
def test_a_name_that_no_field_can_have_is_an_error(bik: Sandbox, field: str) -> None:
    with pytest.raises(ValueError, match="not the name of a field"):
        bik.ledger.counts(field)


def test_a_name_with_sql_in_it_is_only_a_name(bik: Sandbox, caller: Caller) -> None:
    caller.send_event(event(eventProperties={"x') OR 1=1 --": "y"}))
    assert bik.ledger.count(**{"eventProperties.x') OR 1=1 --": "y"}) == 1
    assert bik.ledger.count(**{"eventProperties.z') OR 1=1 --": "y"}) == 0


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


def test_what_is_personal_is_blanked_in_time_and_everything_else_stays(tmp_path: Path) -> None:
    now = [1_000_000.0]
    path = tmp_path / "ledger.db"
    with Sandbox(retain_personal_data=60, clock=lambda: now[0], ledger_path=path, keep_bodies=True) as bik:
        caller = Caller(bik)
        addresses = {"shippingAddress": "1 Long Road", "billingAddress": {"street": "1 Long Road"}}
        whole = event(email="ada@example.com", eventProperties={"orderId": "o1", **addresses})
        caller.send_event(whole)
        now[0] += 59
        before = next(bik.ledger.stored())
        caller.send_event(event(2))
        now[0] += 1
        # Nothing is asked of the ledger here: the sandbox has to see to it by itself.
        assert eventually(lambda: PERSONAL not in path.read_bytes() and b"Long Road" not in path.read_bytes())
        after, later = bik.ledger.stored()
        assert before.event == whole
        assert after.event == {"eventName": "purchasedAProduct", "eventProperties": {"orderId": "o1"}}
        assert later.event == event(2)
        assert after.content_hash == before.content_hash
        assert bik.ledger.counts("email") == {(None,): 1, ("test2@bik.ai",): 1}
        assert [record.body is None for record in bik.requests] == [True, False]
        caller.close()


def test_with_no_time_to_retain_nothing_personal_is_ever_stored(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Sandbox(retain_personal_data=0, ledger_path=path, keep_bodies=True) as bik:
        caller = Caller(bik)
        caller.send_events([event(email="ada@example.com"), event(email="ada@example.com")])
        caller.close()
        assert [stored.event.get("email") for stored in bik.ledger.stored()] == [None, None]
        assert [each.copies for each in bik.ledger.duplicates()] == [2]
        assert bik.requests[0].body is None
        assert PERSONAL not in path.read_bytes()


def test_a_ledger_file_is_private_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for expected in (1, 2):
        with Sandbox(ledger_path=path) as bik:
            caller = Caller(bik)
            caller.send_event(event())
            assert bik.ledger.count() == expected
            assert caller.call("GET", "/stats").json["pipelines"]["realtime"]["total"] == expected
            caller.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_personal_data_that_expired_while_the_sandbox_was_down_is_blanked_on_the_way_up(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Sandbox(ledger_path=path, clock=lambda: 1000.0) as bik:
        caller = Caller(bik)
        caller.send_event(event(email="ada@example.com"))
        caller.close()
    with Sandbox(ledger_path=path, clock=lambda: 9000.0):
        assert PERSONAL not in path.read_bytes()


def test_the_ledger_belongs_to_the_with_block() -> None:
    bik = Sandbox()
    with pytest.raises(RuntimeError, match="entered"):
        bik.ledger.count()
    with bik:
        ledger = bik.ledger
        assert ledger.count() == 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        ledger.count()
