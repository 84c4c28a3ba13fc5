"""An Airflow Connection becomes `ClientSettings`, or one error that says which field to fix.

Airflow validates nothing of what its connection form, a URI or an environment variable holds, so all of it is done
here.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_bik.client import ClientSettings, Credentials
from airflow_provider_bik.errors import BikConfigError

__all__ = ["DEFAULT_HOST", "EXTRAS", "ConnectionLike", "client_settings"]

DEFAULT_HOST = "https://bikapi.bikayi.app"
"""From BIK's documentation."""

EXTRAS: Mapping[str, str] = {
    "app_id": "BIK's appId, text. Only the connection test needs it.",
    "connect_timeout": "Seconds until a connection must stand; 10 if absent.",
    "read_timeout": "Seconds without a byte of the answer; 60 if absent.",
    "proxy": "URL of an HTTP proxy, or `environment` for the worker's proxy variables; none if absent.",
    "ca_file": "PEM file on the worker with the authorities to trust instead of the system's.",
    "verify": "Whether the server's certificate is checked; `false` is taken for a loopback address only.",
}
"""The extras a Connection may have; any other is refused by name."""

_LONGEST_TIMEOUT = 3600.0
_TRUTH = {"true": True, "false": False}


class ConnectionLike(Protocol):
    """What is read of an Airflow Connection, whichever of Airflow's classes it is."""

    conn_id: str
    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None
    extra: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extras."""


def client_settings(connection: ConnectionLike, shown: str | None = None) -> ClientSettings:
    """Read a Connection.

    Args:
        connection: As Airflow has it.
        shown: What it is called in messages; by default ``Connection`` and its id.

    Raises:
        BikConfigError: A field is missing or wrong; the text names the Connection and the field, never a secret.
    """
    try:
        extras = {key: value for key, value in _extras(connection).items() if value not in (None, "")}
        if unknown := sorted(extras.keys() - EXTRAS.keys()):
            _fail(f"has unknown extras: {', '.join(unknown)}. Known are {', '.join(EXTRAS)}")
        base_url, loopback = _base_url(connection)
        return ClientSettings(
            base_url=base_url,
            credentials=_credentials(connection),
            app_id=_text(extras, "app_id"),
            connect_timeout=_seconds(extras, "connect_timeout", 10.0),
            read_timeout=_seconds(extras, "read_timeout", 60.0),
            proxy=_proxy(_text(extras, "proxy"), base_url),
            ca_file=_text(extras, "ca_file"),
            verify=_verify(extras, loopback=loopback),
        )
    except BikConfigError as error:
        name = shown or f"Connection {connection.conn_id!r}"
        message = f"{name} {error.message}. Nothing was sent; fix the Connection first."
        raise BikConfigError(message) from None


def _extras(connection: ConnectionLike) -> Mapping[str, object]:
    """The extras; Airflow takes what is no JSON for none, and a proxy or an authority would be gone without a word."""
    try:
        found: object = connection.extra_dejson
        written = json.loads(connection.extra) if connection.extra else {}
    except ValueError:
        _fail("has an extra that is not JSON")
    if not isinstance(found, Mapping) or not isinstance(written, Mapping):
        _fail("has an extra that is not a JSON object of names and values")
    return found


def _fail(problem: str) -> NoReturn:
    raise BikConfigError(problem)


def _credentials(connection: ConnectionLike) -> Credentials:
    """Key and secret; or, with the login empty, a ready-made AUTH_TOKEN as BIK's samples show it."""
    key, secret = (connection.login or "").strip(), (connection.password or "").strip()
    if key and secret:
        if ":" in key:
            _fail(
                "has a colon in the API key (login), which HTTP Basic cannot carry; an AUTH_TOKEN goes into the API "
                "secret (password), and the key stays empty"
            )
        return Credentials(key=key, secret=secret)
    if key:
        _fail("has no API secret (password)")
    if not secret:
        _fail("has no API key (login) and no API secret (password); both are in BIK's developer portal")
    if (credentials := Credentials.from_token(secret)) is None:
        _fail(
            "has no API key (login), and its API secret (password) is not an AUTH_TOKEN (base64 of key:secret) either"
        )
    return credentials


def _base_url(connection: ConnectionLike) -> tuple[str, bool]:
    host = (connection.host or "").strip() or DEFAULT_HOST
    written = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    try:
        parts = urlsplit(written)
        port = connection.port or parts.port
        name = parts.hostname
    except ValueError:
        _fail("has a host that is not a URL")
    if (
        parts.scheme not in {"http", "https"}
        or not name
        or parts.username
        or parts.password
        or parts.query
        or parts.fragment
    ):
        _fail("has a host that is not of the form https://name or https://name:port")
    if parts.path.strip("/") not in {"", "integrations"}:
        _fail("has a path in its host; only the name of the host belongs there")
    loopback = _is_loopback(name or "")
    if parts.scheme == "http" and not loopback:
        _fail("asks for plain http, which is taken for a literal loopback address such as http://127.0.0.1:8787 only")
    if connection.port and parts.port and connection.port != parts.port:
        _fail(f"has two ports: {parts.port} in its host and {connection.port} in the field Port. Give one of them")
    shown = f"[{name}]" if ":" in (name or "") else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else ""), loopback


def _is_loopback(name: str) -> bool:
    """Whether it is a literal loopback address; a name could be made to point elsewhere."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _text(extras: Mapping[str, object], name: str) -> str | None:
    value = extras.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        _fail(f"has an extra {name!r} that is not text")
    return str(value).strip() or None


def _seconds(extras: Mapping[str, object], name: str, default: float) -> float:
    value = extras.get(name, default)
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        _fail(f"has an extra {name!r} that is not a number of seconds above 0 and up to {_LONGEST_TIMEOUT:.0f}")
    return seconds


def _verify(extras: Mapping[str, object], *, loopback: bool) -> bool:
    value = extras.get("verify", True)
    verify = _TRUTH.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(verify, bool):
        _fail("has an extra 'verify' that is neither true nor false")
    if not verify and not loopback:
        _fail("switches certificates off (verify=false), which is taken for a loopback address only; use ca_file")
    return bool(verify)


def _proxy(proxy: str | None, base_url: str) -> str | None:
    if proxy is None:
        return None
    if proxy != "environment":
        if not _is_http_url(proxy):
            _fail("has an extra 'proxy' that is not the URL of an HTTP proxy")
        return proxy
    parts = urlsplit(base_url)
    found = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if not found:
        return None
    # Most programs take a proxy without a scheme.
    found = found if "://" in found else f"http://{found}"
    if not _is_http_url(found):
        _fail(
            f"asks for the proxy of the worker's environment, and its variable {parts.scheme}_proxy is not the URL of "
            "an HTTP proxy"
        )
    return found


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
