from __future__ import annotations

import json

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.sandbox.calls import CHECK, SEND_EVENT, SEND_EVENTS, Caller, basic, event


def test_one_event_is_answered_as_documented_and_stored(bik: Sandbox, caller: Caller) -> None:
    reply = caller.send_event(event())
    assert (reply.status, reply.json) == (200, {"status": 200, "success": True})
    assert [stored.event for stored in bik.ledger.stored()] == [event()]


def test_a_hundred_events_are_taken_in_one_batch(bik: Sandbox, caller: Caller) -> None:
    reply = caller.send_events([event(serial) for serial in range(100)])
    assert (reply.status, reply.json) == (200, {"status": 200, "success": True})
    assert bik.ledger.count() == 100


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'events' is required"),
        ({"event": event()}, "'events' is required"),
        ({"events": {}}, "'events' must be an array"),
        ({"events": []}, "'events' must contain at least 1 event"),
        ({"events": [event()] * 101}, "'events' must contain at most 100 events"),
        ({"events": [[]]}, "'event' must be an object"),
        ([], "The payload must be a JSON object"),
        (b"", "The payload is not valid JSON"),
        (b"{", "The payload is not valid JSON"),
        (b'{"events": [NaN]}', "The payload is not valid JSON"),
        (b'{"events": "\xff"}', "The payload is not valid JSON"),
        (b'{"events": ' + b"[" * 100_000, "The payload is not valid JSON"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(bik: Sandbox, caller: Caller, body: object, message: str) -> None:
    reply = caller.call("POST", SEND_EVENTS, body)
    assert (reply.status, reply.json) == (400, {"status": 400, "errors": [{"message": message}]})
    assert bik.ledger.count() == 0


def test_send_event_wants_its_event(caller: Caller) -> None:
    assert caller.call("POST", SEND_EVENT, {"events": [event()]}).messages == ["'event' is required"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"eventName": None}, "'eventName' is required"),
        ({"eventName": ""}, "'eventName' is required"),
        ({"eventName": 5}, "'eventName' must be a string"),
        ({"eventProperties": None}, "'eventProperties' is required"),
        ({"eventProperties": []}, "'eventProperties' must be an object"),
        ({"eventProperties": {"currency": None}}, "'eventProperties' must not contain null"),
        ({"eventName": "ordered", "eventProperties": {}}, "'eventProperties.orderId' is required"),
        ({"email": None, "phoneNumber": None}, "'email' or 'phoneNumber' is required"),
        ({"email": "", "phoneNumber": ""}, "'email' or 'phoneNumber' is required"),
        ({"phoneNumber": 19494572787}, "'phoneNumber' must be a string"),
        ({"name": 1}, "'name' must be a string"),
        ({"createdAt": 1700000000}, "'createdAt' must be a string"),
        ({"createdAt": "yesterday"}, "'createdAt' must be an ISO 8601 date"),
        ({"isMigration": "true"}, "'isMigration' must be a boolean"),
    ],
)
def test_an_event_that_breaks_the_contract_is_refused_with_its_path(
    bik: Sandbox, caller: Caller, changed: dict[str, object], message: str
) -> None:
    reply = caller.send_event(event(**changed))  # type: ignore[arg-type]  # serial is not among them
    assert (reply.status, reply.messages) == (400, [message])
    assert bik.ledger.count() == 0


def test_an_explicit_null_is_no_date(caller: Caller) -> None:
    assert caller.send_event({**event(), "createdAt": None}).messages == ["'createdAt' must be a string"]


@pytest.mark.parametrize("missing", ["email", "phoneNumber", "name"])
def test_an_event_with_one_way_to_reach_the_customer_is_taken(caller: Caller, missing: str) -> None:
    assert caller.send_event(event(**{missing: None})).status == 200  # type: ignore[arg-type]  # serial is not among them


