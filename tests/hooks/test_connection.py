"""What an Airflow Connection may hold, in each of the ways Airflow can store it."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_bik.client import ClientSettings
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.hooks.bik import DEFAULT_HOST, EXTRAS, BikHook, client_settings

# Airflow 2 hides a password wherever it stands from then on, so it must be no part of other words.
KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"
TOKEN = base64.b64encode(b"the-key:the-secret").decode()


def settings(**fields: Any) -> ClientSettings:
    given = {"login": KEY, "password": SECRET, **fields}
    return client_settings(Connection(conn_id="bik_test", conn_type="bik", **given))


def refused(**fields: object) -> str:
    with pytest.raises(BikConfigError) as caught:
        settings(**fields)
    assert "'bik_test'" in caught.value.message
    return caught.value.message


def test_key_and_secret_are_enough() -> None:
    found = settings()
    assert found.base_url == DEFAULT_HOST
    assert (found.credentials.key, found.credentials.secret) == (KEY, SECRET)
    assert found.verify


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "https://bik.example"}, "https://bik.example"),
        ({"host": "bik.example"}, "https://bik.example"),
        ({"host": "bik.example", "port": 8443}, "https://bik.example:8443"),
        ({"host": "bik.example:8443", "port": 8443}, "https://bik.example:8443"),
        ({"host": "bik.example", "schema": "https"}, "https://bik.example"),
        ({"host": "https://bikapi.bikayi.app/integrations/"}, DEFAULT_HOST),
        ({"host": "http://127.0.0.1:8787"}, "http://127.0.0.1:8787"),
        ({"host": "http://[::1]:8787"}, "http://[::1]:8787"),
        ({"host": "127.0.0.1", "port": 8787, "schema": "http"}, "http://127.0.0.1:8787"),
    ],
)
def test_the_host_may_be_written_in_every_usual_way(fields: dict[str, object], base_url: str) -> None:
    assert settings(**fields).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "http://bik.example",
        "http://localhost:8787",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "ftp://bik.example",
        "https://user:secret@bik.example",
        "https://bik.example/v2",
        "https://bik.example?x=1",
        "https://",
        "https://[::1",
    ],
)
def test_a_host_that_could_leak_or_mislead_is_refused(host: str) -> None:
    message = refused(host=host)
    assert "host" in message or "plain http" in message
    assert "secret" not in message


@pytest.mark.parametrize("password", [TOKEN, f"Basic {TOKEN}", f" {TOKEN}\n"])
@pytest.mark.parametrize("login", [None, "", " "])
def test_a_ready_made_auth_token_may_stand_in_the_password_alone(password: str, login: str | None) -> None:
    credentials = settings(login=login, password=password).credentials
    assert (credentials.key, credentials.secret) == ("the-key", "the-secret")
    assert credentials.token == TOKEN


def test_with_a_login_the_password_is_the_secret_even_if_it_looks_like_a_token() -> None:
    assert settings(login="key", password=TOKEN).credentials.secret == TOKEN


@pytest.mark.parametrize(
    ("login", "password", "says"),
    [
        (None, None, "no API key"),
        ("key", None, "no API secret"),
        (None, "plain-secret", "AUTH_TOKEN"),
        (None, base64.b64encode(b"no colon").decode(), "AUTH_TOKEN"),
        (None, base64.b64encode(b":secret").decode(), "AUTH_TOKEN"),
        (None, base64.b64encode(b"\xff\xfe:x").decode(), "AUTH_TOKEN"),
        ("a:b", "secret", "colon"),
    ],
)
def test_incomplete_credentials_are_named_and_never_shown(login: str | None, password: str | None, says: str) -> None:
    message = refused(login=login, password=password)
    assert says in message
    assert "Nothing was sent" in message
    assert "plain-secret" not in message


def test_unknown_extras_are_refused_by_name() -> None:
    message = refused(extra=json.dumps({"appid": "x", "timeout": 3}))
    assert "appid, timeout" in message
    assert all(known in message for known in EXTRAS)


def test_null_and_empty_extras_are_as_good_as_absent() -> None:
    assert settings(extra=json.dumps(dict.fromkeys(EXTRAS))) == settings()
    assert settings(extra=json.dumps(dict.fromkeys(EXTRAS, ""))) == settings()


@pytest.mark.parametrize(
    "extra",
    [
        {"connect_timeout": "soon"},
        {"connect_timeout": 0},
        {"read_timeout": -1},
        {"read_timeout": True},
        {"read_timeout": 10**6},
        {"proxy": "proxy.example:3128"},
        {"app_id": ["x"]},
        {"verify": "maybe"},
        {"verify": False},
        {"verify": "false"},
    ],
)
def test_an_extra_of_the_wrong_kind_is_refused_by_name(extra: dict[str, object]) -> None:
    name = next(iter(extra))
    assert name in refused(extra=json.dumps(extra))


def test_certificates_can_be_switched_off_for_loopback_only() -> None:
    assert not settings(host="https://127.0.0.1:8443", extra='{"verify": "false"}').verify


def test_a_proxy_comes_from_the_environment_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert settings().proxy is None
    assert settings(extra='{"proxy": "environment"}').proxy == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", "bikapi.bikayi.app")
    assert settings(extra='{"proxy": "environment"}').proxy is None


@pytest.mark.parametrize(
    ("variable", "proxy"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("user:word@proxy.example:3128", "http://user:word@proxy.example:3128"),
        ("", None),
    ],
)
def test_a_proxy_of_the_environment_may_be_written_without_a_scheme(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str | None
) -> None:
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", variable)
    assert settings(extra='{"proxy": "environment"}').proxy == proxy


@pytest.mark.parametrize("variable", ["socks5://proxy.example:1080", "http://", "http://proxy.example:word"])
def test_a_proxy_of_the_environment_that_cannot_be_used_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", variable)
    message = refused(extra='{"proxy": "environment"}')
    assert "its variable https_proxy is not the URL of an HTTP proxy" in message
    assert variable not in message


@pytest.mark.parametrize("extra", ["[1, 2]", '"x"', "5", "true", "{x", "proxy=http://proxy.example"])
def test_an_extra_that_is_no_object_is_refused_and_not_taken_for_none(extra: str) -> None:
    stored = Connection(conn_id="bik_test", conn_type="bik", login=KEY, password=SECRET)
    # As a secrets backend may give it; in its constructor Airflow's class takes no such extra.
    with warnings.catch_warnings():
        # Airflow 2.11 warns that Airflow 3 will not take it.
        warnings.simplefilter("ignore")
        stored.extra = extra
        with pytest.raises(BikConfigError, match=r"'bik_test' has an extra that is not (JSON|a JSON object)"):
            client_settings(cast("Any", stored))


@pytest.mark.parametrize(
    "stored",
    [
        json.dumps(
            {
                "conn_type": "bik",
                "host": "http://127.0.0.1:8787",
                "login": "ke/y",
                "password": "p@ss/w:rd",
                "extra": {"app_id": "app-1", "read_timeout": 5},
            }
        ),
        "bik://ke%2Fy:p%40ss%2Fw%3Ard@http%3A%2F%2F127.0.0.1%3A8787/?app_id=app-1&read_timeout=5",
        "bik://ke%2Fy:p%40ss%2Fw%3Ard@127.0.0.1:8787/http?app_id=app-1&read_timeout=5",
    ],
)
def test_a_uri_and_json_in_the_environment_give_the_same_settings(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_STORED", stored)
    found = BikHook("bik_stored").settings
    assert found.base_url == "http://127.0.0.1:8787"
    assert (found.credentials.key, found.credentials.secret) == ("ke/y", "p@ss/w:rd")
    assert (found.app_id, found.read_timeout) == ("app-1", 5.0)


def test_settings_never_show_credentials() -> None:
    shown = repr(settings(login="the-key", password="the-secret", extra='{"proxy": "http://u:p@proxy.example"}'))
    assert not [word for word in ("the-key", "the-secret", TOKEN, "u:p@") if word in shown]


def test_two_ports_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(BikConfigError, match="has two ports: 8787 in its host and 443 in the field Port"):
        client_settings(
            cast(
                "Any",
                Connection(
                    conn_id="bik",
                    conn_type="bik",
                    host="https://bik.example:8787",
                    port=443,
                    login=KEY,
                    password=SECRET,
                ),
            )
        )
