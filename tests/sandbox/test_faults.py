from __future__ import annotations

import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.sandbox.faults import When
from tests.sandbox.calls import PATIENCE, SEND_EVENT, SEND_EVENTS, Caller, basic, event
from tests.sandbox.test_ledger import eventually

WHENS: list[When] = ["before", "after"]
STORED = {"before": 0, "after": 1}


def only(fault: Fault) -> FaultPlan:
    return FaultPlan(script=(fault,))


def opened(bik: Sandbox) -> socket.socket:
    """Send one event over a bare socket, and leave the answer unread."""
    address = urlsplit(bik.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=PATIENCE)
    body = json.dumps({"event": event()}).encode()
    head = f"POST {SEND_EVENT} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {basic()}\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("status", [408, 429, 500, 503, 401, 422])
def test_a_status_fault_answers_with_its_status(bik: Sandbox, caller: Caller, status: int, when: When) -> None:
    bik.faults = only(Fault(kind="status", status=status, when=when))
    reply = caller.send_event(event())
    assert (reply.status, reply.json["status"], len(reply.messages)) == (status, status, 1)
    assert bik.ledger.count() == STORED[when]
    assert [(record.status, record.fault, record.events) for record in bik.requests] == [(status, "status", 1)]


@pytest.mark.parametrize("retry_after", ["7", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
def test_retry_after_is_sent_as_it_is(bik: Sandbox, caller: Caller, retry_after: str) -> None:
    bik.faults = only(Fault(kind="status", status=429, retry_after=retry_after))
    assert caller.send_event(event()).headers["retry-after"] == retry_after


def test_without_retry_after_there_is_none(bik: Sandbox, caller: Caller) -> None:
    bik.faults = only(Fault(kind="status", status=429))
    assert "retry-after" not in caller.send_event(event()).headers


def test_a_redirect_has_a_location_and_whoever_follows_is_seen(bik: Sandbox, caller: Caller) -> None:
    bik.faults = only(Fault(kind="status", status=302))
    location = caller.send_event(event()).headers["location"]
    caller.call("GET", location)
    assert [record.endpoint for record in bik.requests] == ["sendEvent", "/redirected"]
    bik.faults = only(Fault(kind="status", status=307, location="http://127.0.0.1:1/"))
    assert caller.send_event(event()).headers["location"] == "http://127.0.0.1:1/"


@pytest.mark.parametrize("when", WHENS)
def test_a_reset_ends_the_connection_without_an_answer(bik: Sandbox, when: When) -> None:
    bik.faults = only(Fault(kind="reset", when=when))
    with opened(bik) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert bik.ledger.count() == STORED[when]
    assert eventually(lambda: [(r.status, r.fault) for r in bik.requests] == [(None, "reset")])


@pytest.mark.parametrize("when", WHENS)
def test_a_hang_answers_nothing_and_a_client_that_gave_up_counts_as_gone(bik: Sandbox, when: When) -> None:
    bik.faults = only(Fault(kind="hang", when=when, seconds=5.0))
    with opened(bik) as connection:
        # Known before it is answered, so that a test can act while a request is under way.
        assert eventually(lambda: [(r.status, r.events) for r in bik.requests] == [(None, 1)])
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert eventually(lambda: bik.log.statuses == {"none": 1})
    assert bik.ledger.count() == STORED[when]


@pytest.mark.parametrize("when", WHENS)
def test_a_hang_goes_on_as_if_nothing_had_happened_for_a_client_that_waits(
    bik: Sandbox, caller: Caller, when: When
) -> None:
    bik.faults = only(Fault(kind="hang", when=when, seconds=0.1))
    assert caller.send_event(event()).status == 200
    assert bik.ledger.count() == 1


def test_an_endless_hang_ends_with_the_sandbox() -> None:
    with Sandbox(faults=only(Fault(kind="hang"))) as bik:
        connection = opened(bik)
        assert eventually(lambda: bool(bik.requests))
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_a_slow_body_sends_its_headers_first_and_then_little_by_little(bik: Sandbox) -> None:
    bik.faults = only(Fault(kind="slow_body", seconds=0.5))
    with opened(bik) as connection:
        pieces = [connection.recv(4096)]
        while not pieces[-1].endswith(b"}"):
            pieces.append(connection.recv(4096))
    assert pieces[0].endswith(b"\r\n\r\n")
    assert len(pieces) > 2
    assert json.loads(b"".join(pieces[1:])) == {"status": 200, "success": True}
    assert bik.ledger.count() == 1


@pytest.mark.parametrize("when", WHENS)
def test_a_slow_error_is_an_error(bik: Sandbox, caller: Caller, when: When) -> None:
    bik.faults = only(Fault(kind="slow_body", seconds=0.05, status=503, when=when))
    assert caller.send_event(event()).status == 503
    assert bik.ledger.count() == STORED[when]


@pytest.mark.parametrize("when", WHENS)
def test_an_answer_that_is_not_json_looks_like_success(bik: Sandbox, caller: Caller, when: When) -> None:
    bik.faults = only(Fault(kind="not_json", when=when))
    reply = caller.send_event(event())
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")
    assert reply.body.startswith(b"<!doctype html>")
    assert bik.ledger.count() == STORED[when]


@pytest.mark.parametrize("when", WHENS)
def test_a_truncated_answer_ends_before_its_announced_length(bik: Sandbox, caller: Caller, when: When) -> None:
    bik.faults = only(Fault(kind="truncated", when=when))
    with pytest.raises(http.client.IncompleteRead):
        caller.send_event(event())
    assert bik.ledger.count() == STORED[when]


@pytest.mark.parametrize("when", WHENS)
def test_an_inner_status_hides_an_error_in_a_success(bik: Sandbox, caller: Caller, when: When) -> None:
    bik.faults = only(Fault(kind="inner_status", when=when, status=422, message="'x' is required"))
    reply = caller.send_event(event())
    assert (reply.status, reply.json) == (200, {"status": 422, "errors": [{"message": "'x' is required"}]})
    assert bik.ledger.count() == STORED[when]


@pytest.mark.parametrize("when", WHENS)
def test_success_false_contradicts_its_status(bik: Sandbox, caller: Caller, when: When) -> None:
    bik.faults = only(Fault(kind="success_false", when=when))
    reply = caller.send_event(event())
    assert (reply.status, reply.json) == (200, {"status": 200, "success": False})
    assert bik.ledger.count() == STORED[when]


def test_a_script_goes_request_by_request_and_then_the_rates_apply(bik: Sandbox, caller: Caller) -> None:
    script = (None, Fault(kind="status", status=500), None)
    bik.faults = FaultPlan(script=script, rates=((Fault(kind="status", status=503), 1.0),))
    assert [caller.send_event(event()).status for _ in range(5)] == [200, 500, 200, 503, 503]


def test_the_same_seed_gives_the_same_faults_and_another_seed_others(bik: Sandbox, caller: Caller) -> None:
    def statuses(seed: int) -> list[int]:
        bik.faults = FaultPlan(
            seed=seed, rates=((Fault(kind="status", status=503), 0.3), (Fault(kind="not_json"), 0.2))
        )
        return [caller.send_event(event()).status for _ in range(60)]

    first = statuses(1)
    assert first == statuses(1)
    assert first != statuses(2)
    assert {200, 503} == set(first)


def test_a_bad_event_spoils_its_batch_or_not_by_plan(bik: Sandbox, caller: Caller) -> None:
    batch = [event(1), event(2, eventName=""), event(3)]
    assert caller.send_events(batch).status == 400
    assert bik.ledger.count() == 0
    bik.faults = FaultPlan(on_bad_event="accept_others")
    assert caller.send_events(batch).status == 400
    assert bik.ledger.counts("email") == {("test1@bik.ai",): 1, ("test3@bik.ai",): 1}


def test_more_requests_than_the_rate_allows_are_turned_away(bik: Sandbox, caller: Caller) -> None:
    bik.faults = FaultPlan(requests_per_second=0.001, retry_after="2")
    first, second = caller.send_event(event(1)), caller.send_event(event(2))
    assert (first.status, second.status, second.headers["retry-after"]) == (200, 429, "2")
    assert [record.fault for record in bik.requests] == [None, "limit"]
    assert bik.ledger.count() == 1


def test_more_requests_at_a_time_than_allowed_are_turned_away(bik: Sandbox, caller: Caller) -> None:
    bik.faults = FaultPlan(max_concurrent=1, over_limit_status=429, script=(Fault(kind="hang"),))
    with opened(bik):
        assert eventually(lambda: bool(bik.requests))
        assert caller.send_event(event()).status == 429
    assert eventually(lambda: caller.send_event(event()).status == 200)


def test_latency_delays_and_changes_nothing_else(bik: Sandbox) -> None:
    bik.faults = FaultPlan(latency=(0.01, 0.05))

    def send() -> None:
        caller = Caller(bik)
        assert caller.call("POST", SEND_EVENTS, {"events": [event()]}).status == 200
        caller.close()

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bik.ledger.count() == 5


def test_a_request_that_breaks_off_stores_nothing(bik: Sandbox) -> None:
    address = urlsplit(bik.url)
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(f"POST {SEND_EVENT} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{{".encode())
        assert eventually(lambda: len(bik.requests) == 1)
    assert eventually(lambda: bik.log.statuses == {"none": 1}), (bik.log.statuses, bik.requests)
    assert bik.ledger.count() == 0