def test_properties_may_hold_numbers_booleans_objects_and_arrays(bik: Sandbox, caller: Caller) -> None:
    properties = {"a": 1.5, "b": True, "c": {"d": []}, "productNames": ["x", "\ud800 \u0000 é 🎁"]}
    assert caller.send_event(event(eventProperties=properties)).status == 200
    assert next(bik.ledger.stored()).event["eventProperties"] == properties


def test_a_batch_with_one_bad_event_is_refused_whole_and_without_an_index(bik: Sandbox, caller: Caller) -> None:
    reply = caller.send_events([event(1), event(2, eventProperties=None), event(3)])
    assert reply.json == {"status": 400, "errors": [{"message": "'eventProperties' is required"}]}
    assert bik.ledger.count() == 0


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !!!", basic("sandbox-key", "wrong"), basic("wrong", "sandbox-secret"), "Bearer sandbox-key"],
)
@pytest.mark.parametrize("path", [SEND_EVENT, SEND_EVENTS, CHECK])
def test_wrong_credentials_are_refused_everywhere(bik: Sandbox, caller: Caller, path: str, authorization: str) -> None:
    reply = caller.call("POST", path, {"event": event()}, {"Authorization": authorization})
    assert (reply.status, reply.json["status"], reply.messages) == (401, 401, ["Not authenticated"])
    assert bik.ledger.count() == 0
    assert not bik.requests[-1].authorized


def test_the_credential_check_answers_a_string_for_the_right_app(caller: Caller) -> None:
    reply = caller.call("POST", CHECK, {"appId": "sandbox-app"})
    assert (reply.status, reply.json) == (200, {"status": "200"})


@pytest.mark.parametrize(
    ("body", "message"), [({"appId": "other"}, "'appId' is not known"), ({}, "'appId' is required")]
)
def test_the_credential_check_refuses_another_app(caller: Caller, body: object, message: str) -> None:
    reply = caller.call("POST", CHECK, body)
    assert (reply.status, reply.messages) == (400, [message])


@pytest.mark.parametrize("path", ["/integrations", SEND_EVENT + "s/", SEND_EVENT.lower(), "/sendEvent", "/favicon.ico"])
def test_an_unknown_path_is_not_found(caller: Caller, path: str) -> None:
    reply = caller.call("POST", path, {"event": event()})
    assert (reply.status, reply.messages) == (404, ["API not found"])


def test_an_endpoint_takes_nothing_but_post(caller: Caller) -> None:
    assert [caller.call(method, SEND_EVENT).status for method in ("GET", "PUT", "DELETE")] == [405] * 3


def test_a_body_over_the_limit_is_refused_and_the_connection_stays_usable() -> None:
    with Sandbox(max_body_bytes=1000) as bik:
        caller = Caller(bik)
        fill = "x" * 3_000_000
        assert caller.send_event(event(eventProperties={"fill": fill})).messages == ["Payload too large"]
        assert caller.send_event(event()).status == 200
        assert [record.status for record in bik.requests] == [413, 200]
        caller.close()


def test_every_request_is_noted_with_what_came_of_it(bik: Sandbox, caller: Caller) -> None:
    caller.send_events([event(1), event(2)])
    caller.send_event(event(3, eventName=""))
    caller.call("POST", "/elsewhere", {})
    first, second, third = bik.requests
    assert (first.endpoint, first.status, first.events, first.authorized, first.fault) == (
        "sendEvents",
        200,
        2,
        True,
        None,
    )
    assert json.loads(first.body or b"") == {"events": [event(1), event(2)]}
    assert (second.endpoint, second.status, second.events) == ("sendEvent", 400, 1)
    assert (third.endpoint, third.status, third.events) == ("/elsewhere", 404, 0)
    assert first.received_at <= second.received_at <= third.received_at


def test_bodies_are_kept_on_request_only() -> None:
    with Sandbox() as bik:
        caller = Caller(bik)
        caller.send_event(event())
        caller.close()
        assert [record.body for record in bik.requests] == [None]
