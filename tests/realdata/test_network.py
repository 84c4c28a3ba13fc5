"""s25, s26, s30: what servers, Connections and networks are like."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import event
from tests.realdata.support import Shop

KEY, SECRET = "ke+y/1", "s/e@c#r%e t?&="


@pytest.fixture(autouse=True)
def _no_faults(bik: Sandbox) -> None:
    bik.faults = FaultPlan()


def gap(bik: Sandbox) -> float:
    """Seconds between the first request and the next."""
    first, second = (request.received_at for request in bik.requests)
    assert first is not None
    assert second is not None
    return second - first


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "least"),
    [
        ("a date", 0.9),
        ("a date with -0000", 0.9),
        ("an old form of date", 0.9),
        ("a date that is over", 0),
        ("1", 1),
        ("0.503", 0.503),
        ("soon", 0),
    ],
)
def test_s25_retry_after_in_every_form(shop: Shop, bik: Sandbox, status: int, retry_after: str, least: float) -> None:
    # Dates are of whole seconds: two seconds ahead is more than one.
    forms = {
        "a date": formatdate(time.time() + 2, usegmt=True),
        "a date with -0000": formatdate(time.time() + 2),
        "an old form of date": time.asctime(time.gmtime(time.time() + 2)),
        "a date that is over": formatdate(time.time() - 3600, usegmt=True),
    }
    bik.faults = FaultPlan(
        script=(Fault(kind="status", status=status, retry_after=forms.get(retry_after, retry_after)),)
    )
    outcome = shop.send([event(0), event(1)])
    assert outcome.report["confirmed"] == len(outcome.events) == 2
    assert outcome.report["possible_duplicates"] == (0 if status == 429 else 2)
    assert gap(bik) >= least


def connections(bik: Sandbox) -> dict[str, str]:
    port = bik.url.rsplit(":", 1)[1]
    who = f"{quote(KEY, safe='')}:{quote(SECRET, safe='')}@127.0.0.1:{port}"
    fields = {"conn_type": "bik", "host": bik.url, "login": KEY, "password": SECRET}
    empty = dict.fromkeys(("app_id", "proxy", "ca_file", "connect_timeout", "read_timeout", "verify"), "")
    extra = quote(json.dumps({"app_id": "a/b c", "read_timeout": 5}), safe="")
    return {
        "a URI": f"bik://{who}/http?app_id={quote('a/b c', safe='')}",
        "a URI with __extra__": f"bik://{who}/http?__extra__={extra}",
        "line ends of Kubernetes": json.dumps({**fields, "login": f"{KEY}\n", "password": f"{SECRET}\n"}),
        "the empty fields of the form": json.dumps({**fields, "port": None, "schema": "", "extra": empty}),
        "extras as text": json.dumps({**fields, "extra": '{"read_timeout": "5"}'}),
        "another type": json.dumps({**fields, "conn_type": "http"}),
        "port 0": json.dumps({**fields, "port": 0}),
    }


@pytest.mark.parametrize(
    "form",
    [
        *("a URI", "a URI with __extra__", "line ends of Kubernetes", "the empty fields of the form"),
        *("extras as text", "another type", "port 0"),
    ],
)
def test_s26_connections_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    with Sandbox(api_key=KEY, api_secret=SECRET, app_id="a/b c") as bik:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connections(bik)[form])
        BikHook().send_event(event(0))
        works, message = BikHook().test_connection()
        assert works
        assert ("BIK accepts" in message) is ("URI" in form)
        assert bik.ledger.count() == 1


def test_s26_extras_that_are_none_are_named(shop: Shop, bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "conn_type": "bik",
        "host": bik.url,
        "login": "k",
        "password": "s",
        "extra": {"X-Shop": "1", "timeout": 5},
    }
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", json.dumps(fields))
    assert "unknown extras: X-Shop, timeout" in (shop.send([event(0)]).error or "")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_s30_credentials_do_not_follow_a_redirect(shop: Shop, bik: Sandbox, status: int) -> None:
    elsewhere = "https://bik.example.com/x"
    bik.faults = FaultPlan(script=(Fault(kind="status", status=status, location=elsewhere),))
    outcome = shop.send([event(0)])
    assert outcome.events == []
    assert "redirect" in (outcome.error or "")
    assert len(bik.requests) == 1


def test_s30_a_proxy_is_used_only_if_it_is_asked_for(shop: Shop, bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = "http://127.0.0.1:9"
    monkeypatch.setenv("http_proxy", nobody)
    assert shop.send([event(0)]).error is None
    fields = {"conn_type": "bik", "host": bik.url, "login": "key-of-the-tests", "password": "secret-of-the-tests"}
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", json.dumps({**fields, "extra": {"proxy": "environment"}}))
    assert shop.send([event(0)]).error is None
