"""Speaks to the sandbox over a socket, with nothing in between."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_bik.sandbox import Sandbox

PREFIX = "/integrations/bikPlatformFunctions-"
SEND_EVENT = f"{PREFIX}events/sendEvent"
SEND_EVENTS = f"{PREFIX}events/sendEvents"
CHECK = f"{PREFIX}authPartnerViaKey"
PATIENCE = 20.0
"""Seconds before a call is given up: long, for a slow machine is no failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> list[str]:
        return [error["message"] for error in self.json["errors"]]


def basic(user: str = "sandbox-key", password: str = "sandbox-secret") -> str:  # noqa: S107 - made up
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def event(serial: int = 1, **changed: object) -> dict[str, object]:
    """Make BIK's documented sample with a serial number; fields changed to None are left out."""
    made: dict[str, object] = {
        "name": "Name",
        "email": f"test{serial}@bik.ai",
        "phoneNumber": "+19494572787",
        "eventName": "purchasedAProduct",
        "eventProperties": {"orderId": f"order-{serial}", "itemPrice": 500, "currency": "INR"},
        **changed,
    }
    return {name: value for name, value in made.items() if value is not None}


class Caller:
    """A client with one kept-alive connection."""

    def __init__(self, bik: Sandbox, timeout: float = PATIENCE) -> None:
        address = urlsplit(bik.url)
        self.connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=timeout)

    def close(self) -> None:
        self.connection.close()

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        self.connection.request(method, path, raw, {"Authorization": basic(), **(headers or {})})
        response = self.connection.getresponse()
        return Reply(status=response.status, headers=dict(response.headers.items()), body=response.read())

    def send_event(self, one: object) -> Reply:
        return self.call("POST", SEND_EVENT, {"event": one})

    def send_events(self, events: Sequence[object]) -> Reply:
        return self.call("POST", SEND_EVENTS, {"events": events})

    def send_whatever_happens(self, events: Sequence[object]) -> None:
        with suppress(OSError, http.client.HTTPException):
            self.send_events(events)
            return
        self.connection.close()
