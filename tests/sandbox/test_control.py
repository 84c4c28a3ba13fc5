from __future__ import annotations

import http.client
import threading
from urllib.parse import urlsplit

import pytest

from airflow_provider_bik.sandbox import FaultPlan, Sandbox
from airflow_provider_bik.sandbox.masking import masked_email, masked_phone
from tests.sandbox.calls import PATIENCE, Caller, event

GETS = ["/", "/stats", "/ledger/counts", "/ledger/duplicates", "/ledger/events/1"]
CHANGES = [("POST", "/ledger/clear"), ("PUT", "/faults")]


def test_counts_are_given_by_field_with_conditions(caller: Caller) -> None:
    caller.send_events([event(1), event(2), event(3, isMigration=True, createdAt="2024-05-01")])
    by_two = caller.call("GET", "/ledger/counts?by=pipeline,eventName&where=pipeline=realtime").json
    assert by_two == {
        "by": ["pipeline", "eventName"],
        "counts": [{"pipeline": "realtime", "eventName": "purchasedAProduct", "count": 2}],
    }
    assert caller.call("GET", "/ledger/counts").json == {"by": [], "counts": [{"count": 3}]}


def test_duplicates_are_given_with_an_example(caller: Caller) -> None:
    caller.send_events([event(1), event(1)])
    found = caller.call("GET", "/ledger/duplicates?key=eventProperties.orderId").json
    assert found["key"] == "eventProperties.orderId"
    assert [(each["copies"], each["example"]) for each in found["duplicates"]] == [(2, "order-1")]


def test_one_event_is_given_masked(caller: Caller) -> None:
    caller.send_event(event(1, name="Asha Rao", email="asha@example.com", phoneNumber="+919812345687"))
    [latest] = caller.call("GET", "/stats").json["latest"]
    found = caller.call("GET", f"/ledger/events/{latest['sequence']}").json
    assert (found["pipeline"], found["event"]["eventName"]) == ("realtime", "purchasedAProduct")
    person = [found["event"][name] for name in ("name", "email", "phoneNumber")]
    assert person == ["A•••", "a•••@e•••.com", "•••87"]
    assert found["event"]["eventProperties"] == event(1)["eventProperties"]
    gone = caller.call("GET", f"/ledger/events/{latest['sequence'] + 1}")
    assert (gone.status, bool(gone.json["error"])) == (404, True)


@pytest.mark.parametrize("question", ["by=a..b", "where=pipeline", "where==x"])
def test_a_question_that_makes_no_sense_is_told_so(caller: Caller, question: str) -> None:
    reply = caller.call("GET", f"/ledger/counts?{question}")
    assert reply.status == 400
    assert reply.json["error"]


def test_everything_can_be_cleared(bik: Sandbox, caller: Caller) -> None:
    caller.send_events([event(1), event(1), event(2, eventName="")])
    caller.send_events([event(1), event(1)])
    assert caller.call("POST", "/ledger/clear").status == 204
    stats = caller.call("GET", "/stats").json
    assert (bik.ledger.count(), bik.requests) == (0, [])
    assert [stats[name] for name in ("statuses", "faults", "rejections", "extraCopies", "latest")] == [
        {},
        {},
        [],
        0,
        [],
    ]


def test_faults_can_be_put_and_a_wrong_plan_changes_nothing(bik: Sandbox, caller: Caller) -> None:
    assert caller.call("PUT", "/faults", {"rates": [{"kind": "not_json", "probability": 1}]}).status == 204
    assert caller.send_event(event()).headers["content-type"] == "text/html"
    wrong = caller.call("PUT", "/faults", {"rate": []})
    assert (wrong.status, wrong.json["error"].startswith("rate: ")) == (400, True)
    assert bik.faults.rates
    caller.call("PUT", "/faults", {})
    assert bik.faults == FaultPlan()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.7:80", "", "localhost.evil", "[::"]
)
def test_a_foreign_host_is_refused_because_a_web_site_may_have_rebound_its_name(caller: Caller, host: str) -> None:
    asked = [*(("GET", path) for path in GETS), *CHANGES]
    assert {caller.call(method, path, headers={"Host": host}).status for method, path in asked} == {403}


@pytest.mark.parametrize("host", ["localhost", "localhost:8787", "127.0.0.1", "[::1]:8787", "127.8.8.8"])
def test_every_name_of_this_machine_itself_is_welcome(caller: Caller, host: str) -> None:
    assert caller.call("GET", "/stats", headers={"Host": host}).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_another_site_cannot_change_anything(bik: Sandbox, caller: Caller, method: str, path: str, origin: str) -> None:
    caller.send_event(event())
    assert caller.call(method, path, {}, headers={"Origin": origin}).status == 403
    assert bik.ledger.count() == 1


def test_the_page_itself_may_change_things(bik: Sandbox, caller: Caller) -> None:
    assert caller.call("POST", "/ledger/clear", headers={"Origin": bik.url}).status == 204


def test_the_page_forbids_everything_but_itself(caller: Caller) -> None:
    reply = caller.call("GET", "/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert (reply.headers["cache-control"], reply.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_the_page_is_told_no_personal_data(caller: Caller) -> None:
    caller.send_event(event(name="Ada Lovelace", email="ada@example.com"))
    caller.send_event(event(email=None, phoneNumber="+19494572787"))
    told = caller.call("GET", "/stats")
    assert [each["person"] for each in told.json["latest"]] == ["•••87", "a•••@e•••.com"]
    assert not any(secret in told.body for secret in (b"ada", b"Ada", b"Lovelace", b"example.com", b"4572787"))


def test_credentials_are_shown_only_if_everyone_knows_them() -> None:
    with Sandbox(api_secret="someone's own") as bik:
        caller = Caller(bik)
        assert caller.call("GET", "/stats").json["credentials"] is None
        caller.close()


@pytest.mark.parametrize(
    ("email", "masked"),
    [("ada@example.com", "a•••@e•••.com"), ("x@localhost", "x•••@l•••"), ("nonsense", "n•••"), ("@", "•••@•••")],
)
def test_an_email_keeps_its_first_letters_only(email: str, masked: str) -> None:
    assert masked_email(email) == masked


@pytest.mark.parametrize(("phone", "masked"), [("+19494572787", "•••87"), ("1234", "•••"), ("none", "•••")])
def test_a_phone_number_keeps_its_last_digits_only(phone: str, masked: str) -> None:
    assert masked_phone(phone) == masked


def test_it_listens_on_the_loopback_address_and_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    with Sandbox() as bik:
        address = urlsplit(bik.url)
        assert address.hostname == "127.0.0.1"
        caller = Caller(bik)
        caller.send_event(event())
    assert set(threading.enumerate()) == before
    caller.close()
    late = http.client.HTTPConnection("127.0.0.1", address.port, timeout=PATIENCE)
    with pytest.raises(ConnectionRefusedError):
        late.connect()


def test_a_taken_port_is_an_error_on_entering(bik: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"), Sandbox(port=urlsplit(bik.url).port or 0):
        pass
