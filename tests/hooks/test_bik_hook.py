"""The hook on its own: from a notebook, a task of Python, or beside the operators."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikConfigError, BikEndpointError, BikEventError, BikTooManyRejectedError
from airflow_provider_bik.events import Mode, PipelineRule, Reading
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import APP_ID, KEY, SECRET, connection, event


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID, keep_bodies=True) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        yield sandbox


@contextmanager
def silent_server() -> Iterator[int]:
    """Connections to it are made, for its backlog takes them, and never answered; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def silent(monkeypatch: pytest.MonkeyPatch, port: int, **extra: object) -> None:
    stored = {"conn_type": "bik", "host": f"http://127.0.0.1:{port}", "login": KEY, "password": SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", json.dumps(stored))


def test_another_call_to_bik_has_the_time_outs_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as port:
        silent(monkeypatch, port, read_timeout=0.3)
        with pytest.raises(requests.exceptions.ReadTimeout, match=r"read timeout=0\.3"):
            BikHook().run("integrations/anything")


def test_a_call_may_name_its_own_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as port:
        silent(monkeypatch, port, read_timeout=30)
        with pytest.raises(requests.exceptions.ReadTimeout, match=r"read timeout=0\.2"):
            BikHook().run("integrations/anything", extra_options={"timeout": 0.2})


def test_another_call_carries_the_credentials(bik: Sandbox) -> None:
    answer = BikHook().run("integrations/bikPlatformFunctions-events/sendEvent", json={"event": event(1)})
    assert answer.status_code == 200
    assert bik.ledger.count() == 1


def test_the_connection_test_ends_by_the_time_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as port:
        silent(monkeypatch, port, read_timeout=0.3, app_id=APP_ID)
        works, message = BikHook().test_connection()
    assert not works
    assert f"BIK at 127.0.0.1:{port} has not answered: no answer in time" in message


def test_one_event_is_sent(bik: Sandbox) -> None:
    BikHook().send_event(event(1))
    BikHook().send_event(event(2, createdAt="2024-03-10T12:30:00"), reading=Reading(timezone="Asia/Kolkata"))
    assert bik.ledger.counts("pipeline") == {("realtime",): 1, ("migration",): 1}
    assert ("2024-03-10T07:00:00.000Z",) in bik.ledger.counts("createdAt")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"email": ""}, "identity_missing"), ({"createdAt": "never"}, "created_at_invalid")],
)
def test_one_event_that_breaks_the_contract_is_an_error_that_names_why_and_no_value(
    bik: Sandbox, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(BikEventError, match=says) as caught:
        BikHook().send_event(event(1, **changes))
    assert "customer1" not in str(caught.value)
    assert bik.requests == []


def test_many_events_are_sent_and_reported(bik: Sandbox) -> None:
    report = BikHook().send_events([event(n) for n in range(250)], sending=Sending(batch_size=50))
    assert (report.confirmed, report.counts.requests) == (250, 5)


def test_rejections_beyond_what_is_allowed_are_an_error_after_all_others_were_sent(bik: Sandbox) -> None:
    with pytest.raises(BikTooManyRejectedError, match="1 of 2 events were rejected, 0 allowed"):
        BikHook().send_events([event(1), event(2, email="")])
    assert BikHook().send_events([event(3), event(4, email="")], max_rejected=0.5).rejected == 1
    assert bik.ledger.count() == 2


def test_a_rule_may_be_given_in_place_of_a_word(bik: Sandbox) -> None:
    rule = PipelineRule(mode=Mode.REALTIME, on_dated="drop")
    BikHook().send_events([event(1, createdAt="2024-03-10T12:30:00Z")], pipeline=rule)
    assert bik.ledger.counts("pipeline") == {("realtime",): 1}


def test_a_wrong_key_is_an_error_that_names_no_credential(bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, password="wrong-secret"))
    with pytest.raises(BikEndpointError) as caught:
        BikHook().send_event(event(1))
    assert not [word for word in (KEY, "wrong-secret") if word in str(caught.value)]


def test_a_wrong_argument_is_found_before_anything_is_sent(bik: Sandbox) -> None:
    wrong: list[dict[str, Any]] = [{"max_rejected": -1}, {"pipeline": "both"}, {"mapping": {"emial": "x"}}]
    for arguments in wrong:
        with pytest.raises(BikConfigError):
            BikHook().send_events([event(1)], **arguments)
    assert bik.requests == []


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("app_id", [APP_ID, None])
def test_a_host_that_cannot_be_reached_is_named_with_what_to_check(
    app_id: str | None, bik: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, extra = _closed_port(), {} if app_id is None else {"app_id": app_id}
    cases = {
        f"http://127.0.0.1:{port}": ["the connection was refused", "check host and port"],
        "https://no-such-host.invalid": ["no address is known for this host", "Check how it is spelt"],
        bik.url.replace("http:", "https:"): [
            "the server does not speak TLS as it should",
            "may be the port for plain http",
        ],
    }
    for host, says in cases.items():
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, host=host, extra=extra))
        works, message = BikHook().test_connection()
        assert not works
        assert f"BIK at {host.partition('://')[2]} cannot be reached: {says[0]}" in message
        assert says[1] in message
        assert "Error" not in message


def test_the_connection_test_does_not_show_the_id_that_airflow_makes_up(
    bik: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_XWSVZMGI", connection(bik, extra={"read_timeout": "abc"}))
    works, message = BikHook("xwsvzmgi").test_connection()
    assert not works
    assert message.startswith("The Connection has an extra 'read_timeout'")


def test_a_connection_that_is_not_there_is_an_error_that_names_it_and_its_type() -> None:
    with pytest.raises(BikConfigError, match=r"There is no Connection 'bik_misssing'\. Add one of the type bik"):
        _ = BikHook("bik_misssing").settings
